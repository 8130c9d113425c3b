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
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contentLength } from '../../src/transfer/fetch.ts';
import { importImage } from '../../src/transfer/import.ts';
import type { SourceRequest } from '../../src/transfer/source.ts';
import { virtualSize } from '../../src/transfer/vsize.ts';
import { bytes, mib } from '../../src/units.ts';
import { type FakeHosts, fakeHosts } from '../hosts/fake-hosts.ts';
import { codeOf } from '../support/code-of.ts';
import { dirtyDevice, holdsExactly, MiB, run, sparseImage, temporary } from './images.ts';
import { expectNoScratch, served, target } from './work.ts';

// Processes on a busy machine: slow is no failure.
setDefaultTimeout(60_000);

let work: string;
let fake: FakeHosts;
let server: ReturnType<typeof Bun.serve>;
let raw: Buffer;
const requests: string[] = [];
const size = 40 * MiB;

beforeAll(() => {
  work = temporary();
  raw = readFileSync(sparseImage(join(work, 'raw'), size));
  run('qemu-img', 'convert', '-O', 'qcow2', join(work, 'raw'), join(work, 'qcow2'));
  run(
    'qemu-img',
    'create',
    '-q',
    '-f',
    'qcow2',
    '-u',
    '-b',
    '/etc/passwd',
    '-F',
    'raw',
    join(work, 'backing'),
    '40M',
  );
  for (const name of ['raw', 'qcow2'])
    writeFileSync(join(work, `${name}.gz`), Bun.gzipSync(readFileSync(join(work, name))));
  server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      const { pathname } = new URL(request.url);
      requests.push(`${request.method} ${pathname}`);
      const name = decodeURIComponent(pathname.slice(1));
      if (name === 'moved') return Response.redirect('/raw', 302);
      if (name === 'evil')
        return new Response(null, { status: 302, headers: { location: 'file:///etc/passwd' } });
      if (name === 'unsized') {
        // Chunked: no Content-Length.
        return new Response(
          new ReadableStream({
            start: (sink) => {
              sink.enqueue(raw);
              sink.close();
            },
          }),
        );
      }
      const file = Bun.file(join(work, name));
      return file.size > 0 ? new Response(file) : new Response('no', { status: 404 });
    },
  });
});
afterAll(async () => {
  await server.stop(true);
  rmSync(work, { recursive: true, force: true });
});
beforeEach(() => {
  fake = fakeHosts();
  requests.length = 0;
});
afterEach(() => {
  expectNoScratch(work);
  fake.remove();
});

const policy = { safeDirs: [], restrictedDirs: ['/'] };
const request = (name: string, more: Partial<SourceRequest> = {}): SourceRequest => ({
  path: name.includes('://') ? name : `http://127.0.0.1:${server.port}/${name}`,
  policy,
  addresses: served(server.port, Number(/^http:..127.0.0.1:(\d+)/.exec(name)?.[1])),
  ...more,
});
const options = () => ({ env: fake.env, stagingDir: work });
const device = (): string => dirtyDevice(join(work, 'device'), size + MiB);

describe('http', () => {
  for (const name of ['raw', 'qcow2', 'raw.gz', 'qcow2.gz', 'moved', 'unsized']) {
    test(`${name}: fetched once, written right, measured right`, async () => {
      const place = device();
      await importImage(fake.hosts, request(name), target(place), options());
      expect(holdsExactly(place, raw)).toBe(true);
      expect(requests).toEqual(name === 'moved' ? ['GET /moved', 'GET /raw'] : [`GET /${name}`]);
      expect(await virtualSize(request(name), options())).toBe(mib(40));
    });
  }

  test('checksums are of the bytes as published', async () => {
    const sha256 = new Bun.CryptoHasher('sha256').update(readFileSync(join(work, 'raw.gz'))).digest('hex');
    expect(
      await codeOf(
        importImage(fake.hosts, request('raw.gz', { checksums: { sha256 } }), target(device()), options()),
      ),
    ).toBe('done');
    for (const name of ['raw.gz', 'raw', 'qcow2']) {
      const wrong = request(name, { checksums: { md5: '0'.repeat(32) } });
      expect(await codeOf(importImage(fake.hosts, wrong, target(device()), options()))).toBe(
        'IMAGE_CHECKSUM',
      );
    }
  });

  test('failures', async () => {
    const place = target(device());
    const failing: [string, string][] = [
      ['absent', 'IMAGE_FETCH'],
      ['evil', 'IMAGE_SOURCE'],
      ['http://127.0.0.1:1/x', 'IMAGE_FETCH'],
      ['backing', 'IMAGE_HOSTILE'],
    ];
    for (const [name, code] of failing) {
      expect(await codeOf(importImage(fake.hosts, request(name), place, options()))).toBe(code);
      expect(await codeOf(virtualSize(request(name), options()))).toBe(code);
    }
  });

  test('what is announced as too large is refused before a byte is written', async () => {
    const place = join(work, 'device');
    rmSync(place, { force: true });
    run('truncate', '-s', String(size - MiB), place);
    expect(await codeOf(importImage(fake.hosts, request('raw'), target(place), options()))).toBe(
      'IMAGE_SIZE',
    );
    expect(statSync(place).blocks).toBe(0);
  });

  test('a download that breaks off', async () => {
    const half = Bun.listen({
      port: 0,
      hostname: '127.0.0.1',
      socket: {
        data(socket) {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\nConnection: close\r\n\r\n`);
          socket.write(raw.subarray(0, 100_000));
          socket.end();
        },
      },
    });
    const code = await codeOf(
      importImage(fake.hosts, request(`http://127.0.0.1:${half.port}/x`), target(device()), options()),
    );
    half.stop(true);
    expect(code).toBe('IMAGE_FETCH');
  }, 30_000);

  test('LIMIT_TRANSFER_BW reaches curl; nonsense is refused', async () => {
    const curl = join(work, 'bin-curl');
    run('mkdir', '-p', curl);
    writeFileSync(
      join(curl, 'curl'),
      `#!/bin/sh\nprintf '%s\\n' "$@" >"${join(work, 'curl-args')}"\nPATH=/usr/bin exec curl "$@"\n`,
      { mode: 0o755 },
    );
    const env = { ...fake.env, PATH: `${curl}:${fake.env['PATH']}` };
    await importImage(fake.hosts, request('qcow2', { limitTransferBw: '500M' }), target(device()), {
      ...options(),
      env,
    });
    expect(readFileSync(join(work, 'curl-args'), 'utf8')).toContain('--limit-rate\n500M\n');
    const bad = request('qcow2', { limitTransferBw: '1; reboot' });
    expect(await codeOf(importImage(fake.hosts, bad, target(device()), options()))).toBe('BAD_ATTRIBUTE');
  });

  test('Content-Length counts only for the last answer, and not for encoded ones', () => {
    const moved = 'HTTP/1.1 302 Found\r\nContent-Length: 5\r\n\r\n';
    expect(contentLength(`${moved}HTTP/2 200\r\ncontent-length: 1234\r\n\r\n`)).toBe(bytes(1234));
    expect(contentLength(`${moved}HTTP/2 200\r\n\r\n`)).toBeUndefined();
    expect(
      contentLength('HTTP/2 200\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n'),
    ).toBeUndefined();
  });
});

describe('other schemes', () => {
  const downloader = (text: string): string => {
    const path = join(work, 'downloader.sh');
    writeFileSync(path, `#!/bin/bash\n${text}\n`, { mode: 0o755 });
    return path;
  };

  test('go through the downloader, which neither unpacks nor checks', async () => {
    const script = `printf '%s\\n' "$DRV_ACTION" "$@" >"${join(work, 'args')}"; cat "${join(work, 'raw.gz')}"`;
    const place = device();
    const source = request('s3://bucket/it+is', {
      downloader: downloader(script),
      downloaderEnv: { DRV_ACTION: 'PFg+' },
    });
    await importImage(fake.hosts, source, target(place), options());
    expect(holdsExactly(place, raw)).toBe(true);
    expect(readFileSync(join(work, 'args'), 'utf8')).toBe('PFg+\n--nodecomp\n--\ns3://bucket/it+is\n-\n');
  });

  test('its failure fails, also after it gave data', async () => {
    for (const script of ['echo nope >&2; exit 1', `head -c 30000000 "${join(work, 'raw')}"; exit 9`]) {
      const source = request('ssh://h:/x', { downloader: downloader(script) });
      expect(await codeOf(importImage(fake.hosts, source, target(device()), options()))).toBe('IMAGE_FETCH');
    }
    expect(await codeOf(virtualSize(request('rbd://x/y')))).toBe('IMAGE_FETCH');
  });
});
