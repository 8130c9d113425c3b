import { hostOfNode } from '../../disks/host-node.ts';
import type { NodeName, Resource, StoragePool } from '../../linstor/linstor.ts';
import { isReal } from '../../linstor/providers.ts';
import type { Host } from '../../opennebula/one.ts';
import type { Settings } from '../../opennebula/settings.ts';
import { placementPools } from '../../volumes/capacity.ts';
import { parseResource } from '../../volumes/names.ts';
import { isDiskful, sameName } from '../../volumes/replicas.ts';
import { type ClusterFacts, type ClusterView, orElse } from './facts.ts';

/**
 * What of a LINSTOR our datastores use: where they place volumes, where volumes of ours are, and where VMs run. The rest is somebody
 * else's, and no trouble of ours.
 */

/** Of the datastores that place volumes in the pool. */
export function settingsPlacing(facts: ClusterView, cluster: ClusterFacts, pool: StoragePool): Settings[] {
  const groups = orElse(cluster.groups, []);
  return cluster.datastores.flatMap((id) => {
    const found = facts.settings.get(id);
    if (!found?.ok) return [];
    const { resourceGroup = 'DfltRscGrp' } = found.value.placement;
    const group = groups.find((each) => sameName(each.name, resourceGroup));
    const placed = placementPools([pool], group?.filter ?? {}, found.value.placement);
    return placed.length > 0 ? [found.value] : [];
  });
}

const ourReplicas = ({ resources, settings }: ClusterFacts): Resource[] =>
  orElse(resources, []).filter((replica) => parseResource(settings.namePrefix, replica.name) !== undefined);

export function isPoolInUse(facts: ClusterView, cluster: ClusterFacts, pool: StoragePool): boolean {
  if (!isReal(pool)) return false;
  // As long as no datastore is there that could say, every pool may be meant.
  if (cluster.datastores.length === 0 || settingsPlacing(facts, cluster, pool).length > 0) return true;
  return ourReplicas(cluster).some(
    (replica) =>
      isDiskful(replica) &&
      sameName(replica.node, pool.node) &&
      replica.volumes.some((volume) => sameName(volume.pool, pool.name)),
  );
}

/** Hosts on which a VM with a disk of ours may run: enabled, and in a cluster of OpenNebula's that has one of our datastores. */
export function hostsInUse(facts: ClusterView, cluster: ClusterFacts): Host[] {
  const clusters = orElse(facts.one.datastores, [])
    .filter((datastore) => cluster.datastores.includes(datastore.id))
    .map((datastore) => datastore.clusterIds);
  const anywhere = clusters.length === 0 || clusters.includes(undefined);
  const ids = new Set(clusters.flatMap((each) => each ?? []));
  return orElse(facts.one.hosts, []).filter(
    (host) => host.enabled && (anywhere || host.clusterId === undefined || ids.has(host.clusterId)),
  );
}

export function isNodeInUse(facts: ClusterView, cluster: ClusterFacts, name: NodeName): boolean {
  const nodes = orElse(cluster.nodes, []);
  const bridges = cluster.datastores.flatMap((id) => {
    const found = facts.settings.get(id);
    return found?.ok ? found.value.bridgeList : [];
  });
  const hosts = [...hostsInUse(facts, cluster).map((host) => host.name), ...bridges];
  return (
    hostOfNode(name, hosts, nodes, cluster.settings.nodeMap) !== undefined ||
    ourReplicas(cluster).some((replica) => sameName(replica.node, name)) ||
    orElse(cluster.pools, []).some((pool) => sameName(pool.node, name) && isPoolInUse(facts, cluster, pool))
  );
}
