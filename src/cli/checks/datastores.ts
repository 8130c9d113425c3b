import { isOurs } from '../../disks/disk-call.ts';
import { driverName } from '../../opennebula/driver-name.ts';
import type { Datastore } from '../../opennebula/one.ts';
import { datastoreType } from '../../opennebula/states.ts';
import type { Finding } from './check.ts';
import { checkPlacement } from './datastore-placement.ts';
import { label, set } from './datastore-text.ts';
import { datastoreDrift } from './drift.ts';
import type { Facts } from './facts.ts';
import { checkClasses } from './io-classes.ts';
import { checkSpelling } from './misspelt.ts';

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
        remedy: 'linstor_un datastore create',
      },
    ];
  }
  const findings = [
    ...ours.flatMap((datastore) => [
      ...checkOne(datastore),
      ...checkSettings(facts, datastore),
      ...checkPlacement(facts, datastore),
      ...checkClasses(facts, datastore),
    ]),
    ...checkSpelling(facts, ours),
    ...checkDrift(facts),
    ...checkPairs(facts.one.datastores.value, ours),
  ];
  return findings.some((item) => item.severity !== 'info')
    ? findings
    : [
        { id: 'datastores', severity: 'ok', what: `${ours.length} datastores of linstor_un are consistent` },
        ...findings,
      ];
}

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
        remedy: systemFor(image),
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

/** The command makes NAME-images and NAME-system; only a pair of such names can be completed by it. */
function systemFor({ name, template }: Datastore): string {
  const stem = /^(.+)-images$/.exec(name)?.[1];
  const group = template['RESOURCE_GROUP'];
  if (stem !== undefined && group !== undefined)
    return `linstor_un datastore create --name ${stem} --group ${group}`;
  const attribute = group === undefined ? '' : `RESOURCE_GROUP=${group}\\n`;
  return `printf 'NAME=linstor-system\\nTYPE=SYSTEM_DS\\nTM_MAD=linstor_un\\nDISK_TYPE=BLOCK\\n${attribute}' > system.conf\nonedatastore create system.conf`;
}

function hasMode(image: Datastore, tmMad: string): boolean {
  const suffix = tmMad.toUpperCase();
  return ['LN_TARGET', 'CLONE_TARGET', 'DISK_TYPE'].every(
    (key) => image.template[`${key}_${suffix}`] !== undefined,
  );
}
