import * as z from 'zod/mini';
import { kib } from '../units.ts';
import { checked } from './checked.ts';
import type { Json } from './json.ts';
import type {
  Allocation,
  CloneStatus,
  LayerKind,
  Replica,
  ReplicaVolume,
  Resource,
  ResourceDefinition,
  ResourceVolume,
  Snapshot,
} from './linstor.ts';
import { nodeName, resourceName } from './names.ts';
import * as schema from './schema.ts';

export function decodeDefinitions(raw: Json, what: string): ResourceDefinition[] {
  return checked(z.array(schema.resourceDefinition), raw, what).map((definition) => ({
    name: resourceName(definition.name),
    group: definition.resource_group_name || 'DfltRscGrp',
    flags: definition.flags,
    props: definition.props,
    layers: definition.layer_data.map((layer) => layer.type as LayerKind),
    volumes: definition.volume_definitions.map((volume) => ({
      number: volume.volume_number,
      sizeKib: kib(volume.size_kib),
      flags: volume.flags,
      props: volume.props,
    })),
  }));
}

type Layer = { readonly type: string; readonly resource_name_suffix?: string | null | undefined };

/** The branch that carries the data; `.meta`, `.cache` are side branches with a suffix of their own. */
function dataChild<L extends Layer>(
  layer: Layer & { readonly children?: readonly L[] | null | undefined },
): L | undefined {
  const children = layer.children ?? [];
  return children.find((child) => !child.resource_name_suffix) ?? children[0];
}

function layerStack(top: schema.RawLayer | null | undefined): schema.RawLayer[] {
  const stack: schema.RawLayer[] = [];
  for (let layer = top ?? undefined; layer !== undefined; layer = dataChild(layer)) stack.push(layer);
  return stack;
}

type RawResource = z.output<typeof schema.resource>;
type RawAllocation = z.output<typeof schema.allocation>;

function toAllocated(raw: RawAllocation['volumes'][number]): Allocation['volumes'][number] {
  const allocated = raw.allocated_size_kib;
  return {
    number: raw.volume_number,
    pool: raw.storage_pool_name ?? '',
    // -1 stands for "not known yet" (made while the satellite was away).
    ...(typeof allocated === 'number' && allocated >= 0 ? { allocatedKib: kib(allocated) } : {}),
  };
}

type RawStates = NonNullable<RawResource['volumes'][number]['state']>['replication_states'];

/** By the peer that it gets its data from. */
function syncedPercent(states: RawStates): Pick<ResourceVolume, 'syncedPercent'> {
  const [target] = Object.values(states ?? {}).filter((each) => each.replication_state === 'SyncTarget');
  const done = target?.done_percentage;
  return typeof done === 'number' ? { syncedPercent: done } : {};
}

function toVolume(raw: RawResource['volumes'][number]): ResourceVolume {
  return {
    ...toAllocated(raw),
    provider: raw.provider_kind ?? '',
    ...(raw.device_path ? { devicePath: raw.device_path } : {}),
    ...(raw.state?.disk_state ? { diskState: raw.state.disk_state } : {}),
    ...syncedPercent(raw.state?.replication_states),
  };
}

function toResource(raw: RawResource): Resource {
  return { ...common(raw), volumes: raw.volumes.map(toVolume) };
}

type RawReplica = z.output<typeof schema.replica>;

/** Its topmost layer's volumes are what a node has of it. */
function topVolumes(top: schema.RawTopLayer | null | undefined): ReplicaVolume[] {
  const volumes =
    top?.drbd?.drbd_volumes ??
    top?.luks?.luks_volumes ??
    top?.nvme?.nvme_volumes ??
    top?.writecache?.writecache_volumes ??
    top?.cache?.cache_volumes ??
    top?.bcache?.bcache_volumes ??
    top?.storage?.storage_volumes ??
    [];
  const backing = storageOf(top)?.storage_volumes ?? [];
  return volumes.map((volume) => {
    const number = numberOf(volume);
    const below = backing.find((each) => numberOf(each) === number)?.device_path;
    return {
      number,
      ...(volume.device_path ? { devicePath: volume.device_path } : {}),
      ...(below ? { backingPath: below } : {}),
    };
  });
}

const numberOf = (volume: schema.RawLayerVolume): number =>
  volume.volume_number ?? volume.drbd_volume_definition?.volume_number ?? 0;

function storageOf(top: schema.RawTopLayer | null | undefined): schema.RawTopLayer['storage'] {
  if (!top || top.type === 'STORAGE') return top?.storage;
  let layer = dataChild(top);
  while (layer && layer.type !== 'STORAGE') layer = dataChild(layer);
  return layer?.storage;
}

/** Of one resource definition what the controller has in memory (`GET …/resources`). */
export function decodeReplicas(raw: Json, what: string): Replica[] {
  return checked(z.array(schema.replica), raw, what).map((replica: RawReplica) => ({
    ...common(replica),
    volumes: topVolumes(replica.layer_object),
  }));
}

function common(raw: Omit<RawResource, 'volumes'>): Omit<Replica, 'volumes'> {
  const stack = layerStack(raw.layer_object);
  const drbd = stack.find((layer) => layer.type === 'DRBD')?.drbd;
  const connections = Object.entries(drbd?.connections ?? {}).map(([node, link]) => [
    node,
    { connected: link.connected ?? false, message: link.message ?? '' },
  ]);
  return {
    name: resourceName(raw.name),
    node: nodeName(raw.node_name),
    flags: raw.flags,
    props: raw.props,
    layers: stack.map((layer) => layer.type as LayerKind),
    // Absent: the satellite is away. `{}`: it is there and has nothing to say (linstor-behaviour §4.2).
    stateKnown: raw.state !== undefined && raw.state !== null,
    ...(typeof raw.state?.in_use === 'boolean' ? { inUse: raw.state.in_use } : {}),
    ...(raw.create_timestamp ? { createdAt: raw.create_timestamp } : {}),
    connections: Object.fromEntries(connections),
    ...(typeof drbd?.may_promote === 'boolean' ? { mayPromote: drbd.may_promote } : {}),
  };
}

export function decodeResources(raw: Json, what: string): Resource[] {
  return checked(z.array(schema.resource), raw, what).map(toResource);
}

export function decodeAllocations(raw: Json, what: string): Allocation[] {
  return checked(z.array(schema.allocation), raw, what).map((resource) => ({
    name: resourceName(resource.name),
    node: nodeName(resource.node_name),
    flags: resource.flags,
    volumes: resource.volumes.map(toAllocated),
  }));
}

export function decodeSnapshots(raw: Json, what: string): Snapshot[] {
  return checked(z.array(schema.snapshot), raw, what).map((snapshot) => {
    const times = snapshot.snapshots.flatMap((part) => part.create_timestamp ?? []);
    return {
      name: snapshot.name,
      resource: resourceName(snapshot.resource_name),
      nodes: snapshot.nodes.map(nodeName),
      flags: snapshot.flags,
      volumes: snapshot.volume_definitions.map((volume) => ({
        number: volume.volume_number,
        sizeKib: kib(volume.size_kib),
      })),
      // `props` is the merge kept for old clients; servers may drop it, old ones have nothing else.
      props: {
        ...snapshot.resource_definition_props,
        ...snapshot.snapshot_definition_props,
        ...snapshot.props,
      },
      ...(times.length > 0 ? { createdAt: Math.max(...times) } : {}),
    };
  });
}

export function decodeCloneStatus(raw: Json, what: string): CloneStatus {
  return checked(schema.cloneStatus, raw, what).status;
}

export function decodeSync(raw: Json, what: string): boolean {
  return checked(schema.syncStatus, raw, what).synced_on_all;
}
