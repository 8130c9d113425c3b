import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { appendFileSync, chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importImage } from '../../src/transfer/import.ts';
import { bytes } from '../../src/units.ts';
import { type FakeHosts, fakeHosts } from '../hosts/fake-hosts.ts';
import { device as deviceOf } from '../support/device.ts';
import { holdsExactly, MiB, noise, run, temporary, zeroDeviceFile } from './images.ts';
import { anywhere } from './work.ts';

/** A file that is still being uploaded, or is replaced in place, while it is read. */

setDefaultTimeout(60_000);

const size = 20 * MiB;
let dir: string;
let fake: FakeHosts;
beforeEach(() => {
  dir = temporary();
  fake = fakeHosts();
});
afterEach(() => {
  fake.remove();
  rmSync(dir, { recursive: true, force: true });
});

/** Programs in front of the real ones that do something to the image before they begin. */
function meddling(program: string, what: string): Record<string, string | undefined> {
  mkdirSync(join(dir, 'bin'), { recursive: true });
  writeFileSync(
    join(dir, 'bin', program),
    `#!/bin/bash\ncase "$*" in '' | *convert*) ${what} ;; esac\nPATH=/usr/bin:/bin exec ${program} "$@"\n`,
    { mode: 0o755 },
  );
  return { ...fake.env, PATH: `${join(dir, 'bin')}:${fake.env['PATH']}` };
}

async function imported(
  path: string,
  host: string,
  env: Record<string, string | undefined>,
): Promise<string> {
  const device = zeroDeviceFile(join(dir, 'device'), size + MiB);
  const target = { host, ...deviceOf(device), bytes: bytes(size + MiB), readsZero: true };
  const policy = { safeDirs: ['/'], restrictedDirs: [] };
  try {
    await importImage(fake.hosts, { path, policy, addresses: anywhere }, target, {
      env,
      stagingDir: join(dir, 'staging'),
    });
    return 'imported';
  } catch (error) {
    return String((error as { code?: string }).code);
  }
}

describe('on the front-end itself', () => {
  for (const [name, meddle] of [
    ['cut off', 'truncate -s 10M "$IMAGE"'],
    ['grown', 'truncate -s +1M "$IMAGE"'],
    ['rewritten', 'printf x | dd of="$IMAGE" seek=5000000 bs=1 conv=notrunc status=none'],
  ] as const) {
    test(`a raw file that is ${name} while it is copied is no image`, async () => {
      const path = join(dir, 'image');
      writeFileSync(path, noise(size, 4));
      expect(await imported(path, 'frontend', { ...meddling('qemu-img', meddle), IMAGE: path })).toBe(
        'IMAGE_FETCH',
      );
      expect(statSync(path).size).toBeGreaterThan(0);
    });
  }

  test('one that only loses its name is', async () => {
    const path = join(dir, 'image');
    const data = noise(size, 4);
    writeFileSync(path, data);
    expect(await imported(path, 'frontend', { ...meddling('qemu-img', 'rm -f "$IMAGE"'), IMAGE: path })).toBe(
      'imported',
    );
    expect(holdsExactly(join(dir, 'device'), data)).toBe(true);
  });
});

describe('read as a stream', () => {
  test('a foreign qcow2 that changes while it is set aside', async () => {
    const raw = join(dir, 'raw');
    const path = join(dir, 'image');
    writeFileSync(raw, noise(size, 4));
    run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, path);
    chmodSync(path, 0o666);
    const env = {
      ...meddling('cat', 'printf x | dd of="$IMAGE" seek=9000000 bs=1 conv=notrunc status=none'),
      IMAGE: path,
    };
    expect(await imported(path, 'host1', env)).toBe('IMAGE_FETCH');
  });

  test('a packed file that is being appended to', async () => {
    const path = join(dir, 'image');
    writeFileSync(path, Bun.gzipSync(new Uint8Array(noise(size, 4))));
    const env = { ...meddling('cat', 'head -c 100 /dev/zero >>"$IMAGE"'), IMAGE: path };
    expect(await imported(path, 'host1', env)).toBe('IMAGE_FETCH');
  });
});

test('an untouched file is read, whoever owns it and however old it is', async () => {
  const path = join(dir, 'image');
  const data = noise(size, 4);
  writeFileSync(path, data.subarray(0, size - 9));
  appendFileSync(path, data.subarray(size - 9));
  run('touch', '-d', '1970-01-01 00:00:01.000000001', path);
  expect(await imported(path, 'frontend', fake.env)).toBe('imported');
  run('gzip', '-1', path);
  run('touch', '-d', '2001-02-03 04:05:06.789', `${path}.gz`);
  expect(await imported(`${path}.gz`, 'host1', fake.env)).toBe('imported');
  expect(holdsExactly(join(dir, 'device'), data)).toBe(true);
});
