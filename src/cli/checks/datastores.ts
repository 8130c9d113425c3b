import { driverName } from '../../install/registration.ts';
import type { Datastore } from '../../opennebula/one.ts';
import { datastoreType } from '../../opennebula/states.ts';
import type { Finding } from './check.ts';
import { datastoreDrift } from './drift.ts';
import { type ClusterFacts, type Facts, orElse } from './facts.ts';
import { isOurs } from './gather.ts';

/** Datastores: what is set in them, how they fit together, and what LINSTOR has of it. */
export function checkDatastores(facts: Facts): Finding[] {
  if (!facts.one.datastores.ok) return [];
  const ours = facts.one.datastores.value.filter(isOurs);
  if (ours.length === 0) {
    return [
      {
        id: 'datastores.none',
        severity: 'info',
        what: 'no datastore uses linstor_un yet',
        remedy:
          'onedatastore create FILE   # TYPE=IMAGE_DS DS_MAD=linstor_un TM_MAD=linstor_un DISK_TYPE=BLOCK RESOURCE_GROUP=…, and TYPE=SYSTEM_DS TM_MAD=linstor_un DISK_TYPE=BLOCK',
      },
    ];
  }
  const findings = [
    ...ours.flatMap((datastore) => [
      ...checkOne(datastore),
      ...checkSettings(facts, datastore),
      ...checkPlacement(facts, datastore),
    ]),
    ...checkDrift(facts),
    ...checkPairs(facts.one.datastores.value, ours),
  ];
  return findings.some((item) => item.severity !== 'info')
    ? findings
    : [
        { id: 'datastores', severity: 'ok', what: `${ours.length} datastores of linstor_un fit together` },
        ...findings,
      ];
}

const label = (datastore: Datastore): string => `datastore ${datastore.id} (${datastore.name})`;
const set = (datastore: Datastore, line: string): string =>
  `echo '${line}' > /tmp/ds && onedatastore update ${datastore.id} /tmp/ds --append`;

function checkOne(datastore: Datastore): Finding[] {
  const findings: Finding[] = [];
  const object = label(datastore);
  const { template } = datastore;
  if ((template['DISK_TYPE'] ?? '').toUpperCase() !== 'BLOCK') {
    const system = datastore.type === datastoreType.SYSTEM;
    findings.push({
      id: 'datastores.disk-type',
      severity: 'fail',
      object,
      what: `DISK_TYPE is ${template['DISK_TYPE'] ? `“${template['DISK_TYPE']}”` : 'not set'}`,
      why: system
        ? 'volatile disks are given to libvirt as files: the VM does not start'
        : 'images are registered as files: “driver requires … to be a regular file”',
      remedy: set(datastore, 'DISK_TYPE="BLOCK"'),
    });
  }
  if (
    datastore.type === datastoreType.IMAGE &&
    (datastore.dsMad !== driverName || datastore.tmMad !== driverName)
  ) {
    const line = `${datastore.dsMad === driverName ? 'TM_MAD' : 'DS_MAD'}="linstor_un"`;
    findings.push({
      id: 'datastores.drivers',
      severity: 'fail',
      object,
      what: `DS_MAD is “${datastore.dsMad}”, TM_MAD is “${datastore.tmMad}”`,
      why: 'images made by one driver cannot be moved by the other',
      remedy: set(datastore, line),
    });
  }
  if ((template['CONTEXT_DISK_TYPE'] ?? '').toUpperCase() === 'BLOCK') {
    findings.push({
      id: 'datastores.context',
      severity: 'fail',
      object,
      what: 'CONTEXT_DISK_TYPE is “BLOCK”',
      why: 'the contextualisation CD-ROM is a file in the VM’s directory',
      remedy: set(datastore, 'CONTEXT_DISK_TYPE="FILE"'),
    });
  }
  return findings;
}

function checkSettings(facts: Facts, datastore: Datastore): Finding[] {
  const found = facts.settings.get(datastore.id);
  if (!found || found.ok) return [];
  return [
    {
      id: 'datastores.attributes',
      severity: 'fail',
      object: label(datastore),
      what: found.error.message,
      why: 'every action on the datastore fails',
      remedy: found.error.remedy,
    },
  ];
}

/** What the datastore names, and whether LINSTOR has it. */
function checkPlacement(facts: Facts, datastore: Datastore): Finding[] {
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
      why: 'there is no rule where volumes go',
      remedy: set(datastore, 'RESOURCE_GROUP="opennebula"'),
    });
  }
  for (const name of storagePools)
    if (!cluster.pools.value.some(same(name))) missing('storage pool', name, 'linstor storage-pool list');
  for (const name of nodeList)
    if (!cluster.nodes.value.some(same(name))) missing('node', name, 'linstor node list');
  return [
    ...findings,
    ...checkLayers(cluster, object, [...placement.layerList, ...(group?.filter.layers ?? [])]),
  ];
}

/** LINSTOR's default stack is DRBD over storage: without DRBD on the nodes every creation fails. */
function checkLayers(cluster: ClusterFacts, object: string, layers: readonly string[]): Finding[] {
  const wanted = layers.length > 0 ? layers : ['DRBD', 'STORAGE'];
  const online = orElse(cluster.nodes, []).filter(
    (node) => node.status === 'ONLINE' && node.providers.some((kind) => kind !== 'DISKLESS'),
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

function checkDrift(facts: Facts): Finding[] {
  if (!facts.files.onedConf.ok || !facts.one.datastores.ok) return [];
  try {
    return datastoreDrift(facts.files.onedConf.value, facts.one.datastores.value)
      .filter((item) => item.attribute !== 'DISK_TYPE')
      .map((item) => ({
        id: 'datastores.registration',
        severity: item.attribute === 'CLONE_TARGET' || item.attribute === 'ALLOW_ORPHANS' ? 'info' : 'warn',
        object: `datastore ${item.datastore} (${item.name})`,
        what: item.what,
        why: 'a datastore keeps the registration of its creation',
        remedy: item.remedy,
      }));
  } catch {
    return [];
  }
}

/** “Image Datastore does not support transfer mode”: the scheduler's rule, for each image datastore (contract §3.8). */
function checkPairs(all: readonly Datastore[], ours: readonly Datastore[]): Finding[] {
  const systems = all.filter((item) => item.type === datastoreType.SYSTEM);
  const images = ours.filter((item) => item.type === datastoreType.IMAGE && item.tmMad === driverName);
  const findings = images.flatMap((image): Finding[] => {
    const usable = systems.filter((system) => system.tmMad === driverName || hasMode(image, system.tmMad));
    if (usable.length > 0) return [];
    const modes = [...new Set(systems.map((system) => system.tmMad))].join(', ') || 'none';
    return [
      {
        id: 'datastores.pairs',
        severity: 'fail',
        object: label(image),
        what: `no system datastore goes with it (system datastores here: ${modes})`,
        why: 'VMs stay in PENDING: “no system datastore meets …”, “does not support transfer mode”',
        remedy:
          'onedatastore create FILE   # TYPE=SYSTEM_DS TM_MAD=linstor_un DISK_TYPE=BLOCK, attributes as in the image datastore',
      },
    ];
  });
  const attributes = ['LS_CONTROLLERS', 'RESOURCE_GROUP', 'NODE_LIST'];
  const differing = images.flatMap((image) =>
    ours
      .filter((system) => system.type === datastoreType.SYSTEM)
      .flatMap((system) =>
        attributes
          .filter((key) => (image.template[key] ?? '') !== (system.template[key] ?? ''))
          .map(
            (key): Finding => ({
              id: 'datastores.attributes',
              severity: key === 'LS_CONTROLLERS' ? 'fail' : 'info',
              object: `${label(image)}, ${label(system)}`,
              what: `${key} differs: “${image.template[key] ?? ''}” and “${system.template[key] ?? ''}”`,
              why:
                key === 'LS_CONTROLLERS'
                  ? 'a disk cannot be cloned from one LINSTOR into another'
                  : 'clones are placed by the system datastore, images by their own',
              remedy: set(system, `${key}="${image.template[key] ?? ''}"`),
            }),
          ),
      ),
  );
  return [...findings, ...differing];
}

function hasMode(image: Datastore, tmMad: string): boolean {
  const suffix = tmMad.toUpperCase();
  return ['LN_TARGET', 'CLONE_TARGET', 'DISK_TYPE'].every(
    (key) => image.template[`${key}_${suffix}`] !== undefined,
  );
}
