import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deviceChecksum } from '../../src/transfer/checksum.ts';
import { copyDevice } from '../../src/transfer/copy.ts';
import { zeroDevice } from '../../src/transfer/wipe.ts';
import { bytes } from '../../src/units.ts';
import { type FakeHosts, fakeHosts, isRoot } from '../hosts/fake-hosts.ts';
import { codeOf } from '../support/code-of.ts';
import { device as deviceOf } from '../support/device.ts';
import {
  dirtyDevice,
  holdsExactly,
  MiB,
  noise,
  run,
  sparseImage,
  temporary,
  zeroDeviceFile,
} from './images.ts';
import { expectNoScratch, target as to } from './work.ts';

// Processes on a busy machine: slow is no failure.
setDefaultTimeout(60_000);

let fake: FakeHosts;
let work: string;
let source: string;
let image: Buffer;
const size = 80 * MiB;
beforeEach(() => {
  fake = fakeHosts();
  work = temporary();
  source = sparseImage(join(work, 'source'), size);
  image = readFileSync(source);
});
afterEach(() => {
  expectNoScratch(work);
  fake.remove();
  rmSync(work, { recursive: true, force: true });
});

const from = (host = 'host1') => ({ host, ...deviceOf(source), chunkDirectory: work });

describe('copy', () => {
  const pairs = [
    ['host1', 'host1'],
    ['host1', 'host2'],
    ['frontend', 'frontend'],
    ['frontend', 'host2'],
    ['host1', 'frontend'],
  ] as const;
  for (const [one, other] of pairs) {
    for (const readsZero of [true, false]) {
      test(`${one} to ${other}, target ${readsZero ? 'zero' : 'dirty'}`, async () => {
        const device = (readsZero ? zeroDeviceFile : dirtyDevice)(join(work, 'target'), size + 2 * MiB);
        const options = { env: fake.env, stagingDir: work, verify: true };
        const result = await copyDevice(fake.hosts, from(one), to(device, other, readsZero), options);
        expect(result.bytes).toBe(bytes(size));
        expect(holdsExactly(device, image)).toBe(true);
        if (readsZero) expect(statSync(device).blocks * 512).toBeLessThan(4 * MiB);
      });
    }
  }

  test('on one host nothing goes over the wire, between two only data', async () => {
    fake.remove();
    fake = fakeHosts({ count: true });
    const wire = (): number => statSync(join(fake.root, 'wire')).size;
    const options = { env: fake.env, stagingDir: work };
    await copyDevice(fake.hosts, from(), to(zeroDeviceFile(join(work, 'a'), size), 'host1', true), options);
    expect(wire()).toBe(0);
    await copyDevice(fake.hosts, from(), to(zeroDeviceFile(join(work, 'b'), size), 'host2', true), options);
    expect(wire()).toBeLessThan(4 * MiB);
    expect(holdsExactly(join(work, 'b'), image)).toBe(true);
  });

  test('a source without holes is read whole and only its data are sent', async () => {
    writeFileSync(source, image);
    fake.remove();
    fake = fakeHosts({ count: true });
    const device = zeroDeviceFile(join(work, 'target'), size);
    await copyDevice(fake.hosts, from(), to(device, 'host2', true), { env: fake.env, stagingDir: work });
    expect(holdsExactly(device, image)).toBe(true);
    expect(statSync(join(fake.root, 'wire')).size).toBeLessThan(6 * MiB);
  });

  test('a part of a larger source', async () => {
    const data = noise(3 * MiB, 9);
    writeFileSync(source, data);
    for (const [index, other] of ['host1', 'host2'].entries()) {
      const device = dirtyDevice(join(work, `target${index}`), 2 * MiB);
      const part = { ...from(), bytes: bytes(2 * MiB) };
      await copyDevice(fake.hosts, part, to(device, other), {
        env: fake.env,
        stagingDir: work,
        verify: true,
      });
      expect(holdsExactly(device, data.subarray(0, 2 * MiB))).toBe(true);
    }
  });

  test('within one host it is one session, and a source that is too short is refused', async () => {
    const device = dirtyDevice(join(work, 'target'), size);
    const options = { env: fake.env, stagingDir: work };
    await copyDevice(fake.hosts, { ...from(), bytes: bytes(size) }, to(device, 'host1'), options);
    expect(holdsExactly(device, image)).toBe(true);
    expect(readFileSync(join(fake.root, 'calls'), 'utf8')).toBe('host1\n');
    const long = { ...from(), bytes: bytes(size + 512) };
    const place = { ...to(device, 'host1'), bytes: bytes(size + 512) };
    expect(await codeOf(copyDevice(fake.hosts, long, place, options))).toBe('DEVICE_MISSING');
    expect(holdsExactly(device, image)).toBe(true);
  });

  test('what does not fit, or is not there, is refused before a byte is written', async () => {
    const small = zeroDeviceFile(join(work, 'target'), MiB);
    const options = { env: fake.env, stagingDir: work };
    expect(await codeOf(copyDevice(fake.hosts, from(), to(small, 'host2', true), options))).toBe(
      'IMAGE_SIZE',
    );
    const large = { ...from(), bytes: bytes(size + 512) };
    expect(await codeOf(copyDevice(fake.hosts, large, to(small, 'host2', true), options))).toBe('IMAGE_SIZE');
    const absent = { host: 'host1', ...deviceOf(join(work, 'absent')) };
    expect(await codeOf(copyDevice(fake.hosts, absent, to(small, 'host2', true), options))).toBe(
      'DEVICE_MISSING',
    );
    for (const host of ['host1', 'host2']) {
      const nowhere = { host, ...deviceOf(join(work, 'nowhere')), bytes: bytes(size), readsZero: true };
      expect(await codeOf(copyDevice(fake.hosts, from(), nowhere, options))).toBe('DEVICE_MISSING');
    }
    expect(statSync(small).blocks).toBe(0);
    expect(readdirSync(work).sort()).toEqual(['source', 'target']);
  });

  test('an unreachable end', async () => {
    const device = zeroDeviceFile(join(work, 'target'), size);
    const options = { env: fake.env, stagingDir: work };
    expect(await codeOf(copyDevice(fake.hosts, from(), to(device, 'down2'), options))).toBe(
      'HOST_UNREACHABLE',
    );
    expect(await codeOf(copyDevice(fake.hosts, from('down1'), to(device, 'host2'), options))).toBe(
      'HOST_UNREACHABLE',
    );
  });

  test.if(isRoot)('block devices, dirty target', async () => {
    const files = [source, dirtyDevice(join(work, 'target'), size + MiB)];
    const [a = '', b = ''] = files.map((file) => run('losetup', '-f', '--show', file).trim());
    try {
      for (const other of ['host1', 'host2']) {
        run('dd', 'if=/dev/urandom', `of=${b}`, 'bs=1M', 'count=81', 'conv=nocreat,fsync', 'status=none');
        const place = { host: other, ...deviceOf(b), bytes: bytes(size), readsZero: false };
        await copyDevice(fake.hosts, { ...from(), ...deviceOf(a) }, place, {
          env: fake.env,
          stagingDir: work,
          verify: true,
        });
        run('sync', b);
        expect(holdsExactly(join(work, 'target'), image)).toBe(true);
      }
    } finally {
      run('losetup', '-d', a, b);
    }
  });
});

describe('zero and checksum', () => {
  test('a file is zeroed to its end', async () => {
    const device = dirtyDevice(join(work, 'target'), MiB + 777);
    await zeroDevice(fake.hosts, 'host1', deviceOf(device));
    expect(holdsExactly(device, Buffer.alloc(0))).toBe(true);
    expect(await codeOf(zeroDevice(fake.hosts, 'host1', deviceOf(join(work, 'absent'))))).toBe(
      'DEVICE_MISSING',
    );
  });

  test.if(isRoot)('a block device is zeroed to its end', async () => {
    const file = dirtyDevice(join(work, 'target'), MiB + 512);
    const device = run('losetup', '-f', '--show', file).trim();
    try {
      await zeroDevice(fake.hosts, 'host1', deviceOf(device));
      run('sync', device);
      expect(holdsExactly(file, Buffer.alloc(0))).toBe(true);
    } finally {
      run('losetup', '-d', device);
    }
  });

  test('checksums of a device, whole or in part', async () => {
    const md5 = (data: Buffer): string => new Bun.CryptoHasher('md5').update(data).digest('hex');
    expect(await deviceChecksum(fake.hosts, 'host1', deviceOf(source), 'md5')).toBe(md5(image));
    expect(await deviceChecksum(fake.hosts, 'host1', deviceOf(source), 'md5', bytes(5 * MiB))).toBe(
      md5(image.subarray(0, 5 * MiB)),
    );
  });
});
