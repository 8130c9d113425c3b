import { nodeOfHost } from '../../hosts/node-names.ts';
import type { Capabilities } from '../../linstor/linstor.ts';
import { balanceProperty } from '../../volumes/marks.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, type Facts, orElse } from './facts.ts';

/** LINSTOR itself: reach, version, nodes, settings of the controller. */
export function checkClusters(facts: Facts): Finding[] {
  return facts.clusters.flatMap((cluster) => {
    if (!cluster.capabilities.ok) {
      const { error } = cluster.capabilities;
      return [
        {
          id: 'linstor.reach',
          severity: 'fail',
          object: cluster.label,
          what: error.message,
          why: 'every action that touches a disk fails',
          remedy: error.remedy,
        },
      ];
    }
    const capabilities = cluster.capabilities.value;
    return [
      {
        id: 'linstor',
        severity: 'ok',
        object: cluster.label,
        what: `LINSTOR ${capabilities.serverVersion} (REST ${capabilities.restVersion}) answered in ${Math.round(cluster.latencyMs)} ms over ${cluster.settings.transport}`,
      },
      ...checkLatency(cluster),
      ...checkReads(cluster),
      ...checkFeatures(cluster, capabilities),
      ...checkVersion(cluster, capabilities),
      ...checkNodes(facts, cluster),
      ...checkBalance(facts, cluster, capabilities),
      ...checkEncryption(facts, cluster),
    ] satisfies Finding[];
  });
}

/** The REST interface needs milliseconds; the client starts an interpreter for half a second. */
function checkLatency(cluster: ClusterFacts): Finding[] {
  const limit = cluster.settings.transport === 'cli' ? 3000 : 1000;
  if (cluster.latencyMs < limit) return [];
  return [
    {
      id: 'linstor.latency',
      severity: 'warn',
      object: cluster.label,
      what: `the controller took ${Math.round(cluster.latencyMs)} ms to say its version`,
      why: 'each action asks several times',
      remedy: 'look at the load of the controller and its database; linstor controller version',
    },
  ];
}

function checkReads(cluster: ClusterFacts): Finding[] {
  const parts = {
    nodes: cluster.nodes,
    'storage pools': cluster.pools,
    'resource groups': cluster.groups,
    'resource definitions': cluster.definitions,
    resources: cluster.resources,
    snapshots: cluster.snapshots,
    properties: cluster.properties,
  };
  return Object.entries(parts).flatMap(([what, known]): Finding[] =>
    known.ok
      ? []
      : [
          {
            id: 'linstor.read',
            severity: 'fail',
            object: cluster.label,
            what: `the ${what} cannot be read: ${known.error.message}`,
            why: 'actions need them too; checks of them were left out',
            remedy: known.error.remedy,
          },
        ],
  );
}

const features: readonly [keyof Capabilities, string][] = [
  ['clone', 'CLONE_MODE=clone (REST 1.10)'],
  ['sizeInfo', 'capacity with replicas counted by LINSTOR (REST 1.17)'],
  ['multiSnapshot', 'snapshots of several disks at one moment (REST 1.18)'],
  ['rollbackAny', 'revert to any snapshot without losing later ones (1.31)'],
  ['deleteSnapshotWithClones', 'deleting snapshots that have clones, on ZFS (1.31)'],
];

function checkFeatures(cluster: ClusterFacts, capabilities: Capabilities): Finding[] {
  const off = features.filter(([key]) => !capabilities[key]).map(([, what]) => what);
  if (off.length === 0) return [];
  return [
    {
      id: 'linstor.features',
      severity: 'info',
      object: cluster.label,
      what: `not with LINSTOR ${capabilities.serverVersion}: ${off.join('; ')}`,
      why: 'the driver does without where it can',
      remedy: 'upgrade controller and satellites together',
    },
  ];
}

function checkVersion(cluster: ClusterFacts, { serverVersion }: Capabilities): Finding[] {
  const encrypted = usesLuks(cluster);
  if (!encrypted || !between(serverVersion, '1.34.0', '1.35.2')) return [];
  return [
    {
      id: 'linstor.version',
      severity: 'fail',
      object: cluster.label,
      what: `LINSTOR ${serverVersion} with encrypted volumes`,
      why: 'in 1.34.0 to 1.35.2 a snapshot of a DRBD volume with LUKS can leave it suspended for good (linstor-server#524)',
      remedy: 'upgrade LINSTOR past 1.35.2 before the next snapshot, clone or backup of an encrypted disk',
    },
  ];
}

function usesLuks(cluster: ClusterFacts): boolean {
  return (
    cluster.settings.placement.encryption ||
    orElse(cluster.definitions, []).some((item) => item.layers.includes('LUKS'))
  );
}

/** Inclusive; anything behind the numbers (`-rc.1`) is left out. */
export function between(version: string, from: string, to: string): boolean {
  return compareVersions(version, from) >= 0 && compareVersions(version, to) <= 0;
}

function compareVersions(left: string, right: string): number {
  const numbers = (text: string): number[] =>
    text
      .split(/[.-]/)
      .slice(0, 3)
      .map((part) => Number.parseInt(part, 10) || 0);
  const [a, b] = [numbers(left), numbers(right)];
  for (let index = 0; index < 3; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function checkNodes(facts: Facts, cluster: ClusterFacts): Finding[] {
  if (!cluster.nodes.ok) return [];
  const nodes = cluster.nodes.value;
  if (nodes.length === 0)
    return [
      {
        id: 'linstor.nodes',
        severity: 'fail',
        object: cluster.label,
        what: 'LINSTOR has no nodes',
        why: 'there is nowhere to put a volume',
        remedy: 'linstor node create NAME ADDRESS',
      },
    ];
  const findings = nodes
    .filter((node) => node.type !== 'CONTROLLER' && node.type !== 'AUXILIARY')
    .flatMap((node): Finding[] => {
      const flags = node.flags.filter((flag) => ['EVICTED', 'EVACUATE', 'DELETE'].includes(flag));
      if (flags.length > 0)
        return [
          {
            id: 'linstor.nodes',
            severity: 'warn',
            object: node.name,
            what: `the node is ${flags.join(', ')}`,
            why: 'it gets no new volumes',
            remedy: `linstor node restore ${node.name}`,
          },
        ];
      if (node.status === 'ONLINE') return [];
      return [
        {
          id: 'linstor.nodes',
          severity: 'fail',
          object: node.name,
          what: `the satellite is ${node.status}`,
          why: 'volumes there cannot be made, attached or removed',
          remedy: `on ${node.name}: systemctl restart linstor-satellite\nlinstor node list`,
        },
      ];
    });
  const nodeMap = cluster.settings.nodeMap;
  for (const host of orElse(facts.one.hosts, []).filter((item) => item.enabled)) {
    const node = nodeOfHost(host.name, nodes, nodeMap);
    if (!node) {
      findings.push({
        id: 'linstor.hosts',
        severity: 'fail',
        object: host.name,
        what: 'LINSTOR has no node for this host',
        why: 'VMs there cannot use disks of the driver',
        remedy: `linstor node create ${host.name} ADDRESS\nor, if the node has another name, in ${facts.layout.config}: NODE_MAP="${host.name}=NODE"`,
      });
    } else if (node.name.toLowerCase() !== host.name.toLowerCase() && nodeMap[host.name] === undefined) {
      findings.push({
        id: 'linstor.hosts',
        severity: 'info',
        object: host.name,
        what: `its LINSTOR node is taken to be “${node.name}”`,
        why: 'the names differ',
        remedy: `to say so once and for all, in ${facts.layout.config}: NODE_MAP="${host.name}=${node.name}"`,
      });
    }
  }
  return findings;
}

/** The hourly task takes replicas away that are above the group's place count (linstor-behaviour §7.9). */
function checkBalance(facts: Facts, cluster: ClusterFacts, capabilities: Capabilities): Finding[] {
  const drbd =
    orElse(cluster.definitions, []).some((item) => item.layers.includes('DRBD')) ||
    orElse(cluster.nodes, []).some((node) => node.layers.includes('DRBD'));
  if (!capabilities.balanceProperty || !drbd || !cluster.properties.ok) return [];
  if ((cluster.properties.value[balanceProperty] ?? '').toLowerCase() === 'false') return [];
  const settings = cluster.datastores.flatMap((id) => {
    const known = facts.settings.get(id);
    return known?.ok ? [{ id, value: known.value }] : [];
  });
  const affected = settings.filter(({ value }) => {
    const group = orElse(cluster.groups, []).find(
      (item) => item.name.toLowerCase() === (value.placement.resourceGroup ?? 'DfltRscGrp').toLowerCase(),
    );
    if ((group?.props[balanceProperty] ?? '').toLowerCase() === 'false') return false;
    return (
      value.preferNode ||
      value.placement.nodeList.length > 0 ||
      (value.placement.replicaCount !== undefined &&
        value.placement.replicaCount !== group?.filter.placeCount)
    );
  });
  if (affected.length === 0) return [];
  return [
    {
      id: 'linstor.balance',
      severity: 'warn',
      object: `datastores ${affected.map(({ id }) => id).join(', ')}`,
      what: 'PREFER_NODE, NODE_LIST or REPLICA_COUNT go beyond the resource group, and LINSTOR’s hourly balance task is on',
      why: 'it drives every volume back to the group’s place count, and takes the replica beside the VM away',
      remedy: `linstor controller set-property ${balanceProperty} false\nor give the datastore a resource group with the wanted place count`,
    },
  ];
}

function checkEncryption(facts: Facts, cluster: ClusterFacts): Finding[] {
  const wanted = cluster.datastores.some((id) => {
    const known = facts.settings.get(id);
    return (
      known?.ok && (known.value.placement.encryption || known.value.placement.layerList.includes('LUKS'))
    );
  });
  if (!(wanted || usesLuks(cluster)) || !cluster.encryption.ok) return [];
  const state = cluster.encryption.value;
  if (state !== 'locked' && state !== 'unset') return [];
  return [
    {
      id: 'linstor.encryption',
      severity: 'fail',
      object: cluster.label,
      what: `the master passphrase is ${state}`,
      why: 'encrypted volumes cannot be made or attached',
      remedy:
        state === 'unset' ? 'linstor encryption create-passphrase' : 'linstor encryption enter-passphrase',
    },
  ];
}
