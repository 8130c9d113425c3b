import { type LabDefinition, type LayerKind, layersOf } from '../model/definition.ts';
import { mergeFilter, poolsOfFilter, type SelectFilter } from '../model/filter.ts';
import { findGroup } from '../model/group.ts';
import { byName } from '../model/name.ts';
import { isOnline } from '../model/node.ts';
import { choose, notEnoughNodes, type PlacementRequest } from '../model/placement.ts';
import { DISKLESS_POOL, findPool, type LabPool } from '../model/pool.ts';
import { clearFlags, diskful, findResource, isDeleting, type LabResource } from '../model/resource.ts';
import { CREATED } from '../rest/codes.ts';
import type { Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { deploy, register } from '../satellite/deploy.ts';
import { addTieBreaker, settleQuorum, settleVerifyAlgorithm } from '../satellite/quorum.ts';
import { completeStack, layersFrom } from './layers.ts';
import { addDisk } from './toggle-disk.ts';

/** Automatic placement, shared by autoplace, spawn, make-available and adjust (linstor-behaviour §3.9). */
export interface Placing {
  readonly filter: SelectFilter;
  readonly layers: LayerKind[];
  readonly request: PlacementRequest;
}

export const sizeOf = (definition: LabDefinition): number =>
  definition.volumes.reduce((sum, volume) => sum + volume.sizeKib, 0);

/** The filter in force: the group's, then the call's. */
export function effectiveFilter(
  lab: Runtime,
  definition: LabDefinition,
  over: SelectFilter | null | undefined,
): SelectFilter {
  return mergeFilter(findGroup(lab.state, definition.group)?.filter ?? {}, over);
}

/** Layers for new resources: those present, the definition's, the filter's, the default. */
export function stackFor(reply: Reply, definition: LabDefinition, filter: SelectFilter): LayerKind[] {
  const present = diskful(definition)[0]?.layers;
  if (present) return [...present];
  if (definition.layers.length > 0) return [...definition.layers];
  const wanted = filter.layer_stack ?? [];
  return wanted.length > 0 ? completeStack(reply, layersFrom(wanted)) : [...layersOf(definition)];
}

/** Replicas that count: diskful, not on their way out, not evicted, not skipping their disk. */
export function countingReplicas(lab: Runtime, definition: LabDefinition): LabResource[] {
  return diskful(definition).filter((resource) => {
    const flags = lab.state.nodes.find((node) => node.name === resource.node)?.flags ?? [];
    return !flags.includes('EVICTED') && resource.props['DrbdOptions/SkipDisk'] === undefined;
  });
}

/** Chooses pools for `count` more replicas, or throws 996. `shown` is what the refusal prints. */
export function choosePools(
  lab: Runtime,
  definition: LabDefinition,
  filter: SelectFilter,
  layers: LayerKind[],
  count: number,
  shown: SelectFilter,
): LabPool[] {
  const request: PlacementRequest = { filter, layers, sizeKib: sizeOf(definition), count, definition };
  const found = choose(lab.state, request);
  if (!found) throw notEnoughNodes(request, shown);
  return found;
}

export function shownFilter(
  definition: LabDefinition,
  filter: SelectFilter,
  count: number,
  layers: readonly LayerKind[],
  place: number,
): SelectFilter {
  return {
    ...filter,
    place_count: place,
    additional_place_count: count,
    storage_pool_list: poolsOfFilter(filter),
    not_place_with_rsc: [...(filter.not_place_with_rsc ?? []), definition.name],
    layer_stack: [...layers],
  };
}

export interface Placed {
  readonly resources: LabResource[];
  /** Diskless until now; they get their disk before the others are deployed. */
  readonly toggled: { resource: LabResource; pool: LabPool }[];
  readonly tieBreaker: LabResource | undefined;
}

/** Registers the chosen places and says so; nothing is on the satellites yet. */
export function registerPlaces(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  pools: readonly LabPool[],
  layers: LayerKind[],
  disklessToo: boolean,
  flags: readonly string[] = [],
): Placed {
  const toggled: Placed['toggled'] = [];
  const resources = pools.map((pool) => {
    reply
      .within({ operation: 'create', object: 'resource' })
      .add(CREATED, 'Successfully set property key(s): StorPoolName');
    const diskless = findResource(definition, pool.node);
    if (!diskless) return register(lab, definition, { node: pool.node, pool, layers, flags });
    toggled.push({ resource: diskless, pool });
    clearFlags(diskless, 'TIE_BREAKER');
    diskless.props['DiskfulBy'] = 'auto-placer';
    return diskless;
  });
  const used = pools.map((pool) => `'${pool.node} (${pool.name})'`).join(', ');
  const refs: Record<string, string> = {};
  for (const [index, pool] of pools.entries()) {
    refs[`Node/${index}`] = pool.node;
    refs[`StoragePool/${index}/0`] = `${pool.name},${pool.provider}`;
  }
  reply.add(CREATED, `Resource '${definition.name}' successfully autoplaced on ${pools.length} nodes`, {
    details: `Used nodes (storage pool name): ${used}`,
    refs,
  });
  if (disklessToo) resources.push(...registerRemaining(lab, reply, definition, layers));
  return { resources, toggled, tieBreaker: settle(lab, reply, definition) };
}

function registerRemaining(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  layers: LayerKind[],
): LabResource[] {
  const rest = byName(lab.state.nodes, (node) => node.name).filter(
    (node) =>
      isOnline(node) &&
      layers.includes('DRBD') &&
      node.layers.includes('DRBD') &&
      !definition.resources.some((resource) => resource.node === node.name && !isDeleting(resource)),
  );
  return rest.flatMap((node) => {
    const pool = findPool(lab.state, node.name, DISKLESS_POOL);
    if (!pool) return [];
    reply
      .within({ operation: 'create', object: 'resource' })
      .add(CREATED, 'Successfully set property key(s): StorPoolName');
    return [
      register(lab, definition, { node: node.name, pool, layers, flags: ['DISKLESS', 'DRBD_DISKLESS'] }),
    ];
  });
}

/** What the controller decides after any change of the set of replicas. */
export function settle(lab: Runtime, reply: Reply, definition: LabDefinition): LabResource | undefined {
  settleVerifyAlgorithm(reply, definition);
  const tieBreaker = addTieBreaker(lab, reply, definition);
  settleQuorum(lab, reply, definition);
  return tieBreaker;
}

export async function deployPlaces(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  placed: Placed,
  restored = false,
): Promise<void> {
  for (const { resource, pool } of placed.toggled) await addDisk(lab, reply, definition, resource, pool.name);
  await deploy(lab, definition, placed.resources, { reply, ready: reply, restored });
  if (placed.tieBreaker)
    await deploy(lab, definition, [placed.tieBreaker], { reply, ready: reply, restored });
}
