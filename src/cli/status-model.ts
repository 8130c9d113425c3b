import { nodeOfHost } from '../hosts/node-names.ts';
import type { Resource, ResourceDefinition, Snapshot, StoragePool } from '../linstor/linstor.ts';
import type { Datastore, Disk, Host, Image, Vm } from '../opennebula/one.ts';
import { datastoreType } from '../opennebula/states.ts';
import { parseResource } from '../volumes/names.ts';
import { isDiskful, isDiskless, isTieBreaker } from '../volumes/replicas.ts';
import { type ClusterFacts, type OneFacts, orElse } from './checks/facts.ts';
import { isOurs } from './checks/gather.ts';

/** What `status` shows, worked out from what was read; sizes in bytes. */
export interface PoolStatus {
  readonly name: string;
  readonly provider: string;
  readonly total?: number;
  readonly used?: number;
  /** Sum of the sizes that were promised to volumes. */
  readonly provisioned: number;
  readonly thin: boolean;
}

export interface NodeStatus {
  readonly name: string;
  /** OpenNebula's name; absent for a node that is no host. */
  readonly host?: string;
  readonly hostState?: 'on' | 'off';
  readonly status: string;
  readonly pools: readonly PoolStatus[];
}

export interface ReplicaStatus {
  readonly node: string;
  readonly role: 'disk' | 'diskless' | 'tie-breaker';
  /** `UpToDate`, `Inconsistent`, …; `ok` for storage without DRBD, `unknown` while the satellite is away. */
  readonly state: string;
  readonly inUse: boolean;
  readonly pool: string;
  readonly allocated?: number;
  readonly device?: string;
}

export interface VolumeStatus {
  readonly resource: string;
  readonly kind: 'disk' | 'image' | 'checkpoint' | 'scratch';
  readonly vm?: number;
  readonly disk?: number;
  readonly image?: number;
  readonly size: number;
  /** Of all replicas. */
  readonly allocated: number;
  readonly group: string;
  readonly layers: readonly string[];
  readonly replicas: readonly ReplicaStatus[];
  readonly snapshots: readonly string[];
  /** Empty when all is well. */
  readonly trouble: readonly string[];
}

export interface DatastoreStatus {
  readonly id: number;
  readonly name: string;
  readonly type: 'image' | 'system' | 'other';
  readonly placement: string;
  readonly volumes: number;
  readonly size: number;
}

export interface ClusterStatus {
  readonly label: string;
  readonly version?: string;
  /** Why nothing is known. */
  readonly error?: string;
  readonly nodes: readonly NodeStatus[];
  readonly hostsWithoutNode: readonly string[];
  readonly datastores: readonly DatastoreStatus[];
  readonly volumes: readonly VolumeStatus[];
}

const kib = 1024;

export function clusterStatus(cluster: ClusterFacts, one: OneFacts): ClusterStatus {
  if (!cluster.capabilities.ok) {
    return {
      label: cluster.label,
      error: cluster.capabilities.error.message,
      nodes: [],
      hostsWithoutNode: [],
      datastores: [],
      volumes: [],
    };
  }
  const volumes = volumesOf(cluster);
  const hosts = orElse(one.hosts, []);
  const nodes = orElse(cluster.nodes, []);
  const byNode = new Map<string, Host>();
  const hostsWithoutNode: string[] = [];
  for (const host of hosts) {
    const node = nodeOfHost(host.name, nodes, cluster.settings.nodeMap);
    if (node) byNode.set(node.name, host);
    else hostsWithoutNode.push(host.name);
  }
  const promised = promisedByPool(cluster);
  const pools = Map.groupBy(
    orElse(cluster.pools, []).filter((pool) => pool.provider !== 'DISKLESS'),
    (pool) => pool.node,
  );
  return {
    label: cluster.label,
    version: cluster.capabilities.value.serverVersion,
    nodes: nodes.map((node): NodeStatus => {
      const host = byNode.get(node.name);
      const flags = node.flags.filter((flag) => ['EVICTED', 'EVACUATE', 'DELETE'].includes(flag));
      return {
        name: node.name,
        ...(host ? { host: host.name, hostState: host.enabled ? 'on' : 'off' } : {}),
        status: flags[0] ?? node.status,
        pools: (pools.get(node.name) ?? []).map((pool) => poolStatus(pool, promised)),
      };
    }),
    hostsWithoutNode,
    datastores: orElse(one.datastores, [])
      .filter((item) => isOurs(item) && cluster.datastores.includes(item.id))
      .map((item) => datastoreStatus(item, one, volumes)),
    volumes,
  };
}

function poolStatus(pool: StoragePool, promised: ReadonlyMap<string, number>): PoolStatus {
  const known = pool.totalKib !== undefined && pool.freeKib !== undefined;
  return {
    name: pool.name,
    provider: pool.provider,
    ...(known
      ? {
          total: (pool.totalKib as number) * kib,
          used: ((pool.totalKib as number) - (pool.freeKib as number)) * kib,
        }
      : {}),
    provisioned: promised.get(`${pool.node}\n${pool.name}`) ?? 0,
    thin: /THIN/.test(pool.provider),
  };
}

/** Also of volumes that are not ours: they fill the same pool. */
function promisedByPool(cluster: ClusterFacts): Map<string, number> {
  const sizes = new Map(orElse(cluster.definitions, []).map((item) => [item.name, item.volumes]));
  const sums = new Map<string, number>();
  for (const replica of orElse(cluster.resources, [])) {
    if (!isDiskful(replica)) continue;
    for (const volume of replica.volumes) {
      const size = sizes.get(replica.name)?.find((item) => item.number === volume.number)?.sizeKib ?? 0;
      const key = `${replica.node}\n${volume.pool}`;
      sums.set(key, (sums.get(key) ?? 0) + size * kib);
    }
  }
  return sums;
}

function volumesOf(cluster: ClusterFacts): VolumeStatus[] {
  const replicas = Map.groupBy(orElse(cluster.resources, []), (item) => item.name);
  const snapshots = Map.groupBy(orElse(cluster.snapshots, []), (item) => item.resource);
  return orElse(cluster.definitions, []).flatMap((definition) => {
    const parsed = parseResource(cluster.settings.namePrefix, definition.name);
    if (!parsed) return [];
    const volume = volumeStatus(
      definition,
      replicas.get(definition.name) ?? [],
      snapshots.get(definition.name) ?? [],
    );
    return [
      {
        ...volume,
        kind: parsed.kind,
        ...(parsed.vmId === undefined ? {} : { vm: parsed.vmId }),
        ...(parsed.diskId === undefined ? {} : { disk: parsed.diskId }),
        ...(parsed.imageId === undefined ? {} : { image: parsed.imageId }),
      },
    ];
  });
}

function volumeStatus(
  definition: ResourceDefinition,
  view: readonly Resource[],
  snapshots: readonly Snapshot[],
): Omit<VolumeStatus, 'kind' | 'vm' | 'disk' | 'image'> {
  const replicas = view.map(replicaStatus).sort((a, b) => a.node.localeCompare(b.node));
  return {
    resource: definition.name,
    size: definition.volumes.reduce((sum, volume) => sum + volume.sizeKib, 0) * kib,
    allocated: replicas.reduce((sum, replica) => sum + (replica.allocated ?? 0), 0),
    group: definition.group,
    layers: definition.layers,
    replicas,
    snapshots: snapshots.map((item) =>
      item.flags.includes('SUCCESSFUL')
        ? item.name
        : `${item.name} (${item.flags.join(' ') || 'incomplete'})`,
    ),
    trouble: troubleOf(definition, replicas),
  };
}

function replicaStatus(replica: Resource): ReplicaStatus {
  const volume = replica.volumes[0];
  const role = isTieBreaker(replica) ? 'tie-breaker' : isDiskless(replica) ? 'diskless' : 'disk';
  const removing = replica.flags.includes('DELETE') || replica.flags.includes('DRBD_DELETE');
  const split = Object.values(replica.connections).some((connection) => connection.message === 'StandAlone');
  const state = removing
    ? 'DELETING'
    : !replica.stateKnown
      ? 'unknown'
      : split
        ? 'StandAlone'
        : (volume?.diskState ?? 'ok');
  return {
    node: replica.node,
    role,
    state,
    inUse: replica.inUse === true,
    pool: volume?.pool ?? '',
    ...(role === 'disk' && volume?.allocatedKib !== undefined
      ? { allocated: volume.allocatedKib * kib }
      : {}),
    ...(volume?.devicePath && replica.stateKnown ? { device: volume.devicePath } : {}),
  };
}

const wellStates: ReadonlySet<string> = new Set(['ok', 'UpToDate', 'Diskless', 'Client', 'TieBreaker']);

function troubleOf(definition: ResourceDefinition, replicas: readonly ReplicaStatus[]): string[] {
  if (definition.flags.includes('DELETE')) return ['being deleted'];
  const bad = replicas
    .filter((replica) => !wellStates.has(replica.state))
    .map((replica) => `${replica.node} ${replica.state}`);
  return replicas.some((replica) => replica.role === 'disk') ? bad : ['no replica with a disk', ...bad];
}

function datastoreStatus(
  datastore: Datastore,
  one: OneFacts,
  volumes: readonly VolumeStatus[],
): DatastoreStatus {
  const group = datastore.template['RESOURCE_GROUP'];
  const count = datastore.template['REPLICA_COUNT'] ?? datastore.template['AUTO_PLACE'];
  const placement = [group ? `group ${group}` : '', count ? `${count} replicas` : '']
    .filter((part) => part !== '')
    .join(', ');
  const base = { id: datastore.id, name: datastore.name, placement };
  if (datastore.type === datastoreType.IMAGE) {
    const images = orElse(one.images, []).filter((image) => image.datastoreId === datastore.id);
    return {
      ...base,
      type: 'image',
      volumes: images.length,
      size: images.reduce((sum, image) => sum + image.sizeMib, 0) * kib * kib,
    };
  }
  const own = new Set(
    orElse(one.vms, [])
      .filter((vm) => vm.history.at(-1)?.datastoreId === datastore.id)
      .map((vm) => vm.id),
  );
  const disks = volumes.filter((volume) => volume.vm !== undefined && own.has(volume.vm));
  return {
    ...base,
    type: datastore.type === datastoreType.SYSTEM ? 'system' : 'other',
    volumes: disks.length,
    size: disks.reduce((sum, disk) => sum + disk.size, 0),
  };
}

/** One disk of a VM with the volume behind it. */
export interface VmDiskStatus {
  readonly disk: Disk;
  readonly volume?: VolumeStatus;
}

export interface VmStatus {
  readonly vm: Vm;
  readonly disks: readonly VmDiskStatus[];
  readonly checkpoint?: VolumeStatus;
}

export function vmStatus(vm: Vm, volumes: readonly VolumeStatus[]): VmStatus {
  const byName = new Map(volumes.map((volume) => [volume.resource.toLowerCase(), volume]));
  const checkpoint = volumes.find((volume) => volume.kind === 'checkpoint' && volume.vm === vm.id);
  return {
    vm,
    disks: vm.disks.map((disk) => {
      const volume =
        disk.kind === 'clone' || disk.kind === 'volatile'
          ? volumes.find((item) => item.kind === 'disk' && item.vm === vm.id && item.disk === disk.id)
          : byName.get((/^\/dev\/drbd\/by-res\/([^/]+)\/\d+$/.exec(disk.source)?.[1] ?? '').toLowerCase());
      return { disk, ...(volume ? { volume } : {}) };
    }),
    ...(checkpoint ? { checkpoint } : {}),
  };
}

export interface ImageStatus {
  readonly image: Image;
  readonly volume?: VolumeStatus;
  readonly vms: readonly {
    readonly id: number;
    readonly name: string;
    readonly disk: number;
    readonly kind: Disk['kind'];
  }[];
}

export function imageStatus(image: Image, vms: readonly Vm[], volumes: readonly VolumeStatus[]): ImageStatus {
  const name = (/^\/dev\/drbd\/by-res\/([^/]+)\/\d+$/.exec(image.source)?.[1] ?? '').toLowerCase();
  const volume = volumes.find((item) => item.resource.toLowerCase() === name);
  return {
    image,
    ...(volume ? { volume } : {}),
    vms: vms.flatMap((vm) =>
      vm.disks
        .filter((disk) => disk.imageId === image.id)
        .map((disk) => ({ id: vm.id, name: vm.name, disk: disk.id, kind: disk.kind })),
    ),
  };
}
