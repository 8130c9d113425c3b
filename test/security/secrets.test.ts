import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { paintFor } from '../../src/cli/paint.ts';
import { renderTrace } from '../../src/cli/trace.ts';
import type { Operation } from '../../src/lab/one/oned.ts';
import { startLab, type TestLab } from '../support/lab.ts';

/** Marked secrets through the life of an image and a VM: where do they come out? */

setDefaultTimeout(300_000);

const mark = randomBytes(6).toString('hex');
const secrets = {
  password: `password-${mark}`,
  user: `user-${mark}`,
  address: `address-${mark}`,
  signature: `signature-${mark}`,
};
const MiB = 1024 * 1024;
const content = randomBytes(2 * MiB);

let lab: TestLab;
let server: ReturnType<typeof Bun.serve>;
let watching = true;
let watched: Promise<void>;
/** Argument lists with a mark, of any process on this machine but this one: the lab's hosts are here too. */
const seen = new Set<string>();
let looks = 0;

async function watch(): Promise<void> {
  while (watching) {
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        looks += 1;
        if (words.includes(mark)) seen.add(words.replaceAll('\0', ' ').slice(0, 500));
      } catch {
        // It has ended.
      }
    }
    await Bun.sleep(3);
  }
}

beforeAll(async () => {
  server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request) => {
      const { pathname, searchParams } = new URL(request.url);
      const allowed = searchParams.get('sig') === secrets.signature;
      if (pathname === '/moved')
        return new Response(null, { status: 302, headers: { location: `/image?sig=${secrets.signature}` } });
      return allowed ? new Response(content) : new Response(`no, not with ${request.url}`, { status: 403 });
    },
  });
  lab = await startLab();
  watched = watch();
});
afterAll(async () => {
  watching = false;
  await watched;
  await server.stop(true);
  await lab.stop();
});

/** What OpenNebula was told and logged, and what the driver wrote. */
const said: string[] = [];
const heard = <T extends Operation>(operation: T): T => {
  said.push(operation.error ?? '', ...operation.calls.map(({ stdout, stderr }) => `${stdout}\n${stderr}`));
  return operation;
};

test('through a whole life, and through failures, secrets are in no argument list, answer, log or file', async () => {
  const url = (path: string, signature = secrets.signature) =>
    `http://${secrets.user}:${secrets.address}@127.0.0.1:${server.port}${path}?sig=${signature}`;
  for (const TRANSPORT of ['rest', 'cli']) {
    const template = {
      RESOURCE_GROUP: 'drbd',
      TRANSPORT,
      LS_CONTROLLERS: lab.cluster.linstorUrl,
      LS_USERNAME: secrets.user,
      LS_PASSWORD: secrets.password,
      ALLOW_SOURCES: `127.0.0.1:${server.port}`,
      SAFE_DIRS: lab.cluster.paths.images,
    };
    const images = heard(
      await lab.one.createDatastore({ name: `i-${TRANSPORT}`, type: 'IMAGE', template }),
    ).datastore;
    const system = heard(
      await lab.one.createDatastore({ name: `s-${TRANSPORT}`, type: 'SYSTEM', template }),
    ).datastore;
    const make = (name: string, path: string) =>
      lab.one.createImage({ name: `${name}-${TRANSPORT}`, datastore: images, path });
    const image = heard(await make('good', url('/image')));
    expect([TRANSPORT, image.error]).toEqual([TRANSPORT, undefined]);
    expect(heard(await make('moved', url('/moved'))).error).toBeUndefined();
    expect(heard(await make('bad', url('/image', `wrong-${secrets.signature}`))).ok).toBe(false);
    expect(heard(await make('gone', url('/image').replace(`:${server.port}`, ':1'))).ok).toBe(false);
    expect(
      heard(await make('ssh', `ssh://${secrets.user}:${secrets.address}@h:/x?${secrets.signature}`)).ok,
    ).toBe(false);
    const vm = heard(
      await lab.one.instantiate(
        { name: `vm-${TRANSPORT}`, disks: [{ image: image.image }, { volatile: 'fs', sizeMb: 8 }] },
        { host: lab.cluster.description.nodes[0] ?? '', datastore: system },
      ),
    );
    expect([TRANSPORT, vm.error]).toEqual([TRANSPORT, undefined]);
    heard(await lab.one.terminate(vm.vm));
    // Nobody listens there: the failure names the controller.
    const unreachable = heard(
      await lab.one.createDatastore({
        name: `u-${TRANSPORT}`,
        type: 'IMAGE',
        template: { ...template, LS_CONTROLLERS: `http://127.0.0.1:1` },
      }),
    );
    heard(
      await lab.one.createDatablock({
        name: `d-${TRANSPORT}`,
        datastore: unreachable.datastore,
        sizeMb: 8,
        persistent: false,
      }),
    );
  }
  expect(looks).toBeGreaterThan(100);
  expect([...seen]).toEqual([]);
  expect(said.filter((text) => text.includes(mark))).toEqual([]);
  const records = lab.records();
  expect(records.length).toBeGreaterThan(10);
  expect(JSON.stringify(records)).not.toContain(mark);
  expect(renderTrace(records, 120, paintFor(false))).not.toContain(mark);
  // oned's own store, and what it was asked with, hold them; nothing else does.
  const holding = (readdirSync(lab.cluster.dir, { recursive: true }) as string[]).filter((name) => {
    const path = join(lab.cluster.dir, name);
    const info = statSync(path, { throwIfNoEntry: false });
    return info?.isFile() && info.size < 16 * MiB && readFileSync(path).includes(mark);
  });
  expect(holding.filter((name) => !name.startsWith('one/'))).toEqual([]);
});

test('the watch sees an argument list', async () => {
  writeFileSync(join(lab.cluster.dir, 'sleep.sh'), 'sleep 1');
  Bun.spawn(['bash', join(lab.cluster.dir, 'sleep.sh'), `argument-${mark}`]);
  await Bun.sleep(800);
  expect([...seen].some((words) => words.includes('argument-'))).toBe(true);
});
