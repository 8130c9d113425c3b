import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
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

/** What an image holds, through a VM of it. */
async function contentOf(image: number): Promise<string> {
  const { vm } = done(
    await lab.one.instantiate(
      { name: `reads-${image}`, disks: [{ image }] },
      { host: host(), datastore: system },
    ),
  );
  const link = join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');
  const digest = lab.digest(host(), link, 2 * mib);
  done(await lab.one.terminate(vm));
  const kept = await cli('trash', 'empty', `one-vm-${vm}-disk-0`);
  expect(kept.out).toContain(`removed  one-vm-${vm}-disk-0`);
  return digest;
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
    const made: { id: number; name: string; digest: string }[] = [];
    for (let index = 0; index < 10; index += 1) {
      const name = `image-${index}`;
      const id = await newImage(name, `content of ${name}, `);
      made.push({ id, name, digest: index < 2 ? await contentOf(id) : '' });
    }
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
    for (const { id } of made) done(await lab.one.deleteImage(id));
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

    for (const { id, name, digest } of made) {
      const { code, out, err } = await cli('trash', 'restore', `one-image-${id}`);
      expect(err).not.toContain('error');
      expect(code).toBe(0);
      const image = Number(/^ID: (\d+)$/m.exec(out)?.[1]);
      const now = lab.cluster
        .one()
        .read()
        .images.find((each) => each.id === image);
      expect(now).toMatchObject({ name, state: 1, sizeMb: 2, source: sourceOf(imageResource('', id)) });
      if (digest !== '') expect(await contentOf(image)).toBe(digest);
    }
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
