import type { LayerKind } from './definition.ts';
import { mergeFilter, type SelectFilter } from './filter.ts';
import type { LabGroup } from './group.ts';
import { choose, DEFAULT_RATIO, largestKib, poolKey, ratioOf } from './placement.ts';
import { freeKib, type LabPool, traitsOf } from './pool.ts';
import type { ClusterState } from './state.ts';

/** What a group could still hold (linstor-behaviour §3.6). */

function layersFor(filter: SelectFilter): LayerKind[] {
  return (filter.layer_stack ?? ['STORAGE']).map((layer) => layer.toUpperCase() as LayerKind);
}

function pick(
  state: ClusterState,
  filter: SelectFilter,
  exclude: ReadonlySet<string>,
): LabPool[] | undefined {
  return choose(state, {
    filter,
    layers: layersFor(filter),
    sizeKib: 0,
    count: filter.place_count ?? 0,
    exclude,
  });
}

/**
 * `space_info` of a group. Sets of `place_count` pools are taken away one after the other; each holds what
 * its smallest pool holds: three equal pools for two replicas count once (recorded).
 */
export function sizeInfo(
  state: ClusterState,
  group: LabGroup,
  over?: SelectFilter | null,
): Record<string, unknown> {
  const filter = mergeFilter(group.filter, over);
  const used = new Set<string>();
  const first = pick(state, filter, used);
  let available = 0;
  let capacity = 0;
  for (let set = first; set && set.length > 0; set = pick(state, filter, used)) {
    available += Math.min(...set.map((pool) => freeKib(state, pool)));
    capacity += Math.min(...set.map((pool) => pool.totalKib));
    for (const pool of set) used.add(poolKey(pool));
  }
  const ratio = Number(state.controllerProps['MaxOversubscriptionRatio'] ?? DEFAULT_RATIO);
  return {
    max_vlm_size_in_kib: first
      ? Math.min(...first.map((pool) => largestKib(state, pool, filter.overprovision ?? undefined)))
      : 0,
    available_size_in_kib: available,
    capacity_in_kib: capacity,
    default_max_oversubscription_ratio: ratio,
    ...(first ? { next_spawn_result: first.map((pool) => spawnTarget(state, pool)) } : {}),
  };
}

function spawnTarget(state: ClusterState, pool: LabPool): Record<string, unknown> {
  return {
    node_name: pool.node,
    stor_pool_name: pool.name,
    stor_pool_oversubscription_ratio: ratioOf(state, pool),
  };
}

/** The older query: free space without the ratio; `undefined` when there are not enough nodes. */
export function maxVolumeSize(state: ClusterState, group: LabGroup): Record<string, unknown> | undefined {
  const set = pick(state, group.filter, new Set());
  if (!set || set.length === 0) return undefined;
  return {
    candidates: [
      {
        storage_pool: set[0]?.name,
        max_volume_size_kib: Math.min(...set.map((pool) => freeKib(state, pool))),
        node_names: set.map((pool) => pool.node),
        all_thin: set.every((pool) => traitsOf(pool.provider).thin),
      },
    ],
    default_max_oversubscription_ratio: DEFAULT_RATIO,
  };
}
