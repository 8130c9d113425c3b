import { readableMarks } from './readable.ts';

/**
 * Properties that the driver keeps on resource definitions. `VM_ID`, `DS_ID`, `DISK_ID` and `SNAPSHOT_<n>/DISK_SIZE`
 * are the bash driver's (contract §0.2); the others are ours. A restore or clone copies the source's marks over the
 * target's (linstor-behaviour §3.12), so images carry none of the keys that a disk's life depends on.
 */
export const marks = {
  vmId: 'Aux/one/VM_ID',
  datastoreId: 'Aux/one/DS_ID',
  diskId: 'Aux/one/DISK_ID',
  /** Deployment that made the disk: `<history seq>-<stime>`; a recreated VM has another. */
  deployment: 'Aux/one/DEPLOYMENT',
  /**
   * Present while the content is not complete; removed last. Each change of a definition is a round of work for all its satellites, so it
   * is set only where another change has to follow anyway; on images and disks of older releases it means what it always did.
   */
  incomplete: 'Aux/one/INCOMPLETE',
  /** The snapshot that the disk was cloned from could not be deleted: it stays on the image until the disk goes. */
  helper: 'Aux/one/HELPER',
  /** The device grew in a thick pool: behind so many bytes it still shows what the pool held before (disks/grown.ts). */
  unwiped: 'Aux/one/UNWIPED_FROM',
  /** On the VM's first disk while a revert of the VM is under way: `reverting-<history seq>`, `done-<history seq>` (disks/revert-note.ts). */
  reverting: 'Aux/one/VM_REVERT',
  /** Snapshot id to which the image was last flattened: a repeated call finds no snapshot any more. */
  flattened: 'Aux/one/FLATTENED',
} as const;

/**
 * Who made it: a nonce of one action, to tell the echo of a lost request from a foreign object. The resource's name is
 * part of the key: a restore copies the source's properties over the target's, and must not hit this one.
 */
export const madeByMark = (resource: string): string => `Aux/one/MADE_BY/${resource}`;

/**
 * Image id and time of registration: which image of which OpenNebula it was made for. It stays; whether the image is complete is what
 * OpenNebula has been told.
 */
export const registrationMark = (resource: string): string => `Aux/one/REGISTRATION/${resource}`;

/** Of which snapshot of a VM's disk an image is made (`vm-snapshots/image.ts`): the empty volume that OpenNebula makes first has none. */
export const ofSnapshotMark = (resource: string): string => `Aux/one/OF_SNAPSHOT/${resource}`;

/**
 * When a temporary resource was defined, in epoch milliseconds: LINSTOR tells it of replicas only, and an action may be killed before the
 * first one is there. A restore does not hit it, for the name is part of the key.
 */
export const madeAtMark = (resource: string): string => `Aux/one/MADE_AT/${resource}`;

/** The driver copies its bytes; once all have arrived, the same value is in the store of copies (`copies.ts`). */
export const copyMark = (resource: string): string => `Aux/one/COPY/${resource}`;

/** Marks of a disk of a VM; an image that was saved from one must not carry them on. */
export const vmMarks: readonly string[] = [
  marks.vmId,
  marks.datastoreId,
  marks.diskId,
  marks.deployment,
  marks.incomplete,
  marks.helper,
  marks.reverting,
  readableMarks.vm,
  readableMarks.vmOwner,
];

/** Allocated KiB at the time of a snapshot, on the snapshot itself: it goes with it, and costs no call. */
export const allocatedMark = 'Aux/one/ALLOCATED_KIB';

/** The same on the definition, as the bash driver's monitor reads it; of old, and where snapshots have no properties. */
export function snapshotSizeMark(snapshotId: number): string {
  return `Aux/one/SNAPSHOT_${snapshotId}/DISK_SIZE`;
}

/** Controller property that keeps the hourly balance task away (linstor-behaviour §7.9; server 1.26). */
export const balanceProperty = 'BalanceResourcesEnabled';
