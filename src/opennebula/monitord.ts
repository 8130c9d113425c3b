import { constants as crypto, publicEncrypt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import type { MiB } from '../units.ts';

/** Usage of VM disks for OpenNebula: in the reply up to 5.10, by datagram to monitord since 5.12 (contract §6.2). */

export interface DiskUsage {
  readonly vmId: number;
  readonly diskId: number;
  readonly sizeMib: MiB;
  readonly snapshots: readonly { readonly id: number; readonly sizeMib: MiB }[];
}

/** Several disks of one VM must be in one block: `DISK_SIZE=[…] SNAPSHOT_SIZE=[…] …`. */
export function usageByVm(usage: readonly DiskUsage[]): Map<number, string> {
  const texts = new Map<number, string[]>();
  for (const disk of usage) {
    const parts = texts.get(disk.vmId) ?? [];
    parts.push(`DISK_SIZE=[ID=${disk.diskId},SIZE=${disk.sizeMib}]`);
    for (const snapshot of disk.snapshots)
      parts.push(`SNAPSHOT_SIZE=[ID=${snapshot.id},DISK_ID=${disk.diskId},SIZE=${snapshot.sizeMib}]`);
    texts.set(disk.vmId, parts);
  }
  return new Map([...texts].map(([vmId, parts]) => [vmId, parts.join(' ')]));
}

/** Lines for the reply of `monitor` (5.8, 5.10). */
export const inBandLines = (usage: readonly DiskUsage[]): string[] =>
  [...usageByVm(usage)].map(([vmId, text]) => `VM=[ID=${vmId},POLL="${text}"]`);

export interface Monitord {
  readonly host: string;
  readonly port: number;
  /** PEM; datagrams are encrypted with it when monitord has one. */
  readonly publicKey?: string;
}

/** Where monitord listens, from the first readable of its configuration files. */
export function findMonitord(env: Readonly<Record<string, string | undefined>>, read = readText): Monitord {
  const location = env['ONE_LOCATION']?.trim();
  const files = location
    ? [`${location}/etc/monitord.conf`]
    : ['/etc/one/monitord.conf', '/var/tmp/one_db/etc/monitord.conf'];
  const text = files.map(read).find((each) => each !== undefined) ?? '';
  const network = /^\s*NETWORK\s*=\s*\[([^\]]*)\]/m.exec(withoutComments(text))?.[1] ?? '';
  const value = (key: string): string | undefined =>
    new RegExp(`\\b${key}\\s*=\\s*"?([^",\\s]*)"?`).exec(network)?.[1];
  const address = value('MONITOR_ADDRESS');
  const keyFile = value('PUBKEY');
  const publicKey = keyFile ? read(keyFile) : undefined;
  return {
    host: address === undefined || address === '' || address === 'auto' ? '127.0.0.1' : address,
    port: Number(value('PORT') ?? 4124) || 4124,
    ...(publicKey ? { publicKey } : {}),
  };
}

const withoutComments = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.replace(/^\s*#.*$/, ''))
    .join('\n');

/** UDP takes 64 KiB; well below that, a datagram also survives a small socket buffer. */
const longestDatagram = 32_000;

/** `MONITOR_VM SUCCESS -1 0 <payload>`: base64 of deflated, possibly encrypted `VM=[…]` texts. As many as are needed. */
export function monitorMessages(usage: readonly DiskUsage[], publicKey?: string): string[] {
  const texts = [...usageByVm(usage)].map(
    ([vmId, text]) => `VM=[ID=${vmId},MONITOR="${Buffer.from(text).toString('base64')}"]`,
  );
  return packed(texts, publicKey);
}

function packed(texts: readonly string[], publicKey: string | undefined): string[] {
  if (texts.length === 0) return [];
  const message = `MONITOR_VM SUCCESS -1 0 ${payload(texts.join(' '), publicKey)}\n`;
  if (message.length <= longestDatagram || texts.length === 1) return [message];
  const half = Math.ceil(texts.length / 2);
  return [...packed(texts.slice(0, half), publicKey), ...packed(texts.slice(half), publicKey)];
}

function payload(text: string, publicKey: string | undefined): string {
  const plain = Buffer.from(text);
  return deflateSync(publicKey ? encrypted(plain, publicKey) : plain).toString('base64');
}

/** PKCS#1 v1.5 takes 11 bytes less than the modulus (contract §6.2). */
function encrypted(plain: Buffer, publicKey: string): Buffer {
  const key = { key: publicKey, padding: crypto.RSA_PKCS1_PADDING };
  const modulus = publicEncrypt(key, Buffer.alloc(1)).length;
  const chunks: Buffer[] = [];
  for (let at = 0; at < plain.length; at += modulus - 11)
    chunks.push(publicEncrypt(key, plain.subarray(at, at + modulus - 11)));
  return Buffer.concat(chunks);
}

/** Best effort, as datagrams are: usage is informational and never worth a failed capacity report. */
export async function sendToMonitord(target: Monitord, messages: readonly string[]): Promise<void> {
  if (messages.length === 0) return;
  const socket = createSocket(target.host.includes(':') ? 'udp6' : 'udp4');
  try {
    for (const message of messages) {
      await new Promise<void>((resolve, reject) => {
        socket.send(message, target.port, target.host, (error) => (error ? reject(error) : resolve()));
      });
    }
  } finally {
    socket.close();
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
