import { describe, expect, test } from 'bun:test';
import { findNode, findReplica, guessNode, nearHost, otherHost } from '../../src/disks/find-node.ts';
import { type FoundBy, hostOfNode, matchHost } from '../../src/disks/host-node.ts';
import type { Node } from '../../src/linstor/linstor.ts';
import { nodeName } from '../../src/linstor/names.ts';

const node = (name: string, addresses: string[] = [], uname?: string): Node => ({
  name: nodeName(name),
  type: 'SATELLITE',
  status: 'ONLINE',
  flags: [],
  props: uname === undefined ? {} : { NodeUname: uname },
  providers: [],
  layers: [],
  addresses,
});
const list = [
  node('Alpha'),
  node('bravo.dc1.example', ['10.0.0.2', 'fd00::2']),
  node('one.a'),
  node('one.b'),
  node('n6', ['10.0.0.6'], 'kvm6.example'),
  node('twin1', ['10.0.0.9']),
  node('twin2', ['10.0.0.9']),
];

describe('the node that a host is', () => {
  const cases: readonly (readonly [string, string?, FoundBy?, Record<string, string>?])[] = [
    ['Alpha', 'Alpha', 'name'],
    ['alpha', 'Alpha', 'name'],
    ['alpha.', 'Alpha', 'name'],
    ['alpha.dc1.example', 'Alpha', 'short name'],
    ['bravo', 'bravo.dc1.example', 'short name'],
    ['bravo.dc2.example'],
    ['10.0.0.2', 'bravo.dc1.example', 'address'],
    ['fd00::2', 'bravo.dc1.example', 'address'],
    ['10.0.0.99'],
    ['10.0.0.9'],
    ['one'],
    ['one.b', 'one.b', 'name'],
    ['kvm6.example', 'n6', 'NodeUname'],
    ['KVM6', 'n6', 'short name'],
    ['kvm7', 'Alpha', 'NODE_MAP', { KVM7: 'alpha' }],
    ['10.0.0.2', 'n6', 'NODE_MAP', { '10.0.0.2': 'n6' }],
  ];
  for (const [host, expected, by, map] of cases) {
    test(`${host} is ${expected ?? 'nobody'}`, () => {
      const match = matchHost(host, list, map);
      expect<unknown>([match?.node.name, match?.by]).toEqual([expected, by]);
    });
  }

  test('nobody where NODE_MAP names a node that is not there', () => {
    expect(matchHost('alpha', list, { alpha: 'nowhere' })).toBeUndefined();
  });

  test('and back', () => {
    expect(hostOfNode(nodeName('bravo.dc1.example'), ['alpha', 'bravo'], list)).toBe('bravo');
    expect(hostOfNode(nodeName('bravo.dc1.example'), ['alpha', '10.0.0.2'], list)).toBe('10.0.0.2');
    expect(hostOfNode(nodeName('one.a'), ['alpha', 'bravo'], list)).toBeUndefined();
  });
});

describe('what the list of nodes is read for', () => {
  const world = (nodeMap: Record<string, string> = {}) => {
    const asked: string[] = [];
    const linstor = {
      nodes: async () => {
        asked.push('nodes');
        return list;
      },
    };
    return { asked, names: { linstor, nodeMap } };
  };
  const view = [{ node: nodeName('Alpha') }, { node: nodeName('n6') }];

  test('not for a host that one of the replicas answers to, nor for one in NODE_MAP', async () => {
    const { asked, names } = world({ other: 'n6' });
    expect<unknown>(await findReplica(names, view, 'alpha')).toEqual({ node: 'Alpha' });
    expect<unknown>(await findReplica(names, view, 'alpha.dc1.example')).toEqual({ node: 'Alpha' });
    expect<unknown>(await findReplica(names, view, 'other')).toEqual({ node: 'n6' });
    expect(await findReplica(names, [], '10.0.0.6')).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test('for an address, and for the satellite’s own name: once', async () => {
    const { asked, names } = world();
    expect<unknown>(await findReplica(names, view, '10.0.0.6')).toEqual({ node: 'n6' });
    expect<unknown>(await findReplica(names, view, 'kvm6.example')).toEqual({ node: 'n6' });
    expect(await findReplica(names, view, '10.0.0.2')).toBeUndefined();
    expect<unknown>(await findNode(names, '10.0.0.2')).toBe('bravo.dc1.example');
    expect(asked).toEqual(['nodes']);
  });

  test('a name is asked for as it is where LINSTOR would say that it knows none, an address is not', async () => {
    const { asked, names } = world();
    expect<unknown>(await guessNode(names, 'kvm6.example')).toBe('kvm6.example');
    expect(asked).toEqual([]);
    expect<unknown>(await guessNode(names, '10.0.0.6')).toBe('n6');
    expect<unknown>(await guessNode(names, '10.9.9.9')).toBe('10.9.9.9');
    expect(asked).toEqual(['nodes']);
  });

  test('a failed reading is not remembered', async () => {
    let failing = true;
    const linstor = {
      nodes: async () => {
        if (failing) throw new Error('away');
        return list;
      },
    };
    const names = { linstor, nodeMap: {} };
    expect(findNode(names, '10.0.0.6')).rejects.toThrow('away');
    await Bun.sleep(0);
    failing = false;
    expect<unknown>(await findNode(names, '10.0.0.6')).toBe('n6');
  });

  test('the host to ask about a node: one that answers to it, NODE_MAP backwards, its own name', async () => {
    const { names } = world({ kvm1: 'one.a' });
    expect(await nearHost(names, nodeName('Alpha'), ['bravo', 'alpha.dc1.example'])).toBe(
      'alpha.dc1.example',
    );
    expect(await nearHost(names, nodeName('n6'), ['10.0.0.2', '10.0.0.6'])).toBe('10.0.0.6');
    expect(await nearHost(names, nodeName('one.a'), [])).toBe('kvm1');
    expect(await nearHost(names, nodeName('one.b'), ['kvm1'])).toBe('one.b');
    const hosts = async () => [{ name: 'alpha' }, { name: '10.0.0.6' }];
    expect(await otherHost(names, nodeName('n6'), 'n6', hosts)).toBe('10.0.0.6');
    expect(await otherHost(names, nodeName('one.b'), 'one.b', hosts)).toBeUndefined();
  });
});
