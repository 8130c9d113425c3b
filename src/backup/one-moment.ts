import type { Context } from '../context.ts';
import { vmDisks } from '../disks/migration-disks.ts';
import { requireOneMoment } from '../disks/revert-note.ts';
import type { Linstor } from '../linstor/linstor.ts';
import type { Vm } from '../opennebula/one.ts';
import { revertSnapshotName } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import type { BackupDisk } from './disks.ts';

export interface PlaceOfDisks {
  readonly vm: Vm;
  readonly directory: string;
  readonly systemDatastoreId: number;
}

/**
 * Refuses a VM whose revert was cut off. The note of that is on the VM's first disk, which need not be among these: where one of them still has the
 * snapshot of its old content, all of the VM are asked. Throws SNAPSHOT.
 */
export async function requireReverted(
  ctx: Context,
  { vm, directory, systemDatastoreId }: PlaceOfDisks,
  linstor: Linstor,
  disks: readonly BackupDisk[],
  outcome: string,
): Promise<void> {
  requireOneMoment(vm, disks, outcome);
  const safety = revertSnapshotName(vm.id);
  if (!disks.some(({ snapshots }) => snapshots.some(({ name }) => sameName(name, safety)))) return;
  const all = await vmDisks(ctx, vm, directory, systemDatastoreId, true);
  const names = all.filter((disk) => disk.linstor === linstor).map(({ resource }) => resource);
  const definitions = await linstor.definitions({ names });
  requireOneMoment(
    vm,
    definitions.map((definition) => ({ definition })),
    outcome,
  );
}
