import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isDriverError } from '../../src/errors.ts';
import { makeFileSystem } from '../../src/hosts/scripts/device.ts';
import { deviceUse, isOpen, unlinkDisks } from '../../src/hosts/scripts/device-use.ts';
import {
  copyDirectory,
  moveDirectory,
  removeDirectories,
  removeUnlessShared,
} from '../../src/hosts/scripts/directories.ts';
import { deviceIdentity } from '../../src/hosts/scripts/identity.ts';
import { linkDisks, waitForDevice } from '../../src/hosts/scripts/link-disks.ts';
import { isSharedDirectory } from '../../src/hosts/scripts/shared-marker.ts';
import { removeLinkTo } from '../../src/hosts/vm-directory.ts';
import { type Bytes, bytes } from '../../src/units.ts';
import { device } from '../support/device.ts';
import { type FakeHosts, fakeHosts, isRoot } from './fake-hosts.ts';

// Processes on a busy machine: slow is no failure.
setDefaultTimeout(60_000);

let fake: FakeHosts;
let dir: string;
beforeEach(() => {
  fake = fakeHosts();
  dir = join(fake.root, 'datastores');
});
afterEach(() => fake.remove());

const MiB = 1024 * 1024;
function volume(name: string, size = MiB): string {
  const path = join(fake.root, name);
  writeFileSync(path, '');
  truncateSync(path, size);
  return path;
}
const failure = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
const wanted = (path: string, minBytes: Bytes) => ({
  candidates: [path],
  minBytes,
  identity: device(path).identity,
});
/** A loop device; needs root. */
function loop(path: string): string {
  const out = Bun.spawnSync(['losetup', '-f', '--show', path]);
  if (!out.success) throw new Error(out.stderr.toString());
  return out.stdout.toString().trim();
}

describe('link-disk', () => {
  test('several disks, one session', async () => {
    const [a, b] = [volume('a'), volume("b it's", 2 * MiB)];
    const linked = await linkDisks(fake.hosts, 'host1', [
      {
        link: join(dir, '0/7/disk.0'),
        minBytes: bytes(MiB),
        candidates: ['/dev/absent', a],
        identity: device(a).identity,
      },
      { link: join(dir, '0/7/disk.1'), minBytes: bytes(MiB), candidates: [b], identity: device(b).identity },
    ]);
    expect(linked).toEqual([
      { ...device(a), bytes: bytes(MiB), sector: bytes(512) },
      { ...device(b), bytes: bytes(2 * MiB), sector: bytes(512) },
    ]);
    expect(readlinkSync(join(dir, '0/7/disk.0'))).toBe(a);
    expect(readlinkSync(join(dir, '0/7/disk.1'))).toBe(b);
    expect(fake.calls.length).toBe(1);
  });

  test('replaces an old link and may be repeated', async () => {
    const [a, b] = [volume('a'), volume('b')];
    mkdirSync(join(fake.root, 'dirtarget'));
    const link = join(dir, '7/disk.0');
    mkdirSync(join(dir, '7'));
    symlinkSync(join(fake.root, 'dirtarget'), link);
    for (const target of [a, b, b]) {
      await linkDisks(fake.hosts, 'host1', [
        { link, minBytes: bytes(1), candidates: [target], identity: device(target).identity },
      ]);
      expect(readlinkSync(link)).toBe(target);
    }
    expect(readdirSync(join(fake.root, 'dirtarget'))).toEqual([]);
  });

  test('waits for a late device', async () => {
    const late = join(fake.root, 'late');
    setTimeout(() => {
      writeFileSync(late, '');
      truncateSync(late, MiB);
    }, 300);
    expect((await waitForDevice(fake.hosts, 'host1', wanted(late, bytes(MiB)), 5000)).device).toBe(late);
  });

  test('no device: DEVICE_MISSING, and no link is made for the others either', async () => {
    const a = volume('a');
    const error = await failure(
      linkDisks(
        fake.hosts,
        'host1',
        [
          { link: join(dir, '7/disk.0'), minBytes: bytes(1), candidates: [a], identity: device(a).identity },
          {
            link: join(dir, '7/disk.1'),
            minBytes: bytes(1),
            candidates: ['/dev/drbd/by-res/nothing/0'],
            identity: deviceIdentity('drbd', 'nothing'),
          },
        ],
        0,
      ),
    );
    expect(isDriverError(error, 'DEVICE_MISSING')).toBe(true);
    expect(String(error)).toContain('/dev/drbd/by-res/nothing/0');
    expect(existsSync(join(dir, '7'))).toBe(false);
  });

  test('too small: DEVICE_SIZE', async () => {
    const error = await failure(waitForDevice(fake.hosts, 'host1', wanted(volume('a'), bytes(MiB + 1)), 0));
    expect(isDriverError(error, 'DEVICE_SIZE')).toBe(true);
    expect(String(error)).toContain('1 MiB');
  });

  test.if(isRoot)('a regular file below /dev is an error and no device', async () => {
    const stray = `/dev/linstor_un-test-${process.pid}`;
    writeFileSync(stray, 'x'.repeat(100));
    try {
      const error = await failure(waitForDevice(fake.hosts, 'host1', wanted(stray, bytes(1)), 3000));
      expect(isDriverError(error, 'DEVICE_MISSING')).toBe(true);
      expect(String(error)).toContain('regular file');
    } finally {
      rmSync(stray);
    }
  });

  test.if(isRoot)('a block device is measured', async () => {
    const path = loop(volume('disk', 3 * MiB));
    try {
      expect(await waitForDevice(fake.hosts, 'host1', wanted(path, bytes(3 * MiB)), 0)).toEqual({
        ...device(path),
        bytes: bytes(3 * MiB),
        sector: bytes(512),
      });
    } finally {
      Bun.spawnSync(['losetup', '-d', path]);
    }
  });
});

describe('unlink-disk and device-use', () => {
  test('removes links only', async () => {
    const a = volume('a');
    mkdirSync(join(dir, '0/7'), { recursive: true });
    const [link, file, gone] = ['disk.0', 'disk.1', 'disk.2'].map((name) => join(dir, '0/7', name)) as [
      string,
      string,
      string,
    ];
    symlinkSync(a, link);
    writeFileSync(file, 'keep');
    const result = await unlinkDisks(fake.hosts, 'host1', [link, file, gone]);
    expect(result).toEqual({ removed: [{ link, target: a }], kept: [file], uses: [] });
    expect(existsSync(link)).toBe(false);
    expect(readFileSync(file, 'utf8')).toBe('keep');
    expect(existsSync(a)).toBe(true);
  });

  test('tells in the same session who still uses it', async () => {
    const a = volume('a');
    for (const vm of ['7', '8']) {
      mkdirSync(join(dir, '0', vm), { recursive: true });
      symlinkSync(a, join(dir, '0', vm, 'disk.0'));
    }
    const fd = openSync(a, 'r');
    const { uses } = await unlinkDisks(fake.hosts, 'host1', [join(dir, '0//7/disk.0')], `${dir}//`);
    closeSync(fd);
    expect(uses.length).toBe(1);
    expect(uses[0]?.device).toBe(a);
    expect(uses[0]?.processes.map(({ pid }) => pid)).toEqual([process.pid]);
    expect(uses[0]?.otherLinks).toEqual([join(dir, '0/8/disk.0')]);
    expect(fake.calls.length).toBe(1);
  });

  test('an unused one is unused, an absent one too', async () => {
    const [used, absent] = await deviceUse(fake.hosts, 'host1', [volume('a'), '/dev/absent'], dir);
    expect([used, absent].map((use) => use && isOpen(use))).toEqual([false, false]);
    expect(absent?.device).toBe('');
  });

  test.if(isRoot)('open through another node of the same number, mounted, held', async () => {
    const file = volume('disk', 8 * MiB);
    const device = loop(file);
    const twin = join(fake.root, 'private-dev');
    const numbers = statSync(device).rdev;
    Bun.spawnSync(['mknod', twin, 'b', String(numbers >> 8), String(numbers & 0xff)]);
    const fd = openSync(twin, 'r');
    try {
      const [use] = await deviceUse(fake.hosts, 'host1', [device]);
      expect(use?.processes.map(({ pid }) => pid)).toEqual([process.pid]);
      expect(use?.complete).toBe(true);
    } finally {
      closeSync(fd);
      Bun.spawnSync(['losetup', '-d', device]);
    }
  });
});

describe('unlink', () => {
  test('a link goes if it still leads to the device, and nothing else does', async () => {
    const link = join(dir, 'disk.0');
    const remove = () => removeLinkTo(fake.hosts, 'alpha', link, ['/dev/loop7', '/dev/loop8']);
    await remove();
    symlinkSync('/dev/loop9', link);
    await remove();
    expect(readlinkSync(link)).toBe('/dev/loop9');
    rmSync(link);
    writeFileSync(link, 'a file');
    await remove();
    expect(readFileSync(link, 'utf8')).toBe('a file');
    rmSync(link);
    symlinkSync('/dev/loop8', link);
    await remove();
    expect(existsSync(link) || readdirSync(dir).includes('disk.0')).toBe(false);
  });
});

describe('file systems', () => {
  test('makes a supported one and refuses others', async () => {
    const a = volume('a', 8 * MiB);
    await makeFileSystem(fake.hosts, 'host1', device(a), 'ext4', ['-b', '4096']);
    expect(readFileSync(a).subarray(1080, 1082)).toEqual(Buffer.from([0x53, 0xef]));
    for (const fs of ['reiserfs', '../x', 'ext4;reboot', '']) {
      expect(
        isDriverError(await failure(makeFileSystem(fake.hosts, 'host1', device(a), fs)), 'BAD_ARGUMENT'),
      ).toBe(true);
    }
  });

  test('swap', async () => {
    const a = volume('a', MiB);
    await makeFileSystem(fake.hosts, 'host1', device(a), 'swap');
    expect(readFileSync(a).subarray(4086, 4096).toString()).toBe('SWAPSPACE2');
  });

  test('no device, no file is made', async () => {
    const absent = join(fake.root, 'absent');
    expect(
      isDriverError(
        await failure(makeFileSystem(fake.hosts, 'host1', device(absent), 'ext4')),
        'DEVICE_MISSING',
      ),
    ).toBe(true);
    expect(existsSync(absent)).toBe(false);
  });

  test('a failing mkfs fails', async () => {
    const tiny = volume('tiny', 4096);
    expect(
      isDriverError(await failure(makeFileSystem(fake.hosts, 'host1', device(tiny), 'ext4')), 'HOST_COMMAND'),
    ).toBe(true);
  });
});

describe('directories', () => {
  test('removes without following links; shallow paths are refused', async () => {
    const a = volume('a');
    mkdirSync(join(dir, '0/7'), { recursive: true });
    symlinkSync(a, join(dir, '0/7/disk.0'));
    await removeDirectories(fake.hosts, 'host1', [join(dir, '0//7/'), join(dir, '0/8')]);
    expect(existsSync(join(dir, '0/7'))).toBe(false);
    expect(existsSync(a)).toBe(true);
    for (const path of ['', '/', '/var', '/var/lib', 'relative/a/b/c', '/var/lib/one/../..']) {
      expect(
        isDriverError(await failure(removeDirectories(fake.hosts, 'host1', [path])), 'BAD_ARGUMENT'),
      ).toBe(true);
    }
  });

  test('a shared directory is recognised, and left without traces', async () => {
    mkdirSync(join(dir, '0'));
    const { env } = fake;
    expect(await isSharedDirectory(fake.hosts, 'host1', 'host2', join(dir, '0'), { env })).toBe(true);
    expect(await isSharedDirectory(fake.hosts, 'host1', 'host2', join(dir, '0/7/not/yet'), { env })).toBe(
      true,
    );
    expect(readdirSync(join(dir, '0'))).toEqual([]);
    mkdirSync(join(dir, '0/7'));
    writeFileSync(join(dir, '0/7/vm.xml'), 'x');
    expect(
      await moveDirectory(
        fake.hosts,
        { host: 'host1', directory: join(dir, '0/7') },
        { host: 'host2', directory: join(dir, '0/7') },
        { env },
      ),
    ).toBe('nothing');
    expect(readdirSync(join(dir, '0'))).toEqual(['7']);
    expect(readFileSync(join(dir, '0/7/vm.xml'), 'utf8')).toBe('x');
  });

  test('a shared directory is not removed from the host that is left', async () => {
    mkdirSync(join(dir, '0/7'), { recursive: true });
    const { env } = fake;
    expect(await removeUnlessShared(fake.hosts, 'host1', 'host2', join(dir, '0/7'), { env })).toBe(false);
    expect(await removeUnlessShared(fake.hosts, 'host1', 'host1', join(dir, '0/7'), { env })).toBe(false);
    expect(readdirSync(join(dir, '0'))).toEqual(['7']);
  });

  describe.if(isRoot)('of two hosts', () => {
    beforeEach(() => {
      fake.remove();
      fake = fakeHosts({ trees: ['host1', 'host2'] });
      dir = join(fake.root, 'datastores');
    });
    const on = (host: string, path = ''): string => join(fake.root, 'tree', host, path);
    const place = (host: string, path = '0/7') => ({ host, directory: join(dir, path) });

    test('are not taken for shared, and no marker stays', async () => {
      mkdirSync(on('host1', '0'));
      mkdirSync(on('host2', '0'));
      const { env } = fake;
      expect(await isSharedDirectory(fake.hosts, 'host1', 'host2', join(dir, '0'), { env })).toBe(false);
      expect([...readdirSync(on('host1', '0')), ...readdirSync(on('host2', '0'))]).toEqual([]);
    });

    const sessions = (): string[] => fake.calls.map(({ target, verb }) => `${target} ${verb}`);

    test('are removed on the one and stay on the other, in one session on each', async () => {
      for (const host of ['host1', 'host2']) mkdirSync(on(host, '0/7'), { recursive: true });
      const { env } = fake;
      expect(await removeUnlessShared(fake.hosts, 'host1', 'host2', join(dir, '0/7'), { env })).toBe(true);
      expect([readdirSync(on('host1', '0')), readdirSync(on('host2', '0'))]).toEqual([[], ['7']]);
      expect(sessions()).toEqual(['host2 same-dir', 'host1 remove-dir']);
    });

    test('nothing is removed while the other host cannot be asked', async () => {
      mkdirSync(on('host1', '0/7'), { recursive: true });
      const { env } = fake;
      const error = await failure(
        removeUnlessShared(fake.hosts, 'host1', 'down1', join(dir, '0/7'), { env }),
      );
      expect(isDriverError(error, 'HOST_UNREACHABLE')).toBe(true);
      expect(readdirSync(on('host1', '0'))).toEqual(['7']);
    });

    test('a copy takes one session on each, and the log tells of both', async () => {
      mkdirSync(on('host1', '0/7'), { recursive: true });
      mkdirSync(on('host2', '0'));
      expect(await copyDirectory(fake.hosts, place('host1'), place('host2'), { env: fake.env })).toBe(true);
      expect(sessions()).toEqual(['host1 pack-dir', 'host2 unpack-dir']);
      expect(readdirSync(on('host2', '0'))).toEqual(['7']);
      expect(readdirSync(on('host1', '0'))).toEqual(['7']);
    });

    test('links of disks are made in the same session, also where there is nothing to copy', async () => {
      mkdirSync(on('host1', '0/7'), { recursive: true });
      writeFileSync(on('host1', '0/7/vm.xml'), '<VM/>');
      symlinkSync('/dev/loop1', on('host1', '0/7/disk.0'));
      const path = volume('a');
      for (const id of [7, 8]) {
        const link = join(dir, `0/${id}/disk.0`);
        const [from, to] = [place('host1', `0/${id}`), place('host2', `0/${id}`)];
        const links = [
          { link, minBytes: bytes(1), candidates: ['/dev/absent', path], identity: device(path).identity },
        ];
        const options = { env: fake.env, skip: ['disk.0'], links };
        expect(await copyDirectory(fake.hosts, from, to, options)).toBe(id === 7);
        expect(readlinkSync(on('host2', `0/${id}/disk.0`))).toBe(path);
      }
      expect(readdirSync(on('host2', '0/7')).sort()).toEqual(['disk.0', 'vm.xml']);
      expect(sessions().length).toBe(4);
    });

    test('a device that is too small is named, though the directory is there', async () => {
      mkdirSync(on('host1', '0/7'), { recursive: true });
      const path = volume('a');
      const links = [
        {
          link: join(dir, '0/7/disk.0'),
          minBytes: bytes(2 * MiB),
          candidates: [path],
          identity: device(path).identity,
        },
      ] as const;
      const copy = copyDirectory(fake.hosts, place('host1'), place('host2'), { env: fake.env, links });
      const error = await failure(copy);
      expect(isDriverError(error, 'DEVICE_SIZE')).toBe(true);
      expect(String(error)).toContain(`${path} on host2`);
      expect(readdirSync(on('host2', '0/7'))).toEqual([]);
    });

    test('an archive of a hostile host brings no device, no setuid bit and no link out of its place', async () => {
      const from = on('host1', '0/7');
      mkdirSync(from, { recursive: true });
      writeFileSync(join(from, 'vm.xml'), '<VM/>');
      writeFileSync(join(from, 'su'), '#!/bin/sh');
      Bun.spawnSync(['chmod', '6755', join(from, 'su')]);
      Bun.spawnSync(['mkfifo', join(from, 'pipe')]);
      Bun.spawnSync(['mknod', join(from, 'disk'), 'b', '7', '0']);
      symlinkSync('/etc/passwd', join(from, 'out'));
      symlinkSync('../8/disk.0', join(from, 'other'));
      symlinkSync('vm.xml', join(from, 'in'));
      await copyDirectory(fake.hosts, place('host1'), place('host2'), { env: fake.env });
      expect(readdirSync(on('host2', '0/7')).sort()).toEqual(['in', 'su', 'vm.xml']);
      expect(statSync(on('host2', '0/7/su')).mode & 0o7777).toBe(0o755);
    });

    test('half an archive never takes the place of a directory', async () => {
      mkdirSync(on('host1', '0/7'), { recursive: true });
      mkdirSync(on('host2', '0/7'), { recursive: true });
      writeFileSync(on('host1', '0/7/vm.xml'), 'new '.repeat(20_000));
      writeFileSync(on('host2', '0/7/old'), 'old');
      const tar = Bun.which('tar');
      const half = `#!/bin/sh\ncase $1 in --create) ${tar} "$@" | head -c 30000; exit 0 ;; esac\nexec ${tar} "$@"\n`;
      writeFileSync(join(fake.root, 'bin/tar'), half, { mode: 0o755 });
      const error = await failure(
        moveDirectory(fake.hosts, place('host1'), place('host2'), { env: fake.env }),
      );
      expect(isDriverError(error, 'HOST_COMMAND')).toBe(true);
      expect(readdirSync(on('host2', '0/7'))).toEqual(['old']);
      expect(readdirSync(on('host2', '0'))).toEqual(['7']);
      expect(readdirSync(on('host1', '0/7'))).toEqual(['vm.xml']);
    });

    test('a directory over the limit is left where it is', async () => {
      mkdirSync(on('host1', '0/7'), { recursive: true });
      writeFileSync(on('host1', '0/7/checkpoint'), Buffer.alloc(2 * MiB, 1));
      const options = { env: fake.env, limitMib: 2 };
      expect(await moveDirectory(fake.hosts, place('host1'), place('host2'), options)).toBe('large');
      expect([readdirSync(on('host1', '0')), readdirSync(on('host2'))]).toEqual([['7'], []]);
    });

    test('moves files and foreign links, keeps links made at the target, leaves skipped ones', async () => {
      mkdirSync(on('host1', '0/7'), { recursive: true });
      mkdirSync(on('host2', '0/7'), { recursive: true });
      const sparse = on('host1', '0/7/disk.2');
      writeFileSync(sparse, 'iso');
      truncateSync(sparse, 64 * MiB);
      writeFileSync(on('host1', "0/7/vm it's.xml"), '<VM/>');
      symlinkSync('/dev/loop1', on('host1', '0/7/disk.0'));
      symlinkSync('/dev/vg-one/x', on('host1', '0/7/disk.1'));
      symlinkSync('/dev/loop9', on('host2', '0/7/disk.0'));
      writeFileSync(on('host2', '0/7/stale'), 'x');
      expect(
        await moveDirectory(fake.hosts, place('host1'), place('host2'), { skip: ['disk.0'], env: fake.env }),
      ).toBe('moved');
      expect(existsSync(on('host1', '0/7'))).toBe(false);
      expect(readdirSync(on('host2', '0/7')).sort()).toEqual(['disk.0', 'disk.1', 'disk.2', "vm it's.xml"]);
      expect(readlinkSync(on('host2', '0/7/disk.0'))).toBe('/dev/loop9');
      expect(readlinkSync(on('host2', '0/7/disk.1'))).toBe('/dev/vg-one/x');
      const moved = lstatSync(on('host2', '0/7/disk.2'));
      expect(moved.size).toBe(64 * MiB);
      expect(moved.blocks * 512).toBeLessThan(MiB);
      expect(readdirSync(on('host2', '0'))).toEqual(['7']);
    });

    test('no source directory: nothing is done', async () => {
      mkdirSync(on('host2', '0/7'), { recursive: true });
      expect(await copyDirectory(fake.hosts, place('host1'), place('host2'), { env: fake.env })).toBe(false);
      expect(existsSync(on('host2', '0/7'))).toBe(true);
    });

    test('a failed copy leaves the source, the old target and nothing else', async () => {
      mkdirSync(on('host1', '0/7'), { recursive: true });
      writeFileSync(on('host1', '0/7/vm.xml'), 'new');
      mkdirSync(on('host2', '0'));
      writeFileSync(on('host2', '0/7'), 'a file is in the way');
      const error = await failure(
        moveDirectory(fake.hosts, place('host1'), place('host2'), { env: fake.env }),
      );
      expect(isDriverError(error, 'HOST_COMMAND')).toBe(true);
      expect(readFileSync(on('host1', '0/7/vm.xml'), 'utf8')).toBe('new');
      expect(readdirSync(on('host2', '0'))).toEqual(['7']);
    });
  });
});
