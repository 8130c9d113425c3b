import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Images for tests, made on the spot: what they hold is known byte by byte. */

export const MiB = 1024 * 1024;

/** Pseudo-random bytes; the same for the same seed. */
export function noise(length: number, seed = 1): Buffer {
  const data = Buffer.alloc(length);
  let state = seed * 2654435761 + 1;
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data.writeUInt32LE(state, at);
  }
  return data;
}

export function temporary(): string {
  return mkdtempSync(join(tmpdir(), 'linstor_un-transfer-'));
}

export function run(...argv: string[]): string {
  const result = Bun.spawnSync(argv, { stdin: 'ignore' });
  if (!result.success) throw new Error(`${argv.join(' ')}: ${result.stderr.toString()}`);
  return result.stdout.toString();
}

/** A sparse raw image: some MiB with data at places that are no multiples of anything large. */
export function sparseImage(path: string, size = 40 * MiB): string {
  writeFileSync(path, '');
  truncateSync(path, size);
  const fd = openSync(path, 'r+');
  const pieces: [number, number][] = [
    [0, 4096],
    [512 * 1024 + 512, 3000],
    [3 * MiB + 4096, 2 * MiB],
    [17 * MiB - 100, 200],
    [size - 5000, 5000],
  ];
  for (const [index, [at, length]] of pieces.entries()) {
    if (at >= 0 && at + length <= size) writeSync(fd, noise(length, index + 1), 0, length, at);
  }
  closeSync(fd);
  return path;
}

/** A target as a file outside /dev, full of somebody else's old data. */
export function dirtyDevice(path: string, size: number): string {
  writeFileSync(path, noise(size, 77));
  return path;
}

export function zeroDeviceFile(path: string, size: number): string {
  writeFileSync(path, '');
  truncateSync(path, size);
  return path;
}

/** The image, then zeroes up to the device's end. */
export function holdsExactly(device: string, image: Buffer): boolean {
  const data = readFileSync(device);
  return (
    data.subarray(0, image.length).equals(image) && data.subarray(image.length).every((byte) => byte === 0)
  );
}

/** Overwrites bytes of a file. */
export function patch(path: string, at: number, data: Uint8Array | string): void {
  const fd = openSync(path, 'r+');
  const buffer = Buffer.from(data as string);
  writeSync(fd, buffer, 0, buffer.length, at);
  closeSync(fd);
}

export function u32be(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value >>> 0);
  return buffer;
}

export function u64be(value: number | bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt(value));
  return buffer;
}

export function u64le(value: number | bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}
