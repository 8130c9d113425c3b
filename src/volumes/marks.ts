/**
 * Properties that the driver keeps on resource definitions. `VM_ID`, `DS_ID`, `DISK_ID` and `SNAPSHOT_<n>/DISK_SIZE`
 * are the bash driver's (contract §0.2); the others are ours. A restore or clone copies the source's marks over the
 * target's (linstor-behaviour §3.12), so images carry none of the keys that a disk's life depends on.
 */
export const marks = {
  vmId: 'Aux/one/VM_ID',
  datastoreId: 'Aux/one/DS_ID',
  diskId: 'Aux/one/DISK_ID',
  /** Who made it: a nonce of one action, to tell a lost reply from a foreign object. */
  madeBy: 'Aux/one/MADE_BY',
  /** Deployment that made the disk: `<history seq>-<stime>`; a recreated VM has another. */
  deployment: 'Aux/one/DEPLOYMENT',
  /** Present while the content is not complete; removed last. */
  incomplete: 'Aux/one/INCOMPLETE',
} as const;

/** Allocated KiB of a snapshot, as the bash driver's monitor reads it. */
export function snapshotSizeMark(snapshotId: number): string {
  return `Aux/one/SNAPSHOT_${snapshotId}/DISK_SIZE`;
}

/** Controller property that keeps the hourly balance task away (linstor-behaviour §7.9; server 1.26). */
export const balanceProperty = 'BalanceResourcesEnabled';
