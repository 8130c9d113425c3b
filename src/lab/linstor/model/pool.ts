import { retCode } from '../rest/codes.ts';
import { createdAt } from '../rest/entry.ts';
import { compact, UNLIMITED } from '../rest/json.ts';
import { sameName } from './name.ts';
import { findNode, isOnline, type Props } from './node.ts';
import { usedKib } from './space.ts';
import type { ClusterState } from './state.ts';

export type Provider = 'DISKLESS' | 'LVM' | 'LVM_THIN' | 'ZFS' | 'ZFS_THIN' | 'FILE' | 'FILE_THIN';

/** What a provider kind can do (linstor-behaviour §1.4, §6.1). */
export interface ProviderTraits {
  readonly thin: boolean;
  readonly snapshots: boolean;
  /** Source of a native clone; FILE kinds refuse with 227. */
  readonly clone: boolean;
  /** Allocation granularity in KiB. */
  readonly granularityKib: number;
  /** New volumes hold what was there before. */
  readonly garbage: boolean;
  /** Every satellite pass reports a volume as "resized" although it was not (FILE_THIN on 1.33.3). */
  readonly noisy: boolean;
}

const traits: Record<Provider, ProviderTraits> = {
  DISKLESS: { thin: false, snapshots: false, clone: true, granularityKib: 1, garbage: false, noisy: false },
  LVM: { thin: false, snapshots: false, clone: true, granularityKib: 4096, garbage: true, noisy: false },
  LVM_THIN: { thin: true, snapshots: true, clone: true, granularityKib: 4096, garbage: false, noisy: false },
  ZFS: { thin: false, snapshots: true, clone: true, granularityKib: 8, garbage: false, noisy: false },
  ZFS_THIN: { thin: true, snapshots: true, clone: true, granularityKib: 8, garbage: false, noisy: false },
  FILE: { thin: false, snapshots: true, clone: false, granularityKib: 1, garbage: true, noisy: false },
  FILE_THIN: { thin: true, snapshots: true, clone: false, granularityKib: 1, garbage: false, noisy: true },
};

export const providerKinds = Object.keys(traits) as readonly Provider[];
export const isProvider = (kind: string): kind is Provider => kind in traits;
export const traitsOf = (kind: Provider): ProviderTraits => traits[kind];
/** As satellites write it in messages: `FILE THIN`. */
export const spoken = (kind: Provider): string => kind.replace('_', ' ');

export const DISKLESS_POOL = 'DfltDisklessStorPool';

export interface LabPool {
  name: string;
  node: string;
  provider: Provider;
  uuid: string;
  props: Props;
  totalKib: number;
  /** Free when the pool holds nothing; a little less than `totalKib` on a file system. */
  emptyFreeKib: number;
  granularityKib: number;
  /** Pools that share their space carry the same value. */
  sharedSpace?: string;
  /** Set by faults: the pool reports this much free, whatever it holds. */
  forcedFreeKib?: number;
  /** The satellite accepts clones although its kind does not (recordings rest-09). */
  clonePatched?: boolean;
}

export function poolsOf(state: ClusterState, node: string): LabPool[] {
  return state.pools.filter((pool) => sameName(pool.node, node));
}

export function findPool(state: ClusterState, node: string, name: string): LabPool | undefined {
  return state.pools.find((pool) => sameName(pool.node, node) && sameName(pool.name, name));
}

export const poolExists = (state: ClusterState, name: string): boolean =>
  state.pools.some((pool) => sameName(pool.name, name));

export function freeKib(state: ClusterState, pool: LabPool): number {
  if (pool.forcedFreeKib !== undefined) return pool.forcedFreeKib;
  return Math.max(0, pool.emptyFreeKib - usedKib(state, pool));
}

export const spaceManager = (pool: LabPool): string => pool.sharedSpace ?? `${pool.node};${pool.name}`;

export function poolJson(state: ClusterState, pool: LabPool, now: number): Record<string, unknown> {
  const online = isOnline(findNode(state, pool.node));
  const diskless = pool.provider === 'DISKLESS';
  const kind = traitsOf(pool.provider);
  const capacities = diskless
    ? { free_capacity: UNLIMITED, total_capacity: UNLIMITED }
    : { free_capacity: freeKib(state, pool), total_capacity: pool.totalKib };
  return {
    storage_pool_name: pool.name,
    node_name: pool.node,
    provider_kind: pool.provider,
    ...compact({ props: pool.props }),
    static_traits: {
      ...(diskless ? {} : { Provisioning: kind.thin ? 'Thin' : 'Fat' }),
      SupportsSnapshots: String(kind.snapshots),
    },
    ...(online ? capacities : {}),
    free_space_mgr_name: spaceManager(pool),
    uuid: pool.uuid,
    ...(online ? {} : { reports: [notConnected(pool.node, now)] }),
    supports_snapshots: kind.snapshots,
    external_locking: false,
  };
}

export const notConnectedDetails =
  'The controller is trying to (re-) establish a connection to the satellite. ' +
  'The controller stored the changes and as soon the satellite is connected, it will receive this update.';

/** The warning that stands in lists and answers for a satellite that is away. */
function notConnected(node: string, now: number): Record<string, unknown> {
  return {
    ret_code: retCode('warning', 1002),
    message: `No active connection to satellite '${node}'`,
    details: notConnectedDetails,
    created_at: createdAt(now),
  };
}
