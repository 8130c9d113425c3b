/** Sizes and numbers of DRBD (linstor-behaviour §1.4; the figures match the recorded ones). */

const ACTIVITY_LOG = 32;
const SUPERBLOCK = 4;
const BIT_COVERS = 4;

/** KiB of internal metadata for a backing device of `grossKib`. */
function metadataKib(grossKib: number, peers: number): number {
  const bits = Math.ceil(grossKib / BIT_COVERS);
  const bytesPerPeer = Math.ceil(Math.ceil(bits / 8) / 8) * 8;
  const bitmap = Math.ceil((bytesPerPeer * peers) / 4096) * 4;
  return ACTIVITY_LOG + SUPERBLOCK + bitmap;
}

/** KiB the backing device needs so that `netKib` are usable above it. */
export function backingKib(netKib: number, peers = 7): number {
  let gross = netKib + metadataKib(netKib, peers);
  while (gross - metadataKib(gross, peers) < netKib) gross = netKib + metadataKib(gross, peers);
  return gross;
}

/** Lowest number from `first` on that is not taken. */
export function lowestFree(taken: readonly number[], first: number): number {
  const used = new Set(taken);
  let number = first;
  while (used.has(number)) number += 1;
  return number;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

export function randomSecret(length = 20): string {
  return [...crypto.getRandomValues(new Uint8Array(length))].map((byte) => alphabet[byte % 64]).join('');
}

/** Current generation identifier: 64 bits in hexadecimal, no leading zeros. */
export function randomGeneration(): string {
  const words = crypto.getRandomValues(new BigUint64Array(1));
  return ((words[0] ?? 2n) & ~1n).toString(16).toUpperCase();
}
