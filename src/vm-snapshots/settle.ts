import { bringBack } from '../backup/bring-back.ts';
import { withLocks } from '../backup/locks.ts';
import type { Context } from '../context.ts';
import type { VmDisk } from '../disks/migration-disks.ts';
import { readNote } from '../disks/revert-note.ts';
import type { Linstor, ResourceDefinition } from '../linstor/linstor.ts';
import type { Vm } from '../opennebula/one.ts';
import { revertSnapshotName } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { tidyRevert } from './roll-back.ts';
import { vmLock } from './vm-disks.ts';

/**
 * A revert of the VM that was cut off is ended, before the VM starts and before its next revert: where all disks had the new content, they keep
 * it; else all get back what they held before. A VM that has run since keeps what it has written.
 */
export const settleRevert = (
  ctx: Context,
  linstor: Linstor,
  vm: Vm,
  host: string,
  all: readonly VmDisk[],
): Promise<void> =>
  ctx.lock(vmLock(vm.id), () =>
    withLocks(ctx, ofOne(linstor, all), () => settleLocked(ctx, linstor, vm, host, all)),
  );

/** Has a revert of the VM left a note? */
export const isReverting = (
  disks: readonly { readonly definition: Pick<ResourceDefinition, 'props'> }[],
): boolean => disks.some(({ definition }) => readNote(definition) !== undefined);

const ofOne = (linstor: Linstor, all: readonly VmDisk[]): VmDisk[] =>
  all.filter((disk) => disk.linstor === linstor && disk.sharing === 'exclusive');

/** The caller holds the locks. */
export async function settleLocked(
  ctx: Context,
  linstor: Linstor,
  vm: Vm,
  host: string,
  all: readonly VmDisk[],
): Promise<void> {
  const disks = ofOne(linstor, all);
  const names = disks.map(({ resource }) => resource);
  const [definitions, snapshots] = await Promise.all([
    linstor.definitions({ names }),
    linstor.snapshots({ names }),
  ]);
  const noted = definitions.find((definition) => readNote(definition) !== undefined);
  const note = noted && readNote(noted);
  if (!note) return;
  const safety = revertSnapshotName(vm.id);
  const half = disks.filter(({ resource }) =>
    snapshots.some((each) => sameName(each.resource, resource) && sameName(each.name, safety)),
  );
  const started = (vm.history.at(-1)?.seq ?? 0) > note.seq + 1;
  if (note.state === 'reverting' && started)
    ctx.log.warn(
      `an earlier revert of VM ${vm.id} was cut off, and the VM has run since: its disks stay as they are`,
    );
  else if (note.state === 'reverting') {
    ctx.log.warn(`a revert of VM ${vm.id} was cut off; what its disks held before comes back first`);
    await bringBack(ctx, host, half, safety);
  }
  await tidyRevert(ctx, linstor, half, safety, noted.name);
}
