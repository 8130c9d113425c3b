import { afterAll, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { driverTarget, startLab, type TestLab } from '../support/lab.ts';

/** Over LINSTOR's client, whose table the note has to come through; and what keeping costs LINSTOR. */

let lab: TestLab;
let images: number;
beforeAll(async () => {
  lab = await startLab();
  const template = {
    RESOURCE_GROUP: 'drbd',
    SAFE_DIRS: lab.cluster.paths.images,
    RESTRICTED_DIRS: '/',
    TRASH: '2d',
    TRANSPORT: 'cli',
  };
  images = (await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
});
afterAll(async () => lab.stop());

async function cli(...args: string[]): Promise<string> {
  const child = Bun.spawn([(driverTarget as { binary: string }).binary, ...args], {
    env: lab.cluster.driverEnv(),
    cwd: lab.cluster.paths.var,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect([await child.exited, err.includes('[')]).toEqual([0, false]);
  return out;
}

const create = async (name: string): Promise<number> => {
  const path = join(lab.cluster.paths.images, 'image.raw');
  writeFileSync(path, Buffer.alloc(1024 * 1024, 'x'));
  const { image, error } = await lab.one.createImage({ name, datastore: images, path });
  expect(error).toBeUndefined();
  return image;
};

test('over the client: kept, listed with its name, restored', async () => {
  const id = await create('Zwölf | “boxes”');
  expect((await lab.one.deleteImage(id)).error).toBeUndefined();
  const { volumes } = JSON.parse(await cli('trash', 'list', '--json')) as { volumes: { name: string }[] };
  expect(volumes.map(({ name }) => name)).toEqual(['Zwölf | “boxes”']);
  expect(await cli('trash', 'restore', `one-image-${id}`)).toMatch(/^ID: \d+\n$/);
  expect(lab.one.read().images.map(({ name }) => name)).toEqual(['Zwölf | “boxes”']);
});

test('keeping an image costs the satellites no round of work', async () => {
  lab.one.updateDatastore(images, { TRANSPORT: 'rest' });
  const id = await create('cheap');
  const before = lab.calls.length;
  expect((await lab.one.deleteImage(id)).error).toBeUndefined();
  const index = lab.calls.findIndex(({ action }, at) => at >= before && action === 'rm');
  expect(lab.work[index]).toEqual({ passes: 0, asks: 0 });
  expect(await lab.definitions()).toContain(`one-image-${id}`);
});
