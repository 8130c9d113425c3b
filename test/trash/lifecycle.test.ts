import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageResource, sourceOf } from '../../src/volumes/names.ts';
import { driverTarget, startLab, type TestLab } from '../support/lab.ts';

/** On the lab, by the compiled binary: what is deleted is kept, and is the same when it comes back. */

const mib = 1024 * 1024;

const done = <T extends { ok: boolean; error?: string }>(operation: T): T => {
  expect(operation.error).toBeUndefined();
  expect(operation.ok).toBe(true);
  return operation;
};

let lab: TestLab;
let images: number;
let system: number;

beforeAll(async () => {
  lab = await startLab();
  const template = {
    RESOURCE_GROUP: 'drbd',
    CLONE_MODE: 'snapshot',
    SAFE_DIRS: lab.cluster.paths.images,
    RESTRICTED_DIRS: '/',
    TRASH: '48h',
  };
  images = done(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
  system = done(await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
});
afterAll(async () => lab.stop());

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { binary } = driverTarget as { binary: string };
  const child = Bun.spawn([binary, ...args], {
    env: lab.cluster.driverEnv(),
    cwd: lab.cluster.paths.var,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

async function newImage(name: string, text: string): Promise<number> {
  const path = join(lab.cluster.paths.images, `${name}.raw`);
  writeFileSync(path, Buffer.alloc(2 * mib, text));
  return done(await lab.one.createImage({ name, datastore: images, path })).image;
}

const host = (): string => lab.cluster.description.nodes[0] as string;

interface View {
  readonly flags?: readonly string[];
  readonly volumes?: readonly { readonly device_path?: string }[];
}

/** What a volume holds, the same on every replica. */
async function contentOf(resource: string): Promise<string> {
  const view = (await lab.linstor('GET', `/v1/view/resources?resources=${resource}`)) as View[];
  const digests = view
    .filter(({ flags = [] }) => !flags.includes('DISKLESS') && !flags.includes('TIE_BREAKER'))
    .map(({ volumes }) => {
      const bytes = readFileSync(volumes?.[0]?.device_path ?? '').subarray(0, 2 * mib);
      return new Bun.CryptoHasher('sha256').update(bytes).digest('hex');
    });
  const [first = ''] = digests;
  expect(digests.length).toBeGreaterThan(1);
  expect(digests.every((each) => each === first)).toBe(true);
  return first;
}

interface Listed {
  readonly resource: string;
  readonly kind: string;
  readonly reason: string;
  readonly name: string;
  readonly image?: number;
}

async function listed(): Promise<Listed[]> {
  const { out } = await cli('trash', 'list', '--json');
  return (JSON.parse(out) as { volumes: Listed[] }).volumes;
}

describe('the trash', () => {
  test('ten images deleted, one with a living clone, are restored byte-equal', async () => {
    const made = await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        const name = `image-${index}`;
        const id = await newImage(name, `content of ${name}, `);
        return { id, name, digest: await contentOf(`one-image-${id}`) };
      }),
    );
    const [first] = made;
    if (!first) throw new Error('no image');
    const { vm } = done(
      await lab.one.instantiate(
        { name: 'clone', disks: [{ image: first.id }] },
        { host: host(), datastore: system },
      ),
    );
    const link = join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');
    lab.write(host(), link, 4096, 'CHANGED');
    // OpenNebula does not delete an image that VMs have: the VM goes first, and its disk is kept as well.
    const changed = lab.digest(host(), link, 2 * mib);
    done(await lab.one.terminate(vm));
    await Promise.all(made.map(async ({ id }) => done(await lab.one.deleteImage(id))));
    expect(lab.cluster.one().read().images).toEqual([]);

    const inTrash = await listed();
    expect(inTrash.map(({ resource }) => resource).sort()).toEqual(
      [`one-vm-${vm}-disk-0`, ...made.map(({ id }) => `one-image-${id}`)].sort(),
    );
    expect(inTrash.find(({ kind }) => kind === 'disk')).toMatchObject({
      reason: 'VM terminated',
      name: 'clone',
    });
    const gc = await cli('gc', '--apply', '--json');
    expect(JSON.parse(gc.out)).toEqual({ leftovers: [], results: [] });

    expect(new Set(made.map(({ digest }) => digest)).size).toBe(10);
    const restored = async ({ id, name, digest }: (typeof made)[number]): Promise<void> => {
      const { code, out, err } = await cli('trash', 'restore', `one-image-${id}`);
      expect(err).not.toContain('error');
      expect(code).toBe(0);
      const image = Number(/^ID: (\d+)$/m.exec(out)?.[1]);
      const now = lab.one.read().images.find((each) => each.id === image);
      expect(now).toMatchObject({ name, state: 1, sizeMb: 2, source: sourceOf(imageResource('', id)) });
      expect(await contentOf(`one-image-${id}`)).toBe(digest);
    };
    await Promise.all(made.map(restored));
    const disk = await cli('trash', 'restore', `one-vm-${vm}-disk-0`, '--name', 'rescued');
    expect(disk.err).not.toContain('error');
    const rescued = Number(/^ID: (\d+)$/m.exec(disk.out)?.[1]);
    expect(await listed()).toEqual([]);
    expect((await cli('gc', '--json')).out).toContain('"leftovers": []');
    // A persistent image: the VM has the volume itself.
    const again = done(
      await lab.one.instantiate(
        { name: 'again', disks: [{ image: rescued }] },
        { host: host(), datastore: system },
      ),
    );
    const place = join(lab.cluster.paths.location, String(system), String(again.vm), 'disk.0');
    expect(lab.digest(host(), place, 2 * mib)).toBe(changed);
    done(await lab.one.terminate(again.vm));
    done(await lab.one.deleteImage(rescued));
    expect((await listed()).map(({ resource }) => resource)).toEqual([`one-vm-${vm}-disk-0`]);
    expect((await cli('trash', 'empty', '--yes')).code).toBe(0);
    expect((await lab.definitions()).includes(`one-vm-${vm}-disk-0`)).toBe(false);
  });

  test('a VM that is recreated gets new disks, and what was thrown away is not kept', async () => {
    const image = await newImage('recreated', 'as the image was ');
    const { vm } = done(
      await lab.one.instantiate(
        { name: 'r', disks: [{ image }, { volatile: 'swap', sizeMb: 4 }] },
        { host: host(), datastore: system },
      ),
    );
    const link = join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');
    lab.write(host(), link, 0, 'WRITTEN');
    done(await lab.one.recreate(vm));
    expect(await listed()).toEqual([]);
    done(await lab.one.deploy(vm, { host: host(), datastore: system }));
    expect(lab.read(host(), link, 0, 6)).toBe('as the');
    done(await lab.one.terminate(vm));
    // The volatile one is gone.
    expect((await listed()).map(({ resource }) => resource)).toEqual([`one-vm-${vm}-disk-0`]);
    expect((await lab.definitions()).filter((name) => name.startsWith(`one-vm-${vm}-`))).toEqual([
      `one-vm-${vm}-disk-0`,
    ]);
    expect((await cli('trash', 'empty', '--yes')).code).toBe(0);
  });
});
