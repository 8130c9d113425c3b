import { describe, expect, test } from 'bun:test';
import type { ResourceGroup } from '../../src/linstor/linstor.ts';
import type { PlacementSettings } from '../../src/opennebula/settings.ts';
import { planFor } from '../../src/volumes/placement.ts';

const none: PlacementSettings = {
  nodeList: [],
  layerList: [],
  providers: [],
  replicasOnSame: [],
  replicasOnDifferent: [],
  doNotPlaceWith: [],
  linstorProperties: {},
  storagePools: [],
  encryption: false,
};
const group = (filter: ResourceGroup['filter'], name = 'one'): ResourceGroup => ({ name, props: {}, filter });

describe('placement plan', () => {
  test('a resource group decides alone when nothing overrides it', () => {
    const plan = planFor(group({ placeCount: 2, storagePools: ['thin'] }), { ...none, resourceGroup: 'one' });
    expect(plan).toMatchObject({
      group: 'one',
      layers: [],
      replicas: 2,
      unbalanced: false,
      // Not even the count: LINSTOR forgets the group's nodes for any filter.
      filter: {},
    });
    expect(plan.filter.storagePools).toBeUndefined();
  });

  test('REPLICA_COUNT overrides the group and keeps the balance task away', () => {
    expect(
      planFor(group({ placeCount: 2 }), { ...none, resourceGroup: 'one', replicaCount: 3 }),
    ).toMatchObject({ replicas: 3, unbalanced: true });
  });

  test('plain storage with several replicas is refused: each would be a volume of its own', () => {
    expect(() =>
      planFor(group({ placeCount: 2, layers: ['STORAGE'] }), { ...none, resourceGroup: 'one' }),
    ).toThrow(/without DRBD/);
    expect(() =>
      planFor(group({ placeCount: 1 }), { ...none, layerList: ['STORAGE'], replicaCount: 2 }),
    ).toThrow(/without DRBD/);
    expect(() =>
      planFor(group({ placeCount: 1 }), { ...none, layerList: ['STORAGE'], nodeList: ['a', 'b'] }),
    ).toThrow(/without DRBD/);
  });

  test('plain storage without a count gets one replica, whatever the default group says', () => {
    expect(
      planFor(group({ placeCount: 2 }, 'DfltRscGrp'), {
        ...none,
        storagePools: ['thin'],
        layerList: ['STORAGE'],
      }),
    ).toMatchObject({ replicas: 1 });
  });

  test('ENCRYPTION puts LUKS above STORAGE, once', () => {
    expect(planFor(group({ placeCount: 2 }), { ...none, encryption: true }).layers).toEqual([
      'DRBD',
      'LUKS',
      'STORAGE',
    ]);
    expect(
      planFor(group({ placeCount: 1, layers: ['STORAGE'] }), {
        ...none,
        resourceGroup: 'one',
        encryption: true,
      }).layers,
    ).toEqual(['LUKS', 'STORAGE']);
    expect(
      planFor(group({ placeCount: 2 }), { ...none, encryption: true, layerList: ['DRBD', 'LUKS', 'STORAGE'] })
        .layers,
    ).toEqual(['DRBD', 'LUKS', 'STORAGE']);
  });

  test('every placement attribute reaches the filter, aux keys spelled out', () => {
    const plan = planFor(group({ placeCount: 2 }), {
      ...none,
      storagePools: ['p1', 'p2'],
      replicasOnSame: ['site'],
      replicasOnDifferent: ['Aux/rack'],
      doNotPlaceWith: ['r1'],
      doNotPlaceWithRegex: '^db',
      providers: ['LVM_THIN'],
      replicaCount: 2,
    });
    expect<unknown>(plan.filter).toEqual({
      storagePools: ['p1', 'p2'],
      replicasOnSame: ['Aux/site'],
      replicasOnDifferent: ['Aux/rack'],
      notPlaceWith: ['r1'],
      notPlaceWithRegex: '^db',
      providers: ['LVM_THIN'],
    });
  });

  test('NODE_LIST: a replica on each', () => {
    expect(
      planFor(group({ placeCount: 2 }), { ...none, nodeList: ['a', 'b', 'c'], storagePools: ['thin'] }),
    ).toMatchObject({ nodes: ['a', 'b', 'c'], replicas: 3 });
  });
});
