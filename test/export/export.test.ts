import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { driverTarget, startLab, type TestLab } from '../support/lab.ts';

/** On the lab, by the compiled binary: what is in the file is what was in the volume, at one moment. */

const mib = 1024 * 1024;

const done = <T extends { ok: boolean; error?: string }>(operation: T): T => {
  expect(operation.error).toBeUndefined();
  return operation;
};

let lab: TestLab;
let images: number;
let system: number;
let image: number;
let raw: string;
const out = mkdtempSync(join(tmpdir(), 'linstor_un-export-'));

beforeAll(async () => {
  lab = await startLab();
  const template = {
    RESOURCE_GROUP: 'drbd',
    CLONE_MODE: 'snapshot',
    SAFE_DIRS: lab.cluster.paths.images,
    RESTRICTED_DIRS: '/',
  };
  images = done(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
  system = done(await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
  raw = join(lab.cluster.paths.images, 'disk.raw');
  const content = Buffer.alloc(16 * mib);
  content.fill('some data ', mib, 2 * mib);
  content.write('the end', 16 * mib - 7);
  writeFileSync(raw, content);
  image = done(await lab.one.createImage({ name: 'image', datastore: images, path: raw })).image;
});
afterAll(async () => {
  await lab.stop();
  rmSync(out, { recursive: true, force: true });
});

const start = (args: readonly string[], stdout: 'pipe' | 'ignore' = 'pipe') =>
  Bun.spawn([(driverTarget as { binary: string }).binary, ...args], {
    env: lab.cluster.driverEnv(),
    cwd: out,
    stdin: 'ignore',
    stdout,
    stderr: 'pipe',
  });

async function run(...args: string[]): Promise<{ code: number; bytes: Buffer; err: string }> {
  const child = start(args);
  const [bytes, err, code] = await Promise.all([
    new Response(child.stdout as ReadableStream).arrayBuffer(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, bytes: Buffer.from(bytes), err };
}

const digest = (bytes: Uint8Array): string => new Bun.CryptoHasher('sha256').update(bytes).digest('hex');
const content = (file: string): Uint8Array => readFileSync(join(out, file));
const original = (): string => digest(readFileSync(raw));

/** Of a qcow2 file. */
function unpacked(file: string): string {
  const plain = join(out, `${file}.unpacked`);
  const ok = Bun.spawnSync([
    'qemu-img',
    'convert',
    '-f',
    'qcow2',
    '-O',
    'raw',
    join(out, file),
    plain,
  ]).success;
  expect(ok).toBe(true);
  const found = digest(readFileSync(plain));
  rmSync(plain);
  return found;
}

const leftovers = async (): Promise<unknown> => ({
  tmp: (await lab.definitions()).filter((name) => name.includes('tmp')),
  snapshots: (await lab.snapshots()).filter((name) => name.includes('export')),
  files: readdirSync(out).filter((name) => name.endsWith('.part')),
});
const nothing = { tmp: [], snapshots: [], files: [] };

describe('export', () => {
  test('an image, raw with its holes, as qcow2, and into a pipe', async () => {
    const plain = await run('export', 'image', String(image), 'a.raw');
    expect(plain.err).not.toContain('ERROR');
    expect(plain.code).toBe(0);
    expect(digest(content('a.raw'))).toBe(original());
    expect(statSync(join(out, 'a.raw')).blocks * 512).toBeLessThan(4 * mib);
    expect((await run('export', 'image', String(image), 'a.qcow2')).code).toBe(0);
    expect(unpacked('a.qcow2')).toBe(original());
    const piped = await run('export', 'image', String(image), '-');
    expect([piped.code, digest(piped.bytes)]).toEqual([0, original()]);
    expect(await leftovers()).toEqual(nothing);
  });

  test('what is there is not written over', async () => {
    writeFileSync(join(out, 'mine'), 'mine');
    const refused = await run('export', 'image', String(image), 'mine');
    expect(refused.code).not.toBe(0);
    expect(readFileSync(join(out, 'mine'), 'utf8')).toBe('mine');
  });

  test('the disk of a running VM, at one moment, and one of its snapshots', async () => {
    const [host = ''] = lab.cluster.description.nodes;
    const { vm } = done(
      await lab.one.instantiate({ name: 'v', disks: [{ image }] }, { host, datastore: system }),
    );
    const link = join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');
    lab.write(host, link, 0, 'FIRST');
    done(await lab.one.snapshotCreate(vm, 0, 'one'));
    lab.write(host, link, 0, 'SECOND');
    expect((await run('export', 'vm', String(vm), 'now.raw')).code).toBe(0);
    expect(Buffer.from(content('now.raw').subarray(0, 6)).toString()).toBe('SECOND');
    expect((await run('export', 'vm', String(vm), '--disk', '0', '--snapshot', '0', 'then.qcow2')).code).toBe(
      0,
    );
    const now = digest(content('now.raw'));
    lab.write(host, link, 0, 'FIRST\\0');
    expect(unpacked('then.qcow2')).not.toBe(now);
    expect((await run('export', 'vm', String(vm), '--snapshot', '7', 'no.raw')).code).toBe(64);
    expect((await run('export', 'vm', String(vm), '--disk', '4', 'no.raw')).code).not.toBe(0);
    expect(await leftovers()).toEqual(nothing);
    done(await lab.one.terminate(vm));
  });

  test('stopped in the middle it leaves nothing', async () => {
    const [host = ''] = lab.cluster.description.nodes;
    const { vm } = done(
      await lab.one.instantiate({ name: 'w', disks: [{ image }] }, { host, datastore: system }),
    );
    // In use, though no kernel tells: the lab's VM is ACTIVE.
    const child = start(['export', 'vm', String(vm), 'stopped.raw'], 'ignore');
    while (!(await lab.definitions()).some((name) => name.includes('one-tmp-export'))) await Bun.sleep(5);
    child.kill('SIGINT');
    expect(await child.exited).not.toBe(0);
    expect(await leftovers()).toEqual(nothing);
    expect(readdirSync(out)).not.toContain('stopped.raw');
    done(await lab.one.terminate(vm));
  });
});
