import { readSync } from 'node:fs';
import { DriverError } from '../errors.ts';
import type { Bytes } from '../units.ts';
import type { ImageFormat } from './formats.ts';

/**
 * Tables that say where an image's data lie. When they themselves lie behind the end of the file, qemu-img reads zeroes there, takes
 * all that they should describe for empty, and neither `check` nor `map` says a word; when one serves again and again, a small file
 * keeps it busy for days. And sizes that are told twice: the smaller one would win without a word. VDI needs nothing here: its
 * tables are checked by qemu-img.
 */

const sector = 512;

function cutOff(what: string): DriverError {
  return new DriverError('IMAGE_FORMAT', `the image is cut off: ${what} lies behind the end of the file`, {
    remedy: 'the file is damaged or was cut off; fetch it again',
  });
}

function twice(what: string): DriverError {
  return new DriverError(
    'IMAGE_HOSTILE',
    `the image is refused: ${what} serves for more than one part of it`,
  );
}

function twoSizes(one: number, other: number): DriverError {
  return new DriverError(
    'IMAGE_SIZE',
    `the image says in one place that it is ${one} bytes large, in another ${other}`,
    { remedy: 'convert it to qcow2 where it was made, and compare what it holds' },
  );
}

function view(fd: number, at: number, length: number, what: string): DataView {
  const data = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const count = readSync(fd, data, filled, length - filled, at + filled);
    if (count === 0) throw cutOff(what);
    filled += count;
  }
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

/** So many entries are read at once. */
const batch = 64 * 1024;

/** Grain directory → grain tables, of the header that counts: a stream-optimised image ends with it. */
function checkVmdk(fd: number, fileBytes: Bytes): void {
  const directory = 'its grain directory';
  const magic = 0x564d444b;
  let header = view(fd, 0, sector, directory);
  if (header.getBigUint64(56, true) === 2n ** 64n - 1n) {
    header = view(fd, Math.max(0, fileBytes - 2 * sector), sector, directory);
    if (header.getUint32(0, true) !== magic) throw cutOff('its footer');
  }
  const [capacity, grain] = [Number(header.getBigUint64(12, true)), Number(header.getBigUint64(20, true))];
  const perTable = header.getUint32(44, true);
  const start = Number(header.getBigUint64(56, true)) * sector;
  const told = Number(view(fd, 0, sector, directory).getBigUint64(12, true));
  if (told !== capacity) throw twoSizes(told * sector, capacity * sector);
  if (grain === 0 || perTable === 0) throw new DriverError('IMAGE_FORMAT', 'the VMDK header is damaged');
  const count = Math.ceil(capacity / (grain * perTable));
  if (start + count * 4 > fileBytes) throw cutOff(directory);
  const known = new Set<number>();
  for (let first = 0; first < count; first += batch) {
    const entries = Math.min(batch, count - first);
    const data = view(fd, start + first * 4, entries * 4, directory);
    for (let index = 0; index < entries; index += 1) {
      const at = data.getUint32(index * 4, true) * sector;
      if (at !== 0 && at + perTable * 4 > fileBytes) throw cutOff('a grain table');
      if (at === 0) continue;
      if (known.has(at)) throw twice('a grain table');
      known.add(at);
    }
  }
}

/** qemu-img check counts what is referred to twice, but only after it has gone through all of it. */
function checkQcow2(fd: number, fileBytes: Bytes): void {
  const what = 'its table of tables';
  const header = view(fd, 0, 104, 'its header');
  const [count, start] = [header.getUint32(36), Number(header.getBigUint64(40))];
  if (start + count * 8 > fileBytes) throw cutOff(what);
  const known = new Set<bigint>();
  for (let first = 0; first < count; first += batch) {
    const entries = Math.min(batch, count - first);
    const data = view(fd, start + first * 8, entries * 8, what);
    for (let index = 0; index < entries; index += 1) {
      const at = data.getBigUint64(index * 8) & 0x00ff_ffff_ffff_fe00n;
      if (at === 0n) continue;
      if (known.has(at)) throw twice('a table');
      known.add(at);
    }
  }
}

/** The footer stands at the beginning and at the end. */
function checkVpc(fd: number, fileBytes: Bytes): void {
  const [first, last] = [
    view(fd, 0, sector, 'its header'),
    view(fd, fileBytes - sector, sector, 'its footer'),
  ];
  const [one, other] = [first, last].map((footer) => Number(footer.getBigUint64(48)));
  // "conectix". Without a footer it is cut off, and that is what qemu-img finds.
  const isFooter = last.getBigUint64(0) === 0x636f_6e65_6374_6978n;
  if (isFooter && one !== undefined && other !== undefined && one !== other) throw twoSizes(one, other);
}

/** The regions of the first region table, which is the one that qemu-img reads. Blocks are whole; qemu-img counts in sectors. */
function checkVhdx(fd: number, fileBytes: Bytes): void {
  if (fileBytes % sector !== 0) throw cutOff('the end of its last sector');
  const at = 192 * 1024;
  const table = view(fd, at, 64 * 1024, 'its region table');
  for (let index = 0; index < Math.min(table.getUint32(8, true), 64); index += 1) {
    const entry = 16 + index * 32;
    const end = Number(table.getBigUint64(entry + 16, true)) + table.getUint32(entry + 24, true);
    if (end > fileBytes) throw cutOff('a region');
  }
}

/** Throws IMAGE_FORMAT. qemu-img has accepted the header. */
export function checkTables(fd: number, format: ImageFormat, fileBytes: Bytes): void {
  if (format === 'vmdk') checkVmdk(fd, fileBytes);
  if (format === 'qcow2') checkQcow2(fd, fileBytes);
  if (format === 'vpc') checkVpc(fd, fileBytes);
  if (format === 'vhdx') checkVhdx(fd, fileBytes);
}
