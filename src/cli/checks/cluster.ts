import type { Capabilities } from '../../linstor/linstor.ts';
import { balanceProperty } from '../../volumes/marks.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, type Facts, orElse } from './facts.ts';
import { checkNodes } from './nodes.ts';
import { checkUpkeep } from './upkeep.ts';
import { between } from './versions.ts';

/** LINSTOR itself: reach, version, nodes, settings of the controller. */
export function checkClusters(facts: Facts): Finding[] {
  if (facts.configError)
    return [
      {
        id: 'linstor.not-asked',
        severity: 'warn',
        what: `LINSTOR was not asked: ${facts.configError.message}`,
        why: 'without the configuration another LINSTOR than yours might answer; datastores, storage and nodes were left out too',
        remedy: facts.configError.remedy,
      },
    ];
  return facts.clusters.flatMap((cluster) => {
    if (!cluster.capabilities.ok) {
      const { error } = cluster.capabilities;
      return [
        {
          id: 'linstor.reach',
          severity: 'fail',
          object: cluster.label,
          what: error.message,
          why: 'every action that uses a disk fails',
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
      ...checkSecurity(cluster),
      ...checkUpkeep(cluster, capabilities),
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
      why: 'each action queries it several times',
      remedy: 'look at the load of the controller and its database; linstor controller version',
    },
  ];
}

export function checkReads(cluster: ClusterFacts): Finding[] {
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

/** A controller without TLS takes orders from everybody on the network; secrets sent to it are read by everybody. */
function checkSecurity(cluster: ClusterFacts): Finding[] {
  const { settings, label } = cluster;
  if (settings.transport === 'cli') return [];
  const plain = settings.controllers.filter((each) => !/^(?:https|linstor\+ssl|linstor\+https):/i.test(each));
  const remote = plain.filter((each) => !/^(?:[a-z+]+:\/\/)?(?:localhost|127\.|\[?::1)/i.test(each));
  if (remote.length === 0) return [];
  const secret = settings.token !== undefined || settings.password !== undefined;
  return [
    {
      id: 'linstor.security',
      severity: secret ? 'warn' : 'info',
      object: label,
      what: `${remote.join(', ')} is reached without TLS${secret ? ', and LS_TOKEN or LS_PASSWORD are sent to it' : ''}`,
      why: secret
        ? 'anyone on the network can read the secret and change every disk'
        : 'anyone who can reach the controller’s port can change every disk',
      remedy:
        'LS_CONTROLLERS="linstor+ssl://HOST" with LS_CAFILE, LS_CERTFILE and LS_KEYFILE, or a network of its own for LINSTOR',
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
