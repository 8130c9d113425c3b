import { bringBack } from '../backup/bring-back.ts';
import { withLocks } from '../backup/locks.ts';
import type { Context } from '../context.ts';
import type { VmDisk } from '../disks/migration-disks.ts';
import { readNote, writeNote } from '../disks/revert-note.ts';
import { DriverError, toDriverError } from '../errors.ts';
import type { Linstor, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import type { Vm } from '../opennebula/one.ts';
import { marks } from '../volumes/marks.ts';
import { revertSnapshotName } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { tidyRevert } from './roll-back.ts';
import { vmLock } from './vm-disks.ts';

/**
 * A revert of the VM that was cut off is ended, before the VM starts and before its next revert: where all disks had the new content, they keep
 * it; else all get back what they held before. Where the VM may have run since, it does not start.
 */
export const settleRevert = (
  ctx: Context,
  linstor: Linstor,
  vm: Vm,
  host: string,
  all: readonly VmDisk[],
): Promise<void> =>
  ctx.lock(vmLock(vm.id), () =>
    withLocks(ctx, ofOne(linstor, all), () => settleLocked(ctx, linstor, vm, host, all, 'refuse')),
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
  /** Where the VM may have run since: it is not started, or the disks stay as they are, to be reverted next. */
  inDoubt: 'refuse' | 'keep' = 'keep',
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
  const seq = vm.history.at(-1)?.seq ?? 0;
  if (note.state === 'reverting' && seq > note.seq + 1) {
    if (inDoubt === 'refuse') throw doubtful(vm, noted.name, seq);
    ctx.log.warn(
      `an earlier revert of VM ${vm.id} was cut off, and the VM may have run since: its disks stay as they are`,
    );
  } else if (note.state === 'reverting') {
    ctx.log.warn(`a revert of VM ${vm.id} was cut off; what its disks held before comes back first`);
    try {
      await bringBack(ctx, host, half, safety);
    } catch (error) {
      // The start that is refused has a number of its own: the one after it is the next one again.
      await writeNote(linstor, noted.name, { state: 'reverting', seq }).catch((left: unknown) => {
        ctx.log.warn(`the note of the revert is not renewed: ${toDriverError(left).message}`);
      });
      throw error;
    }
  }
  await tidyRevert(ctx, linstor, half, safety, noted.name);
}

/** A start that was refused, a migration, or one that has written to the disks: OpenNebula counts all of them. */
function doubtful(vm: Vm, noted: ResourceName, seq: number): DriverError {
  const set = `linstor resource-definition set-property ${noted} ${marks.reverting}`;
  return new DriverError(
    'SNAPSHOT',
    `VM ${vm.id} is not started: a revert was cut off, its disks may be of different moments, and whether it has run since is not known`,
    {
      remedy: `if it has not run since: ${set} reverting-${seq}, and its next start brings back what they held before; if it has: ${set} done-${seq}, and they stay as they are`,
    },
  );
}
