import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from 'bun:test';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../../src/errors.ts';
import { importImage } from '../../src/transfer/import.ts';
import type { SourceRequest } from '../../src/transfer/source.ts';
import type { TransferOptions } from '../../src/transfer/target.ts';
import { virtualSize } from '../../src/transfer/vsize.ts';
import { bytes, mib } from '../../src/units.ts';
import { type FakeHosts, fakeHosts, isRoot } from '../hosts/fake-hosts.ts';
import { device as deviceOf } from '../support/device.ts';
import {
  dirtyDevice,
  holdsExactly,
  MiB,
  noise,
  patch,
  run,
  sparseImage,
  temporary,
  u32be,
  u64be,
  u64le,
  zeroDeviceFile,
} from './images.ts';
import { anywhere, expectNoScratch, target } from './work.ts';

// Processes on a busy machine: slow is no failure.
setDefaultTimeout(60_000);

let corpus: string;
let raw: Buffer;
const size = 40 * MiB;
beforeAll(() => {
  corpus = temporary();
  const source = sparseImage(join(corpus, 'raw'), size);
  raw = readFileSync(source);
  for (const [name, ...options] of [
    ['qcow2', '-O', 'qcow2'],
    ['qcow2-v2', '-O', 'qcow2', '-o', 'compat=0.10'],
    ['qcow2-compressed', '-c', '-O', 'qcow2'],
    ['qcow2-zstd', '-c', '-O', 'qcow2', '-o', 'compression_type=zstd'],
    ['qcow2-4k', '-O', 'qcow2', '-o', 'cluster_size=4k'],
    ['vmdk', '-O', 'vmdk'],
    ['vmdk-stream', '-O', 'vmdk', '-o', 'subformat=streamOptimized'],
    ['vdi', '-O', 'vdi'],
    ['vdi-static', '-O', 'vdi', '-o', 'static=on'],
    ['vhdx', '-O', 'vhdx'],
    ['vpc', '-O', 'vpc', '-o', 'force_size=on'],
  ] as const) {
    run('qemu-img', 'convert', ...options, source, join(corpus, name));
  }
  for (const inner of ['raw', 'qcow2', 'vhdx']) {
    const path = join(corpus, inner);
    for (const [ending, program] of [
      ['gz', 'gzip'],
      ['bz2', 'bzip2'],
      ['xz', 'xz'],
      ['zst', 'zstd'],
    ] as const) {
      writeFileSync(`${path}.${ending}`, Bun.spawnSync([program, '-1', '-c', path]).stdout);
    }
  }
  // Packing takes its time on a machine that does other things.
}, 300_000);
afterAll(() => rmSync(corpus, { recursive: true, force: true }));

let fake: FakeHosts;
let work: string;
beforeEach(() => {
  fake = fakeHosts();
  work = temporary();
});
afterEach(() => {
  // Nothing of ours stays anywhere.
  expectNoScratch(work);
  if (existsSync(join(work, 'staging'))) expect(readdirSync(join(work, 'staging'))).toEqual([]);
  fake.remove();
  rmSync(work, { recursive: true, force: true });
});

const open = { safeDirs: ['/'], restrictedDirs: [] };
const request = (path: string, more: Partial<SourceRequest> = {}): SourceRequest => ({
  path,
  policy: open,
  addresses: anywhere,
  ...more,
});
const options = (more: TransferOptions = {}): TransferOptions => ({
  env: fake.env,
  stagingDir: join(work, 'staging'),
  ...more,
});
async function failure(promise: Promise<unknown>): Promise<DriverError> {
  const error: unknown = await promise.then(
    () => new Error('did not fail'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof DriverError) return error;
  throw error;
}

const good = [
  'raw',
  'qcow2',
  'qcow2-v2',
  'qcow2-compressed',
  'qcow2-zstd',
  'qcow2-4k',
  'vmdk',
  'vmdk-stream',
  'vdi',
  'vdi-static',
  'vhdx',
  'vpc',
  'raw.gz',
  'raw.bz2',
  'raw.xz',
  'raw.zst',
  'qcow2.gz',
  'qcow2.bz2',
  'qcow2.xz',
  'qcow2.zst',
  'vhdx.gz',
];

describe('good images', () => {
  for (const name of good) {
    test(`${name}: over ssh onto a dirty device, and its size`, async () => {
      const device = dirtyDevice(join(work, 'device'), size + 3 * MiB + 512);
      const result = await importImage(
        fake.hosts,
        request(join(corpus, name)),
        target(device),
        options({ verify: true }),
      );
      expect(holdsExactly(device, raw)).toBe(true);
      expect([Number(result.bytes), result.verified]).toEqual([size, true]);
      expect(await virtualSize(request(join(corpus, name)), options())).toBe(mib(40));
    });
  }

  for (const name of ['raw', 'qcow2-compressed', 'vmdk', 'raw.gz', 'qcow2.xz']) {
    for (const readsZero of [true, false]) {
      test(`${name} on the front-end itself, target ${readsZero ? 'zero' : 'dirty'}`, async () => {
        const make = readsZero ? zeroDeviceFile : dirtyDevice;
        const device = make(join(work, 'device'), size + MiB);
        await importImage(
          fake.hosts,
          request(join(corpus, name)),
          target(device, 'frontend', readsZero),
          options({ verify: true }),
        );
        expect(holdsExactly(device, raw)).toBe(true);
      });
    }
  }

  test('a thin target stays thin, and only data travel', async () => {
    fake.remove();
    fake = fakeHosts({ count: true });
    for (const name of ['raw', 'qcow2', 'raw.gz']) {
      const device = zeroDeviceFile(join(work, `device-${name}`), size);
      rmSync(join(fake.root, 'wire'), { force: true });
      await importImage(fake.hosts, request(join(corpus, name)), target(device, 'host1', true), options());
      expect(holdsExactly(device, raw)).toBe(true);
      expect(statSync(device).blocks * 512).toBeLessThan(5 * MiB);
      expect(statSync(join(fake.root, 'wire')).size).toBeLessThan(3.5 * MiB);
    }
  });

  test('an unsparse file full of zeroes is looked through', async () => {
    fake.remove();
    fake = fakeHosts({ count: true });
    const path = join(work, 'full');
    writeFileSync(path, raw);
    const device = zeroDeviceFile(join(work, 'device'), size);
    await importImage(fake.hosts, request(path), target(device, 'host1', true), options());
    expect(holdsExactly(device, raw)).toBe(true);
    expect(statSync(join(fake.root, 'wire')).size).toBeLessThan(5 * MiB);
  });

  test('compressed on the wire it is the same', async () => {
    fake.remove();
    fake = fakeHosts({ count: true });
    const path = join(work, 'text');
    writeFileSync(path, 'the same again and again\n'.repeat(400_000));
    const device = dirtyDevice(join(work, 'device'), 12 * MiB);
    await importImage(fake.hosts, request(path), target(device), options({ compress: true, verify: true }));
    expect(holdsExactly(device, readFileSync(path))).toBe(true);
    expect(statSync(join(fake.root, 'wire')).size).toBeLessThan(MiB);
  });

  test('held back, also when it goes as archives', async () => {
    mkdirSync(join(work, 'bin'));
    writeFileSync(join(work, 'bin/sleep'), '#!/bin/sh\necho "$1" >>"$FAKE_ROOT/pauses"\n', { mode: 0o755 });
    const env = { ...fake.env, PATH: `${join(work, 'bin')}:${fake.env['PATH']}` };
    const fragmented = Buffer.alloc(32 * MiB);
    for (let at = 0; at < fragmented.length; at += MiB) noise(8192, at).copy(fragmented, at);
    writeFileSync(join(work, 'fragmented'), fragmented);
    for (const [name, content] of [
      ['fragmented', fragmented],
      ['solid', noise(2 * MiB)],
    ] as const) {
      writeFileSync(join(work, name), content);
      const device = dirtyDevice(join(work, 'device'), size);
      const limited = options({ env, limitTransferBw: '4K' });
      await importImage(fake.hosts, request(join(work, name)), target(device), limited);
      expect(holdsExactly(device, content)).toBe(true);
      // After 4 KiB each, unless this machine took longer than a second for that.
      const pauses = readFileSync(join(fake.root, 'pauses'), 'utf8').trim().split('\n').map(Number);
      expect(pauses.length).toBeGreaterThan(40);
      expect(Math.max(...pauses)).toBeGreaterThan(20);
      for (const file of [join(fake.root, 'pauses'), join(work, name)]) rmSync(file);
    }
    rmSync(join(work, 'bin'), { recursive: true });
  });

  test('several windows, and a length that is no multiple of anything', async () => {
    const path = join(work, 'odd');
    const data = noise(150 * MiB + 777, 5);
    data.fill(0, 70 * MiB, 139 * MiB + 13);
    writeFileSync(path, data);
    for (const [name, host] of [
      ['a', 'host1'],
      ['b', 'frontend'],
    ] as const) {
      const device = dirtyDevice(join(work, name), 151 * MiB);
      await importImage(fake.hosts, request(path), target(device, host), options({ verify: true }));
      expect(holdsExactly(device, data)).toBe(true);
      rmSync(device);
    }
    run('gzip', '-1', path);
    const device = dirtyDevice(join(work, 'c'), 151 * MiB);
    await importImage(fake.hosts, request(`${path}.gz`), target(device), options());
    expect(holdsExactly(device, data)).toBe(true);
  }, 60_000);

  test('a fragmented image: many pieces of data in every window', async () => {
    const path = join(work, 'fragments');
    const length = 100 * MiB + 4096 + 300;
    zeroDeviceFile(path, length);
    for (let at = 4096; at < length - 9000; at += MiB + 512 * 1024) patch(path, at, noise(9000, at));
    const data = readFileSync(path);
    run('qemu-img', 'convert', '-O', 'qcow2', path, `${path}.qcow2`);
    fake.remove();
    fake = fakeHosts({ count: true });
    for (const name of [path, `${path}.qcow2`]) {
      for (const readsZero of [true, false]) {
        const device = (readsZero ? zeroDeviceFile : dirtyDevice)(join(work, 'device'), length + MiB);
        rmSync(join(fake.root, 'wire'), { force: true });
        await importImage(
          fake.hosts,
          request(name),
          target(device, 'host1', readsZero),
          options({ verify: true }),
        );
        expect(holdsExactly(device, data)).toBe(true);
        expect(statSync(join(fake.root, 'wire')).size).toBeLessThan(6 * MiB);
        if (readsZero) expect(statSync(device).blocks * 512).toBeLessThan(12 * MiB);
        rmSync(device);
      }
    }
  });

  test('tiny images', async () => {
    for (const length of [1, 511, 512, 4096, 5000]) {
      const path = join(work, `tiny-${length}`);
      writeFileSync(
        path,
        noise(length + 4, length)
          .subarray(4)
          .fill(7, 0, 1),
      );
      for (const host of ['host1', 'frontend']) {
        const device = dirtyDevice(join(work, 'device'), MiB);
        await importImage(fake.hosts, request(path), target(device, host), options({ verify: true }));
        expect(holdsExactly(device, readFileSync(path))).toBe(true);
      }
      expect(await virtualSize(request(path))).toBe(mib(1));
    }
  });

  test('names with anything in them', async () => {
    const names = [
      'a b',
      "it's",
      'x"y',
      '$(id)',
      '-rf',
      'two\nlines',
      'ü\u{1F600}',
      'a,b:c',
      '%s',
      '{"driver":"x"}',
    ];
    for (const name of names) {
      const path = join(work, name);
      for (const from of ['raw', 'qcow2', 'raw.gz']) {
        writeFileSync(path, readFileSync(join(corpus, from)));
        const device = dirtyDevice(join(work, 'device'), size);
        await importImage(fake.hosts, request(path), target(device, 'frontend'), options());
        expect(holdsExactly(device, raw)).toBe(true);
      }
      expect(await virtualSize(request(path))).toBe(mib(40));
    }
  }, 60_000);

  test('NO_DECOMPRESS takes a compressed file as it is', async () => {
    const path = join(corpus, 'raw.gz');
    const device = dirtyDevice(join(work, 'device'), 8 * MiB);
    await importImage(fake.hosts, request(path, { noDecompress: true }), target(device), options());
    expect(holdsExactly(device, readFileSync(path))).toBe(true);
  });

  test('a file that others may change is copied before anything trusts its header', async () => {
    const path = join(work, 'shared.qcow2');
    writeFileSync(path, readFileSync(join(corpus, 'qcow2')), { mode: 0o666 });
    run('chmod', '666', path);
    const device = dirtyDevice(join(work, 'device'), size);
    await importImage(fake.hosts, request(path), target(device), options({ verify: true }));
    expect(holdsExactly(device, raw)).toBe(true);
  });

  test('progress reaches the end and never goes back', async () => {
    const seen: number[] = [];
    const device = dirtyDevice(join(work, 'device'), size);
    const onProgress: TransferOptions['onProgress'] = ({ done, total }) => seen.push(done / (total ?? 1));
    await importImage(fake.hosts, request(join(corpus, 'qcow2')), target(device), options({ onProgress }));
    expect(seen.length).toBeGreaterThan(0);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
  });

  test.if(isRoot)('a real block device', async () => {
    const file = dirtyDevice(join(work, 'disk'), size + 4 * MiB);
    const device = run('losetup', '-f', '--show', file).trim();
    try {
      for (const [name, host] of [
        ['raw', 'host1'],
        ['qcow2', 'host1'],
        ['raw.zst', 'host1'],
        ['vmdk', 'frontend'],
      ] as const) {
        run('dd', 'if=/dev/urandom', `of=${device}`, 'bs=1M', 'count=44', 'conv=nocreat', 'status=none');
        const place = { host, ...deviceOf(device), bytes: bytes(size), readsZero: false };
        await importImage(fake.hosts, request(join(corpus, name)), place, options({ verify: true }));
        run('sync', device);
        expect(holdsExactly(file, raw)).toBe(true);
      }
    } finally {
      run('losetup', '-d', device);
    }
  });
});

describe('checksums', () => {
  const sum = (algorithm: string, path: string): string =>
    new Bun.CryptoHasher(algorithm as 'md5').update(readFileSync(path)).digest('hex');

  for (const name of ['raw', 'qcow2', 'raw.gz', 'qcow2.xz']) {
    test(`${name}: of the file as published`, async () => {
      const path = join(corpus, name);
      const checksums = {
        md5: sum('md5', path).toUpperCase(),
        sha1: sum('sha1', path),
        sha256: sum('sha256', path),
      };
      const device = dirtyDevice(join(work, 'device'), size);
      await importImage(fake.hosts, request(path, { checksums }), target(device), options());
      expect(holdsExactly(device, raw)).toBe(true);
      for (const algorithm of ['md5', 'sha1', 'sha256'] as const) {
        const wrong = { ...checksums, [algorithm]: sum(algorithm, join(corpus, 'vdi')) };
        const error = await failure(
          importImage(fake.hosts, request(path, { checksums: wrong }), target(device), options()),
        );
        expect(error.code).toBe('IMAGE_CHECKSUM');
      }
    });
  }

  test('what can be no checksum is refused before anything is written', async () => {
    const device = zeroDeviceFile(join(work, 'device'), size);
    const error = await failure(
      importImage(
        fake.hosts,
        request(join(corpus, 'raw'), { checksums: { md5: 'abc' } }),
        target(device),
        options(),
      ),
    );
    expect(error.code).toBe('BAD_ARGUMENT');
    expect(statSync(device).blocks).toBe(0);
  });
});

describe('hostile and broken images', () => {
  const secret = 'top secret of another tenant';
  type Case = [name: string, make: (path: string) => void, code: string];
  const from = (name: string, path: string): void => writeFileSync(path, readFileSync(join(corpus, name)));
  const cut =
    (name: string, length: number) =>
    (path: string): void => {
      from(name, path);
      truncateSync(path, length < 0 ? statSync(path).size + length : length);
    };
  const patched =
    (name: string, ...patches: [number, Uint8Array | string][]) =>
    (path: string): void => {
      from(name, path);
      for (const [at, data] of patches) patch(path, at, data);
    };
  const cases: Case[] = [
    [
      'qcow2 with a backing file',
      (path) => {
        run('qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-b', '/etc/passwd', '-F', 'raw', path, '40M');
      },
      'IMAGE_HOSTILE',
    ],
    [
      'qcow2 with a data file',
      (path) => {
        run('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', `data_file=${path}.data`, path, '40M');
      },
      'IMAGE_HOSTILE',
    ],
    ['qcow2 with the data file feature', patched('qcow2', [76, u32be(4)]), 'IMAGE_HOSTILE'],
    ['qcow2 encrypted', patched('qcow2', [32, u32be(2)]), 'IMAGE_FORMAT'],
    ['qcow2 marked corrupt', patched('qcow2', [76, u32be(2)]), 'IMAGE_FORMAT'],
    ['qcow2 of an unknown version', patched('qcow2', [4, u32be(9)]), 'IMAGE_FORMAT'],
    ['qcow2 with unknown features', patched('qcow2', [72, u32be(0x80000000)]), 'IMAGE_FORMAT'],
    ['qcow2 that claims 8 EiB', patched('qcow2', [24, u64be(2n ** 63n - 512n)]), 'IMAGE_SIZE'],
    ['qcow2 of size 0', patched('qcow2', [24, u64be(0)]), 'IMAGE_SIZE'],
    ['qcow2 that is larger than the volume', patched('qcow2', [24, u64be(64 * MiB)]), 'IMAGE_SIZE'],
    ['qcow2 with a huge L1 table', patched('qcow2', [36, u32be(0xffffffff)]), 'IMAGE_FORMAT'],
    ['qcow2 cut off in its data', cut('qcow2', -MiB), 'IMAGE_FORMAT'],
    ['qcow2 compressed and cut off', cut('qcow2-compressed', -MiB), 'IMAGE_FORMAT'],
    ['qcow2 cut off in its header', cut('qcow2', 50), 'IMAGE_FORMAT'],
    [
      'qcow2 with damaged tables',
      patched('qcow2', [0x30000, noise(4096)], [0x40000, noise(4096)]),
      'IMAGE_FORMAT',
    ],
    [
      'qcow1',
      (path) => {
        from('qcow2', path);
        patch(path, 4, u32be(1));
      },
      'IMAGE_FORMAT',
    ],
    [
      'vmdk descriptor',
      (path) => {
        writeFileSync(
          path,
          `# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 81920 FLAT "/etc/passwd" 0\n`,
        );
      },
      'IMAGE_HOSTILE',
    ],
    ['vmdk without capacity', patched('vmdk', [12, u64le(0)]), 'IMAGE_HOSTILE'],
    [
      'vmdk with a parent',
      (path) => {
        from('vmdk', path);
        const at = readFileSync(path).indexOf('parentCID=ffffffff');
        patch(path, at, 'parentCID=12345678');
      },
      'IMAGE_HOSTILE',
    ],
    [
      'vmdk of several files',
      (path) => {
        from('vmdk', path);
        const at = readFileSync(path).indexOf('monolithicSparse');
        patch(path, at, 'monolithicFlat" ');
      },
      'IMAGE_HOSTILE',
    ],
    ['vmdk cut off', cut('vmdk', 2 * MiB), 'IMAGE_FORMAT'],
    ['vdi of a difference', patched('vdi', [0x4c, Uint8Array.of(4)]), 'IMAGE_HOSTILE'],
    ['vdi with a parent', patched('vdi', [0x1b8, Uint8Array.of(1, 2, 3)]), 'IMAGE_HOSTILE'],
    ['vdi cut off', cut('vdi', 2 * MiB), 'IMAGE_FORMAT'],
    ['vhd of a difference', patched('vpc', [60, u32be(4)]), 'IMAGE_HOSTILE'],
    [
      'vhdx without its tables',
      patched('vhdx', [192 * 1024, Buffer.alloc(4096)], [256 * 1024, Buffer.alloc(4096)]),
      'IMAGE_FORMAT',
    ],
    ['vhdx cut off', cut('vhdx', 9 * MiB), 'IMAGE_FORMAT'],
    [
      'qed',
      (path) => {
        writeFileSync(path, Buffer.concat([Buffer.from('QED\0'), Buffer.alloc(70_000)]));
      },
      'IMAGE_FORMAT',
    ],
    [
      'tar',
      (path) => {
        run('tar', '-cf', path, '-C', corpus, 'vdi');
      },
      'IMAGE_FORMAT',
    ],
    [
      'tar.gz',
      (path) => {
        run('tar', '-czf', path, '-C', corpus, 'vdi');
      },
      'IMAGE_FORMAT',
    ],
    [
      'zip',
      (path) => {
        writeFileSync(path, Buffer.concat([Buffer.from('PK\x03\x04'), noise(100_000)]));
      },
      'IMAGE_FORMAT',
    ],
    [
      'gz in gz',
      (path) => {
        writeFileSync(path, Bun.gzipSync(readFileSync(join(corpus, 'raw.gz'))));
      },
      'IMAGE_FORMAT',
    ],
    ['gz cut off', cut('raw.gz', -100), 'IMAGE_FORMAT'],
    ['gz damaged', patched('raw.gz', [100_000, noise(64)]), 'IMAGE_FORMAT'],
    ['bz2 cut off', cut('raw.bz2', -100), 'IMAGE_FORMAT'],
    ['xz cut off', cut('raw.xz', -100), 'IMAGE_FORMAT'],
    ['zst cut off', cut('raw.zst', -100), 'IMAGE_FORMAT'],
    [
      'a raw that is larger than the volume',
      (path) => {
        zeroDeviceFile(path, size + MiB + 1);
      },
      'IMAGE_SIZE',
    ],
    [
      'a decompression bomb',
      (path) => {
        writeFileSync(path, Bun.spawnSync(['bash', '-c', 'head -c 300M /dev/zero | gzip -1']).stdout);
      },
      'IMAGE_SIZE',
    ],
    [
      'a bomb behind a qcow2 header',
      (path) => {
        from('qcow2', `${path}.q`);
        truncateSync(`${path}.q`, 400 * MiB);
        writeFileSync(path, Bun.spawnSync(['gzip', '-1c', `${path}.q`]).stdout);
      },
      'IMAGE_SIZE',
    ],
    [
      'an empty file',
      (path) => {
        writeFileSync(path, '');
      },
      'IMAGE_SIZE',
    ],
    [
      'an empty gz',
      (path) => {
        writeFileSync(path, Bun.gzipSync(new Uint8Array()));
      },
      'IMAGE_SIZE',
    ],
  ];
  for (const [name, make, code] of cases) {
    test(`${name}: ${code}`, async () => {
      const path = join(work, 'image');
      make(path);
      writeFileSync(join(work, 'secret'), secret);
      const device = zeroDeviceFile(join(work, 'device'), size + MiB);
      for (const host of ['host1', 'frontend']) {
        const error = await failure(
          importImage(fake.hosts, request(path), target(device, host, true), options()),
        );
        expect([error.code, error.message]).toEqual([code as 'INTERNAL', error.message]);
      }
    });
  }

  test('a bomb is stopped when it is larger than the volume, not when it ends', async () => {
    const path = join(work, 'bomb.gz');
    // 4 GiB of zeroes: members of gzip may follow each other.
    const member = Bun.gzipSync(new Uint8Array(64 * MiB));
    writeFileSync(path, Buffer.concat(Array.from({ length: 64 }, () => member)));
    const device = zeroDeviceFile(join(work, 'device'), size);
    const seen: number[] = [];
    const onProgress: TransferOptions['onProgress'] = ({ done }) => seen.push(done);
    const error = await failure(
      importImage(fake.hosts, request(path), target(device), options({ onProgress })),
    );
    expect(error.code).toBe('IMAGE_SIZE');
    expect(Math.max(...seen)).toBeLessThan(200 * MiB);
  });

  test('stat refuses references as well', async () => {
    const path = join(work, 'image');
    run('qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-b', '/etc/passwd', '-F', 'raw', path, '40M');
    expect((await failure(virtualSize(request(path)))).code).toBe('IMAGE_HOSTILE');
    run('gzip', path);
    expect((await failure(virtualSize(request(`${path}.gz`)))).code).toBe('IMAGE_HOSTILE');
  });
});

describe('failures on the way', () => {
  test('no device: DEVICE_MISSING, and none is made', async () => {
    for (const host of ['host1', 'frontend']) {
      const place = { host, ...deviceOf(join(work, 'absent')), bytes: bytes(size), readsZero: true };
      const error = await failure(importImage(fake.hosts, request(join(corpus, 'raw')), place, options()));
      expect(error.code).toBe('DEVICE_MISSING');
      expect(existsSync(place.device)).toBe(false);
    }
  });

  test('a device that is smaller than LINSTOR said', async () => {
    const device = zeroDeviceFile(join(work, 'device'), size - MiB);
    for (const [name, host] of [
      ['raw', 'host1'],
      ['qcow2', 'frontend'],
      ['raw.gz', 'host1'],
    ] as const) {
      const place = { host, ...deviceOf(device), bytes: bytes(size), readsZero: true };
      expect(
        (await failure(importImage(fake.hosts, request(join(corpus, name)), place, options()))).code,
      ).toBe('IMAGE_SIZE');
    }
  });

  test('an unreachable host', async () => {
    const device = zeroDeviceFile(join(work, 'device'), size);
    for (const name of ['raw', 'raw.gz']) {
      const error = await failure(
        importImage(fake.hosts, request(join(corpus, name)), target(device, 'down1'), options()),
      );
      expect(error.code).toBe('HOST_UNREACHABLE');
      expect(error.message).toContain('No route to host');
    }
  });

  test('a failing qemu-img convert fails', async () => {
    mkdirSync(join(work, 'bin'));
    const fakeQemu =
      '#!/bin/sh\nif [ "$1" = convert ] && [ "$2" != --help ]; then echo "qemu-img: no luck" >&2; exit 1; fi\nPATH=/usr/bin exec qemu-img "$@"\n';
    writeFileSync(join(work, 'bin/qemu-img'), fakeQemu, { mode: 0o755 });
    const env = { ...fake.env, PATH: `${join(work, 'bin')}:${fake.env['PATH']}` };
    const device = zeroDeviceFile(join(work, 'device'), size);
    for (const host of ['host1', 'frontend']) {
      const error = await failure(
        importImage(fake.hosts, request(join(corpus, 'qcow2')), target(device, host), options({ env })),
      );
      expect(error.code).toBe('HOST_COMMAND');
      expect(error.message).toContain('no luck');
    }
  });

  // gzip files are unpacked by zstd where it can do that, else by gzip.
  const noGzip = '#!/bin/bash\nif [ "$1" = -vV ]; then echo "*** supports: zstd"; exit; fi\nexit 9\n';
  for (const unpacker of ['zstd', 'gzip']) {
    test(`a stage that is killed half-way leaves a failure: ${unpacker}`, async () => {
      mkdirSync(join(work, 'bin'));
      const killed =
        '#!/bin/bash\nif [ "$1" = -vV ]; then echo "*** supports: zstd, gzip"; exit; fi\n' +
        `PATH=/usr/bin ${unpacker} "$@" | head -c 20000000; kill -9 $$\n`;
      writeFileSync(join(work, 'bin/zstd'), noGzip, { mode: 0o755 });
      writeFileSync(join(work, 'bin', unpacker), killed, { mode: 0o755 });
      const env = { ...fake.env, PATH: `${join(work, 'bin')}:${fake.env['PATH']}` };
      for (const host of ['host1', 'frontend']) {
        const device = zeroDeviceFile(join(work, 'device'), size);
        const error = await failure(
          importImage(fake.hosts, request(join(corpus, 'raw.gz')), target(device, host), options({ env })),
        );
        expect(error.code).toBe('IMAGE_FORMAT');
      }
    });
  }

  test('gzip where zstd was built without it, and padding behind the end, as tapes have it', async () => {
    mkdirSync(join(work, 'bin'));
    writeFileSync(join(work, 'bin/zstd'), noGzip, { mode: 0o755 });
    const env = { ...fake.env, PATH: `${join(work, 'bin')}:${fake.env['PATH']}` };
    const whole = readFileSync(join(corpus, 'raw.gz'));
    const twice = readFileSync(join(corpus, 'raw'));
    for (const [name, data, content] of [
      ['zeroes.gz', Buffer.concat([whole, Buffer.alloc(200_000)]), twice],
      ['one.gz', Buffer.concat([whole, Buffer.alloc(1)]), twice],
      ['members.gz', Buffer.concat([whole, whole]), Buffer.concat([twice, twice])],
    ] as const) {
      writeFileSync(join(work, name), data);
      for (const each of [env, fake.env]) {
        const device = zeroDeviceFile(join(work, 'device'), content.length);
        await importImage(fake.hosts, request(join(work, name)), target(device), options({ env: each }));
        expect(holdsExactly(device, content)).toBe(true);
      }
      rmSync(join(work, name));
    }
  });

  test('a receiver whose connection breaks leaves a failure', async () => {
    const broken =
      '#!/bin/bash\nhead -c 1000000 >/dev/null; echo "Connection closed by remote host" >&2; exit 255\n';
    mkdirSync(join(work, 'bin'));
    writeFileSync(join(work, 'bin/ssh'), broken, { mode: 0o755 });
    const env = { ...fake.env, PATH: `${join(work, 'bin')}:${fake.env['PATH']}` };
    const device = zeroDeviceFile(join(work, 'device'), size);
    for (const name of ['raw', 'raw.gz', 'qcow2']) {
      const error = await failure(
        importImage(fake.hosts, request(join(corpus, name)), target(device), options({ env })),
      );
      expect(error.code).toBe('HOST_UNREACHABLE');
    }
  });

  test('verify finds a target that did not keep what was written', async () => {
    mkdirSync(join(work, 'bin'));
    // Writes, then forgets one byte: what a broken disk does.
    const lying = `#!/bin/bash\n/usr/bin/dd "$@"; code=$?\ncase "$*" in *fsync*) printf x | /usr/bin/dd of="${join(work, 'device')}" bs=1 seek=3200000 conv=notrunc status=none ;; esac\nexit $code\n`;
    writeFileSync(join(work, 'bin/dd'), lying, { mode: 0o755 });
    const env = { ...fake.env, PATH: `${join(work, 'bin')}:${fake.env['PATH']}` };
    const device = zeroDeviceFile(join(work, 'device'), size);
    for (const host of ['host1', 'frontend']) {
      const error = await failure(
        importImage(
          fake.hosts,
          request(join(corpus, 'raw')),
          target(device, host),
          options({ env, verify: true }),
        ),
      );
      expect(error.code).toBe('IMAGE_VERIFY');
    }
  });

  test('a signal stops it', async () => {
    const stop = new AbortController();
    const fifo = join(work, 'bin');
    mkdirSync(fifo);
    writeFileSync(join(fifo, 'bzip2'), '#!/bin/bash\nhead -c 8000000 /dev/zero; sleep 30\n', { mode: 0o755 });
    const env = { ...fake.env, PATH: `${fifo}:${fake.env['PATH']}` };
    const device = zeroDeviceFile(join(work, 'device'), size);
    setTimeout(() => stop.abort(), 300);
    const error = await failure(
      importImage(
        fake.hosts,
        request(join(corpus, 'raw.bz2')),
        target(device),
        options({ env, signal: stop.signal }),
      ),
    );
    expect(error.code).toBe('INTERRUPTED');
  });
});

describe('paths', () => {
  test('cp and stat obey the policy after links are resolved', async () => {
    const safe = join(work, 'safe');
    mkdirSync(safe);
    mkdirSync(`${safe}x`);
    writeFileSync(join(safe, 'image'), noise(MiB));
    writeFileSync(join(`${safe}x`, 'image'), noise(MiB));
    writeFileSync(join(work, 'private'), noise(MiB));
    symlinkSync(join(work, 'private'), join(safe, 'link'));
    symlinkSync(join(safe, 'image'), join(safe, 'inner'));
    const policy = { safeDirs: [safe], restrictedDirs: ['/'] };
    const allowed = ['image', 'inner', '../safe/image', './/image'].map((name) => `${safe}/${name}`);
    const refused = [
      `${safe}/link`,
      `${safe}x/image`,
      `${safe}/../private`,
      '/etc/shadow',
      '/nonexistent',
      'relative',
      `${safe}/absent`,
      safe,
    ];
    const device = dirtyDevice(join(work, 'device'), MiB);
    for (const path of allowed) {
      expect(await virtualSize({ path, policy, addresses: anywhere })).toBe(mib(1));
      await importImage(fake.hosts, { path, policy, addresses: anywhere }, target(device), options());
    }
    for (const path of refused) {
      expect((await failure(virtualSize({ path, policy, addresses: anywhere }))).code).toBe('IMAGE_PATH');
      expect(
        (
          await failure(
            importImage(fake.hosts, { path, policy, addresses: anywhere }, target(device), options()),
          )
        ).code,
      ).toBe('IMAGE_PATH');
    }
  });
});
