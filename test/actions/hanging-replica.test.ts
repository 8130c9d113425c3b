import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '../../src/lab/one/oned.ts';
import { startLab, type TestLab } from '../support/lab.ts';

/**
 * A satellite with a replica hangs and is taken for dead, in the operations that need it. Each ends with a reason, leaves nothing, and goes well
 * when it is tried again after the satellite's return.
 */
setDefaultTimeout(300_000);

let lab: TestLab;
let [images, system, store] = [-1, -1, -1];
let image = -1;
let vm = -1;
let [here, there] = ['', ''];
let path = '';

const holders = async (name: string): Promise<string[]> =>
  (
    (await lab.linstor('GET', `/v1/resource-definitions/${name}/resources`)) as {
      node_name: string;
      flags?: string[];
    }[]
  )
    .filter(({ flags = [] }) => !flags.includes('DISKLESS'))
    .map(({ node_name }) => node_name);

function well<T extends Operation>(done: T): T {
  if (!done.ok) throw new Error(`${done.command}: ${done.error}`);
  return done;
}

const inventory = async (): Promise<string> =>
  JSON.stringify([await lab.definitions(), await lab.snapshots()]);

beforeAll(async () => {
  lab = await startLab();
  const template = { RESOURCE_GROUP: 'drbd', CLONE_MODE: 'snapshot', SAFE_DIRS: lab.cluster.paths.images };
  images = well(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
  system = well(await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
  store = well(await lab.one.createDatastore({ name: 'store', type: 'BACKUP', driver: 'rsync' })).datastore;
  path = join(lab.cluster.paths.images, 'image.raw');
  writeFileSync(path, Buffer.alloc(2 * 1024 * 1024, 'content'));
  image = well(await lab.one.createImage({ name: 'image', datastore: images, path })).image;
  [here = '', there = ''] = await holders(`one-image-${image}`);
  vm = well(
    await lab.one.instantiate({ name: 'vm', disks: [{ image }] }, { host: here, datastore: system }),
  ).vm;
});
afterAll(() => lab?.stop());

interface Try {
  readonly name: string;
  readonly run: () => Promise<Operation> | Operation;
  /** It may need this satellite, as long as it is not known to be dead. */
  readonly needs?: true;
  /** After a failure, what a person does before the next try. */
  readonly clear?: (failed: Operation) => Promise<unknown>;
  /** After success. */
  readonly remove?: (done: Operation) => Promise<unknown>;
}
const imageOf = (done: Operation): number => (done as Operation & { image: number }).image;
const vmOf = (done: Operation): number => (done as Operation & { vm: number }).vm;
const removeImage = async (done: Operation) => well(await lab.one.deleteImage(imageOf(done)));
const away = 'LINSTOR_NODE_OFFLINE';

const tries: Try[] = [
  {
    name: 'import',
    run: () => lab.one.createImage({ name: 'again', datastore: images, path }),
    needs: true,
    clear: removeImage,
    remove: removeImage,
  },
  {
    name: 'clone of an image',
    run: () => lab.one.cloneImage(image, 'copy'),
    needs: true,
    clear: removeImage,
    remove: removeImage,
  },
  {
    name: 'clone for a VM',
    run: () => lab.one.instantiate({ name: 'other', disks: [{ image }] }, { host: here, datastore: system }),
    needs: true,
    clear: async (failed) => well(await lab.one.recoverDelete(vmOf(failed))),
    remove: async (done) => well(await lab.one.terminate(vmOf(done))),
  },
  { name: 'save as', run: () => lab.one.saveAs(vm, 0, { name: 'saved' }), remove: removeImage },
  {
    name: 'snapshot',
    run: () => lab.one.snapshotCreate(vm, 0, 'first'),
    remove: async () => well(await lab.one.snapshotDelete(vm, 0, 0)),
  },
];

async function whileHanging(work: () => Promise<Operation> | Operation): Promise<Operation> {
  await lab.linstor('POST', '/lab/strike', { kind: 'hang-node', node: there, seconds: 1 });
  try {
    return await work();
  } finally {
    await lab.linstor('POST', '/lab/mend', {});
  }
}

/** Of what has failed since. */
const codesFrom = (from: number): (string | undefined)[] =>
  lab
    .records()
    .slice(from)
    .filter(({ result }) => result !== 'ok')
    .map(({ error }) => error?.code);

describe('one satellite with a replica hangs', () => {
  test.each(tries)('$name', async ({ run, needs, clear, remove }) => {
    const before = await inventory();
    const from = lab.records().length;
    let done = await whileHanging(run);
    if (!done.ok && needs) {
      expect(codesFrom(from)).toEqual([away]);
      expect(done.error).toContain(there);
      await clear?.(done);
      expect(await inventory()).toBe(before);
      done = await run();
    }
    well(done);
    await remove?.(done);
    expect(await inventory()).toBe(before);
  });

  test('resize goes on when the satellite is back', async () => {
    const resized = whileHanging(async () => {
      const running = lab.one.resize(vm, 0, 8);
      await Bun.sleep(2_500);
      await lab.linstor('POST', '/lab/mend', {});
      return running;
    });
    well(await resized);
  });

  test('backup, and its restore in place, once the satellite is back', async () => {
    const before = await lab.definitions();
    const done = well(await whileHanging(() => lab.one.backup(vm, { datastore: store })));
    expect(await lab.definitions()).toEqual(before);
    well(lab.one.poweroff(vm));
    const from = lab.records().length;
    const restore = () => lab.one.restore(vm, { image: imageOf(done) });
    if (!(await whileHanging(restore)).ok) expect(codesFrom(from)).toEqual([away]);
    expect(await lab.definitions()).toEqual(before);
    well(await restore());
    expect(await lab.definitions()).toEqual(before);
  });
});
