import type { Vm } from '../../opennebula/one.ts';
import { parseBackupSnapshot } from '../../volumes/names.ts';
import type { VmDiskStatus } from './object.ts';

/** The chain of a VM's incremental backups, as OpenNebula counts it and as LINSTOR's snapshots bear it out. */
export interface BackupStatus {
  readonly mode: 'FULL' | 'INCREMENT';
  /** Number of the last increment that OpenNebula has recorded; absent: no chain has begun. */
  readonly last?: number;
  /** Disks with a snapshot that the next increment is the difference to. */
  readonly ready: readonly number[];
  /** Disks of which the next increment holds everything, because that snapshot is gone. */
  readonly lost: readonly number[];
  /** Whether a restore was broken off: its disks may be half written. */
  readonly brokenRestore: boolean;
}

const namesOf = ({ volume }: VmDiskStatus): readonly string[] => volume?.snapshots ?? [];

/** Undefined for a VM without a backup configuration and without any trace of a backup. */
export function backupStatus(vm: Vm, disks: readonly VmDiskStatus[]): BackupStatus | undefined {
  const mode = vm.backup['MODE']?.toUpperCase() === 'INCREMENT' ? 'INCREMENT' : 'FULL';
  const last = Number(vm.backup['LAST_INCREMENT_ID'] || '-1');
  const brokenRestore = disks.some((disk) => namesOf(disk).includes(`one-restore-${vm.id}`));
  const points = disks.map((disk) => ({
    disk,
    points: namesOf(disk).flatMap((name) => parseBackupSnapshot(name) ?? []),
  }));
  const traces = points.some((each) => each.points.length > 0);
  if (Object.keys(vm.backup).length === 0 && !traces && !brokenRestore) return undefined;
  const hasChain = mode === 'INCREMENT' && last >= 0;
  const isReady = (each: (typeof points)[number]): boolean =>
    each.points.some(({ increment, vmId }) => increment === last && (vmId ?? vm.id) === vm.id);
  // What the chain holds is not told here: only disks of which it has left a snapshot.
  const inChain = hasChain ? points.filter((each) => each.points.length > 0 || !traces) : [];
  const withVolume = inChain.filter(({ disk }) => disk.volume !== undefined && disk.disk.kind !== 'cdrom');
  return {
    mode,
    ...(last >= 0 ? { last } : {}),
    ready: withVolume.filter(isReady).map(({ disk }) => disk.disk.id),
    lost: withVolume.filter((each) => !isReady(each)).map(({ disk }) => disk.disk.id),
    brokenRestore,
  };
}

const disksText = (ids: readonly number[]): string => `disk${ids.length === 1 ? '' : 's'} ${ids.join(', ')}`;

/** Sentences for a person. */
export function describeBackup(status: BackupStatus, vmId: number): { text: string; isTrouble: boolean }[] {
  const lines = [{ text: chainText(status), isTrouble: false }];
  if (status.lost.length > 0)
    lines.push({
      text: `the snapshot of increment ${status.last} is gone on ${disksText(status.lost)}: the next increment holds all of it`,
      isTrouble: true,
    });
  if (status.brokenRestore)
    lines.push({
      text: `a restore was broken off, and disks may be half written: what they held before, in their snapshots one-restore-${vmId}, comes back when the VM starts, or when \`onevm restore ${vmId} …\` is repeated`,
      isTrouble: true,
    });
  return lines;
}

function chainText({ mode, last, ready }: BackupStatus): string {
  if (mode === 'FULL') return 'each one is full';
  if (last === undefined) return 'incremental; the next one begins a chain with everything';
  const compared =
    ready.length > 0 ? ` the next one is the difference to its snapshots (${disksText(ready)})` : '';
  return `incremental; the last increment is ${last}${compared === '' ? '' : `,${compared}`}`;
}
