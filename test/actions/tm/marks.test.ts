import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '../../../src/lab/one/oned.ts';
import { startLab, type TestLab } from '../../support/lab.ts';

setDefaultTimeout(120_000);

const MiB = 1024 * 1024;

function ok<T extends Operation>(operation: T): T {
  if (!operation.ok) throw new Error(`${operation.command}: ${operation.error}`);
  return operation;
}

/** What is complete is known without a change of a definition, which would be a round of work for all its satellites. */
let lab: TestLab;
let images: number;
let image: number;
const system: Record<string, number> = {};

beforeAll(async () => {
  lab = await startLab();
  const template = { RESOURCE_GROUP: 'drbd', SAFE_DIRS: lab.cluster.paths.images };
  images = ok(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
  for (const mode of ['copy', 'snapshot'])
    system[mode] = ok(
      await lab.one.createDatastore({
        name: mode,
        type: 'SYSTEM',
        template: { ...template, CLONE_MODE: mode },
      }),
    ).datastore;
  image = ok(await imported('image')).image;
});
afterAll(() => lab.stop());

function imported(name: string, group = images) {
  const path = join(lab.cluster.paths.images, `${name}.raw`);
  writeFileSync(path, Buffer.alloc(2 * MiB, 'first '));
  return lab.one.createImage({ name, datastore: group, path });
}

const verbs = (since: number): string[] =>
  lab
    .records()
    .slice(since)
    .flatMap((record) => record.calls)
    .map((call) => call.verb);
const changes = (since: number): string[] =>
  verbs(since).filter((verb) => /^PUT \/v1\/resource-definitions/.test(verb));
const notes = async (): Promise<unknown> => lab.linstor('GET', '/v1/key-value-store');
const link = (vm: number, disk: number, mode = 'copy'): string =>
  join(lab.cluster.paths.location, String(system[mode]), String(vm), `disk.${disk}`);

test('images, disks and volatile disks are made without one', async () => {
  ok(await imported('again'));
  ok(await lab.one.cloneImage(image, 'clone'));
  ok(await lab.one.createDatablock({ name: 'fs', datastore: images, sizeMb: 16, fs: 'ext4' }));
  for (const mode of ['copy', 'snapshot']) {
    const disks = [
      { image },
      { volatile: 'fs' as const, sizeMb: 8 },
      { volatile: 'swap' as const, sizeMb: 8 },
    ];
    const { vm } = ok(
      await lab.one.instantiate(
        { name: mode, disks, context: false },
        { host: 'node1', datastore: system[mode] ?? -1 },
      ),
    );
    expect(lab.read('node1', link(vm, 0, mode), 0, 5)).toBe('first');
    ok(await lab.one.terminate(vm));
  }
  expect(changes(0)).toEqual([]);
  expect(await notes()).toEqual([]);
});

test('a retry takes a complete copy as it is, and makes one anew that is not known to be complete', async () => {
  const second = ok(await lab.one.cloneImage(image, 'second')).image;
  const place = { host: 'node1', datastore: system['copy'] ?? -1 };
  const disks = [{ image }, { image: second }];
  const before = lab.calls.length;
  const first = lab.one.instantiate({ name: 'retried', disks, context: false }, place);
  // The second disk fails when the first one is there.
  while (!lab.calls.slice(before).some((call) => call.action === 'clone')) await Bun.sleep(2);
  lab.served.linstor.lab.setFaults([
    { method: 'POST', path: 'resource-groups/drbd/spawn', fault: { kind: 'code', code: 998 } },
  ]);
  const { vm, ok: made } = await first;
  expect(made).toBe(false);
  lab.served.linstor.lab.setFaults([]);
  // Nobody would: it shows that the disk is taken as it is.
  lab.write('node1', link(vm, 0), 0, 'mark!');
  ok(await lab.one.retry(vm));
  expect(lab.read('node1', link(vm, 0), 0, 5)).toBe('mark!');
  expect(lab.read('node1', link(vm, 1), 0, 5)).toBe('first');
  ok(await lab.one.terminate(vm));
  expect(await notes()).toEqual([]);
});

test('a volume group of another number does not make an image of a volume that nobody means', async () => {
  await lab.linstor('POST', '/v1/resource-groups', {
    name: 'odd',
    select_filter: { place_count: 2, storage_pool_list: ['thin'], layer_stack: ['DRBD', 'STORAGE'] },
  });
  await lab.linstor('POST', '/v1/resource-groups/odd/volume-groups', { volume_number: 1 });
  const template = { RESOURCE_GROUP: 'odd', CLONE_MODE: 'snapshot', SAFE_DIRS: lab.cluster.paths.images };
  const odd = ok(await lab.one.createDatastore({ name: 'odd', type: 'IMAGE', template })).datastore;
  const place = ok(await lab.one.createDatastore({ name: 'odd-system', type: 'SYSTEM', template })).datastore;
  const made = ok(await imported('odd', odd)).image;
  const volumes = async (name: string): Promise<number[]> =>
    (
      (await lab.linstor('GET', `/v1/resource-definitions/${name}/volume-definitions`)) as {
        volume_number: number;
      }[]
    ).map(({ volume_number }) => volume_number);
  expect(await volumes(`one-image-${made}`)).toEqual([0]);
  const { vm } = ok(
    await lab.one.instantiate(
      { name: 'odd', disks: [{ image: made }], context: false },
      { host: 'node1', datastore: place },
    ),
  );
  expect(await volumes(`one-vm-${vm}-disk-0`)).toEqual([0]);
  ok(await lab.one.terminate(vm));
});
