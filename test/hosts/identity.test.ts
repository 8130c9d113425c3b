import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../../src/errors.ts';
import { makeFileSystem } from '../../src/hosts/scripts/device.ts';
import {
  type DeviceIdentity,
  deviceIdentity,
  type IdentityKind,
  identityFunctions,
} from '../../src/hosts/scripts/identity.ts';
import { linkDisks } from '../../src/hosts/scripts/link-disks.ts';
import { checkLinks } from '../../src/hosts/vm-directory.ts';
import { resourceName } from '../../src/linstor/names.ts';
import { deviceChecksum } from '../../src/transfer/checksum.ts';
import { copyDevice } from '../../src/transfer/copy.ts';
import { importImage } from '../../src/transfer/import.ts';
import { zeroDevice } from '../../src/transfer/wipe.ts';
import { bytes } from '../../src/units.ts';
import { identityOf } from '../../src/volumes/replicas.ts';
import { anywhere } from '../transfer/work.ts';
import { type FakeHosts, fakeHosts, isRoot } from './fake-hosts.ts';

/** What LINSTOR reports may be another volume's device by now, or a lie: no byte of that is read or written. */

setDefaultTimeout(60_000);

const MiB = 1024 * 1024;
let fake: FakeHosts;
beforeEach(() => {
  fake = fakeHosts();
});
afterEach(() => fake.remove());

function volume(name: string, size = 4 * MiB, fill = 0x55): string {
  const path = join(fake.root, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, Buffer.alloc(size, fill));
  return path;
}

async function refused(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof DriverError && error.code === 'DEVICE_IDENTITY') return error.message;
    throw error;
  }
  throw new Error('it was not refused');
}

/** What a host says that the device is. */
async function found(path: string, resource: string): Promise<string> {
  const { stdout } = await fake.hosts.run('host1', {
    verb: 'find',
    script: findScript,
    args: [path, resource],
    timeoutMs: 30_000,
  });
  return stdout.trim();
}
const findScript = `${identityFunctions}
found_volume "$1" "$2" 0
`;

test('the top-most layer on the node says what the device has to be', () => {
  const of = (layers: string[], flags: string[] = []): string =>
    identityOf({ name: resourceName('r'), layers: layers as never, flags });
  expect(of(['DRBD', 'LUKS', 'STORAGE'])).toBe('drbd r 0');
  expect(of(['LUKS', 'STORAGE'])).toBe('luks r 0');
  expect(of(['STORAGE'])).toBe('storage r 0');
  expect(of(['WRITECACHE', 'STORAGE'])).toBe('cache r 0');
  expect(of(['NVME', 'STORAGE'], ['NVME_INITIATOR'])).toBe('nvme r 0');
  expect(of(['NVME', 'STORAGE'])).toBe('storage r 0');
});

describe('another volume under the reported path', () => {
  const own = deviceIdentity('storage', 'own');
  const every: readonly [string, (path: string) => Promise<unknown>][] = [
    ['zeroing', (device) => zeroDevice(fake.hosts, 'host1', { device, identity: own })],
    ['a file system', (device) => makeFileSystem(fake.hosts, 'host1', { device, identity: own }, 'ext4')],
    ['swap', (device) => makeFileSystem(fake.hosts, 'host1', { device, identity: own }, 'swap')],
    ['a checksum', (device) => deviceChecksum(fake.hosts, 'host1', { device, identity: own }, 'md5')],
    ['an import on the spot', (device) => into('frontend', device)],
    ['an import by NBD', (device) => into('host1', device, { nbdFrom: bytes(0) })],
    ['an import by the wire', (device) => into('host1', device)],
    ['a compressed import on the spot', (device) => into('frontend', device, {}, 'image.gz')],
    ['a copy onto it, one host', (device) => copied({ to: device }, 'host1')],
    ['a copy onto it by NBD', (device) => copied({ to: device }, 'host2', { nbdFrom: bytes(0) })],
    ['a copy onto it by the wire', (device) => copied({ to: device }, 'host2')],
    ['a copy of it, one host', (device) => copied({ from: device }, 'host1')],
    ['a copy of it by NBD', (device) => copied({ from: device }, 'host2', { nbdFrom: bytes(0) })],
    ['a copy of it by the wire', (device) => copied({ from: device }, 'host2')],
    [
      'a link',
      (device) =>
        linkDisks(
          fake.hosts,
          'host1',
          [{ link: join(fake.root, 'vm/disk.0'), minBytes: bytes(1), candidates: [device], identity: own }],
          0,
        ),
    ],
  ];

  const options = (more: object) => ({ env: fake.env, stagingDir: fake.root, ...more });
  function into(host: string, device: string, more = {}, name = 'image'): Promise<unknown> {
    const path = volume('image', MiB, 0x77);
    if (name.endsWith('.gz')) Bun.spawnSync(['gzip', '-kf', path]);
    const target = { host, device, identity: own, bytes: bytes(4 * MiB), readsZero: true };
    const policy = { safeDirs: ['/'], restrictedDirs: [], alwaysRestricted: [] };
    const request = { path: join(fake.root, name), policy, addresses: anywhere };
    return importImage(fake.hosts, request, target, options(more));
  }
  function copied(ends: { from?: string; to?: string }, to: string, more = {}): Promise<unknown> {
    const source = { host: 'host1', device: ends.from ?? volume('own_00000', 4 * MiB, 0x11), identity: own };
    const target = { host: to, device: ends.to ?? volume('t/own_00000'), identity: own };
    return copyDevice(
      fake.hosts,
      { ...source, chunkDirectory: fake.root },
      { ...target, bytes: bytes(4 * MiB), readsZero: false },
      options(more),
    );
  }

  test.each(every)('%s is refused, and no byte changes', async (_, work) => {
    const other = volume('other_00000');
    expect(await refused(work(other))).toContain(`${other} is storage other 0 and not storage own 0`);
    expect(readFileSync(other).every((byte) => byte === 0x55)).toBe(true);
  });

  test('nor is one that nobody has named', async () => {
    const nobody = '' as DeviceIdentity;
    expect(
      await refused(zeroDevice(fake.hosts, 'host1', { device: volume('own_00000'), identity: nobody })),
    ).toContain('nobody said which volume');
  });
});

describe('what a host says', () => {
  test('files by their names', async () => {
    expect(await found(volume('a/one-image-3_00000'), 'x')).toBe('storage one-image-3 0');
    expect(await found(volume('a/Linstor-Crypt-one-image-3_00001'), 'x')).toBe('luks one-image-3 1');
  });

  test('DRBD by the link of its resource', async () => {
    const device = volume('dev/drbd1000');
    mkdirSync(join(fake.root, 'dev/drbd/by-res/one'), { recursive: true });
    symlinkSync(device, join(fake.root, 'dev/drbd/by-res/one/0'));
    expect(await found(device, 'one')).toBe('drbd one 0');
    expect(await found(join(fake.root, 'dev/drbd/by-res/one/0'), 'one')).toBe('drbd one 0');
    expect(await found(device, 'two')).toBe('');
  });

  test('links of a VM that is about to start', async () => {
    const device = volume('own_00000');
    symlinkSync(device, join(fake.root, 'disk.0'));
    writeFileSync(join(fake.root, '.growing-own'), '');
    const links = [
      { link: join(fake.root, 'disk.0'), resource: 'own' },
      { link: join(fake.root, 'disk.1'), resource: 'other' },
    ];
    expect(await checkLinks(fake.hosts, 'host1', links)).toEqual([
      {
        link: join(fake.root, 'disk.0'),
        target: device,
        present: true,
        volume: 'storage own 0',
        unfinished: 'growing',
      },
      { link: join(fake.root, 'disk.1'), target: '', present: false, volume: '' },
    ]);
  });

  test.if(isRoot)('a loop device by the file behind it', async () => {
    const file = volume('one-vm-7-disk-0_00000.img');
    const made = Bun.spawnSync(['losetup', '-f', '--show', file]);
    const device = made.stdout.toString().trim();
    try {
      expect(await found(device, 'x')).toBe('storage one-vm-7-disk-0 0');
      expect(
        await refused(
          zeroDevice(fake.hosts, 'host1', { device, identity: deviceIdentity('drbd', 'one-vm-7-disk-0') }),
        ),
      ).toContain('is storage one-vm-7-disk-0 0 and not drbd');
    } finally {
      Bun.spawnSync(['losetup', '-d', device]);
    }
  });

  // Device mapper, NVMe and DRBD need a kernel that has them: what their names mean is tried on what sysfs would say.
  const mapped: readonly [string, string, IdentityKind, string][] = [
    ['vg-one--image--3_00000', 'LVM-AbCdEf', 'storage', 'one-image-3'],
    ['my--vg-Foo_00000', 'LVM-AbCdEf', 'storage', 'Foo'],
    ['Linstor-Crypt-one-image-3_00000', 'CRYPT-LUKS2-0f-x', 'luks', 'one-image-3'],
    ['linstor_writecache_one-image-3_00000', '', 'cache', 'one-image-3'],
    ['linstor_cache_one-image-3_00000', '', 'cache', 'one-image-3'],
  ];
  test.each(mapped)('device mapper %s (%s)', async (name, uuid, kind, resource) => {
    const { stdout } = await fake.hosts.run('host1', {
      verb: 'find',
      script: mappedScript,
      args: [name, uuid],
      timeoutMs: 30_000,
    });
    expect(stdout.trim()).toBe(deviceIdentity(kind, resource));
  });
  const mappedScript = `${identityFunctions}
mapped_volume "$1" "$2"
`;

  test('NVMe by subsystem and namespace', async () => {
    for (const [system, number, said] of [
      ['LS-NVMe_one-image-3', '1', 'nvme one-image-3 0'],
      ['nqn.2018-02.linbit.linstor:one-image-3', '2', 'nvme one-image-3 1'],
      ['nqn.2014.08.org.nvmexpress:80868086', '1', ''],
    ] as const) {
      const sys = join(fake.root, 'sys');
      rmSync(sys, { recursive: true, force: true });
      mkdirSync(join(sys, 'device'), { recursive: true });
      writeFileSync(join(sys, 'device/subsysnqn'), `${system}\n`);
      writeFileSync(join(sys, 'nsid'), `${number}\n`);
      const { stdout } = await fake.hosts.run('host1', {
        verb: 'find',
        script: exportedScript,
        args: [sys],
        timeoutMs: 30_000,
      });
      expect(stdout.trim()).toBe(said);
    }
  });
  const exportedScript = `${identityFunctions}
exported_volume "$1"
`;

  test('a device is waited for until it is the right one', async () => {
    const right = join(fake.root, 'own_00000');
    const wrong = volume('other_00000');
    setTimeout(() => {
      writeFileSync(right, '');
      truncateSync(right, MiB);
    }, 300);
    const link = join(fake.root, 'vm/disk.0');
    const wanted = {
      link,
      minBytes: bytes(1),
      candidates: [right, wrong],
      identity: deviceIdentity('storage', 'own'),
    };
    expect((await linkDisks(fake.hosts, 'host1', [wanted], 5000))[0]?.device).toBe(right);
  });
});
