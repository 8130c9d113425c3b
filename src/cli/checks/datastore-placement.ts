import { nodeOfHost } from '../../disks/host-node.ts';
import { isReal } from '../../linstor/providers.ts';
import type { Datastore } from '../../opennebula/one.ts';
import type { Finding } from './check.ts';
import { label, set } from './datastore-text.ts';
import { type ClusterFacts, type Facts, orElse } from './facts.ts';
import { isNodeInUse } from './in-use.ts';

/** What the datastore names, and whether LINSTOR has it. */
export function checkPlacement(facts: Facts, datastore: Datastore): Finding[] {
  const found = facts.settings.get(datastore.id);
  const cluster = facts.clusters.find((item) => item.datastores.includes(datastore.id));
  if (!found?.ok || !cluster?.groups.ok || !cluster.pools.ok || !cluster.nodes.ok) return [];
  const { placement } = found.value;
  const object = label(datastore);
  const findings: Finding[] = [];
  const missing = (kind: string, name: string, remedy: string): void => {
    findings.push({
      id: 'datastores.placement',
      severity: 'fail',
      object,
      what: `LINSTOR has no ${kind} “${name}”`,
      why: 'no volume can be made',
      remedy,
    });
  };
  const same =
    (left: string) =>
    (right: { name: string }): boolean =>
      right.name.toLowerCase() === left.toLowerCase();
  const { resourceGroup, replicaCount, nodeList, storagePools } = placement;
  const group = resourceGroup === undefined ? undefined : cluster.groups.value.find(same(resourceGroup));
  if (resourceGroup !== undefined && !group) {
    missing(
      'resource group',
      resourceGroup,
      `linstor resource-group create ${resourceGroup} --place-count 2 --storage-pool POOL\nlinstor volume-group create ${resourceGroup}`,
    );
  }
  if (group && replicaCount === undefined && nodeList.length === 0 && group.filter.placeCount === undefined) {
    findings.push({
      id: 'datastores.place-count',
      severity: 'fail',
      object,
      what: `resource group “${group.name}” has no place count, and the datastore no REPLICA_COUNT`,
      why: 'LINSTOR makes a definition without any replica',
      remedy: `linstor resource-group modify ${group.name} --place-count 2`,
    });
  }
  if (resourceGroup === undefined && replicaCount === undefined && nodeList.length === 0) {
    findings.push({
      id: 'datastores.placement',
      severity: 'fail',
      object,
      what: 'none of RESOURCE_GROUP, REPLICA_COUNT and NODE_LIST is set',
      why: 'there is no rule for where volumes are placed',
      remedy: set(datastore, 'RESOURCE_GROUP="opennebula"'),
    });
  }
  for (const name of storagePools)
    if (!cluster.pools.value.some(same(name))) missing('storage pool', name, 'linstor storage-pool list');
  for (const name of nodeList)
    if (!cluster.nodes.value.some(same(name))) missing('node', name, 'linstor node list');
  return [
    ...findings,
    ...checkBridges(cluster, object, found.value.bridgeList),
    ...checkLayers(facts, cluster, object, [...placement.layerList, ...(group?.filter.layers ?? [])]),
  ];
}

/** Bytes are copied on these hosts: one that LINSTOR does not have, or whose satellite is away, is of no use. */
function checkBridges(cluster: ClusterFacts, object: string, bridges: readonly string[]): Finding[] {
  const nodes = orElse(cluster.nodes, []);
  const unusable = bridges.filter(
    (bridge) => nodeOfHost(bridge, nodes, cluster.settings.nodeMap)?.status !== 'ONLINE',
  );
  if (unusable.length === 0) return [];
  return [
    {
      id: 'datastores.bridges',
      severity: unusable.length === bridges.length ? 'fail' : 'warn',
      object,
      what: `BRIDGE_LIST names ${unusable.join(', ')}, without a LINSTOR node that is online`,
      why: unusable.length === bridges.length ? 'no image can be copied' : 'images are copied on the others',
      remedy: 'correct BRIDGE_LIST with onedatastore update, or bring the satellites back: linstor node list',
    },
  ];
}

/** LINSTOR's default stack is DRBD over storage: without DRBD on the nodes every creation fails. */
function checkLayers(
  facts: Facts,
  cluster: ClusterFacts,
  object: string,
  layers: readonly string[],
): Finding[] {
  const wanted = layers.length > 0 ? layers : ['DRBD', 'STORAGE'];
  const online = orElse(cluster.nodes, []).filter(
    (node) =>
      node.status === 'ONLINE' &&
      node.providers.some((provider) => isReal({ provider })) &&
      isNodeInUse(facts, cluster, node.name),
  );
  return wanted.flatMap((layer): Finding[] => {
    const without = online.filter((node) => node.layers.length > 0 && !node.layers.includes(layer));
    if (without.length === 0 || online.length === 0) return [];
    const all = without.length === online.length;
    const list =
      layer === 'DRBD'
        ? 'install the DRBD 9 module and drbd-utils there, then: linstor node reconnect NODE\nor, for storage without replication, set LAYER_LIST="STORAGE" in the datastore'
        : 'see the reason with: linstor node info';
    return [
      {
        id: 'datastores.layers',
        severity: all ? 'fail' : 'warn',
        object,
        what: `volumes are made with the layer ${layer}, which ${without.map((node) => node.name).join(', ')} cannot`,
        why: all ? 'no volume can be made' : 'these nodes get no replica and cannot attach a disk',
        remedy: list,
      },
    ];
  });
}
