import { afterAll, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLab, type TestLab } from '../support/lab.ts';

/** A thick pool that three images fill. */

const mib = 1024 * 1024;
let lab: TestLab;

beforeAll(async () => {
  lab = await startLab({ pools: [{ name: 'thick', provider: 'LVM', sizeKib: 52 * 1024 }] });
  await lab.linstor('POST', '/v1/resource-groups', {
    name: 'small',
    select_filter: { place_count: 2, storage_pool_list: ['thick'], layer_stack: ['DRBD', 'STORAGE'] },
  });
});
afterAll(async () => lab.stop());

async function datastore(name: string, whenFull: string): Promise<number> {
  const template = {
    RESOURCE_GROUP: 'small',
    NODE_LIST: lab.cluster.description.nodes.slice(0, 2).join(' '),
    SAFE_DIRS: lab.cluster.paths.images,
    RESTRICTED_DIRS: '/',
    TRASH: '1d',
    TRASH_WHEN_FULL: whenFull,
  };
  const { datastore: id, error } = await lab.one.createDatastore({ name, type: 'IMAGE', template });
  expect(error).toBeUndefined();
  return id;
}

async function create(name: string, into: number) {
  const path = join(lab.cluster.paths.images, `${name}.raw`);
  writeFileSync(path, Buffer.alloc(12 * mib, name));
  return lab.one.createImage({ name, datastore: into, path });
}

test('a full pool empties the oldest first, and only what may go', async () => {
  const [gives, keeps] = [await datastore('gives', 'empty'), await datastore('keeps', 'keep')];
  const a = await create('kept', keeps);
  const b = await create('older', gives);
  const c = await create('newer', gives);
  for (const { image, error } of [a, b, c]) {
    expect(error).toBeUndefined();
    expect((await lab.one.deleteImage(image)).ok).toBe(true);
  }
  expect(await lab.definitions()).toEqual(['one-image-0', 'one-image-1', 'one-image-2']);

  // The datastore that keeps takes nothing out for its own sake.
  const refused = await create('refused', keeps);
  expect(refused.ok).toBe(false);
  expect(refused.calls.at(-1)?.stderr).toContain('LINSTOR_NO_SPACE');
  expect(await lab.definitions()).toEqual(['one-image-0', 'one-image-1', 'one-image-2']);

  const made = await create('made', gives);
  expect(made.error).toBeUndefined();
  expect(await lab.definitions()).toEqual(['one-image-0', 'one-image-2', `one-image-${made.image}`].sort());

  // Too few nodes are no lack of space, though LINSTOR answers alike: nothing goes for them.
  lab.one.updateDatastore(gives, { NODE_LIST: undefined, REPLICA_COUNT: '5' });
  const wide = await create('wide', gives);
  expect(wide.calls.at(-1)?.stderr).toContain('LINSTOR_NO_SPACE');
  expect(await lab.definitions()).toContain('one-image-2');
  const nodes = lab.cluster.description.nodes.slice(0, 2).join(' ');
  lab.one.updateDatastore(gives, { NODE_LIST: nodes, REPLICA_COUNT: undefined });

  expect((await create('another', gives)).error).toBeUndefined();
  // Nothing is left that may go: what only the other datastore could give stays.
  const full = await create('full', gives);
  expect(full.ok).toBe(false);
  expect(await lab.definitions()).toContain('one-image-0');
});
