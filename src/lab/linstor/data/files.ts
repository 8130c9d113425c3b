import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The bytes behind the volumes: real files below the lab's directory. A device node is a hard link to the
 * image, so that the image can be removed, linked and copied while somebody holds the device open – as
 * with real devices. Replicas of a DRBD volume are links to one file: all nodes read the same bytes.
 */

const MIB = 1024 * 1024;
/** A large thick volume gets old content only at its ends: writing terabytes of it proves no more. */
const GARBAGE_ENDS = 64 * MIB;

export const imageName = (definition: string, number: number, suffix = ''): string =>
  `${definition}_${String(number).padStart(5, '0')}${suffix}.img`;

export function imagePath(root: string, node: string, pool: string, name: string): string {
  return join(root, 'pools', node, pool, name);
}

export function devicePath(root: string, node: string, name: string): string {
  return join(root, 'dev', node, name);
}

/** What udev makes of DRBD's devices, beside them; with `byRes` shown on that node as `/dev/drbd`. */
export const udevPath = (root: string, node: string): string => devicePath(root, node, 'drbd');

const byResPath = (root: string, node: string, definition: string, number: number): string =>
  join(udevPath(root, node), 'by-res', definition, String(number));

/** `/dev/drbd/by-res/<definition>/<number>`. */
export function linkByRes(
  root: string,
  node: string,
  definition: string,
  number: number,
  device: string,
): void {
  const path = byResPath(root, node, definition, number);
  prepare(path);
  rmSync(path, { force: true });
  symlinkSync(device, path);
}

export function unlinkByRes(root: string, node: string, definition: string, number: number): void {
  const path = byResPath(root, node, definition, number);
  rmSync(path, { force: true });
  try {
    rmdirSync(dirname(path));
  } catch {
    // Another volume's link is in it, or there never was one.
  }
}

function prepare(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
}

/** New image. Thin reads as zero, thick holds what was there before. */
export function createImage(path: string, sizeKib: number, garbage: boolean): void {
  prepare(path);
  const file = openSync(path, 'w', 0o600);
  try {
    if (garbage) writeGarbage(file, sizeKib * 1024);
    ftruncateSync(file, sizeKib * 1024);
  } finally {
    closeSync(file);
  }
}

/** Recognisable, never zero, different in every 512-byte sector. */
function garbageBlock(offset: number): Uint8Array {
  const block = new Uint8Array(MIB);
  for (let sector = 0; sector < MIB; sector += 512) {
    const number = (offset + sector) / 512;
    block.fill(0xa5, sector, sector + 512);
    block.set([0xde, 0xad, number & 0xff, (number >> 8) & 0xff, (number >> 16) & 0xff], sector);
  }
  return block;
}

function writeGarbage(file: number, size: number, from = 0): void {
  const whole = size - from <= 4 * GARBAGE_ENDS;
  for (let offset = from; offset < size; offset += MIB) {
    if (!whole && offset >= from + GARBAGE_ENDS && offset < size - GARBAGE_ENDS) continue;
    writeSync(file, garbageBlock(offset), 0, Math.min(MIB, size - offset), offset);
  }
}

export function linkImage(existing: string, path: string): void {
  prepare(path);
  rmSync(path, { force: true });
  linkSync(existing, path);
}

/** Copies content into `to`, keeping its inode when it is there (its links see the new bytes). */
export async function copyImage(from: string, to: string): Promise<void> {
  prepare(to);
  const copy = Bun.spawn(['cp', '--reflink=auto', '--sparse=always', '--', from, to], {
    stdout: 'ignore',
    stderr: 'pipe',
  });
  if ((await copy.exited) !== 0)
    throw new Error(`copy ${from} to ${to}: ${await new Response(copy.stderr).text()}`);
}

/**
 * Grows or truncates: a plain storage volume loses what was behind its new end (linstor-behaviour §3.8). `garbage`: what is new holds what
 * the pool held there before.
 */
export function resizeImage(path: string, sizeKib: number, garbage: boolean): void {
  const file = openSync(path, 'r+');
  try {
    const before = fstatSync(file).size;
    ftruncateSync(file, sizeKib * 1024);
    if (garbage) writeGarbage(file, sizeKib * 1024, before);
  } finally {
    closeSync(file);
  }
}

export function removeImage(path: string | undefined): void {
  if (path !== undefined) rmSync(path, { force: true });
}

export const imageExists = (path: string | undefined): path is string =>
  path !== undefined && existsSync(path);
