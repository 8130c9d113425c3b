import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '../../src/lab/one/oned.ts';
import { startLab, type TestLab } from '../support/lab.ts';

/**
 * One satellite hangs, as after a power cut, in each operation that oned has: on the node that holds nothing but the vote, and on one with
 * a replica. The controller takes it for dead after a while, and then answers what had waited with an error without a word. It must
 * show in no operation on what lives elsewhere.
 */
setDefaultTimeout(300_000);

describe.each(['with the vote alone', 'with a replica'])(
  'with one satellite hanging: the one %s',
  (which) => {
    let lab: TestLab;
    let images = -1;
    let system = -1;
    let image = -1;
    let disk = -1;
    let vm = -1;
    /** With a replica of the VM's disk, where the VM is; another with one; the one with the vote. */
    let [here, there, vote] = ['', '', ''];
    const hangs = (): string => (which === 'with a replica' ? there : vote);
    const other = (): string => (which === 'with a replica' ? vote : there);

    const strike = (node: string, seconds?: number) =>
      lab.linstor('POST', '/lab/strike', {
        kind: 'hang-node',
        node,
        ...(seconds === undefined ? {} : { seconds }),
      });

    /** While `node` hangs; it is back afterwards. */
    async function during<T extends Operation>(node: string, work: () => Promise<T> | T): Promise<T> {
      await strike(node, 1);
      try {
        return await work();
      } finally {
        await lab.linstor('POST', '/lab/mend', {});
      }
    }

    const well = (done: Operation): void => {
      if (!done.ok) throw new Error(`${done.command}: ${done.error}`);
    };

    const replicas = async (name: string): Promise<{ node_name: string; flags?: string[] }[]> =>
      (await lab.linstor('GET', `/v1/resource-definitions/${name}/resources`)) as [];

    beforeAll(async () => {
      lab = await startLab();
      const template = { RESOURCE_GROUP: 'drbd', SAFE_DIRS: lab.cluster.paths.images };
      const make = async (type: 'IMAGE' | 'SYSTEM', name: string): Promise<number> => {
        const done = await lab.one.createDatastore({ name, type, template });
        well(done);
        return done.datastore;
      };
      images = await make('IMAGE', 'images');
      system = await make('SYSTEM', 'system');
      const path = join(lab.cluster.paths.images, 'image.raw');
      writeFileSync(path, Buffer.alloc(2 * 1024 * 1024, 'content'));
      const made = await lab.one.createImage({ name: 'image', datastore: images, path });
      well(made);
      image = made.image;
      const block = await lab.one.createDatablock({
        name: 'disk',
        datastore: images,
        sizeMb: 4,
        persistent: true,
      });
      well(block);
      disk = block.image;
      const where = (await replicas(`one-image-${image}`)).filter(
        ({ flags = [] }) => !flags.includes('DISKLESS'),
      );
      here = where[0]?.node_name ?? '';
      const started = await lab.one.instantiate(
        { name: 'vm', disks: [{ image }] },
        { host: here, datastore: system },
      );
      well(started);
      vm = started.vm;
      const all = await replicas(`one-vm-${vm}-disk-0`);
      there =
        all.find(({ node_name, flags = [] }) => node_name !== here && !flags.includes('DISKLESS'))
          ?.node_name ?? '';
      vote = lab.cluster.description.nodes.find((name) => name !== here && name !== there) ?? '';
    });
    afterAll(() => lab?.stop());

    test('capacity and usage are told while it hangs, from what is known', async () => {
      await strike(hangs());
      const from = lab.records().length;
      well(await lab.one.monitor(images));
      await lab.linstor('POST', '/lab/mend', {});
      well(await during(hangs(), () => lab.one.monitor(system)));
      expect(
        lab
          .records()
          .slice(from)
          .map(({ action, result }) => `${action} ${result}`),
      ).toEqual(['datastore/monitor ok', 'tm/monitor ok']);
    });

    const operations: readonly (readonly [string, () => Promise<Operation> | Operation])[] = [
      ['live migration', () => lab.one.liveMigrate(vm, { host: other(), datastore: system })],
      ['and back', () => lab.one.liveMigrate(vm, { host: here, datastore: system })],
      ['attaching a persistent image', () => lab.one.attach(vm, { image: disk })],
      ['detaching it', () => lab.one.detach(vm, 2)],
      ['power off', () => lab.one.poweroff(vm)],
      ['start', () => lab.one.resume(vm)],
      ['suspend', () => lab.one.suspend(vm)],
      ['resume', () => lab.one.resume(vm)],
      ['undeploy', () => lab.one.undeploy(vm)],
      ['deploy', () => lab.one.deploy(vm, { host: here, datastore: system })],
      ['terminate', () => lab.one.terminate(vm)],
      ['delete the image', () => lab.one.deleteImage(disk)],
    ];

    test.each(operations)('%s', async (_, operation) => {
      const from = lab.records().length;
      well(await during(hangs(), operation));
      // oned ignores some of them.
      const failed = lab
        .records()
        .slice(from)
        .filter(({ result }) => result !== 'ok');
      expect(failed.map(({ action, error }) => `${action}: ${error?.message}`)).toEqual([]);
    });

    test('and no two primaries are left allowed', async () => {
      const definitions = (await lab.linstor('GET', '/v1/resource-definitions')) as { props?: object }[];
      expect(JSON.stringify(definitions)).not.toContain('allow-two-primaries":"yes');
    });
  },
);
