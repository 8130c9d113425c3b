import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DriverCall } from '../../src/lab/one/driver.ts';
import type { Operation } from '../../src/lab/one/oned.ts';
import { Random } from '../../src/tools/soak/random.ts';
import { startLab, type TestLab } from '../support/lab.ts';

/**
 * Many processes on one image or one disk, ended at random by TERM and KILL; then one call in peace. By hand with more:
 * `LINSTOR_UN_KILLED=40 bun test test/security/killed.test.ts`.
 */

setDefaultTimeout(900_000);

const crowd = Number(process.env['LINSTOR_UN_KILLED'] ?? 8);
const MiB = 1024 * 1024;
const content = randomBytes(2 * MiB);
const digest = new Bun.CryptoHasher('sha256').update(content).digest('hex');

let lab: TestLab;
let image: number;
let images: number;
let system: number;
beforeAll(async () => {
  lab = await startLab();
  const template = { RESOURCE_GROUP: 'drbd', CLONE_MODE: 'snapshot', SAFE_DIRS: lab.cluster.paths.images };
  images = ok(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
  system = ok(await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
  const path = join(lab.cluster.paths.images, 'image.raw');
  writeFileSync(path, content);
  image = ok(await lab.one.createImage({ name: 'image', datastore: images, path })).image;
});
afterAll(async () => lab.stop());

function ok<T extends Operation>(operation: T): T {
  if (!operation.ok) throw new Error(`${operation.command}: ${operation.error}`);
  return operation;
}

/** The same call once more, as its own process group. */
function start({ kind, driver, action, argv, stdin }: DriverCall) {
  const text =
    stdin?.encoding === 'base64' ? Buffer.from(stdin.text).toString('base64') : (stdin?.text ?? '');
  return Bun.spawn([join(lab.cluster.paths.remotes, kind, driver, action), ...argv], {
    cwd: lab.cluster.paths.var,
    env: { ...lab.one.options.env },
    stdin: Buffer.from(text),
    stdout: 'pipe',
    stderr: 'pipe',
    detached: true,
  });
}

async function inPeace(call: DriverCall): Promise<string> {
  const child = start(call);
  const stderr = await new Response(child.stderr).text();
  return (await child.exited) === 0 ? 'done' : stderr;
}

/** All begin at once; most are ended somewhere on the way, some with all that they have started. */
async function storm(call: DriverCall, random: Random): Promise<number> {
  let ended = 0;
  await Promise.all(
    Array.from({ length: crowd }, async (_, index) => {
      const child = start(call);
      const timer = setTimeout(
        () => {
          if (child.exitCode !== null) return;
          ended += 1;
          if (random.chance(0.5)) child.kill(random.chance(0.5) ? 'SIGTERM' : 'SIGKILL');
          else process.kill(-child.pid, 'SIGKILL');
        },
        // On a fast machine a call is done in less than 100 ms: one is ended early for certain, the others all along the way.
        index === 0 ? 15 : random.between(15, random.chance(0.5) ? 60 * crowd : 3000),
      );
      await child.exited;
      clearTimeout(timer);
    }),
  );
  return ended;
}

const lastCall = (kind: string, action: RegExp): DriverCall => {
  const call = lab.calls.findLast((each) => each.kind === kind && action.test(each.action));
  if (!call) throw new Error(`no ${kind}/${action} so far`);
  return call;
};
const linkOf = (vm: number): string => join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');

describe('a crowd that is ended at random', () => {
  test('clones of one disk: one call in peace makes it, one removes it, nothing is left', async () => {
    const random = new Random(21);
    const before = { definitions: await lab.definitions(), snapshots: await lab.snapshots() };
    const host = lab.cluster.description.nodes[0] ?? '';
    const begin = async (name: string): Promise<number> =>
      ok(await lab.one.instantiate({ name, disks: [{ image }] }, { host, datastore: system })).vm;
    const first = await begin('first');
    ok(await lab.one.terminate(first));
    const its = lab.calls.findLast(
      (call) => call.action.startsWith('delete') && /disk\.0$/.test(call.argv[0] ?? ''),
    );
    if (!its) throw new Error('no tm/delete of a disk so far');
    const vm = await begin('second');
    const clone = lastCall('tm', /^clone/);
    const remove = {
      ...its,
      argv: its.argv.map((word) =>
        word === String(first) ? String(vm) : word.replace(`/${first}/disk`, `/${vm}/disk`),
      ),
    };
    expect(await inPeace(remove)).toBe('done');
    expect(await storm(clone, random)).toBeGreaterThan(0);
    expect(await inPeace(clone)).toBe('done');
    expect(lab.digest(host, linkOf(vm), content.length)).toBe(digest);
    expect(await storm(remove, random)).toBeGreaterThan(0);
    expect(await inPeace(remove)).toBe('done');
    expect(await lab.definitions()).toEqual(before.definitions);
    expect(await lab.snapshots()).toEqual(before.snapshots);
    ok(await lab.one.terminate(vm));
  });

  test('imports and removals of one image', async () => {
    const random = new Random(22);
    const path = join(lab.cluster.paths.images, 'image.raw');
    const second = ok(await lab.one.createImage({ name: 'second', datastore: images, path })).image;
    const cp = lastCall('datastore', /^cp/);
    ok(await lab.one.deleteImage(second));
    const rm = lastCall('datastore', /^rm/);
    expect(await lab.definitions()).not.toContain(`one-image-${second}`);
    expect(await storm(cp, random)).toBeGreaterThan(0);
    expect(await inPeace(rm)).toBe('done');
    expect(await lab.definitions()).not.toContain(`one-image-${second}`);
    expect(await inPeace(cp)).toBe('done');
    expect(await storm(rm, random)).toBeGreaterThan(0);
    expect(await inPeace(rm)).toBe('done');
    expect(await lab.definitions()).not.toContain(`one-image-${second}`);
  });

  test('in the end nothing is left: no resource, no lock, no scratch, no process', async () => {
    ok(await lab.one.deleteImage(image));
    expect(await lab.definitions()).toEqual([]);
    expect(await lab.snapshots()).toEqual([]);
    const locks = lab.one.options.env?.['LINSTOR_UN_LOCKS'] ?? '';
    expect(existsSync(locks)).toBe(true);
    // A file of a process that was killed stays, is free, and is taken by the next; nobody holds one.
    const held = Bun.spawnSync([
      'sh',
      '-c',
      'for f in "$1"/*; do [ -e "$f" ] && { flock -n "$f" true || echo "$f"; }; done',
      'x',
      locks,
    ]);
    expect(held.stdout.toString()).toBe('');
    await Bun.sleep(3000);
    const running = readdirSync('/proc').filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      const cmdline = Bun.spawnSync(['cat', `/proc/${pid}/cmdline`], { stderr: 'ignore' }).stdout.toString();
      return cmdline.includes(lab.cluster.dir) && /\b(dd|qemu-img|qemu-nbd|curl)\0/.test(cmdline);
    });
    expect(running).toEqual([]);
  });
});
