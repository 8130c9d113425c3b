import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '../../../src/lab/one/oned.ts';
import { driverTarget, startLab, type TestLab } from '../../support/lab.ts';

setDefaultTimeout(120_000);

/** Snapshots as killed actions leave them, made by hand on the lab; what the driver and `gc` make of them. */
let lab: TestLab;
let image: number;
let vm: number;
let system: number;
beforeAll(async () => {
  lab = await startLab();
  const template = { RESOURCE_GROUP: 'drbd', SAFE_DIRS: lab.cluster.paths.images };
  const images = ok(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
  system = ok(await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
  const path = join(lab.cluster.paths.images, 'image.raw');
  writeFileSync(path, Buffer.alloc(1024 * 1024, 7));
  image = ok(await lab.one.createImage({ name: 'image', datastore: images, path })).image;
  vm = ok(
    await lab.one.instantiate({ name: 'vm', disks: [{ image }] }, { host: 'node1', datastore: system }),
  ).vm;
});
afterAll(async () => lab.stop());

function ok<T extends Operation>(operation: T): T {
  if (!operation.ok) throw new Error(`${operation.command}: ${operation.error}`);
  return operation;
}

const make = (resource: string, name: string) =>
  lab.linstor('POST', `/v1/resource-definitions/${resource}/snapshots`, { name });

async function gc(...args: string[]): Promise<string[]> {
  const command = 'binary' in driverTarget ? [driverTarget.binary] : [driverTarget.bun, driverTarget.main];
  const child = Bun.spawn([...command, 'gc', '--older-than', '0', '--json', ...args], {
    env: { ...lab.one.options.env },
    stderr: 'pipe',
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(stderr);
  const { leftovers } = JSON.parse(stdout) as {
    leftovers: { resource: string; snapshot: string; proof: string }[];
  };
  return leftovers.map(({ resource, snapshot, proof }) => `${resource}/${snapshot} ${proof}`).sort();
}

describe('snapshots of killed actions', () => {
  test('deleting an image that was saved from a disk takes its snapshot along', async () => {
    const saved = ok(await lab.one.saveAs(vm, 0, { name: 'saved' })).image;
    const disk = `one-vm-${vm}-disk-0`;
    await make(disk, `one-image-${saved}`);
    ok(await lab.one.deleteImage(saved));
    expect(await lab.snapshots()).toEqual([]);
    expect(await lab.definitions()).toEqual([`one-image-${image}`, disk]);
  });

  test('gc finds what nobody calls for again, and nothing that OpenNebula knows', async () => {
    const disk = `one-vm-${vm}-disk-0`;
    for (const name of ['kept', 'dropped']) ok(await lab.one.snapshotCreate(vm, 0, name));
    ok(await lab.one.snapshotDelete(vm, 0, 1));
    const known = [`${disk}/snapshot-0`];
    expect(await lab.snapshots()).toEqual(known);
    for (const name of ['one-image-77', 'snapshot-1', 'snapshot-5']) await make(disk, name);
    await make(`one-image-${image}`, 'one-image-78');
    expect(await gc()).toEqual([
      `one-image-${image}/one-image-78 proven`,
      `${disk}/one-image-77 proven`,
      `${disk}/snapshot-1 proven`,
      `${disk}/snapshot-5 unproven`,
    ]);
    await gc('--apply');
    expect(await lab.snapshots()).toEqual([...known, `${disk}/snapshot-5`]);
  });

  test('a helper snapshot that could not be deleted goes with its disk, which says so', async () => {
    const disk = `one-vm-${vm}-disk-0`;
    const helper = `one-image-${image}/${disk}`;
    await make(`one-image-${image}`, disk);
    await lab.linstor('PUT', `/v1/resource-definitions/${disk}`, {
      override_props: { 'Aux/one/HELPER': 'yes' },
    });
    expect(await lab.snapshots()).toContain(helper);
    ok(await lab.one.terminate(vm));
    expect(await lab.definitions()).toEqual([`one-image-${image}`]);
    expect(await lab.snapshots()).toEqual([]);
  });
});

describe('what a node that was away has kept of a deleted snapshot', () => {
  let node: string;
  beforeAll(async () => {
    vm = ok(
      await lab.one.instantiate({ name: 'other', disks: [{ image }] }, { host: 'node1', datastore: system }),
    ).vm;
    const replicas = (await lab.linstor('GET', `/v1/view/resources?resources=${disk()}`)) as {
      node_name: string;
      flags?: string[];
    }[];
    node =
      replicas.find(({ node_name, flags = [] }) => node_name !== 'node1' && flags.length === 0)?.node_name ??
      '';
  });
  const disk = (): string => `one-vm-${vm}-disk-0`;
  const connect = (connection: string) => lab.linstor('PUT', `/lab/nodes/${node}`, { connection });
  const part = (): string =>
    join(lab.cluster.dir, 'linstor', 'pools', node, 'thin', `${disk()}_00000_snapshot-0.img`);

  test('is told, and removed by gc when the node is back, while the disk lives', async () => {
    ok(await lab.one.snapshotCreate(vm, 0, 'one'));
    expect(existsSync(part())).toBe(true);
    await connect('OFFLINE');
    ok(await lab.one.snapshotDelete(vm, 0, 0));
    expect(await gc()).toEqual([`${disk()}/snapshot-0 unproven`]);
    await connect('ONLINE');
    expect(await gc()).toEqual([`${disk()}/snapshot-0 proven`]);
    expect(existsSync(part())).toBe(true);
    await gc('--apply');
    expect(existsSync(part())).toBe(false);
    expect(await gc()).toEqual([]);
    expect(await lab.snapshots()).toEqual([]);
  });

  test('and when the disk is gone', async () => {
    ok(await lab.one.snapshotCreate(vm, 0, 'two'));
    await connect('OFFLINE');
    ok(await lab.one.terminate(vm));
    expect(await gc()).toEqual([`${disk()}/undefined unproven`]);
    await connect('ONLINE');
    expect(await gc()).toEqual([`${disk()}/snapshot-1 proven`]);
    await gc('--apply');
    expect(existsSync(part().replace('snapshot-0', 'snapshot-1'))).toBe(false);
    expect(await gc()).toEqual([]);
    expect(await lab.definitions()).not.toContain(disk());
  });
});
