import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDriverError } from '../../src/errors.ts';
import { SshHosts } from '../../src/hosts/ssh.ts';
import { openLoopback } from '../../src/tools/bench/copy/loopback.ts';
import { type CopySource, copyDevice } from '../../src/transfer/copy.ts';
import { importImage } from '../../src/transfer/import.ts';
import type { TransferOptions } from '../../src/transfer/target.ts';
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
import { anywhere, expectNoScratch, target as targetOf } from './work.ts';

// Processes on a busy machine: slow is no failure.
setDefaultTimeout(60_000);

const size = 80 * MiB;
let fake: FakeHosts;
let work: string;
let raw: Buffer;
const sockets = (): string[] => readdirSync('/tmp').filter((name) => name.startsWith('.linstor_un-nbd-'));
let socketsBefore: string[];

beforeEach(() => {
  fake = fakeHosts();
  work = temporary();
  socketsBefore = sockets();
  raw = readFileSync(sparseImage(join(work, 'raw'), size));
});
afterEach(() => {
  expectNoScratch(work);
  // Other tests may run beside these.
  expect(sockets().filter((name) => !socketsBefore.includes(name) && isOurs(name))).toEqual([]);
  fake.remove();
  rmSync(work, { recursive: true, force: true });
});
const isOurs = (name: string): boolean => forwards().includes(name);

const options = (more: TransferOptions = {}): TransferOptions => ({
  env: fake.env,
  stagingDir: work,
  nbdFrom: bytes(0),
  ...more,
});
const target = (device: string, host = 'host2', readsZero = false) => targetOf(device, host, readsZero);
const policy = { safeDirs: [], restrictedDirs: [] };
const image = (name: string) => ({ path: join(work, name), policy, addresses: anywhere });
const convert = (format: string, ...more: string[]): void => {
  run('qemu-img', 'convert', '-O', format, ...more, join(work, 'raw'), join(work, format));
};
const forwards = (): string => {
  const path = join(fake.root, 'forwards');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

describe('by NBD', () => {
  for (const format of ['raw', 'qcow2', 'vmdk', 'vdi', 'vhdx']) {
    for (const readsZero of [true, false]) {
      test(`${format} to a ${readsZero ? 'zero' : 'dirty'} device`, async () => {
        if (format !== 'raw') convert(format);
        const device = (readsZero ? zeroDeviceFile : dirtyDevice)(join(work, 'target'), size + MiB);
        const place = target(device, 'host2', readsZero);
        const { bytes: written } = await importImage(fake.hosts, image(format), place, options());
        expect(written).toBe(bytes(size));
        expect(holdsExactly(device, raw)).toBe(true);
        if (readsZero) expect(statSync(device).blocks * 512).toBeLessThan(4 * MiB);
        expect(forwards().split('\n').length).toBe(2);
      });
    }
  }

  test('a length that is no multiple of a sector', async () => {
    const odd = noise(5 * MiB + 777, 5);
    writeFileSync(join(work, 'odd'), odd);
    const device = dirtyDevice(join(work, 'target'), 6 * MiB);
    await importImage(fake.hosts, image('odd'), target(device), options());
    expect(holdsExactly(device, odd)).toBe(true);
    expect(forwards()).not.toBe('');
  });

  test('straight from one host to another, and a part of a larger device', async () => {
    const from: CopySource = { host: 'host1', ...deviceOf(join(work, 'raw')), bytes: bytes(size - 512) };
    const device = dirtyDevice(join(work, 'target'), size);
    const calls = join(fake.root, 'calls');
    writeFileSync(calls, '');
    const result = await copyDevice(fake.hosts, from, target(device), options());
    expect(result.bytes).toBe(bytes(size - 512));
    expect(holdsExactly(device, raw.subarray(0, size - 512))).toBe(true);
    // To look, to read, and from there to write.
    expect(readFileSync(calls, 'utf8')).toBe('host1\nhost1\nhost2\n');
  });

  test.if(isRoot)('between block devices', async () => {
    const files = [join(work, 'raw'), dirtyDevice(join(work, 'target'), size + MiB)];
    const [a = '', b = ''] = files.map((file) => run('losetup', '-f', '--show', file).trim());
    try {
      const place = { host: 'host2', ...deviceOf(b), bytes: bytes(size + MiB), readsZero: false };
      await copyDevice(fake.hosts, { host: 'host1', ...deviceOf(a) }, place, options());
      run('sync', b);
      expect(holdsExactly(join(work, 'target'), raw)).toBe(true);
      expect(forwards()).not.toBe('');
    } finally {
      run('losetup', '-d', a, b);
    }
  });

  test('progress is told', async () => {
    const seen: number[] = [];
    const device = zeroDeviceFile(join(work, 'target'), size);
    const onProgress: TransferOptions['onProgress'] = (point) => seen.push(point.done);
    await importImage(fake.hosts, image('raw'), target(device), options({ onProgress }));
    expect(seen.at(-1)).toBe(size);
  });

  test('LIMIT_TRANSFER_BW holds it back', async () => {
    writeFileSync(join(work, 'noise'), noise(3 * MiB));
    const device = zeroDeviceFile(join(work, 'target'), 3 * MiB);
    const wrapped = '#!/bin/bash\necho "$*" >>"$FAKE_ROOT/qemu"\nPATH=/usr/bin exec qemu-img "$@"\n';
    writeFileSync(join(fake.root, 'bin', 'qemu-img'), wrapped, { mode: 0o755 });
    await importImage(fake.hosts, image('noise'), target(device), options({ limitTransferBw: '100M' }));
    expect(readFileSync(join(fake.root, 'qemu'), 'utf8')).toContain(`-r ${100 * MiB} `);
  });
});

describe('where NBD does not go', () => {
  const viaTheWire = async (host: string, more: TransferOptions = {}): Promise<void> => {
    convert('qcow2');
    const device = zeroDeviceFile(join(work, 'target'), size);
    await importImage(fake.hosts, image('qcow2'), target(device, host, true), options(more));
    expect(holdsExactly(device, raw)).toBe(true);
    expect(statSync(device).blocks * 512).toBeLessThan(4 * MiB);
  };
  const shadow = (name: string, text: string): void =>
    writeFileSync(join(fake.root, 'bin', name), `#!/bin/bash\n${text}\n`, { mode: 0o755 });

  test('a site that forwards nothing', () => viaTheWire('closed1'));
  test('a host with a qemu-nbd that does not start', async () => {
    shadow('qemu-nbd', 'echo "qemu-nbd: no" >&2; exit 1');
    await viaTheWire('host2');
  });
  test('a qemu-img that knows no rate', async () => {
    shadow(
      'qemu-img',
      'if [ "$2" = --help ]; then echo; exit; fi; if [ "$1" = convert ] && [[ " $* " == *" -r "* ]]; then exit 1; fi; PATH=/usr/bin exec qemu-img "$@"',
    );
    await viaTheWire('host2', { limitTransferBw: '1G' });
  });
  test('one host that may not log in to the other', async () => {
    const device = dirtyDevice(join(work, 'target'), size);
    mkdirSync(join(fake.root, 'other'));
    // Only the session on host1 has it in PATH.
    writeFileSync(join(fake.root, 'other', 'ssh'), '#!/bin/sh\necho denied >&2\nexit 255\n', { mode: 0o755 });
    const script = readFileSync(join(fake.root, 'bin', 'ssh'), 'utf8');
    const inner = script.replace('host=$1; shift', 'host=$1; shift; export PATH="$FAKE_ROOT/other:$PATH"');
    writeFileSync(join(fake.root, 'bin', 'ssh'), inner);
    await copyDevice(
      fake.hosts,
      { host: 'host1', ...deviceOf(join(work, 'raw')) },
      target(device),
      options(),
    );
    expect(holdsExactly(device, raw)).toBe(true);
    expect(forwards()).toBe('');
  });
  test('VERIFY, and data that are not worth it', async () => {
    await viaTheWire('host2', { verify: true });
    await viaTheWire('host2', { nbdFrom: bytes(64 * MiB) });
    expect(forwards()).toBe('');
  });
});

describe('failures', () => {
  const bin = (name: string, text: string): void =>
    writeFileSync(join(fake.root, 'bin', name), `#!/bin/bash\n${text}\n`, { mode: 0o755 });

  test('no device, a device that is too small, a host that is not there', async () => {
    const small = zeroDeviceFile(join(work, 'target'), MiB);
    const claims = (device: string, host = 'host2') => ({
      host,
      ...deviceOf(device),
      bytes: bytes(size),
      readsZero: true,
    });
    const cp = (place: ReturnType<typeof claims>): Promise<string> =>
      codeOf(importImage(fake.hosts, image('raw'), place, options()));
    expect(await cp(claims(join(work, 'absent')))).toBe('DEVICE_MISSING');
    expect(await cp(claims(small))).toBe('IMAGE_SIZE');
    expect(await cp(claims(small, 'down2'))).toBe('HOST_UNREACHABLE');
    expect(existsSync(join(work, 'absent'))).toBe(false);
    expect(statSync(small).blocks).toBe(0);
  });

  test('a conversion that fails, with what it said', async () => {
    bin(
      'qemu-img',
      'if [ "$1" = convert ] && [ "$2" != --help ]; then echo "qemu-img: no luck" >&2; exit 1; fi\nPATH=/usr/bin exec qemu-img "$@"',
    );
    const device = zeroDeviceFile(join(work, 'target'), size);
    const error = await importImage(fake.hosts, image('raw'), target(device), options()).catch(
      (each: unknown) => each,
    );
    expect(String(error)).toContain('no luck');
    expect(isDriverError(error) && error.code).toBe('HOST_COMMAND');
  });

  test('a flush that fails on the other side', async () => {
    bin(
      'dd',
      'case "$*" in *fsync*) echo "dd: fsync failed: Input/output error" >&2; exit 1 ;; esac\nexec /usr/bin/dd "$@"',
    );
    const device = zeroDeviceFile(join(work, 'target'), size);
    const error = await importImage(fake.hosts, image('raw'), target(device), options()).catch(
      (each: unknown) => each,
    );
    expect(isDriverError(error) && error.code).toBe('HOST_COMMAND');
    expect(String(error)).toContain('fsync failed');
  });

  test('a server that dies while it is written to', async () => {
    bin('qemu-nbd', '/usr/bin/qemu-nbd "$@" & pid=$!; sleep 1; kill -9 $pid; wait $pid');
    writeFileSync(join(work, 'noise'), noise(64 * MiB));
    const device = zeroDeviceFile(join(work, 'target'), 64 * MiB);
    const slow = options({ limitTransferBw: '4M' });
    expect(await codeOf(importImage(fake.hosts, image('noise'), target(device), slow))).toBe('HOST_COMMAND');
  });

  test('a signal stops it, on both sides', async () => {
    writeFileSync(join(work, 'noise'), noise(64 * MiB));
    const device = zeroDeviceFile(join(work, 'target'), 64 * MiB);
    const stop = new AbortController();
    const slow = options({ limitTransferBw: '1M', signal: stop.signal });
    const work1 = codeOf(importImage(fake.hosts, image('noise'), target(device), slow));
    while (!existsSync(join(fake.root, 'forwards'))) await Bun.sleep(20);
    await Bun.sleep(500);
    stop.abort();
    expect(await work1).toBe('INTERRUPTED');
    const servers = (): boolean => Bun.spawnSync(['pgrep', '-f', `qemu-nbd.*${device}`]).success;
    for (let tries = 0; tries < 100 && servers(); tries += 1) await Bun.sleep(50);
    expect(servers()).toBe(false);
  });
});

const hasSshd = existsSync('/usr/sbin/sshd');
describe.if(hasSshd)('through a real sshd', () => {
  for (const forwarding of ['yes', 'no']) {
    test(`AllowStreamLocalForwarding ${forwarding}: only data travel`, async () => {
      const loopback = await openLoopback(join(work, 'ssh'), [`AllowStreamLocalForwarding ${forwarding}`]);
      if (!loopback) throw new Error('sshd does not start');
      try {
        convert('qcow2');
        const env = { PATH: `${loopback.countingBin}:${process.env['PATH'] ?? ''}` };
        const device = dirtyDevice(join(work, 'target'), size + MiB);
        const hosts = new SshHosts({ env, ownName: 'frontend' });
        await importImage(hosts, image('qcow2'), target(device, 'bridge'), options({ env }));
        expect(holdsExactly(device, raw)).toBe(true);
        expect(loopback.takeWireBytes()).toBeLessThan(4 * MiB);
      } finally {
        await loopback.stop();
      }
    });
  }
});
