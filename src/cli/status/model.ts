import { isOurs } from '../../disks/disk-call.ts';
import { nodeOfHost } from '../../disks/host-node.ts';
import type { StoragePool } from '../../linstor/linstor.ts';
import { leavingFlags } from '../../linstor/node-state.ts';
import { isReal, isThin } from '../../linstor/providers.ts';
import type { Datastore, Host } from '../../opennebula/one.ts';
import { datastoreType } from '../../opennebula/states.ts';
import { isDiskful } from '../../volumes/replicas.ts';
import { type ClusterFacts, type OneFacts, orElse } from '../checks/facts.ts';
import { natural } from '../table.ts';
import { type VolumeStatus, volumesOf } from './volume.ts';

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
  const volumes = volumesOf(cluster, orElse(one.images, []));
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
  const pools = Map.groupBy(orElse(cluster.pools, []).filter(isReal), (pool) => pool.node);
  return {
    label: cluster.label,
    version: cluster.capabilities.value.serverVersion,
    nodes: nodes
      .toSorted((a, b) => natural(a.name, b.name))
      .map((node): NodeStatus => {
        const host = byNode.get(node.name);
        const flags = leavingFlags(node);
        return {
          name: node.name,
          ...(host ? { host: host.name, hostState: host.enabled ? 'on' : 'off' } : {}),
          status: flags[0] ?? node.status,
          pools: (pools.get(node.name) ?? [])
            .toSorted((a, b) => natural(a.name, b.name))
            .map((pool) => poolStatus(pool, promised)),
        };
      }),
    hostsWithoutNode: hostsWithoutNode.sort(natural),
    datastores: orElse(one.datastores, [])
      .filter((item) => isOurs(item) && cluster.datastores.includes(item.id))
      .toSorted((a, b) => a.id - b.id)
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
    thin: isThin(pool.provider),
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
