import { DriverError } from '../errors.ts';
import { type Bytes, bytes, humanSize } from '../units.ts';

/**
 * What the first bytes of an image say. Read by ourselves before any other program sees the file: a header can name
 * other files (backing file, data file, extents), and a program that merely looks at such an image
 * opens them.
 */

export type ImageFormat = 'raw' | 'qcow2' | 'vmdk' | 'vdi' | 'vhdx' | 'vpc';

export interface ImageHead {
  readonly format: ImageFormat;
  /** Absent for raw (the length of the data) and where the header does not hold it. */
  readonly virtualBytes?: Bytes;
}

/** So much of the beginning decides: VHDX keeps its size up to some MiB into the file. */
export const headBytes = 4 * 1024 * 1024;

/** DRBD's and LINSTOR's own limit; what claims more is a lie or a joke. */
const largest = 2 ** 50;

const hostile = (what: string): DriverError =>
  new DriverError('IMAGE_HOSTILE', `the image is refused: ${what}`);
const unsupported = (what: string): DriverError => new DriverError('IMAGE_FORMAT', what);

class Head {
  readonly #data: Uint8Array;
  readonly #view: DataView;

  constructor(data: Uint8Array) {
    this.#data = data;
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get length(): number {
    return this.#data.length;
  }

  /** Throws IMAGE_FORMAT when the file ends before. */
  #need(at: number, count: number): number {
    if (at + count > this.#data.length) throw unsupported('the image’s header is cut off');
    return at;
  }

  u16 = (at: number, little = false): number => this.#view.getUint16(this.#need(at, 2), little);
  u32 = (at: number, little = false): number => this.#view.getUint32(this.#need(at, 4), little);

  u64(at: number, little = false): number {
    return Number(this.#view.getBigUint64(this.#need(at, 8), little));
  }

  text(at: number, count: number): string {
    return Buffer.from(this.#data.subarray(at, at + count)).toString('latin1');
  }

  starts(magic: string, at = 0): boolean {
    return this.text(at, magic.length) === magic;
  }

  isZero(at: number, count: number): boolean {
    return this.#data.subarray(this.#need(at, count), at + count).every((byte) => byte === 0);
  }
}

function sized(size: number): Bytes {
  if (size > largest) {
    throw new DriverError(
      'IMAGE_SIZE',
      `the image claims to be ${humanSize(bytes(size))} large, more than any volume can be`,
    );
  }
  return bytes(size);
}

function qcow2(head: Head): ImageHead {
  const version = head.u32(4);
  if (version !== 2 && version !== 3) throw unsupported(`qcow version ${version} is not supported`);
  if (head.u64(8) !== 0) throw hostile('its qcow2 header names a backing file');
  if (head.u32(32) !== 0) throw unsupported('encrypted qcow2 images are not supported');
  if (version === 3) {
    const features = Number(BigInt.asUintN(32, BigInt(head.u32(76))));
    if ((features & 4) !== 0) throw hostile('its qcow2 header names an external data file');
    if ((features & 2) !== 0) throw unsupported('the qcow2 image is marked as corrupt');
  }
  checkExtensions(head, version === 3 ? head.u32(100) : 72);
  return { format: 'qcow2', virtualBytes: sized(head.u64(24)) };
}

/** Header extensions: a list of (type, length, data padded to 8), ended by type 0. */
function checkExtensions(head: Head, start: number): void {
  for (let at = start, count = 0; at + 8 <= Math.min(head.length, 2 * 1024 * 1024); count += 1) {
    const type = head.u32(at);
    if (type === 0) return;
    if (type === 0x44415441) throw hostile('its qcow2 header names an external data file');
    if (count > 64) throw unsupported('the qcow2 image’s header extensions have no end');
    at += 8 + Math.ceil(head.u32(at + 4) / 8) * 8;
  }
}

function vmdk(head: Head): ImageHead {
  const capacity = head.u64(12, true);
  const descriptorAt = head.u64(28, true) * 512;
  // Without a capacity the embedded descriptor's own list of files would be used.
  if (capacity === 0) throw hostile('its VMDK header refers to a list of other files');
  if (descriptorAt !== 0) {
    const descriptor = head.text(descriptorAt, Math.min(head.u64(36, true) * 512, 64 * 1024));
    const parent = /^\s*parentCID\s*=\s*([0-9a-f]+)/im.exec(descriptor)?.[1];
    if (parent !== undefined && !/^f{8}$/i.test(parent))
      throw hostile('its VMDK header names a parent image');
    if (/^\s*parentFileNameHint\s*=/im.test(descriptor))
      throw hostile('its VMDK header names a parent image');
    const type = /^\s*createType\s*=\s*"([^"]*)"/im.exec(descriptor)?.[1];
    if (type !== undefined && type !== 'monolithicSparse' && type !== 'streamOptimized') {
      throw hostile(`a VMDK of type ${JSON.stringify(type.slice(0, 40))} consists of several files`);
    }
    const extents = [...descriptor.matchAll(/^\s*(?:RW|RDONLY|NOACCESS)\s+(\d+)\s/gim)];
    const told = extents.reduce((sum, [, sectors]) => sum + Number(sectors), 0);
    // A stream that was not finished when its header was written says 0 there.
    if (extents.length > 0 && told !== capacity && told !== 0) {
      throw new DriverError(
        'IMAGE_SIZE',
        `the VMDK header says ${capacity * 512} bytes, its description ${told * 512}`,
        { remedy: 'convert it to qcow2 where it was made, and compare what it holds' },
      );
    }
  }
  return { format: 'vmdk', virtualBytes: sized(capacity * 512) };
}

function vdi(head: Head): ImageHead {
  const type = head.u32(0x4c, true);
  if (type !== 1 && type !== 2) throw hostile('it is a VDI image that builds on another one');
  // UUIDs of the linked and the parent image.
  if (!head.isZero(0x1a8, 16) || !head.isZero(0x1b8, 16))
    throw hostile('its VDI header names a parent image');
  return { format: 'vdi', virtualBytes: sized(head.u64(0x170, true)) };
}

function vpc(head: Head): ImageHead {
  const type = head.u32(60);
  if (type === 4) throw hostile('it is a VHD image that builds on another one');
  if (type !== 3) throw unsupported(`VHD images of type ${type} are not supported`);
  return { format: 'vpc', virtualBytes: sized(head.u64(48)) };
}

const metadataRegion = '06a27c8b90479a4bb8fe575f050f886e';
const fileParameters = '3767a1ca36fa434db3b633f0aa44e76b';
const virtualDiskSize = '2442a52f1bcd7648b2115dbed83bf4b8';
const logicalSector = '1dbf41816fa90947ba47f233a8faab5f';
const guid = (head: Head, at: number): string => Buffer.from(head.text(at, 16), 'latin1').toString('hex');

/** Region table at 192 KiB → metadata region → items. Where it lies beyond the head, qemu-img tells the size. */
function vhdx(head: Head): ImageHead {
  const table = 192 * 1024;
  if (!head.starts('regi', table)) throw unsupported('the VHDX image has no region table');
  for (let index = 0; index < Math.min(head.u32(table + 8, true), 64); index += 1) {
    const at = table + 16 + index * 32;
    if (guid(head, at) === metadataRegion) return vhdxMetadata(head, head.u64(at + 16, true));
  }
  throw unsupported('the VHDX image has no metadata region');
}

function vhdxMetadata(head: Head, region: number): ImageHead {
  if (region + 64 * 1024 > head.length) return { format: 'vhdx' };
  let size: Bytes | undefined;
  for (let index = 0; index < Math.min(head.u16(region + 10, true), 64); index += 1) {
    const at = region + 32 + index * 32;
    const item = region + head.u32(at + 16, true);
    const id = guid(head, at);
    if (id === fileParameters && (head.u32(item + 4, true) & 2) !== 0) {
      throw hostile('it is a VHDX image that builds on another one');
    }
    if (id === logicalSector && head.u32(item, true) !== 512) {
      throw unsupported(`VHDX images with sectors of ${head.u32(item, true)} bytes are not supported`);
    }
    if (id === virtualDiskSize) size = sized(head.u64(item, true));
  }
  return { format: 'vhdx', ...(size === undefined ? {} : { virtualBytes: size }) };
}

type Reader = (head: Head) => ImageHead;
const refuse =
  (what: string): Reader =>
  () => {
    throw unsupported(what);
  };

/** In order; the first that fits decides. Nothing fits: raw. */
const table: readonly { readonly magic: string; readonly at?: number; readonly read: Reader }[] = [
  { magic: 'QFI\xfb', read: qcow2 },
  { magic: 'KDMV', read: vmdk },
  { magic: 'COWD', read: refuse('VMDK images of ESX 3 (COWD) are not supported') },
  {
    magic: '# Disk DescriptorFile',
    read: () => {
      throw hostile('it is a VMDK descriptor, which only names other files');
    },
  },
  { magic: '\x7f\x10\xda\xbe', at: 0x40, read: vdi },
  { magic: 'vhdxfile', read: vhdx },
  { magic: 'conectix', read: vpc },
  { magic: 'QED\0', read: refuse('QED images are not supported') },
  { magic: 'WithoutFreeSpace', read: refuse('Parallels images are not supported') },
  { magic: 'WithouFreSpacExt', read: refuse('Parallels images are not supported') },
  { magic: 'Bochs Virtual HD Image', read: refuse('Bochs images are not supported') },
  { magic: 'PK\x03\x04', read: refuse('it is a ZIP archive, not an image; unpack it first') },
  { magic: 'ustar', at: 257, read: refuse('it is a tar archive (an OVA?), not an image; unpack it first') },
  { magic: '\x1f\x8b\x08', read: refuse('it is compressed twice; unpack it first') },
  { magic: 'BZh', read: refuse('it is compressed twice; unpack it first') },
  { magic: '\xfd7zXZ\0', read: refuse('it is compressed twice; unpack it first') },
  { magic: '\x28\xb5\x2f\xfd', read: refuse('it is compressed twice; unpack it first') },
  { magic: '7z\xbc\xaf\x27\x1c', read: refuse('it is a 7z archive, not an image; unpack it first') },
  { magic: 'Rar!\x1a\x07', read: refuse('it is a RAR archive, not an image; unpack it first') },
  {
    magic: '\x04\x22\x4d\x18',
    read: refuse('it is compressed with lz4; unpack it, or use gz, bz2, xz, zstd'),
  },
];

/**
 * Format and virtual size by the image's first bytes (`headBytes` of them, fewer for a smaller image).
 * `packed: 'as is'` for a datastore with NO_DECOMPRESS: an archive is then plain data.
 *
 * Throws IMAGE_HOSTILE for references to other files, IMAGE_FORMAT for what cannot be imported, IMAGE_SIZE.
 */
export function readHead(data: Uint8Array, packed: 'refused' | 'as is' = 'refused'): ImageHead {
  const head = new Head(data);
  const found = table.find(({ magic, at = 0 }) => head.starts(magic, at));
  const archive =
    found !== undefined && table.indexOf(found) >= table.findIndex(({ magic }) => magic === 'PK\x03\x04');
  if (!found || (archive && packed === 'as is')) return { format: 'raw' };
  const result = found.read(head);
  if (result.virtualBytes === 0)
    throw new DriverError('IMAGE_SIZE', `the ${result.format} image is 0 bytes large`);
  return result;
}

export type Packing = 'none' | 'gzip' | 'bzip2' | 'xz' | 'zstd';

/** How the published file is compressed; by its first bytes, never by its name. */
export function packingOf(data: Uint8Array): Packing {
  const head = new Head(data);
  if (head.starts('\x1f\x8b')) return 'gzip';
  if (head.starts('BZh')) return 'bzip2';
  if (head.starts('\xfd7zXZ\0')) return 'xz';
  // A skippable frame, with which pzstd's files begin.
  const skippable = head.starts('\x2a\x4d\x18', 1) && head.length > 0 && (data[0] ?? 0) >> 4 === 5;
  return skippable || head.starts('\x28\xb5\x2f\xfd') ? 'zstd' : 'none';
}
