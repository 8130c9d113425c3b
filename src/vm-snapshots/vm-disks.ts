import { type BackupDisk, onlyController, viewBackupDisks } from '../backup/disks.ts';
import type { Context } from '../context.ts';
import { type VmDisk, vmDisks } from '../disks/migration-disks.ts';
import { DriverError } from '../errors.ts';
import type { Linstor } from '../linstor/linstor.ts';
import { driverName } from '../opennebula/driver-name.ts';
import type { Disk, Vm } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';

/** Where a VM is, or was last. */
export interface VmPlace {
  readonly host: string;
  readonly directory: string;
  readonly systemDatastoreId: number;
  /** The system datastore is ours. */
  readonly whole: boolean;
}

export interface DisksOfVm {
  /** Those that a snapshot of the VM holds: what only this VM writes to. CD-ROMs and shareable images are not in it. */
  readonly ours: readonly VmDisk[];
  /** What the VM writes to as well, and another driver has. */
  readonly foreign: readonly Disk[];
}

const isWritten = ({ kind }: Disk): boolean =>
  kind === 'clone' || kind === 'volatile' || kind === 'persistent' || kind === 'filesystem';

export async function disksOfVm(ctx: Context, vm: Vm, place: VmPlace): Promise<DisksOfVm> {
  const all = await vmDisks(ctx, vm, place.directory, place.systemDatastoreId, place.whole);
  const known = new Set(all.map(({ disk }) => disk.id));
  return {
    ours: all.filter(({ sharing }) => sharing === 'exclusive'),
    foreign: vm.disks.filter((disk) => isWritten(disk) && !known.has(disk.id)),
  };
}

/** A VM whose disks can be snapshotted together, with what LINSTOR knows of them. */
export interface SnapshotVm {
  readonly vm: Vm;
  readonly place: VmPlace;
  readonly linstor: Linstor;
  readonly settings: Settings;
  readonly disks: readonly BackupDisk[];
}

/** Throws NOT_SUPPORTED for disks of other drivers, with their names, and for disks on several clusters. */
export async function openSnapshotVm(
  vm: Vm,
  place: VmPlace,
  { ours, foreign }: DisksOfVm,
): Promise<SnapshotVm> {
  const [first] = ours;
  if (!first) throw new DriverError('NOT_SUPPORTED', `VM ${vm.id} has no disk on LINSTOR that it writes to`);
  if (foreign.length > 0) {
    const names = foreign.map(({ id, tmMad }) => `disk ${id} (driver “${tmMad || 'unknown'}”)`);
    throw new DriverError(
      'NOT_SUPPORTED',
      `VM ${vm.id} has disks that are not on LINSTOR: ${names.join(', ')}. ${driverName} cannot snapshot them, and a snapshot without them is not one of the VM`,
      {
        remedy: 'detach them or move them to a LINSTOR datastore; single disks: onevm disk-snapshot-create',
      },
    );
  }
  const linstor = onlyController(vm, ours);
  const disks = await viewBackupDisks(linstor, vm, ours);
  return { vm, place, linstor, settings: first.settings, disks };
}

/** Serialises what is done with the snapshots of a VM on this front-end. */
export const vmLock = (vmId: number): string => `vm-snapshots-${vmId}`;
