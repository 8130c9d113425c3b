/** Placement filter, in the API's own spelling (linstor-behaviour §3.9). */
export interface SelectFilter {
  place_count?: number | null;
  additional_place_count?: number | null;
  node_name_list?: string[] | null;
  storage_pool?: string | null;
  storage_pool_list?: string[] | null;
  storage_pool_diskless_list?: string[] | null;
  not_place_with_rsc?: string[] | null;
  not_place_with_rsc_regex?: string | null;
  replicas_on_same?: string[] | null;
  replicas_on_different?: string[] | null;
  x_replicas_on_different_map?: Record<string, number> | null;
  layer_stack?: string[] | null;
  provider_list?: string[] | null;
  diskless_on_remaining?: boolean | null;
  diskless_type?: string | null;
  overprovision?: number | null;
  port_count?: number | null;
}

/** `storage_pool` is the older spelling of a list of one. */
export function poolsOfFilter(filter: SelectFilter): string[] {
  if (filter.storage_pool_list && filter.storage_pool_list.length > 0) return filter.storage_pool_list;
  return filter.storage_pool ? [filter.storage_pool] : [];
}

/** Fields given in `over` replace those of `base`; null and absent ones do not. */
export function mergeFilter(base: SelectFilter, over: SelectFilter | null | undefined): SelectFilter {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over ?? {})) {
    if (value === null || value === undefined) continue;
    if (key === 'storage_pool' || key === 'storage_pool_list') {
      delete merged['storage_pool'];
      delete merged['storage_pool_list'];
    }
    merged[key] = value;
  }
  return merged as SelectFilter;
}

/** How a group shows its filter: the first pool doubles in the older field; node lists are not echoed. */
export function filterJson(filter: SelectFilter): Record<string, unknown> {
  const pools = poolsOfFilter(filter);
  const list = (value: readonly string[] | null | undefined) =>
    value && value.length > 0 ? [...value] : undefined;
  const shown: Record<string, unknown> = {
    place_count: filter.place_count ?? undefined,
    storage_pool: pools[0],
    storage_pool_list: list(pools),
    not_place_with_rsc: list(filter.not_place_with_rsc),
    not_place_with_rsc_regex: filter.not_place_with_rsc_regex ?? undefined,
    replicas_on_same: list(filter.replicas_on_same),
    replicas_on_different: list(filter.replicas_on_different),
    x_replicas_on_different_map: filter.x_replicas_on_different_map ?? undefined,
    layer_stack: list(filter.layer_stack?.map((layer) => layer.toUpperCase())),
    provider_list: list(filter.provider_list?.map((kind) => kind.toUpperCase())),
    diskless_on_remaining: filter.diskless_on_remaining ?? undefined,
  };
  return Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined));
}
