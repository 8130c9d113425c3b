import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { closeSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../../src/errors.ts';
import { importImage } from '../../src/transfer/import.ts';
import { openImageFile } from '../../src/transfer/path-policy.ts';
import { probeFile } from '../../src/transfer/probe.ts';
import { virtualSize } from '../../src/transfer/vsize.ts';
import { bytes, mib } from '../../src/units.ts';
import { fakeHosts } from '../hosts/fake-hosts.ts';
import { device as deviceOf } from '../support/device.ts';
import { MiB, patch, run, sparseImage, temporary, u32be, u64be, u64le, zeroDeviceFile } from './images.ts';
import { anywhere } from './work.ts';

/** Images that say their size twice, and small files that claim to be a lot of data. */

setDefaultTimeout(180_000);

const policy = { safeDirs: ['/'], restrictedDirs: [] };
let dir: string;
let raw: Buffer;
beforeAll(() => {
  dir = temporary();
  raw = readFileSync(sparseImage(join(dir, 'raw'), 12 * MiB + 5 * 512));
  // What tells at the very end that nothing of it is missing.
  raw.write('the end', raw.length - 512);
  writeFileSync(join(dir, 'raw'), raw);
  run('qemu-img', 'convert', '-O', 'vpc', '-o', 'force_size=on', join(dir, 'raw'), join(dir, 'vpc'));
  run('qemu-img', 'convert', '-O', 'vmdk', join(dir, 'raw'), join(dir, 'vmdk'));
  run('qemu-img', 'convert', '-O', 'qcow2', join(dir, 'raw'), join(dir, 'qcow2'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const copyOf = (name: string): string => {
  const path = join(dir, 'copy');
  writeFileSync(path, readFileSync(join(dir, name)));
  return path;
};

/** Both copies of a VHD's footer, with its sum made right. */
function changeFooters(
  path: string,
  change: (footer: Buffer) => void,
  which: readonly ('first' | 'last')[],
): void {
  const data = readFileSync(path);
  for (const one of which) {
    const footer = data.subarray(one === 'first' ? 0 : data.length - 512).subarray(0, 512);
    change(footer);
    footer.writeUInt32BE(0, 64);
    footer.writeUInt32BE(~footer.reduce((sum, byte) => sum + byte, 0) >>> 0, 64);
  }
  writeFileSync(path, data);
}

async function judged(path: string): Promise<string> {
  const file = openImageFile(path, policy);
  try {
    await probeFile(file.fd, file.bytes, { thorough: true });
    return 'accepted';
  } catch (error) {
    if (error instanceof DriverError) return error.code;
    throw error;
  } finally {
    file.close();
  }
}

describe('a size that is said twice', () => {
  for (const creator of ['vbox', 'vpc ', 'qemu', 'win ']) {
    test(`VHD of ${JSON.stringify(creator)}, whose cylinders and heads come out smaller: all of it is imported`, async () => {
      const path = copyOf('vpc');
      // 300 × 4 × 17 sectors of the 24581.
      const change = (footer: Buffer): void => {
        footer.write(creator, 28, 'latin1');
        footer.writeUInt16BE(300, 56);
        footer.set([4, 17], 58);
      };
      changeFooters(path, change, ['first', 'last']);
      const request = { path, policy, addresses: anywhere };
      expect(await virtualSize(request, { stagingDir: dir })).toBe(mib(13));
      const fake = fakeHosts();
      try {
        for (const host of ['host1', 'frontend']) {
          const device = zeroDeviceFile(join(dir, 'device'), 13 * MiB);
          const target = { host, ...deviceOf(device), bytes: bytes(13 * MiB), readsZero: true };
          await importImage(fake.hosts, request, target, { env: fake.env, stagingDir: dir, verify: true });
          expect(readFileSync(device).subarray(0, raw.length).equals(raw)).toBe(true);
        }
      } finally {
        fake.remove();
      }
    });
  }

  test('VHD whose two footers differ', async () => {
    const path = copyOf('vpc');
    changeFooters(path, (footer) => footer.set(u64be(64 * MiB), 48), ['last']);
    expect(await judged(path)).toBe('IMAGE_SIZE');
  });

  test('VMDK whose description says another size than its header', async () => {
    const path = copyOf('vmdk');
    const text = readFileSync(path, 'latin1');
    const at = text.indexOf('RW 24');
    patch(path, at, 'RW 29');
    expect(await judged(path)).toBe('IMAGE_SIZE');
  });
});

/** 2 TiB in 384 KiB: each entry of the directory leads to one table, each of its entries to one grain. */
function vmdkBomb(path: string, tables: number): void {
  const sectors = 2 ** 32;
  const directory = sectors / (128 * 512);
  const data = 2048;
  const header = Buffer.alloc(512);
  header.write('KDMV');
  for (const [at, value] of [
    [4, 1],
    [8, 3],
    [44, 512],
  ] as const)
    header.writeUInt32LE(value, at);
  for (const [at, value] of [
    [12, sectors],
    [20, 128],
    [28, 1],
    [36, 20],
    [48, 32],
    [56, 32],
    [64, data],
  ] as const)
    header.set(u64le(value), at);
  header.set([0, 10, 32, 13, 10], 72);
  const fd = openSync(path, 'w');
  writeSync(fd, header, 0, 512, 0);
  const text = `# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicSparse"\nRW ${sectors} SPARSE "x.vmdk"\n`;
  writeSync(fd, Buffer.from(text), 0, text.length, 512);
  const entries = Buffer.alloc(directory * 4);
  for (let index = 0; index < directory; index += 1)
    entries.writeUInt32LE(600 + (index % tables) * 4, index * 4);
  writeSync(fd, entries, 0, entries.length, 32 * 512);
  const grains = Buffer.alloc(2048);
  for (let index = 0; index < 512; index += 1) grains.writeUInt32LE(data, index * 4);
  for (let table = 0; table < Math.min(tables, 300); table += 1)
    writeSync(fd, grains, 0, 2048, (600 + table * 4) * 512);
  writeSync(fd, Buffer.alloc(65536, 'x'), 0, 65536, data * 512);
  closeSync(fd);
}

describe('little that claims to be much', () => {
  test('a VMDK that shows one table, or one grain, over and over', async () => {
    vmdkBomb(join(dir, 'bomb'), 1);
    expect(statSync(join(dir, 'bomb')).size).toBeLessThan(2 * MiB);
    expect(await judged(join(dir, 'bomb'))).toBe('IMAGE_HOSTILE');
    expect(await judged(join(dir, 'bomb'))).toBe('IMAGE_HOSTILE');
  });

  test('a qcow2 whose tables or clusters serve twice', async () => {
    const path = copyOf('qcow2');
    const data = readFileSync(path);
    const l1 = Number(data.readBigUInt64BE(40));
    patch(path, 24, u64be(4 * 2 ** 40));
    patch(path, 36, u32be(8192));
    const entry = data.readBigUInt64BE(l1);
    for (let index = 0; index < 8192; index += 1) patch(path, l1 + index * 8, u64be(entry));
    expect(await judged(path)).toBe('IMAGE_HOSTILE');
  });

  test('a VHD whose table names one block for all', async () => {
    run('qemu-img', 'create', '-q', '-f', 'vpc', '-o', 'force_size=on', join(dir, 'large'), '1T');
    run('qemu-io', '-f', 'vpc', '-c', 'write 0 2M', join(dir, 'large'));
    const data = readFileSync(join(dir, 'large'));
    const table = Number(data.readBigUInt64BE(512 + 16));
    const block = data.readUInt32BE(table);
    for (let index = 1; index < 2 ** 19; index += 1) data.writeUInt32BE(block, table + index * 4);
    writeFileSync(join(dir, 'large'), data);
    expect(await judged(join(dir, 'large'))).toBe('IMAGE_HOSTILE');
    rmSync(join(dir, 'large'));
  });

  test('stat does not put gigabytes aside for a size that stands far behind', async () => {
    const path = join(dir, 'far.vhdx');
    run('qemu-img', 'create', '-q', '-f', 'vhdx', path, '64M');
    // The metadata region lies at 2 MiB; its entry says 600 MiB.
    const data = readFileSync(path);
    const guid = Buffer.from('06a27c8b90479a4bb8fe575f050f886e', 'hex');
    patch(path, data.indexOf(guid, 192 * 1024) + 16, u64le(600 * MiB));
    const packed = `${path}.gz`;
    // More than are looked through, and not much when it is packed.
    Bun.spawnSync([
      'bash',
      '-c',
      '{ cat "$1"; head -c 260M /dev/zero; } | gzip -1 >"$2"',
      'test',
      path,
      packed,
    ]);
    const error = await virtualSize({ path: packed, policy, addresses: anywhere }, { stagingDir: dir }).catch(
      (thrown) => thrown,
    );
    expect([error.code, error.message]).toEqual([
      'IMAGE_SIZE',
      expect.stringContaining('near its beginning'),
    ]);
  });

  test('an image with more snapshots than what is kept of qemu-img’s words is an error of the image', async () => {
    const path = copyOf('qcow2');
    const bin = join(dir, 'bin');
    Bun.spawnSync(['mkdir', '-p', bin]);
    writeFileSync(
      join(bin, 'qemu-img'),
      '#!/bin/bash\nprintf \'{"snapshots": ["\'; head -c 3000000 /dev/zero | tr "\\0" x; printf \'"]}\'\n',
      { mode: 0o755 },
    );
    const before = process.env['PATH'];
    process.env['PATH'] = `${bin}:${before}`;
    try {
      expect(await judged(path)).toBe('IMAGE_FORMAT');
    } finally {
      process.env['PATH'] = before;
    }
  });
});
