import type { NodeName, Resource, StoragePool } from '../linstor/linstor.ts';
import { isReal } from '../linstor/providers.ts';
import { isDeleting, isDiskful, isDiskless, isReadable, onNode, sameName } from '../volumes/replicas.ts';

/** What a move is to come to. */
export interface Goal {
  /** Every replica in one of these. */
  readonly pools: readonly string[];
  /** So many in sync, at every moment. */
  readonly replicas: number;
  /** Where they were when the move began. */
  readonly nodes: readonly string[];
  /** Its replica there has been taken away, to be made anew in the new pool. */
  readonly back?: string | undefined;
}

export type Step =
  | { readonly do: 'done' }
  /** Until these are in sync, or gone. */
  | { readonly do: 'wait'; readonly nodes: readonly NodeName[] }
  /** One replica more; on that node, or wherever LINSTOR finds room. */
  | { readonly do: 'add'; readonly on?: { readonly node: NodeName; readonly pool: string } }
  /** The replica gives up its disk, and gets another one in the new pool: whoever uses it there goes on meanwhile. */
  | { readonly do: 'exchange'; readonly node: NodeName; readonly pool: string }
  | { readonly do: 'give back'; readonly node: NodeName; readonly pool: string }
  /** `keepClient`: somebody uses it there, and goes on over the network. */
  | { readonly do: 'drop'; readonly node: NodeName; readonly keepClient: boolean }
  | { readonly do: 'stuck'; readonly why: string };

const inGoal = (goal: Goal, pool: string): boolean => goal.pools.some((name) => sameName(name, pool));
export const isMoved = (goal: Goal, replica: Resource): boolean =>
  replica.volumes.every(({ pool }) => inGoal(goal, pool));

/** The roomiest of the new pools on a node. */
function poolOn(goal: Goal, pools: readonly StoragePool[], node: NodeName): string | undefined {
  return pools
    .filter((pool) => isReal(pool) && sameName(pool.node, node) && inGoal(goal, pool.name))
    .sort((a, b) => (b.freeKib ?? 0) - (a.freeKib ?? 0))[0]?.name;
}

/**
 * What to do next, told from what is there now alone: whoever is interrupted goes on from anywhere. A replica is taken away only while all
 * are in sync and one is more than there have to be.
 */
export function nextStep(view: readonly Resource[], pools: readonly StoragePool[], goal: Goal): Step {
  const diskful = view.filter(isDiskful);
  const busy = [...view.filter(isDeleting), ...diskful.filter((replica) => !isReadable(replica))];
  if (busy.length > 0) return { do: 'wait', nodes: busy.map(({ node }) => node) };
  const absent = goal.back === undefined ? undefined : onNode(view, goal.back as NodeName);
  if (absent && isDiskless(absent)) {
    const pool = poolOn(goal, pools, absent.node);
    if (pool) return { do: 'give back', node: absent.node, pool };
  }
  const left = diskful.filter((replica) => !isMoved(goal, replica));
  if (left.length === 0) return whenMoved(view, diskful, pools, goal);
  if (diskful.length <= goal.replicas) return add(view, pools, goal);
  // Who is used last: a replica that nobody uses may as well go for good.
  const [next = left[0]] = [...left].sort((a, b) => Number(a.inUse ?? false) - Number(b.inUse ?? false));
  if (!next) return { do: 'done' };
  const pool = poolOn(goal, pools, next.node);
  return pool
    ? { do: 'exchange', node: next.node, pool }
    : { do: 'drop', node: next.node, keepClient: next.inUse === true };
}

function whenMoved(
  view: readonly Resource[],
  diskful: readonly Resource[],
  pools: readonly StoragePool[],
  goal: Goal,
): Step {
  if (diskful.length < goal.replicas) return add(view, pools, goal);
  if (diskful.length === goal.replicas) return { do: 'done' };
  const idle = diskful.filter(({ inUse }) => inUse !== true);
  const helper = idle.find(({ node }) => !goal.nodes.some((name) => sameName(name, node))) ?? idle[0];
  return helper
    ? { do: 'drop', node: helper.node, keepClient: false }
    : { do: 'stuck', why: 'every replica is in use' };
}

/** First where the VM runs without a disk, then where LINSTOR finds room. */
function add(view: readonly Resource[], pools: readonly StoragePool[], goal: Goal): Step {
  const holds = (node: NodeName): boolean =>
    view.some((replica) => isDiskful(replica) && sameName(replica.node, node));
  const user = view.find((replica) => replica.inUse === true && isDiskless(replica));
  const own = user && poolOn(goal, pools, user.node);
  if (user && own) return { do: 'add', on: { node: user.node, pool: own } };
  const free = pools.filter((pool) => isReal(pool) && inGoal(goal, pool.name) && !holds(pool.node));
  if (free.length > 0) return { do: 'add' };
  return {
    do: 'stuck',
    why: `no further node has ${goal.pools.length > 1 ? 'one of the pools' : 'the pool'} ${goal.pools.join(', ')}: for a while the volume needs one replica more`,
  };
}
