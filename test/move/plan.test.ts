import { describe, expect, test } from 'bun:test';
import type { Resource, StoragePool } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { type Goal, nextStep, type Step } from '../../src/move/plan.ts';
import { chance } from '../linstor/locks/world.ts';

const name = resourceName('one-vm-7-disk-0');

interface Place {
  readonly node: string;
  pool: string;
  state: 'UpToDate' | 'Inconsistent' | 'Diskless';
  inUse: boolean;
}

const replica = ({ node, pool, state, inUse }: Place): Resource =>
  ({
    name,
    node: nodeName(node),
    flags: state === 'Diskless' ? ['DISKLESS', 'DRBD_DISKLESS'] : [],
    props: {},
    layers: ['DRBD', 'STORAGE'],
    stateKnown: true,
    inUse,
    connections: {},
    volumes: [
      {
        number: 0,
        pool: state === 'Diskless' ? 'DfltDisklessStorPool' : pool,
        provider: 'LVM_THIN',
        diskState: state,
      },
    ],
  }) as unknown as Resource;

const pool = (node: string, of: string): StoragePool =>
  ({
    name: of,
    node: nodeName(node),
    provider: 'LVM_THIN',
    freeSpaceManager: `${node};${of}`,
    supportsSnapshots: true,
    props: {},
    reports: [],
  }) as unknown as StoragePool;

const disk = (node: string, of: string, inUse = false): Place => ({
  node,
  pool: of,
  state: 'UpToDate',
  inUse,
});
const goalOf = (places: readonly Place[], more: Partial<Goal> = {}): Goal => {
  const nodes = places.filter(({ state }) => state !== 'Diskless').map(({ node }) => node);
  return { pools: ['fast'], replicas: nodes.length, nodes, ...more };
};
const step = (places: readonly Place[], nodes: readonly string[], more: Partial<Goal> = {}): Step =>
  nextStep(
    places.map(replica),
    nodes.map((node) => pool(node, 'fast')),
    goalOf(places, more),
  );

describe('what a move does next', () => {
  test('nothing where every replica is in the pool', () => {
    expect(step([disk('a', 'fast'), disk('b', 'fast')], ['a', 'b', 'c'])).toEqual({ do: 'done' });
  });
  test('first a replica more', () => {
    expect(step([disk('a', 'slow'), disk('b', 'slow')], ['a', 'b', 'c'])).toEqual({ do: 'add' });
  });
  test('on the host where the VM runs without a disk, if it can be', () => {
    const client: Place = { node: 'c', pool: '', state: 'Diskless', inUse: true };
    expect(step([disk('a', 'slow'), disk('b', 'slow'), client], ['a', 'c', 'd'])).toEqual({
      do: 'add',
      on: { node: nodeName('c'), pool: 'fast' },
    });
  });
  test('never one less while any of them is behind', () => {
    const places: Place[] = [
      disk('a', 'slow'),
      disk('b', 'slow'),
      { ...disk('c', 'fast'), state: 'Inconsistent' },
    ];
    expect(step(places, ['a', 'b', 'c'], { replicas: 2 })).toEqual({ do: 'wait', nodes: [nodeName('c')] });
  });
  test('the one in use last, and it comes back on its node', () => {
    const places = [disk('a', 'slow', true), disk('b', 'slow'), disk('c', 'fast')];
    expect(step(places, ['a', 'b', 'c'], { replicas: 2 })).toMatchObject({ do: 'exchange', node: 'b' });
    expect(
      step([disk('a', 'slow', true), disk('b', 'fast'), disk('c', 'fast')], ['a', 'b', 'c'], { replicas: 2 }),
    ).toMatchObject({
      do: 'exchange',
      node: 'a',
    });
    const away: Place = { node: 'a', pool: '', state: 'Diskless', inUse: true };
    expect(
      step([away, disk('b', 'fast'), disk('c', 'fast')], ['a', 'b', 'c'], { replicas: 2, back: 'a' }),
    ).toMatchObject({ do: 'give back', node: 'a', pool: 'fast' });
  });
  test('the helper goes at the end, not a replica that was there before', () => {
    const places = [disk('a', 'fast', true), disk('b', 'fast'), disk('c', 'fast')];
    expect(step(places, ['a', 'b', 'c'], { replicas: 2, nodes: ['a', 'b'] })).toEqual({
      do: 'drop',
      node: nodeName('c'),
      keepClient: false,
    });
  });
  test('where no node is left for one more, it is refused', () => {
    expect(step([disk('a', 'slow'), disk('b', 'slow')], ['a', 'b'])).toMatchObject({
      do: 'stuck',
      why: expect.stringContaining('no further node has the pool fast'),
    });
  });
});

/** Does what the step says, as LINSTOR would; `ended`: the call is killed in the middle of it. */
function perform(
  places: Place[],
  todo: Step,
  nodes: readonly string[],
  random: () => number,
  ended: boolean,
): string | undefined {
  const at = (node: string): Place | undefined => places.find((place) => place.node === node);
  const sync = (place: Place): void => {
    place.state = 'Inconsistent';
    place.pool = 'fast';
  };
  switch (todo.do) {
    case 'add': {
      const free = nodes.filter((node) => (at(node)?.state ?? 'Diskless') === 'Diskless');
      const node = todo.on?.node ?? free[Math.floor(random() * free.length)] ?? '';
      if (!at(node)) places.push({ node, pool: 'fast', state: 'Diskless', inUse: false });
      sync(at(node) as Place);
      return undefined;
    }
    case 'exchange': {
      const place = at(todo.node) as Place;
      place.state = 'Diskless';
      if (!ended) sync(place);
      return todo.node;
    }
    case 'give back':
      sync(at(todo.node) as Place);
      return todo.node;
    case 'drop':
      if (todo.keepClient) (at(todo.node) as Place).state = 'Diskless';
      else places.splice(places.indexOf(at(todo.node) as Place), 1);
      return undefined;
    default:
      return undefined;
  }
}

test('from any beginning, killed at any point: never fewer in sync than before, the user keeps its disk, and it comes to an end', () => {
  let exchanged = 0;
  for (let seed = 1; seed <= 2000; seed += 1) {
    const random = chance(seed);
    const all = ['a', 'b', 'c', 'd', 'e'].slice(0, 3 + Math.floor(random() * 3));
    const count = 1 + Math.floor(random() * 2);
    const places = all.slice(0, count).map((node) => disk(node, 'slow'));
    const user = all[Math.floor(random() * all.length)] ?? 'a';
    const own = places.find(({ node }) => node === user);
    if (own) own.inUse = true;
    else places.push({ node: user, pool: '', state: 'Diskless', inUse: true });
    const fast = all.filter(() => random() < 0.8);
    const goal = goalOf(places);
    let back: string | undefined;
    let ended = false;
    for (let turn = 0; turn < 100 && !ended; turn += 1) {
      const todo = nextStep(
        places.map(replica),
        fast.map((node) => pool(node, 'fast')),
        { ...goal, ...(back === undefined ? {} : { back }) },
      );
      if (todo.do === 'stuck') break;
      ended = todo.do === 'done';
      if (todo.do === 'exchange') exchanged += 1;
      if (todo.do === 'wait') {
        const late = places.filter(({ state }) => state === 'Inconsistent');
        const place = late[Math.floor(random() * late.length)];
        if (place) place.state = 'UpToDate';
      } else back = perform(places, todo, fast, random, random() < 0.3) ?? back;
      if (places.some(({ node, state }) => node === back && state === 'UpToDate')) back = undefined;
      const inSync = places.filter(({ state }) => state === 'UpToDate').length;
      expect({ seed, turn, enough: inSync >= goal.replicas }).toEqual({ seed, turn, enough: true });
      expect(places.some(({ node, inUse }) => node === user && inUse)).toBe(true);
    }
    const diskful = places.filter(({ state }) => state !== 'Diskless');
    if (ended) {
      expect(diskful.map((place) => place.pool)).toEqual(diskful.map(() => 'fast'));
      expect(diskful).toHaveLength(goal.replicas);
      // Whoever had the data on the spot still has them, where the pool is.
      if (own && fast.includes(user)) expect(diskful.map(({ node }) => node)).toContain(user);
    } else expect(fast.length).toBeLessThanOrEqual(goal.replicas);
  }
  expect(exchanged).toBeGreaterThan(500);
});
