import { afterEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import type { Operation } from '../../../src/lab/one/oned.ts';
import { startLab, type TestLab } from '../../support/lab.ts';

/**
 * A node that is evacuated keeps its replicas for a while, in use and in sync, and LINSTOR leaves them out of snapshots: images with one
 * there are cloned all the same.
 */

let lab: TestLab;
afterEach(async () => lab.stop());

function ok<T extends Operation>(operation: T): T {
  if (!operation.ok) throw new Error(`${operation.command}: ${operation.error}`);
  return operation;
}

interface Replica {
  node_name: string;
  flags?: string[];
}

const replicasOf = async (name: string): Promise<Replica[]> =>
  (await lab.linstor('GET', `/v1/view/resources?resources=${name}`)) as Replica[];

async function site(filter: Readonly<Record<string, unknown>>) {
  lab = await startLab();
  await lab.linstor('POST', '/v1/resource-groups', { name: 'site', select_filter: filter });
  const template = { RESOURCE_GROUP: 'site', CLONE_MODE: 'snapshot' };
  const images = ok(await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
  const system = ok(await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
  const image = ok(await lab.one.createDatablock({ name: 'i', datastore: images, sizeMb: 8 })).image;
  const resource = `one-image-${image}`;
  const left = (await replicasOf(resource))[0]?.node_name ?? '';
  const stays = lab.cluster.description.nodes.find((node) => node !== left) ?? '';
  const clone = async (name: string, host: string): Promise<string> => {
    const { vm } = ok(await lab.one.instantiate({ name, disks: [{ image }] }, { host, datastore: system }));
    const link = join(lab.cluster.paths.location, String(system), String(vm), 'disk.0');
    expect(Number(lab.on(host, `stat -Lc %s '${link}'`))).toBeGreaterThanOrEqual(8 * 1024 * 1024);
    return `one-vm-${vm}-disk-0`;
  };
  const evacuate = async (): Promise<void> => {
    // They stay for as long as the test lasts.
    await lab.linstor('PUT', '/lab/tuning', { evacuateSeconds: 3600 });
    await lab.linstor('PUT', `/v1/nodes/${left}/evacuate`);
  };
  return { resource, left, stays, clone, evacuate };
}

const storage = { storage_pool_list: ['thin'] };

describe('an image with a replica on a node that is evacuated is cloned', () => {
  test('where LINSTOR has made another replica for it', async () => {
    const { resource, left, stays, clone, evacuate } = await site({
      ...storage,
      place_count: 2,
      layer_stack: ['DRBD', 'STORAGE'],
    });
    await evacuate();
    const flagged = (await replicasOf(resource)).find(({ node_name }) => node_name === left);
    expect(flagged?.flags).toContain('EVACUATE');
    const disk = await clone('a', stays);
    const nodes = (await replicasOf(disk)).filter(({ flags = [] }) => !flags.includes('DISKLESS'));
    expect(nodes.map(({ node_name }) => node_name)).not.toContain(left);
  });

  test('where LINSTOR has no place for another one, and with the base that was taken before', async () => {
    const { resource, left, stays, clone, evacuate } = await site({
      ...storage,
      place_count: 3,
      layer_stack: ['DRBD', 'STORAGE'],
    });
    await clone('before', stays);
    await evacuate();
    const kept = (await replicasOf(resource)).find(({ node_name }) => node_name === left);
    expect(kept?.flags ?? []).not.toContain('EVACUATE');
    const snapshots = async () =>
      ((await lab.linstor('GET', '/v1/view/snapshots')) as { name: string; nodes: string[] }[]).map(
        ({ name, nodes }) => [name, nodes.toSorted()] as const,
      );
    for (const [name] of await snapshots())
      await lab.linstor('DELETE', `/v1/resource-definitions/${resource}/snapshots/${name}`);
    const first = await clone('first', stays);
    const bases = await snapshots();
    expect(bases.map(([, nodes]) => nodes.includes(left))).toEqual([false]);
    // The second clone takes none, though this one is not on every node.
    const second = await clone('second', stays);
    expect(await snapshots()).toEqual(bases);
    expect(lab.lastRecord().calls.filter(({ verb }) => /^POST .*\/snapshots$/.test(verb))).toEqual([]);
    for (const disk of [first, second]) {
      const nodes = (await replicasOf(disk)).filter(({ flags = [] }) => !flags.includes('DISKLESS'));
      expect(nodes.map(({ node_name }) => node_name)).not.toContain(left);
      expect(nodes).toHaveLength(2);
    }
  });

  test('plain storage, for a VM on another host: by copying', async () => {
    const { left, clone, evacuate } = await site({
      ...storage,
      place_count: 1,
      layer_stack: ['STORAGE'],
    });
    await evacuate();
    // LINSTOR places nothing new on that node: the disk goes where the VM runs.
    const other = lab.cluster.description.nodes.find((node) => node !== left) ?? '';
    await clone('p', other);
  });
});
