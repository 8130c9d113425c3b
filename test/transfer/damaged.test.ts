import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../../src/errors.ts';
import { importImage } from '../../src/transfer/import.ts';
import { openImageFile } from '../../src/transfer/path-policy.ts';
import { probeFile } from '../../src/transfer/probe.ts';
import { virtualSize } from '../../src/transfer/vsize.ts';
import { bytes, mib } from '../../src/units.ts';
import { fakeHosts } from '../hosts/fake-hosts.ts';
import { device as deviceOf } from '../support/device.ts';
import { MiB, noise, patch, run, sparseImage, temporary, u64le, zeroDeviceFile } from './images.ts';
import { anywhere } from './work.ts';

/** Damage that the tools themselves pass over without a word. */

setDefaultTimeout(180_000);

let dir: string;
let raw: Buffer;
beforeAll(() => {
  dir = temporary();
  raw = readFileSync(sparseImage(join(dir, 'raw'), 12 * MiB));
  for (const [name, ...options] of [
    ['qcow2', 'qcow2'],
    ['qcow2-2M', 'qcow2', '-o', 'cluster_size=2M'],
    ['vmdk', 'vmdk'],
    ['vmdk-stream', 'vmdk', '-o', 'subformat=streamOptimized'],
    ['vdi', 'vdi'],
    ['vhdx', 'vhdx'],
    ['vpc', 'vpc', '-o', 'force_size=on'],
  ] as const)
    run('qemu-img', 'convert', '-O', ...options, join(dir, 'raw'), join(dir, name));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const policy = { safeDirs: ['/'], restrictedDirs: [] };

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

const copyOf = (name: string): string => {
  const path = join(dir, 'copy');
  writeFileSync(path, readFileSync(join(dir, name)));
  return path;
};

describe('an image without its end', () => {
  // The last cluster, grain or block holds the last 5000 bytes of the disk.
  for (const name of ['qcow2', 'qcow2-2M', 'vmdk', 'vdi', 'vhdx']) {
    // VHDX: the last block of this one is half used, so that whole sectors can be missed.
    for (const missing of name === 'vhdx' ? [1, 511] : [1, 511, 512, 4096]) {
      test(`${name}, ${missing} bytes short`, async () => {
        expect(await judged(join(dir, name))).toBe('accepted');
        const path = copyOf(name);
        truncateSync(path, statSync(path).size - missing);
        expect(await judged(path)).toBe('IMAGE_FORMAT');
      });
    }
  }

  test('lengths that are no multiple of a cluster are complete all the same', async () => {
    for (const length of [1, 513, 4097, MiB + 1]) {
      const source = join(dir, 'odd');
      writeFileSync(
        source,
        noise(length + 4)
          .subarray(4)
          .fill(7, 0, 1),
      );
      for (const options of [
        ['qcow2'],
        ['qcow2', '-o', 'cluster_size=2M'],
        ['qcow2', '-o', 'extended_l2=on'],
        ['vmdk'],
        ['vdi'],
        ['vhdx'],
      ]) {
        run('qemu-img', 'convert', '-f', 'raw', '-O', ...options, source, join(dir, 'copy'));
        expect([length, options, await judged(join(dir, 'copy'))]).toEqual([length, options, 'accepted']);
      }
    }
  });
});

describe('tables behind the end of the file read as empty', () => {
  test('a VMDK’s grain directory', async () => {
    const path = copyOf('vmdk');
    patch(path, 56, u64le(2 ** 32));
    expect(await judged(path)).toBe('IMAGE_FORMAT');
  });

  test('a VMDK’s grain table', async () => {
    const path = copyOf('vmdk');
    const directory = Number(readFileSync(path).readBigUInt64LE(56)) * 512;
    patch(path, directory, Uint8Array.of(0, 0, 0, 0x40));
    expect(await judged(path)).toBe('IMAGE_FORMAT');
  });

  test('the grain directory of a stream-optimised VMDK is found by its footer', async () => {
    const written = readFileSync(join(dir, 'vmdk-stream'));
    const header = Buffer.from(written.subarray(4, 512));
    const withFooter = (directory: Uint8Array): string => {
      const marker = Buffer.alloc(512);
      marker.writeUInt32LE(3, 12);
      const footer = Buffer.concat([Buffer.from('KDMV'), header]);
      footer.set(directory, 56);
      const path = join(dir, 'copy');
      writeFileSync(path, Buffer.concat([written, marker, footer, Buffer.alloc(512)]));
      patch(path, 56, u64le(2n ** 64n - 1n));
      return path;
    };
    expect(await judged(withFooter(written.subarray(56, 64)))).toBe('accepted');
    expect(await judged(withFooter(u64le(2 ** 32)))).toBe('IMAGE_FORMAT');
  });

  test('a VHDX that ends before its block table', async () => {
    const data = readFileSync(join(dir, 'vhdx'));
    for (const length of [2 * MiB, 3 * MiB, 4 * MiB].filter((each) => each < data.length)) {
      const path = copyOf('vhdx');
      truncateSync(path, length);
      expect([length, await judged(path)]).toEqual([length, 'IMAGE_FORMAT']);
    }
  });
});

test('a compressed cluster that cannot be unpacked is the image’s fault, not the device’s', async () => {
  const path = join(dir, 'copy');
  run('qemu-img', 'convert', '-c', '-O', 'qcow2', join(dir, 'raw'), path);
  patch(path, 0x50000, noise(3000, 8));
  const fake = fakeHosts();
  try {
    for (const host of ['host1', 'frontend']) {
      const device = zeroDeviceFile(join(dir, 'device'), 12 * MiB);
      const target = { host, ...deviceOf(device), bytes: bytes(12 * MiB), readsZero: true };
      const options = { env: fake.env, stagingDir: join(dir, 'staging') };
      await expect(
        importImage(fake.hosts, { path, policy, addresses: anywhere }, target, options),
      ).rejects.toMatchObject({
        code: 'IMAGE_FORMAT',
        message: expect.stringContaining('error while reading at byte'),
      });
    }
  } finally {
    fake.remove();
  }
});

describe('packed in several parts', () => {
  const parts = (): [Buffer, Buffer] => [raw.subarray(0, 5 * MiB + 3), raw.subarray(5 * MiB + 3)];
  const pack = (program: string, data: Buffer): Buffer =>
    Buffer.from(Bun.spawnSync([program, '-1', '-c'], { stdin: data }).stdout);
  const sizeOf = async (data: Buffer): Promise<number | string> => {
    const path = join(dir, 'packed');
    writeFileSync(path, data);
    try {
      return await virtualSize({ path, policy, addresses: anywhere }, { stagingDir: dir });
    } catch (error) {
      if (error instanceof DriverError) return error.code;
      throw error;
    }
  };

  for (const program of ['gzip', 'bzip2', 'xz', 'zstd']) {
    test(`${program}: both are the image; a damaged second one is no end`, async () => {
      const [first, second] = parts().map((part) => pack(program, part)) as [Buffer, Buffer];
      expect(await sizeOf(Buffer.concat([first, second]))).toBe(mib(12));
      second[0] = (second[0] as number) ^ 4;
      expect(await sizeOf(Buffer.concat([first, second]))).toBe('IMAGE_FORMAT');
    });
  }

  test('behind gzip’s end there may be zeroes or a trailer, but nothing like a member', async () => {
    const packed = pack('gzip', raw);
    const second = pack('gzip', raw);
    for (const [rest, expected] of [
      [Buffer.alloc(1), mib(12)],
      [Buffer.alloc(900_000), mib(12)],
      [Buffer.from('x'), mib(12)],
      [Buffer.from('This is the end.'), mib(12)],
      [Buffer.concat([Buffer.from('{"metadata_version": "1.1"}'), noise(900)]), mib(12)],
      [Buffer.from('\x1f'), 'IMAGE_FORMAT'],
      [Buffer.concat([Buffer.alloc(512), second]), 'IMAGE_FORMAT'],
      [Buffer.concat([Buffer.from([0x1e]), second.subarray(1)]), 'IMAGE_FORMAT'],
      [Buffer.concat([Buffer.from([0, 0]), second.subarray(2)]), 'IMAGE_FORMAT'],
      [noise(900_000), 'IMAGE_FORMAT'],
    ] as const)
      expect([rest.length, await sizeOf(Buffer.concat([packed, rest]))]).toEqual([rest.length, expected]);
  });

  test('behind bzip2’s end there may be a trailer, at whatever bit it ends', async () => {
    for (const length of [1, 3, 1000]) {
      const packed = pack('bzip2', raw.subarray(0, length));
      expect(await sizeOf(Buffer.concat([packed, Buffer.from('This is the end.')]))).toBe(mib(1));
      for (const rest of [Buffer.alloc(512), Buffer.from('BZh'), Buffer.from('BZ?9'), noise(100_000)])
        expect(await sizeOf(Buffer.concat([packed, rest]))).toBe('IMAGE_FORMAT');
      const second = pack('bzip2', raw);
      second.write('x?y', 0);
      expect(await sizeOf(Buffer.concat([packed, second]))).toBe('IMAGE_FORMAT');
    }
  });

  test('a trailer and a checksum: the file is the one that was published, or not', async () => {
    const data = Buffer.concat([pack('gzip', raw), Buffer.from('trailer')]);
    const path = join(dir, 'packed');
    writeFileSync(path, data);
    const fake = fakeHosts();
    try {
      const sha256 = new Bun.CryptoHasher('sha256').update(data).digest('hex');
      for (const [sum, code] of [
        [sha256, 'imported'],
        [sha256.replace(/./, (digit) => (digit === '0' ? '1' : '0')), 'IMAGE_CHECKSUM'],
      ] as const) {
        const device = zeroDeviceFile(join(dir, 'device'), 12 * MiB);
        const request = { path, policy, addresses: anywhere, checksums: { sha256: sum } };
        const target = { host: 'frontend', ...deviceOf(device), bytes: bytes(12 * MiB), readsZero: true };
        const done = importImage(fake.hosts, request, target, { env: fake.env, stagingDir: dir });
        expect(
          await done.then(
            () => 'imported',
            (error) => error.code,
          ),
        ).toBe(code);
        if (code === 'imported') expect(readFileSync(device).equals(raw)).toBe(true);
      }
    } finally {
      fake.remove();
    }
  });

  test('a short one whose end has passed before anybody looks', async () => {
    mkdirSync(join(dir, 'bin'), { recursive: true });
    const late = '#!/bin/bash\ncase "$*" in *of=*/head*) sleep 1 ;; esac\nPATH=/usr/bin:/bin exec dd "$@"\n';
    writeFileSync(join(dir, 'bin/dd'), late, { mode: 0o755 });
    const path = join(dir, 'packed');
    for (const program of ['gzip', 'zstd']) {
      writeFileSync(path, pack(program, noise(5000)));
      const env = { PATH: `${join(dir, 'bin')}:${process.env['PATH']}` };
      expect(
        await virtualSize({ path, policy, addresses: anywhere }, { stagingDir: dir, timeoutMs: 20_000, env }),
      ).toBe(mib(1));
    }
  });

  test('zstd that begins with a skippable frame, as pzstd’s does', async () => {
    const frame = Buffer.concat([Buffer.from('\x50\x2a\x4d\x18\x04\0\0\0size', 'latin1')]);
    expect(await sizeOf(Buffer.concat([frame, pack('zstd', raw)]))).toBe(mib(12));
  });
});
