import { createCipheriv } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { requireSuccess, runMeasured } from '../process.ts';

export interface Source {
  readonly name: string;
  readonly path: string;
  readonly kind: 'raw' | 'image' | 'gzip';
  /** What the device must hold afterwards. */
  readonly raw: string;
  readonly bytes: number;
}

const mib = 2 ** 20;

/** As in the field: a disk of 4 GiB with a tenth of it in use, the same as qcow2, and one that is full. */
export async function makeSources(directory: string, share: number): Promise<Source[]> {
  const sparse = join(directory, 'sparse.raw');
  const full = join(directory, 'full.raw');
  const bytes = Math.round(4096 * share) * mib;
  const fullBytes = Math.round(1024 * share) * mib;
  writeData(sparse, bytes, 0.1);
  writeData(full, fullBytes, 1);
  const qcow2 = join(directory, 'image.qcow2');
  const packed = join(directory, 'packed.qcow2');
  const gzip = join(directory, 'sparse.raw.gz');
  await tool(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', sparse, qcow2]);
  await tool(['qemu-img', 'convert', '-c', '-f', 'raw', '-O', 'qcow2', sparse, packed]);
  await tool(['bash', '-c', 'gzip -1 <"$1" >"$2"', 'gzip', sparse, gzip]);
  return [
    { name: 'raw, a tenth used', path: sparse, kind: 'raw', raw: sparse, bytes },
    { name: 'raw, full', path: full, kind: 'raw', raw: full, bytes: fullBytes },
    { name: 'qcow2', path: qcow2, kind: 'image', raw: sparse, bytes },
    { name: 'qcow2, compressed', path: packed, kind: 'image', raw: sparse, bytes },
    { name: 'gz of raw', path: gzip, kind: 'gzip', raw: sparse, bytes },
  ];
}

/** In pieces of 1 MiB, evenly spread; every other one is text-like, so that compression has something to do. Always the same data. */
function writeData(path: string, bytes: number, used: number): void {
  const file = openSync(path, 'w');
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  const zeroes = Buffer.alloc(mib);
  const pieces = Math.round((bytes / mib) * used);
  for (let index = 0; index < pieces; index += 1) {
    const random = cipher.update(zeroes);
    const piece = index % 2 === 0 ? random : Buffer.alloc(mib, random.toString('hex', 0, 2048));
    writeSync(file, piece, 0, mib, Math.floor((index * bytes) / pieces / mib) * mib);
  }
  ftruncateSync(file, bytes);
  closeSync(file);
}

async function tool(argv: readonly string[]): Promise<void> {
  requireSuccess(argv.join(' '), await runMeasured({ argv, env: { PATH: process.env['PATH'] ?? '' } }));
}
