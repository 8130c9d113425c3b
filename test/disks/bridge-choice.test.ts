import { describe, expect, test } from 'bun:test';
import { rankBridges, requireBridges } from '../../src/disks/bridge-choice.ts';
import type { Node, Resource } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import type { Host } from '../../src/opennebula/one.ts';

const node = (name: string, status = 'ONLINE', addresses: string[] = []): Node => ({
  name: nodeName(name),
  type: 'SATELLITE',
  status,
  flags: [],
  props: {},
  providers: [],
  layers: [],
  addresses,
});
const host = (name: string, enabled = true): Host => ({ id: 1, name, state: enabled ? 2 : 4, enabled });
const resource = (on: string, more: Partial<Resource> = {}): Resource => ({
  name: resourceName('one-image-7'),
  node: nodeName(on),
  flags: [],
  props: {},
  layers: ['DRBD', 'STORAGE'],
  stateKnown: true,
  connections: {},
  volumes: [{ number: 0, pool: 'p', provider: 'LVM_THIN', diskState: 'UpToDate' }],
  ...more,
});
const nodes = ['alpha', 'bravo', 'charlie'].map((name) => node(name));
const hosts = ['alpha', 'bravo', 'charlie'].map((name) => host(name));
const order = (query: Parameters<typeof rankBridges>[0]): string[] =>
  rankBridges(query).bridges.map((b) => b.host);

describe('bridge hosts', () => {
  test('the ones with the disk come first', () => {
    expect(order({ bridgeList: [], hosts, nodes, resources: [resource('charlie')] })).toEqual([
      'charlie',
      'alpha',
      'bravo',
    ]);
  });

  test('with two volumes, the one that holds both', () => {
    const resources = [
      resource('alpha'),
      resource('bravo'),
      resource('bravo', { name: resourceName('one-image-8') }),
    ];
    expect<unknown>(rankBridges({ bridgeList: [], hosts, nodes, resources }).bridges[0]).toEqual({
      host: 'bravo',
      node: 'bravo',
      diskful: 2,
    });
  });

  test('a diskless, inactive, deleted, stale or unsynced replica is no disk', () => {
    const poor: Partial<Resource>[] = [
      { flags: ['DISKLESS', 'DRBD_DISKLESS'] },
      { flags: ['TIE_BREAKER', 'DISKLESS'] },
      { flags: ['INACTIVE'] },
      { flags: ['DELETE'] },
      { stateKnown: false },
      { volumes: [{ number: 0, pool: 'p', provider: 'LVM', diskState: 'Inconsistent' }] },
    ];
    for (const more of poor) {
      const resources = [resource('alpha', more), resource('bravo')];
      expect(order({ bridgeList: [], hosts, nodes, resources })[0]).toBe('bravo');
    }
  });

  test('local storage of another node cannot be reached', () => {
    const resources = [resource('bravo', { layers: ['STORAGE'] })];
    expect(order({ bridgeList: [], hosts, nodes, resources })).toEqual(['bravo']);
  });

  test('BRIDGE_LIST is obeyed, without disabled hosts, and may name hosts that OpenNebula does not know', () => {
    const query = { bridgeList: ['charlie', 'alpha'], hosts: [host('alpha', false), host('bravo')], nodes };
    expect(order(query)).toEqual(['charlie']);
  });

  test('the order among equals turns with the id', () => {
    const first = [0, 1, 2, 3].map((spread) => order({ bridgeList: [], hosts, nodes, spread })[0]);
    expect(first).toEqual(['alpha', 'bravo', 'charlie', 'alpha']);
  });

  test('none: NO_BRIDGE says why for each', () => {
    const query = {
      bridgeList: ['alpha', 'bravo', 'delta'],
      hosts: [host('alpha', false)],
      nodes: [node('alpha'), node('bravo', 'OFFLINE')],
    };
    try {
      requireBridges(query);
      throw new Error('did not fail');
    } catch (error) {
      expect(error).toMatchObject({
        code: 'NO_BRIDGE',
        details: [
          'alpha: disabled or in error in OpenNebula',
          'bravo: satellite bravo is OFFLINE',
          'delta: no LINSTOR node of that name',
        ],
      });
    }
  });
});
