import type { Linstor, Node, PlacementFilter, ResourceGroup, StoragePool } from '../linstor/linstor.ts';
import { takesVolumes } from '../linstor/node-state.ts';
import { isReal, isThin } from '../linstor/providers.ts';
import type { PlacementSettings } from '../opennebula/settings.ts';
import { type KiB, kib, kibToMibFloor, type MiB, mib } from '../units.ts';
import { planFor, unknownGroup } from './placement.ts';

export interface Capacity {
  readonly totalMib: MiB;
  readonly usedMib: MiB;
  readonly freeMib: MiB;
}

/** What one pool can take: `free` already bounded by over-subscription. */
interface PoolSpace {
  readonly manager: string;
  readonly total: number;
  readonly free: number;
}

/** The controller's default for `MaxOversubscriptionRatio` (linstor-behaviour §3.3). */
const defaultRatio = 20;
const defaultGroup: ResourceGroup = { name: 'DfltRscGrp', props: {}, filter: { placeCount: 2 } };

/**
 * Capacity for volumes of this placement: replicas counted, shared pools once, nodes that take no volumes left out,
 * over-subscription limits honoured. A satellite that does not answer costs no more than its pools' newest figures. Thin pools count with their physical space (contract §6.1). Four calls in
 * parallel; two more only where an administrator has limited over-subscription.
 */
export async function capacityOf(linstor: Linstor, settings: PlacementSettings): Promise<Capacity> {
  const [groups, pools, nodes, props] = await Promise.all([
    settings.resourceGroup ? linstor.resourceGroup(settings.resourceGroup) : Promise.resolve(defaultGroup),
    linstor.storagePools({ fresh: true }),
    linstor.nodes(),
    linstor.controllerProperties(),
  ]);
  if (!groups) throw unknownGroup(settings.resourceGroup ?? '');
  const eligible = eligiblePools(pools, nodes, groups, settings);
  const limited = eligible.some((pool) => isLimited(pool, props));
  // What has been promised is told by a view of everything, which waits for every satellite: without it, the space that is free counts.
  const promised = limited
    ? await promisedKib(linstor).catch(() => new Map<string, number>())
    : new Map<string, number>();
  return capacityFrom(
    eligible.map((pool) =>
      spaceOf(pool, props, limited ? (promised.get(`${pool.node};${pool.name}`) ?? 0) : undefined),
    ),
    planFor(groups, settings).replicas,
  );
}

/** Pools in which LINSTOR would place a volume of these settings now (linstor-behaviour §3.3, §3.9). */
export function eligiblePools(
  pools: readonly StoragePool[],
  nodes: readonly Node[],
  group: ResourceGroup,
  settings: PlacementSettings,
): StoragePool[] {
  const usable = new Set(nodes.filter(takesVolumes).map((node) => node.name));
  return placementPools(pools, group.filter, settings).filter(
    (pool) => pool.totalKib !== undefined && pool.freeKib !== undefined && usable.has(pool.node),
  );
}

/** Pools in which volumes of these settings belong, whatever state they are in. */
export function placementPools(
  pools: readonly StoragePool[],
  filter: PlacementFilter,
  settings: Pick<PlacementSettings, 'storagePools' | 'providers' | 'nodeList'>,
): StoragePool[] {
  const chosen = (own: readonly string[], ofGroup: readonly string[] = []) =>
    own.length > 0 ? own : ofGroup;
  const names = chosen(settings.storagePools, filter.storagePools);
  const providers = chosen(settings.providers, filter.providers);
  const nodes = chosen(settings.nodeList, filter.nodes);
  const listed = (list: readonly string[], value: string): boolean =>
    list.length === 0 || list.some((each) => each.toLowerCase() === value.toLowerCase());
  return pools.filter(
    (pool) =>
      isReal(pool) &&
      listed(names, pool.name) &&
      listed(providers, pool.provider) &&
      listed(nodes, pool.node),
  );
}

/**
 * Capacity of independent pools for volumes of `replicas` copies on as many pools. The largest total x for which
 * every copy finds a pool of its own satisfies Σ min(cᵢ, x) ≥ replicas·x: three pools of 8 hold 12 twice, but pools of
 * 8, 8 and 100 only 16.
 */
export function capacityFrom(pools: readonly PoolSpace[], replicas: number): Capacity {
  const shared = new Map<string, PoolSpace>();
  for (const pool of pools) shared.set(pool.manager, pool);
  const distinct = [...shared.values()];
  const total = packed(
    distinct.map((pool) => pool.total),
    replicas,
  );
  const free = Math.min(
    total,
    packed(
      distinct.map((pool) => pool.free),
      replicas,
    ),
  );
  const totalMib = kibToMibFloor(kib(total));
  const freeMib = kibToMibFloor(kib(free));
  return { totalMib, freeMib, usedMib: mib(totalMib - freeMib) };
}

function packed(capacities: readonly number[], replicas: number): KiB {
  if (replicas <= 1) return kib(capacities.reduce((sum, each) => sum + each, 0));
  const sorted = [...capacities].sort((a, b) => b - a);
  // With the k largest pools holding every volume, the others share what is left of the copies.
  let best = Number.POSITIVE_INFINITY;
  for (let k = 0; k < replicas; k += 1) {
    const rest = sorted.slice(k).reduce((sum, each) => sum + each, 0);
    best = Math.min(best, rest / (replicas - k));
  }
  return kib(Number.isFinite(best) ? Math.floor(best) : 0);
}

const freeRatioKeys = ['MaxFreeCapacityOversubscriptionRatio', 'MaxOversubscriptionRatio'] as const;
const totalRatioKeys = ['MaxTotalCapacityOversubscriptionRatio', 'MaxOversubscriptionRatio'] as const;

function ratio(
  pool: StoragePool,
  controller: Readonly<Record<string, string>>,
  keys: readonly string[],
): number {
  if (!isThin(pool.provider)) return 1;
  for (const props of [pool.props, controller]) {
    for (const key of keys) {
      const value = Number(props[key]);
      if (props[key] !== undefined && Number.isFinite(value) && value > 0) return value;
    }
  }
  return defaultRatio;
}

/** How much more than is free may be promised in the pool. `controller`: its properties; none where they would cost a call of their own. */
export const freeRatio = (pool: StoragePool, controller: Readonly<Record<string, string>> = {}): number =>
  ratio(pool, controller, freeRatioKeys);

/** Only a limit below LINSTOR's default can bind before the physical space does. */
const isLimited = (pool: StoragePool, controller: Readonly<Record<string, string>>): boolean =>
  isThin(pool.provider) &&
  (ratio(pool, controller, totalRatioKeys) < defaultRatio || freeRatio(pool, controller) < 1);

function spaceOf(
  pool: StoragePool,
  controller: Readonly<Record<string, string>>,
  promised: number | undefined,
): PoolSpace {
  const total = pool.totalKib ?? 0;
  const free = pool.freeKib ?? 0;
  if (promised === undefined) return { manager: pool.freeSpaceManager, total, free };
  const byFree = free * freeRatio(pool, controller);
  const byTotal = total * ratio(pool, controller, totalRatioKeys) - promised;
  return { manager: pool.freeSpaceManager, total, free: Math.max(0, Math.min(free, byFree, byTotal)) };
}

/** KiB of volume definitions by `node;pool`. */
async function promisedKib(linstor: Linstor): Promise<Map<string, number>> {
  const [definitions, resources] = await Promise.all([linstor.definitions(), linstor.allocations()]);
  const sizes = new Map(definitions.map((definition) => [definition.name.toLowerCase(), definition]));
  const sums = new Map<string, number>();
  for (const resource of resources) {
    const definition = sizes.get(resource.name.toLowerCase());
    for (const volume of resource.volumes) {
      const size = definition?.volumes.find((each) => each.number === volume.number)?.sizeKib ?? 0;
      const key = `${resource.node};${volume.pool}`;
      sums.set(key, (sums.get(key) ?? 0) + size);
    }
  }
  return sums;
}
