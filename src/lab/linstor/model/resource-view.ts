import { compact } from '../rest/json.ts';
import { drbdDefinitionJson, type LabDefinition, type VolumeDefinition } from './definition.ts';
import { backingKib } from './drbd.ts';
import { sorted } from './group.ts';
import { areLinked, hasQuorum } from './kernel.ts';
import { byName } from './name.ts';
import { findNode, isOnline } from './node.ts';
import { findPool, traitsOf } from './pool.ts';
import { isDeleting, isDiskless, isDrbd, type LabResource, type LabVolume } from './resource.ts';
import { allocatedKib, roundUp } from './space.ts';
import type { ClusterState } from './state.ts';

/** How the lab sees one resource while it prints it. */
interface View {
  readonly state: ClusterState;
  readonly definition: LabDefinition;
  readonly resource: LabResource;
  readonly online: boolean;
  readonly now: number;
}

type Json = Record<string, unknown>;

/** A resource as in `GET …/resources` (no volumes) or in the resource view (with them). */
export function resourceJson(
  state: ClusterState,
  definition: LabDefinition,
  resource: LabResource,
  options: { volumes: boolean; now: number },
): Json {
  const online = isOnline(findNode(state, resource.node));
  const view: View = { state, definition, resource: asKnown(state, resource), online, now: options.now };
  return {
    name: definition.name,
    node_name: resource.node,
    ...compact({ props: sorted(resource.props), flags: shownFlags(state, resource) }),
    layer_object: layerObject(view, resource.layers),
    ...(online ? { state: resource.drbd ? { in_use: resource.drbd.inUse } : {} } : {}),
    uuid: resource.uuid,
    ...(resource.createdAt === undefined ? {} : { create_timestamp: resource.createdAt }),
    ...(options.volumes
      ? compact({ volumes: view.resource.volumes.map((volume) => volumeJson(view, volume)) })
      : {}),
  };
}

/** Device paths are not kept by the controller (linstor-behaviour §5). */
function asKnown(state: ClusterState, resource: LabResource): LabResource {
  if (!findNode(state, resource.node)?.forgotten) return resource;
  return {
    ...resource,
    volumes: resource.volumes.map(({ device: _device, topDevice: _top, ...rest }) => rest),
  };
}

function shownFlags(state: ClusterState, resource: LabResource): string[] {
  const evicted = findNode(state, resource.node)?.flags.includes('EVICTED') && isDrbd(resource);
  return evicted ? [...new Set([...resource.flags, 'INACTIVE', 'EVICTED'])] : resource.flags;
}

export function volumesJson(
  state: ClusterState,
  definition: LabDefinition,
  resource: LabResource,
  now: number,
): Json[] {
  const view: View = {
    state,
    definition,
    resource: asKnown(state, resource),
    online: isOnline(findNode(state, resource.node)),
    now,
  };
  return view.resource.volumes.map((volume) => volumeJson(view, volume));
}

function layerObject(view: View, layers: readonly string[]): Json {
  const [top, ...below] = layers;
  const children = below.length > 0 ? { children: [layerObject(view, below)] } : {};
  const volumes = view.resource.volumes;
  if (top === 'DRBD') return { ...children, type: top, drbd: drbdJson(view) };
  if (top === 'LUKS')
    return { ...children, type: top, luks: compact({ luks_volumes: volumes.map((v) => luksData(view, v)) }) };
  const key = top === 'STORAGE' ? 'storage' : (top ?? 'storage').toLowerCase();
  return {
    ...children,
    type: top,
    [key]: compact({ [`${key}_volumes`]: volumes.map((v) => storageData(view, v)) }),
  };
}

function drbdJson(view: View): Json {
  const { definition, resource } = view;
  const peers = drbdPeers(view);
  const flags = [
    ...(isDiskless(resource) ? ['DISKLESS'] : []),
    ...(resource.drbd?.initialized ? ['INITIALIZED'] : []),
  ];
  return {
    drbd_resource_definition: drbdDefinitionJson(definition),
    node_id: resource.drbd?.nodeId ?? 0,
    tcp_ports: [resource.drbd?.port ?? 7000],
    peer_slots: definition.drbd?.peerSlots ?? 7,
    al_stripes: 1,
    al_size: 32,
    ...compact({ flags, drbd_volumes: resource.volumes.map((volume) => drbdData(view, volume)) }),
    ...(view.online
      ? compact({ connections: Object.fromEntries(peers.map((peer) => [peer.node, connection(view, peer)])) })
      : {}),
    ...(view.online ? promotion(view, peers) : {}),
  };
}

/**
 * May this node open the device? Not while another one has it open (unless both may), not without data
 * that is up to date, here or at a peer, and not without quorum.
 */
function promotion(view: View, peers: readonly LabResource[]): Json {
  const { definition, resource } = view;
  const connected = peers.filter((peer) => connection(view, peer).connected);
  const usedElsewhere = peers.some((peer) => peer.drbd?.inUse);
  const dual = definition.props['DrbdOptions/Net/allow-two-primaries'] === 'yes';
  const good = [resource, ...connected].some((item) => !isDiskless(item) && upToDate(item, view.now));
  const possible = good && hasQuorum(view.state, definition, resource, seenByLinstor);
  return {
    promotion_score: possible ? 10100 + connected.length + 1 : 0,
    may_promote: possible && (dual || !usedElsewhere),
  };
}

const upToDate = (resource: LabResource, now: number): boolean =>
  resource.volumes.every((volume) => diskState(volume, now, false) === 'UpToDate');

function drbdPeers(view: View): LabResource[] {
  const others = view.definition.resources.filter(
    (other) => other.node !== view.resource.node && other.drbd && !isDeleting(other),
  );
  return byName(others, (other) => other.node);
}

/** To the controller a node whose satellite is away is gone, whatever its kernel does. */
const seenByLinstor: typeof areLinked = (here, there) => isOnline(there) && areLinked(here, there);

function connection(view: View, peer: LabResource): { connected: boolean; message: string } {
  const [here, there] = [findNode(view.state, view.resource.node), findNode(view.state, peer.node)];
  return seenByLinstor(here, there)
    ? { connected: true, message: 'Connected' }
    : { connected: false, message: 'Connecting' };
}

const sizeOf = (view: View, volume: LabVolume): VolumeDefinition | undefined =>
  view.definition.volumes.find((item) => item.number === volume.number);

function netKib(view: View, volume: LabVolume): number {
  return sizeOf(view, volume)?.sizeKib ?? 0;
}

/** Size of the backing device. KiB. */
function grossKib(view: View, volume: LabVolume): number {
  const pool = findPool(view.state, view.resource.node, volume.pool);
  const size = isDrbd(view.resource)
    ? backingKib(netKib(view, volume), view.definition.drbd?.peerSlots)
    : netKib(view, volume);
  return roundUp(size, pool?.granularityKib ?? 1);
}

/** FILE_THIN reports what is allocated as usable too (linstor-behaviour §4.2). */
function storageData(view: View, volume: LabVolume): Json {
  if (volume.provider === 'DISKLESS') {
    return {
      volume_number: volume.number,
      allocated_size_kib: 0,
      usable_size_kib: volume.knownKib ?? netKib(view, volume),
    };
  }
  const gross = grossKib(view, volume);
  const thin = traitsOf(volume.provider).thin;
  const written = Math.max(8, allocatedKib(volume.file));
  const allocated = !volume.made ? -1 : thin ? written : gross;
  return {
    volume_number: volume.number,
    ...compact({ device_path: volume.device }),
    allocated_size_kib: allocated,
    usable_size_kib: volume.made && volume.provider === 'FILE_THIN' ? allocated : gross,
    disk_state: '[]',
  };
}

function luksData(view: View, volume: LabVolume): Json {
  return {
    volume_number: volume.number,
    ...compact({ device_path: volume.topDevice, backing_device: volume.device }),
    allocated_size_kib: volume.made ? grossKib(view, volume) : -1,
    usable_size_kib: netKib(view, volume),
    opened: volume.made,
  };
}

function drbdData(view: View, volume: LabVolume): Json {
  const isBacked = volume.provider !== 'DISKLESS';
  return {
    drbd_volume_definition: compact({
      volume_number: volume.number,
      minor_number: sizeOf(view, volume)?.minor,
    }),
    ...compact({ device_path: volume.topDevice, backing_device: isBacked ? volume.device : undefined }),
    allocated_size_kib: isBacked && volume.made ? grossKib(view, volume) : -1,
    usable_size_kib: netKib(view, volume),
  };
}

function volumeJson(view: View, volume: LabVolume): Json {
  const { resource, online } = view;
  const storage = storageData(view, volume);
  const data: Record<string, (v: LabVolume) => Json> = {
    DRBD: (v) => drbdData(view, v),
    LUKS: (v) => luksData(view, v),
    STORAGE: () => storage,
  };
  const thinFile = volume.provider === 'FILE_THIN';
  const allocated = Number(storage['allocated_size_kib']);
  return {
    volume_number: volume.number,
    storage_pool_name: volume.pool,
    provider_kind: volume.provider,
    ...compact({ device_path: volume.topDevice ?? volume.device }),
    // The live query measures the loop node for FILE_THIN and finds 0 (linstor-behaviour §4.2).
    allocated_size_kib: (online && thinFile) || allocated < 0 ? 0 : allocated,
    ...compact({ flags: volume.flags }),
    ...(online ? compact({ state: volumeState(view, volume) }) : {}),
    layer_data_list: resource.layers.map((type) => ({ type, data: data[type]?.(volume) ?? {} })),
    uuid: volume.uuid,
  };
}

function volumeState(view: View, volume: LabVolume): Json {
  if (volume.cloneState && !view.resource.drbd) return { disk_state: volume.cloneState };
  if (!view.resource.drbd) return {};
  const peers = drbdPeers(view).filter((peer) => connection(view, peer).connected);
  return {
    disk_state: diskState(volume, view.now, isDiskless(view.resource)),
    ...compact({
      replication_states: Object.fromEntries(
        peers.map((peer) => [peer.node, replication(view, volume, peer)] as const),
      ),
    }),
  };
}

export function diskState(volume: LabVolume, now: number, diskless: boolean): string {
  if (volume.diskState) return volume.diskState;
  if (diskless) return 'Diskless';
  if (volume.cloneState === 'Cloning') return 'Cloning';
  return volume.syncedAt !== undefined && volume.syncedAt > now ? 'Inconsistent' : 'UpToDate';
}

function replication(view: View, volume: LabVolume, peer: LabResource): Json {
  const other = peer.volumes.find((item) => item.number === volume.number);
  const mine = diskState(volume, view.now, isDiskless(view.resource));
  const theirs = other ? diskState(other, view.now, isDiskless(peer)) : 'DUnknown';
  if (mine === 'Inconsistent' && theirs === 'UpToDate')
    return { replication_state: 'SyncTarget', done_percentage: 0 };
  if (mine === 'UpToDate' && theirs === 'Inconsistent')
    return { replication_state: 'SyncSource', done_percentage: 0 };
  return { replication_state: 'Established' };
}
