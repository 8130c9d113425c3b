import { Refusal } from '../rest/entry.ts';
import type { LabDefinition, LayerKind } from './definition.ts';
import { poolsOfFilter, type SelectFilter } from './filter.ts';
import { byName, sameName } from './name.ts';
import { findNode, isOnline, type LabNode } from './node.ts';
import { freeKib, type LabPool, traitsOf } from './pool.ts';
import { promisedKib } from './space.ts';
import type { ClusterState } from './state.ts';

/** Thin pools may promise this many times their space (linstor-behaviour §3.3). */
export const DEFAULT_RATIO = 20;

export function ratioOf(state: ClusterState, pool: LabPool, which: 'Free' | 'Total' | 'Any' = 'Any'): number {
  if (!traitsOf(pool.provider).thin) return 1;
  const special = {
    Free: 'MaxFreeCapacityOversubscriptionRatio',
    Total: 'MaxTotalCapacityOversubscriptionRatio',
    Any: '',
  }[which];
  for (const key of [special, 'MaxOversubscriptionRatio']) {
    const value = key && (pool.props[key] ?? state.controllerProps[key]);
    if (value) return Number(value);
  }
  return DEFAULT_RATIO;
}

/** The largest volume that still fits a pool. KiB. */
export function largestKib(state: ClusterState, pool: LabPool, ratio?: number): number {
  const free = freeKib(state, pool);
  if (!traitsOf(pool.provider).thin) return free;
  const byFree = Math.floor(free * (ratio ?? ratioOf(state, pool, 'Free')));
  const byTotal =
    Math.floor(pool.totalKib * (ratio ?? ratioOf(state, pool, 'Total'))) - promisedKib(state, pool);
  return Math.max(0, Math.min(byFree, byTotal));
}

export interface PlacementRequest {
  readonly filter: SelectFilter;
  readonly layers: readonly LayerKind[];
  /** KiB each pool must be able to hold. */
  readonly sizeKib: number;
  /** How many more replicas. */
  readonly count: number;
  /** The definition that is placed: its own nodes are out, its replicas count for same/different. */
  readonly definition?: LabDefinition | undefined;
  /** Pools that may not be used any more (capacity queries). */
  readonly exclude?: ReadonlySet<string>;
}

const unusable = ['EVICTED', 'EVACUATE', 'DELETE'];

function nodeQualifies(node: LabNode, request: PlacementRequest): boolean {
  if (!isOnline(node)) return false;
  if (node.flags.some((flag) => unusable.includes(flag))) return false;
  if (node.props['AutoplaceTarget']?.toLowerCase() === 'false') return false;
  return request.layers.every((layer) => node.layers.includes(layer));
}

const holds = (definition: LabDefinition | undefined, node: string): boolean =>
  definition?.resources.some((resource) => sameName(resource.node, node)) ?? false;

/** A diskless replica does not keep a disk away: it gets one. */
const holdsDisk = (definition: LabDefinition | undefined, node: string): boolean =>
  definition?.resources.some(
    (resource) => sameName(resource.node, node) && !resource.flags.includes('DISKLESS'),
  ) ?? false;

function avoided(state: ClusterState, node: string, filter: SelectFilter): boolean {
  const names = filter.not_place_with_rsc ?? [];
  const pattern = filter.not_place_with_rsc_regex;
  const regex = pattern ? new RegExp(`^(?:${pattern})$`, 'i') : undefined;
  return state.definitions.some(
    (other) =>
      holds(other, node) &&
      (names.some((name) => sameName(name, other.name)) || regex?.test(other.name) === true),
  );
}

export const poolKey = (pool: LabPool): string => `${pool.node};${pool.name}`;

/** Pools that qualify, best first: most free space, then by name of the node and of the pool (`StorPoolWithScore`). */
export function candidates(state: ClusterState, request: PlacementRequest): LabPool[] {
  const { filter } = request;
  const names = poolsOfFilter(filter);
  const kinds = (filter.provider_list ?? []).map((kind) => kind.toUpperCase());
  const nodes = filter.node_name_list ?? [];
  const qualified = state.pools.filter((pool) => {
    const node = findNode(state, pool.node);
    return (
      pool.provider !== 'DISKLESS' &&
      node !== undefined &&
      nodeQualifies(node, request) &&
      (names.length === 0 || names.some((name) => sameName(name, pool.name))) &&
      (kinds.length === 0 || kinds.includes(pool.provider)) &&
      (nodes.length === 0 || nodes.some((name) => sameName(name, pool.node))) &&
      !request.exclude?.has(poolKey(pool)) &&
      !holdsDisk(request.definition, pool.node) &&
      !avoided(state, pool.node, filter) &&
      largestKib(state, pool, filter.overprovision ?? undefined) >= request.sizeKib
    );
  });
  const free = new Map(qualified.map((pool) => [pool, freeKib(state, pool)]));
  return byName(qualified, (pool) => `${pool.node} ${pool.name}`).sort(
    (a, b) => (free.get(b) ?? 0) - (free.get(a) ?? 0),
  );
}

/** Diskless pools of nodes that have nothing of the definition yet, by name. */
export function disklessNodes(
  state: ClusterState,
  definition: LabDefinition,
  filter: SelectFilter,
  layers: readonly LayerKind[],
): LabPool[] {
  const wanted = filter.node_name_list ?? [];
  const names = filter.storage_pool_diskless_list ?? [];
  const request = { filter, layers, sizeKib: 0, count: 0 };
  return byName(state.pools, (pool) => pool.node).filter((pool) => {
    const node = findNode(state, pool.node);
    return (
      pool.provider === 'DISKLESS' &&
      node !== undefined &&
      nodeQualifies(node, request) &&
      (names.length === 0 || names.some((name) => sameName(name, pool.name))) &&
      (wanted.length === 0 || wanted.some((name) => sameName(name, pool.node))) &&
      !holds(definition, pool.node) &&
      !avoided(state, pool.node, filter)
    );
  });
}

/**
 * Where a tie-breaker may be put: as placement would, but for the lists of nodes and pools of the group, which are of replicas with
 * data. `only`: may it be there, where a replica is going away?
 */
export function tieBreakerPool(
  state: ClusterState,
  definition: LabDefinition,
  group: SelectFilter,
  only?: string,
): LabPool | undefined {
  const filter: SelectFilter = {
    ...group,
    node_name_list: only === undefined ? [] : [only],
    x_replicas_on_different_map: Object.fromEntries(
      Object.keys(group.x_replicas_on_different_map ?? {}).map((key) => [key, 1]),
    ),
  };
  const others = definition.resources.filter(
    (resource) => only === undefined || !sameName(resource.node, only),
  );
  const present = others
    .filter((resource) => !resource.flags.includes('DELETE'))
    .map((resource) => resource.node);
  return disklessNodes(state, { ...definition, resources: others }, filter, ['DRBD']).find((pool) =>
    fits(state, pool, [], present, filter),
  );
}

/** `Aux/rack` or `Aux/rack=7`. */
function constraint(item: string): { key: string; value?: string } {
  const at = item.indexOf('=');
  return at < 0 ? { key: item } : { key: item.slice(0, at), value: item.slice(at + 1) };
}

const auxKey = (props: Record<string, string>, key: string): string | undefined =>
  props[key] ?? props[`Aux/${key}`];

/** May `pool` join those chosen already? */
function fits(
  state: ClusterState,
  pool: LabPool,
  chosen: readonly LabPool[],
  present: readonly string[],
  filter: SelectFilter,
): boolean {
  const props = (name: string) => findNode(state, name)?.props ?? {};
  const nodes = [...present, ...chosen.map((other) => other.node)];
  if (nodes.some((name) => sameName(name, pool.node))) return false;
  if (chosen.some((other) => !mayMix(state, other, pool))) return false;
  const mine = props(pool.node);
  for (const item of filter.replicas_on_same ?? []) {
    const { key, value } = constraint(item);
    const own = auxKey(mine, key);
    if (own === undefined || (value !== undefined && own !== value)) return false;
    if (nodes.some((name) => auxKey(props(name), key) !== own)) return false;
  }
  for (const item of filter.replicas_on_different ?? []) {
    const { key, value } = constraint(item);
    const own = auxKey(mine, key);
    if (value !== undefined && own === value) return false;
    if (own !== undefined && nodes.some((name) => auxKey(props(name), key) === own)) return false;
  }
  for (const [key, most] of Object.entries(filter.x_replicas_on_different_map ?? {})) {
    const own = auxKey(mine, key);
    if (nodes.filter((name) => auxKey(props(name), key) === own).length >= most) return false;
  }
  return true;
}

/** Thin and thick pools of different kinds are not mixed unless allowed (linstor-behaviour §3.9). */
export function mayMix(state: ClusterState, a: LabPool, b: LabPool): boolean {
  if (traitsOf(a.provider).thin === traitsOf(b.provider).thin) return true;
  if (a.provider.startsWith('FILE') && b.provider.startsWith('FILE')) return true;
  return state.controllerProps['AllowMixingStoragePoolDriver']?.toLowerCase() === 'true';
}

/** The best set of pools, one a node; `undefined` when there is none. Sorted by node. */
export function choose(state: ClusterState, request: PlacementRequest): LabPool[] | undefined {
  const list = candidates(state, request);
  const present = (request.definition?.resources ?? [])
    .filter((resource) => !resource.flags.includes('DISKLESS') && !resource.flags.includes('DELETE'))
    .map((resource) => resource.node);
  const found = best(state, list, request, present);
  return found && byName(found, (pool) => pool.node);
}

/**
 * Of the sets that begin with the best pool, the second best, and so on, the one with the most space; the first of equals
 * (`Selector`, LINSTOR 1.33.3). Only where constraints tie pools to each other it is not the first set.
 */
function best(
  state: ClusterState,
  list: readonly LabPool[],
  request: PlacementRequest,
  present: readonly string[],
): LabPool[] | undefined {
  const free = new Map(list.map((pool) => [pool, freeKib(state, pool)]));
  const space = (pools: readonly LabPool[]): number =>
    pools.reduce((sum, pool) => sum + (free.get(pool) ?? 0), 0);
  let chosen: LabPool[] | undefined;
  for (let start = 0; start + request.count <= list.length; start += 1) {
    // The rest cannot hold more, whatever the constraints say.
    if (chosen && space(list.slice(start, start + request.count)) <= space(chosen)) return chosen;
    const found = search(state, list.slice(start), request, present, []);
    if (!found) return chosen;
    if (!chosen || space(found) > space(chosen)) chosen = found;
  }
  return chosen;
}

function search(
  state: ClusterState,
  list: readonly LabPool[],
  request: PlacementRequest,
  present: readonly string[],
  chosen: readonly LabPool[],
): LabPool[] | undefined {
  if (chosen.length === request.count) return [...chosen];
  for (const [index, pool] of list.entries()) {
    if (list.length - index < request.count - chosen.length) return undefined;
    if (!fits(state, pool, chosen, present, request.filter)) continue;
    const rest = search(state, list.slice(index + 1), request, present, [...chosen, pool]);
    if (rest) return rest;
  }
  return undefined;
}

/** The refusal when placement finds too few nodes, with its long explanation. */
export function notEnoughNodes(request: PlacementRequest, shown: SelectFilter): Refusal {
  const pools = poolsOfFilter(request.filter);
  const criteria =
    pools.length > 0
      ? ` * has a deployed storage pool named [${pools.join(', ')}]\n * the storage pools have to have at least '${request.sizeKib}' free space\n`
      : '';
  return new Refusal(996, 'Not enough available nodes', {
    details:
      `Not enough nodes fulfilling the following auto-place criteria:\n${criteria}` +
      ' * the current access context has enough privileges to use the node and the storage pool\n' +
      ` * the node is online\n\nAuto-place configuration details:\n${explain(shown)}`,
  });
}

/** The filter in words, as the real one prints it. */
function explain(filter: SelectFilter): string {
  const lines: string[] = [];
  const value = (label: string, item: unknown) => {
    if (item !== undefined && item !== null) lines.push(`   ${label}: ${String(item)}`);
  };
  const list = (label: string, items: readonly string[] | null | undefined, plural = true) => {
    if (!items || items.length === 0) return;
    lines.push(
      `   ${label}${plural && items.length > 1 ? 's' : ''}:`,
      ...items.map((item) => `      ${item}`),
    );
  };
  value('Replica count', filter.place_count);
  value('Additional replica count', filter.additional_place_count);
  list('Node name', filter.node_name_list);
  list('Storage pool name', poolsOfFilter(filter));
  list('Storage pool diskless name', filter.storage_pool_diskless_list);
  list('Do not place with resource', filter.not_place_with_rsc);
  value('Do not place with resource (regex)', filter.not_place_with_rsc_regex);
  list('Replicas on nodes with same property', filter.replicas_on_same, false);
  list('Replicas on nodes with different property', filter.replicas_on_different, false);
  list(
    'Layer stack',
    filter.layer_stack?.map((layer) => layer.toUpperCase()),
    false,
  );
  list('Allowed Provider', filter.provider_list);
  value('Diskless on remaining', filter.diskless_on_remaining);
  return `${lines.join('\n')}\n`;
}
