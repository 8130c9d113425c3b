import fragment from '../../drivers/oned.conf.fragment' with { type: 'text' };
import { driverName } from '../opennebula/driver-name.ts';
import { attributeOf, type Entry, parseOnedConf, singlesOf, type Vector, vectorsOf } from './oned-syntax.ts';
import type { OptionName } from './option-list.ts';

/**
 * What has to be true of oned.conf, as data. `oned-conf.ts` makes it true, says whether it is, and takes it back.
 */

/** One item of a comma list in the ARGUMENTS of a driver process. */
export interface ListRule {
  readonly rule: 'list';
  readonly section: 'TM_MAD' | 'DATASTORE_MAD';
  /** Last component of EXECUTABLE. */
  readonly executable: string;
  readonly option: OptionName;
  readonly why: string;
  /** What an absent option means to the driver process: it takes every driver, or a built-in list without ours. */
  readonly absentMeans: 'all' | 'others';
}

export const lists: readonly ListRule[] = [
  {
    rule: 'list',
    section: 'TM_MAD',
    executable: 'one_tm',
    option: { short: '-d', long: '--tm-types' },
    why: 'the transfer driver is not started without it',
    absentMeans: 'all',
  },
  {
    rule: 'list',
    section: 'DATASTORE_MAD',
    executable: 'one_datastore',
    option: { short: '-d', long: '--ds-types' },
    why: 'image datastores are refused (“driver not available”) without it',
    absentMeans: 'all',
  },
  {
    rule: 'list',
    section: 'DATASTORE_MAD',
    executable: 'one_datastore',
    option: { short: '-s', long: '--system-ds-types' },
    why: 'system datastores are not monitored without it',
    absentMeans: 'others',
  },
];

/** Local actions of the hypervisor driver: checkpoints in LINSTOR volumes, snapshots of whole VMs (contract §5.1, §5.9). */
export const localActions = {
  save: 'save_linstor_un',
  restore: 'restore_linstor_un',
  snapshotcreate: 'snapshot_create_linstor_un',
  snapshotrevert: 'snapshot_revert_linstor_un',
  snapshotdelete: 'snapshot_delete_linstor_un',
} as const;
export const localOption: OptionName = { short: '-l', long: '--local' };
/** Options of one_vmm_exec that take the next word. */
export const vmmValueOptions = [
  '-r',
  '-t',
  '-l',
  '-d',
  '-s',
  '-w',
  '--retries',
  '--threads',
  '--local',
  '--delegate',
  '--shell',
  '--timeout',
];

export interface SectionRule {
  readonly name: string;
  /** As in the fragment. */
  readonly text: string;
  readonly values: ReadonlyMap<string, string>;
  /** Not added to a section that exists: creation of datastores works there as it is. */
  readonly onlyWhenNew: readonly string[];
}

export interface SingleRule {
  readonly name: string;
  readonly value: string;
}

const parsed: readonly Entry[] = parseOnedConf(fragment);

function sectionRule(name: string, onlyWhenNew: readonly string[]): SectionRule {
  const section = vectorsOf(parsed, name)[0] as Vector;
  const values = new Map(section.attributes.map((item) => [item.name, item.value.text]));
  return { name, text: fragment.slice(section.start, section.end), values, onlyWhenNew };
}

export const sections: readonly SectionRule[] = [
  sectionRule('TM_MAD_CONF', []),
  sectionRule('DS_MAD_CONF', ['REQUIRED_ATTRS']),
];

/**
 * DISK_TYPE and ALLOW_ORPHANS must reach the DISK of a VM; nothing else is inherited: the driver reads the
 * datastore when it acts, so that a change of a datastore holds for VMs that exist (contract §7.4).
 */
export const singles: readonly SingleRule[] = ['DATASTORE_ENCRYPTED_ATTR', 'INHERIT_DATASTORE_ATTR'].flatMap(
  (name) => singlesOf(parsed, name).map((item) => ({ name, value: item.value.text })),
);

/**
 * What QEMU limits a disk by. Inherited from a datastore, they make it a class of service: a disk that sets none itself gets the
 * datastore's when it is made (contract §7.4). OpenNebula ships them as restricted, so that tenants may not choose.
 */
export const ioClassAttributes: readonly string[] = ['BYTES', 'IOPS'].flatMap((unit) =>
  ['TOTAL', 'READ', 'WRITE'].flatMap((kind) =>
    ['', '_MAX', '_MAX_LENGTH'].map((limit) => `${kind}_${unit}_SEC${limit}`),
  ),
);

export const ioClasses: readonly SingleRule[] = ioClassAttributes.map((value) => ({
  name: 'INHERIT_DATASTORE_ATTR',
  value,
}));

export function isOurs(section: Vector): boolean {
  return attributeOf(section, 'NAME')?.value.text === driverName;
}
