import type { Context } from '../context.ts';
import type { VmDisk } from '../disks/migration-disks.ts';
import { forgetRestore, type HalfRestored, notedRestores, restoreStore } from '../disks/restore-note.ts';
import { DriverError } from '../errors.ts';
import { restoreSnapshotName } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { dropSnapshot } from '../volumes/snapshot.ts';
import { bringBack } from './bring-back.ts';
import { withLocks } from './locks.ts';

/** A restore in place that was killed while it wrote: what the disks held before is in a snapshot, and comes back. */

export interface RestoredVm {
  readonly host: string;
  readonly vmId: number;
}

type Half = HalfRestored<VmDisk>;

/** Nothing is done where a restore that was still at it has ended meanwhile. Throws SNAPSHOT when the old content is gone. */
export const bringBackBroken = (ctx: Context, vm: RestoredVm, disks: readonly VmDisk[]): Promise<void> =>
  ctx.lock(`backup-vm-${vm.vmId}`, async () => {
    const half = await notedRestores(disks);
    if (half.length === 0) return;
    const whole = await withOldContent(half);
    const lost = half.find((disk) => !whole.includes(disk));
    if (lost) throw oldContentLost(lost);
    await bringBackLocked(ctx, vm.host, half);
  });

/** The same for whoever holds the lock of the VM's backups, of disks whose old content is there. */
export async function bringBackLocked(ctx: Context, host: string, half: readonly Half[]): Promise<void> {
  for (const disk of half) {
    ctx.log.warn(
      `a restore of disk ${disk.disk.id} of VM ${disk.ofVm} was broken off; what it held before comes back first`,
    );
    const name = restoreSnapshotName(disk.ofVm);
    await withLocks(ctx, [disk], async () => {
      await bringBack(ctx, host, [disk], name);
      await forgetRestore(ctx, [disk]);
    });
    await dropSnapshot(ctx, disk.linstor, disk.resource, name);
  }
}

/** The disks whose old content is there. */
export async function withOldContent<D extends Half>(disks: readonly D[]): Promise<D[]> {
  const has = await Promise.all(
    disks.map(async ({ linstor, resource, ofVm }) =>
      (await linstor.snapshots({ names: [resource] })).some((each) =>
        sameName(each.name, restoreSnapshotName(ofVm)),
      ),
    ),
  );
  return disks.filter((_, index) => has[index]);
}

const oldContentLost = ({ resource, disk, settings, ofVm }: Half): DriverError =>
  new DriverError(
    'SNAPSHOT',
    `a restore of disk ${disk.id} of VM ${ofVm} (${resource}) was broken off while it wrote, and what the disk held before is gone: there is no snapshot ${restoreSnapshotName(ofVm)}`,
    {
      remedy: `repeat \`onevm restore\`; or, where you know that the disk is whole: linstor key-value-store modify ${restoreStore(settings.namePrefix)} ${resource.toLowerCase()}`,
    },
  );
