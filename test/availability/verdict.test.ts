import { describe, expect, test } from 'bun:test';
import type { HostDisk } from '../../src/availability/disks-on-host.ts';
import { parseKernelView } from '../../src/availability/kernel-view.ts';
import { type Evidence, judgeDisk, type LinstorEvidence } from '../../src/availability/verdict.ts';
import type { Replica } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { node } from '../cli/world.ts';

/** n1 is the host in question; the disk has replicas on n1 and n2 and a tie-breaker on n3. */
const disk: HostDisk = { vm: 7, disk: 0, resource: 'one-vm-7-disk-0', local: false };

interface Kernel {
  readonly peers: Readonly<Record<string, string>>;
  readonly quorum?: boolean;
  readonly setting?: string;
  readonly protocol?: string;
  readonly name?: string;
}

/** As drbdsetup prints it (drbd-utils 9.34). */
function kernel(uname: string, given: Kernel): ReturnType<typeof parseKernelView> {
  const { peers, quorum = true, setting = 'majority', protocol = 'C', name = 'one-vm-7-disk-0' } = given;
  const ids = Object.keys(peers);
  const status = [
    {
      name,
      'node-id': 9,
      role: 'Secondary',
      suspended: false,
      devices: [{ volume: 0, 'disk-state': 'UpToDate', open: false, quorum }],
      connections: ids.map((peer, id) => ({
        'peer-node-id': id,
        name: peer,
        'connection-state': peers[peer],
        'peer-role': 'Unknown',
      })),
    },
  ];
  const show = [
    {
      resource: name,
      options: { quorum: setting },
      connections: ids.map((_, id) => ({ _peer_node_id: id, net: { protocol } })),
    },
  ];
  return parseKernelView(`${uname}\n${JSON.stringify(status)}\n---\n${JSON.stringify(show)}\n`, uname);
}

const away = { n1: 'Connecting' };
const n2 = (more: Partial<Kernel> = {}) => kernel('n2', { peers: { ...away, n3: 'Connected' }, ...more });
const n3 = (more: Partial<Kernel> = {}) => kernel('n3', { peers: { ...away, n2: 'Connected' }, ...more });

const evidence = (views: Evidence['views'], linstor?: LinstorEvidence): Evidence => ({
  names: ['n1'],
  views,
  silent: new Map(),
  ...(linstor ? { linstor } : {}),
});

const replica = (name: string, more: Partial<Replica> = {}): Replica => ({
  name: resourceName('one-vm-7-disk-0'),
  node: nodeName(name),
  flags: [],
  props: {},
  layers: ['DRBD', 'STORAGE'],
  stateKnown: true,
  volumes: [],
  connections: {},
  createdAt: 1000,
  ...more,
});

const linstor = (more: Partial<LinstorEvidence> = {}): LinstorEvidence => ({
  nodes: [node('n1', { status: 'OFFLINE' }), node('n2'), node('n3')],
  definitions: [
    {
      name: resourceName('one-vm-7-disk-0'),
      group: 'one',
      flags: [],
      props: {},
      layers: ['DRBD', 'STORAGE'],
      volumes: [],
    },
  ],
  replicas: [replica('n1'), replica('n2'), replica('n3')],
  ...more,
});

const verdict = (of: Evidence, which = disk): [boolean, string] => {
  const all = judgeDisk(which, of);
  expect(all).toHaveLength(1);
  return [all[0]?.safe ?? false, all[0]?.why ?? ''];
};

describe('safe', () => {
  test('all others have quorum and do not see the host, whether LINSTOR answers or not', () => {
    expect(verdict(evidence([n2(), n3()]))).toEqual([true, 'n2, n3 have quorum without it']);
    expect(verdict(evidence([n2(), n3()], linstor()))).toEqual([true, 'n2, n3 have quorum without it']);
  });

  test.each(['StandAlone', 'Unconnected', 'Timeout', 'NetworkFailure', 'BrokenPipe'])(
    '%s is not connected',
    (state) => {
      const views = [n2({ peers: { n1: state, n3: 'Connected' } }), n3()];
      expect(verdict(evidence(views))[0]).toBe(true);
    },
  );

  test('a replica that came while LINSTOR reached the host is counted there too', () => {
    const replicas = [replica('n1'), replica('n2'), replica('n3', { createdAt: 9_000_000 })];
    const there = linstor({ replicas, node: node('n1') });
    expect(verdict(evidence([n2(), n3()], there))[0]).toBe(true);
  });

  test('a tie-breaker that only LINSTOR reaches may be vouched for', () => {
    const replicas = [
      replica('n1', { stateKnown: false }),
      replica('n2'),
      replica('n3', { connections: { n1: { connected: false, message: 'Connecting' } } }),
    ];
    expect(verdict(evidence([n2()], linstor({ replicas })))[0]).toBe(true);
  });

  test('the disk is not on that host', () => {
    const replicas = [replica('n2'), replica('n3')];
    const views = [
      kernel('n2', { peers: { n3: 'Connected' } }),
      kernel('n3', { peers: { n2: 'Connected' } }),
    ];
    expect(verdict(evidence(views, linstor({ replicas })))).toEqual([true, 'is not on that host']);
    expect(verdict(evidence(views))[0]).toBe(false);
  });

  test('a local disk, which nobody else can open', () => {
    expect(verdict(evidence([]), { vm: 7, disk: 1, foreign: 'ssh', local: true })[0]).toBe(true);
  });
});

describe('not safe', () => {
  const late = [replica('n1'), replica('n2'), replica('n3', { createdAt: 9000 })];
  const vouched = (state: Partial<Replica>): LinstorEvidence =>
    linstor({ replicas: [replica('n1'), replica('n2'), replica('n3', state)] });
  const link = (connected: boolean) => ({ connections: { n1: { connected, message: '' } } });
  const rows: readonly [what: string, evidence: Evidence, why: string][] = [
    [
      'one is still connected',
      evidence([n2(), n3({ peers: { n1: 'Connected', n2: 'Connected' } })]),
      'n3 is connected to it',
    ],
    ['quorum is off', evidence([n2({ setting: 'off' }), n3({ setting: 'off' })]), 'quorum is off on n2, n3'],
    ['a number, not a majority', evidence([n2({ setting: '1' }), n3()]), 'quorum is 1 on n2'],
    [
      'they have no quorum either',
      evidence([n2({ quorum: false }), n3({ quorum: false })]),
      'n2, n3 without quorum',
    ],
    ['one of them has none', evidence([n2(), n3({ quorum: false })]), 'n3 without quorum'],
    ['not all were asked', evidence([n2()]), 'n3 cannot be asked'],
    ['protocol A', evidence([n2({ protocol: 'A' }), n3()]), 'not replicated by protocol C'],
    [
      'one has been told to forget the host',
      evidence([n2({ peers: { n3: 'Connected' } }), n3()]),
      'n2 is not told any more',
    ],
    ['nobody knows it', evidence([]), 'no node that was asked knows its resource'],
    [
      'plain storage',
      evidence(
        [],
        linstor({
          definitions: linstor().definitions.map((each) => ({ ...each, layers: ['STORAGE'] })),
          replicas: [replica('n1', { layers: ['STORAGE'] })],
        }),
      ),
      'plain storage of that host',
    ],
    ['no other node', evidence([], linstor({ replicas: [replica('n1')] })), 'has no other node'],
    [
      'a replica came when the host was away',
      evidence([n2(), n3()], linstor({ replicas: late, lostAt: 5000 })),
      'n3 got it after the host was lost',
    ],
    [
      'a replica came later, and nobody knows since when the host is away',
      evidence(
        [n2(), n3()],
        linstor({ replicas: [replica('n1'), replica('n2'), replica('n3', { createdAt: 9_000_000 })] }),
      ),
      'LINSTOR does not tell since when the host is away',
    ],
    ['the tie-breaker sees the host', evidence([n2()], vouched(link(true))), 'n3 cannot be asked'],
    ['LINSTOR knows nothing of its links', evidence([n2()], vouched({})), 'n3 cannot be asked'],
    [
      'its satellite is away',
      evidence([n2()], vouched({ ...link(false), stateKnown: false })),
      'n3 cannot be asked',
    ],
    [
      'nobody with quorum sees the tie-breaker',
      evidence([n2({ peers: { ...away, n3: 'Connecting' } })], vouched(link(false))),
      'n3 cannot be asked',
    ],
  ];
  test.each(rows)('%s', (_, of, why) => {
    const [safe, said] = verdict(of);
    expect(safe).toBe(false);
    expect(said).toContain(why);
  });

  test('a disk of another driver', () => {
    expect(verdict(evidence([n2(), n3()]), { vm: 7, disk: 1, foreign: 'ceph', local: false })).toEqual([
      false,
      'belongs to ceph: it is not known whether it is written',
    ]);
  });

  test('a stand-in beside the volume that waits for its deletion: both count', () => {
    const standIn = (name: string, quorum: boolean) =>
      kernel(name, {
        peers: { ...away, [name === 'n2' ? 'n3' : 'n2']: 'Connected' },
        name: 'one-vm-7-disk-0-r1',
        quorum,
      });
    const both = (a: ReturnType<typeof kernel>, b: ReturnType<typeof kernel>) => ({
      ...a,
      resources: new Map([...a.resources, ...b.resources]),
    });
    const all = judgeDisk(
      disk,
      evidence([both(n2(), standIn('n2', false)), both(n3(), standIn('n3', true))]),
    );
    expect(all.map(({ resource, safe }) => [resource, safe])).toEqual([
      ['one-vm-7-disk-0', true],
      ['one-vm-7-disk-0-r1', false],
    ]);
  });
});

test('half an answer is no answer', () => {
  for (const text of ['', 'n2\n[]', 'n2\n[\n---\n[]', 'n2\n{"a":1}\n---\n[]'])
    expect(() => parseKernelView(text, 'n2')).toThrow('drbdsetup on n2 said something else than expected');
  expect(parseKernelView('n2\n[\n]\n---\n[\n]\n', 'n2')).toEqual({ uname: 'n2', resources: new Map() });
});
