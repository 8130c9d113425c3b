import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setHostFaults } from '../../../src/lab/hosts/faults.ts';
import type { Operation } from '../../../src/lab/one/oned.ts';
import { startLab, type TestLab } from '../../support/lab.ts';

setDefaultTimeout(240_000);

const MiB = 1024 * 1024;

function ok<T extends Operation>(operation: T): T {
  if (!operation.ok) {
    const trace = operation.calls.map(
      (call) => `${call.kind}/${call.action} ${call.argv.join(' ')} → ${call.exitCode} ${call.stderr}`,
    );
    throw new Error(`${operation.command}: ${operation.error}\n${trace.join('\n')}`);
  }
  return operation;
}

/** A host has lost power, and `onevm recover --recreate` starts its VM elsewhere while LINSTOR cannot delete what the dead host holds. */
let lab: TestLab;
let system: number;
let image: number;

beforeAll(async () => {
  lab = await startLab();
  const template = { RESOURCE_GROUP: 'drbd', CLONE_MODE: 'snapshot', SAFE_DIRS: lab.cluster.paths.images };
  const images = ok(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
  system = ok(await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
  const path = join(lab.cluster.paths.images, 'image.raw');
  writeFileSync(path, Buffer.alloc(2 * MiB, 'first '));
  image = ok(await lab.one.createImage({ name: 'image', datastore: images, path })).image;
});
afterAll(() => lab.stop());

const link = (vm: number, disk: number): string =>
  join(lab.cluster.paths.location, String(system), String(vm), `disk.${disk}`);
const flags = async (): Promise<Record<string, string[]>> =>
  Object.fromEntries(
    ((await lab.linstor('GET', '/v1/resource-definitions')) as { name: string; flags?: string[] }[]).map(
      ({ name, flags: found = [] }) => [name, found],
    ),
  );
async function power(node: string, on: boolean): Promise<void> {
  setHostFaults(lab.cluster.dir, node, on ? [] : [{ mode: 'down' }]);
  await lab.linstor('PUT', `/lab/nodes/${node}`, { connection: on ? 'ONLINE' : 'OFFLINE' });
}

test('a VM comes back while its host is dead, every action finds its disks, and what is left goes with the host’s return', async () => {
  const disks = [{ image }, { volatile: 'fs' as const, sizeMb: 8 }];
  const nodes = lab.cluster.description.nodes;
  const replicas = async (name: string): Promise<string[]> =>
    ((await lab.linstor('GET', `/v1/resource-definitions/${name}/resources`)) as { node_name: string }[]).map(
      ({ node_name }) => node_name,
    );
  const dead = (await replicas(`one-image-${image}`))[0] ?? '';
  const alive = nodes.filter((node) => node !== dead);
  const { vm } = ok(
    await lab.one.instantiate({ name: 'vm', disks, context: false }, { host: dead, datastore: system }),
  );
  const proper = `one-vm-${vm}-disk-0`;
  const standIn = `${proper}-r1`;
  lab.write(dead, link(vm, 0), 0, 'LOST!');
  await power(dead, false);
  ok(await lab.one.recreate(vm));
  expect((await flags())[proper]).toContain('DELETE');
  ok(await lab.one.deploy(vm, { host: alive[0] ?? '', datastore: system }));
  expect(lab.read(alive[0] ?? '', link(vm, 0), 0, 5)).toBe('first');
  expect((await flags())[standIn]).toEqual([]);

  // Every action finds it, under whatever name.
  lab.write(alive[0] ?? '', link(vm, 0), 0, 'saved');
  ok(await lab.one.snapshotCreate(vm, 0, 'zero'));
  expect(await lab.snapshots()).toEqual([`${standIn}/snapshot-0`]);
  ok(await lab.one.resize(vm, 0, 16));
  const saved = ok(await lab.one.saveAs(vm, 0, { name: 'saved' })).image;
  ok(await lab.one.monitor(system));
  ok(await lab.one.liveMigrate(vm, { host: alive[1] ?? '', datastore: system }));
  lab.write(alive[1] ?? '', link(vm, 0), 0, 'later');
  ok(await lab.one.poweroff(vm));
  ok(await lab.one.snapshotRevert(vm, 0, 0));
  expect(lab.read(alive[1] ?? '', link(vm, 0), 0, 5)).toBe('saved');
  ok(await lab.one.migrate(vm, { host: alive[0] ?? '', datastore: system }, { poweroff: true }));
  ok(await lab.one.snapshotDelete(vm, 0, 0));
  expect(await lab.snapshots()).toEqual([]);

  // The host comes back: LINSTOR finishes what it could not.
  await power(dead, true);
  expect(Object.keys(await flags()).sort()).toEqual(
    [`one-image-${image}`, `one-image-${saved}`, standIn, `one-vm-${vm}-disk-1-r1`].sort(),
  );
  ok(await lab.one.resume(vm));
  ok(await lab.one.terminate(vm));
  ok(await lab.one.deleteImage(saved));
  expect(await lab.definitions()).toEqual([`one-image-${image}`]);
});

test.each(['snapshot', 'copy'])(
  'with no more storage nodes than replicas, disks of a VM have fewer while one is dead; clones by %s',
  async (mode) => {
    const [one = '', two = ''] = lab.cluster.description.nodes;
    const filter = {
      place_count: 2,
      storage_pool_list: ['thin'],
      node_name_list: [one, two],
      layer_stack: ['DRBD', 'STORAGE'],
    };
    const group = `pair-${mode}`;
    await lab.linstor('POST', '/v1/resource-groups', { name: group, select_filter: filter });
    const template = { RESOURCE_GROUP: group, CLONE_MODE: mode, SAFE_DIRS: lab.cluster.paths.images };
    const images = ok(
      await lab.one.createDatastore({ name: `i-${mode}`, type: 'IMAGE', template }),
    ).datastore;
    const pair = ok(await lab.one.createDatastore({ name: `s-${mode}`, type: 'SYSTEM', template })).datastore;
    const path = join(lab.cluster.paths.images, 'pair.raw');
    writeFileSync(path, Buffer.alloc(2 * MiB, 'first '));
    const own = ok(await lab.one.createImage({ name: `p-${mode}`, datastore: images, path })).image;
    await power(one, false);
    const disks = [{ image: own }, { volatile: 'swap' as const, sizeMb: 8 }];
    const { vm, calls } = ok(
      await lab.one.instantiate({ name: 'vm', disks, context: false }, { host: two, datastore: pair }),
    );
    expect(calls.map(({ stderr }) => stderr).join('')).toContain(`one-vm-${vm}-disk-1 has 1 of 2 replicas`);
    expect(calls.map(({ stderr }) => stderr).join('')).toContain(`linstor resource-group adjust ${group}`);
    const diskful = async (name: string): Promise<string[]> =>
      (
        (await lab.linstor('GET', `/v1/resource-definitions/${name}/resources`)) as {
          node_name: string;
          flags?: string[];
        }[]
      )
        .filter(({ flags: found = [] }) => found.length === 0)
        .map(({ node_name }) => node_name);
    expect(await diskful(`one-vm-${vm}-disk-1`)).toEqual([two]);
    // An image can wait for its replicas.
    const refused = await lab.one.createImage({ name: `q-${mode}`, datastore: images, path });
    expect(refused.error).toContain('no connection to the satellite');
    await power(one, true);
    ok(await lab.one.suspend(vm));
    ok(await lab.one.resume(vm));
    ok(await lab.one.terminate(vm));
    ok(await lab.one.deleteImage(own));
  },
);
