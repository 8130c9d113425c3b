import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import type { Linstor, Resource } from '../../src/linstor/linstor.ts';
import { resourceName } from '../../src/linstor/names.ts';
import { openLinstor } from '../../src/linstor/open.ts';
import { kib } from '../../src/units.ts';
import { knownView } from '../../src/volumes/known-view.ts';
import { isReadable, readsZeroWhenNew } from '../../src/volumes/replicas.ts';
import { startLab, type TestLab } from '../support/lab.ts';

let lab: TestLab;
let linstor: Linstor;
const [mirrored, plain] = [resourceName('mirrored'), resourceName('plain')];

const asksOf = async (work: () => Promise<unknown>): Promise<number> => {
  const totals = () => lab.served.linstor.lab.runtime.work.totals();
  const before = totals().asks;
  await work();
  return totals().asks - before;
};

/** What the driver decides by. Allocation is not among it, nor the state of a replica without a disk. */
const essence = (view: readonly Resource[]) =>
  view
    .map(({ volumes, ...resource }) => ({
      ...resource,
      readable: isReadable({ ...resource, volumes }),
      volumes: volumes.map(({ number, devicePath, pool, provider }) => ({
        number,
        devicePath,
        pool,
        provider,
      })),
    }))
    .sort((a, b) => `${a.name} ${a.node}`.localeCompare(`${b.name} ${b.node}`));

beforeAll(async () => {
  lab = await startLab({ nodes: ['alpha', 'bravo', 'charlie'] });
  linstor = openLinstor({ controllers: [lab.cluster.linstorUrl], transport: 'rest', linstorCommand: '' });
  await linstor.spawn('drbd', mirrored, [kib(4096)]);
  await linstor.spawn('plain', plain, [kib(4096)]);
});
afterAll(() => lab?.stop());

describe('the view from memory', () => {
  test('is the view, and asks no satellite', async () => {
    const names = [mirrored, plain, resourceName('absent')];
    let known: Resource[] = [];
    expect(
      await asksOf(async () => {
        known = await knownView(linstor, names);
      }),
    ).toBe(0);
    expect(essence(known)).toEqual(essence(await linstor.resources({ names })));
    expect(known.filter(isReadable)).toHaveLength(3);
    expect(readsZeroWhenNew(known)).toBe(true);
  });

  test('is answered while a satellite hangs', async () => {
    const [replica] = (await linstor.replicas([mirrored])).filter(({ flags }) => !flags.includes('DISKLESS'));
    await lab.linstor('POST', '/lab/strike', { kind: 'hang-node', node: replica?.node, seconds: 60 });
    expect(await knownView(linstor, [mirrored])).toHaveLength(3);
    await lab.linstor('POST', '/lab/mend', {});
  });

  test('is the view itself where a disk is not in sync, or its pool is not told', async () => {
    const asked: string[] = [];
    const of = (more: Partial<Linstor>): Linstor =>
      ({
        transport: 'rest',
        replicas: (names) => linstor.replicas(names),
        storagePools: (query) => linstor.storagePools(query),
        synced: (name) => linstor.synced(name),
        resources: (query) => {
          asked.push('view');
          return linstor.resources(query);
        },
        ...more,
      }) as Linstor;
    await knownView(of({}), [mirrored]);
    expect(asked).toEqual([]);
    await knownView(of({ synced: async () => false }), [mirrored]);
    await knownView(of({ synced: () => Promise.reject(new Error('404')) }), [mirrored]);
    await knownView(of({ storagePools: async () => [] }), [plain]);
    await knownView(
      of({
        replicas: async (names) => (await linstor.replicas(names)).map((one) => ({ ...one, props: {} })),
      }),
      [plain],
    );
    expect(asked).toHaveLength(4);
  });

  test('is the client’s view where nothing else is to be had', async () => {
    const cli = openLinstor({
      controllers: [lab.cluster.linstorUrl],
      transport: 'cli',
      linstorCommand: join(lab.cluster.paths.bin, 'linstor'),
    });
    expect(essence(await knownView(cli, [plain]))).toEqual(
      essence(await linstor.resources({ names: [plain] })),
    );
  });
});
