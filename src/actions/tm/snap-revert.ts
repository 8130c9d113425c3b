import type { Context } from '../../context.ts';
import { type DiskCall, diskOf, onDisk } from '../../disks/disk-call.ts';
import { ensureDiskAttached } from '../../disks/ensure-attached.ts';
import { growDisk } from '../../disks/grow.ts';
import { revert } from '../../disks/revert.ts';
import { DriverError, isDriverError } from '../../errors.ts';
import { vmState } from '../../opennebula/states.ts';
import { atLeast } from '../../opennebula/version.ts';
import { type KiB, kibToBytes, mibToKib } from '../../units.ts';
import type { ActionHandler } from '../action.ts';
import { openSnapshotCall } from './snap-create.ts';

/** Powered-off VMs only (contract §3.6); the snapshots made after the target stay. */
export const snapRevert: ActionHandler = async (call, ctx) => {
  const { disk, name } = await openSnapshotCall(call.argv, ctx);
  if (disk.vm.state === vmState.ACTIVE && disk.vm.lcmState === 3) {
    throw new DriverError(
      'IN_USE',
      `VM ${disk.vm.id} runs; its disks are reverted only while it is powered off`,
    );
  }
  await onDisk(ctx, disk, async (now) => {
    const size = await revert(ctx, {
      settings: disk.settings,
      linstor: disk.linstor,
      resource: now.diskResource.resource,
      snapshot: name,
      hosts: [disk.target.host],
    });
    // From here on the content is the snapshot's: taking back attachments would not bring the old content again.
    ctx.undo.commit();
    const minKib = await sizeForRelease(ctx, now, size);
    await relink(ctx, now, minKib);
  });
  return undefined;
};

/** From 6.10 the core takes the snapshot's size over; before, DISK/SIZE keeps the larger value and the disk must match it. */
async function sizeForRelease(ctx: Context, disk: DiskCall, snapshotKib: KiB): Promise<KiB> {
  const wanted = mibToKib(disk.disk.sizeMib);
  if (atLeast(ctx.oneVersion, 6, 9, 80) || wanted <= snapshotKib) return snapshotKib;
  const { resource } = disk.diskResource;
  return (await growDisk(ctx, { ...disk, resource, host: disk.target.host, link: disk.target.path }, wanted))
    .after;
}

/** A rollback makes the volume anew, possibly with another device; the VM finds it by the link (linstor-behaviour §5). */
async function relink(ctx: Context, disk: DiskCall, minKib: KiB): Promise<void> {
  if (ctx.hosts.isFrontend(disk.target.host)) return;
  try {
    await ensureDiskAttached(
      ctx,
      { ...diskOf(disk), minBytes: kibToBytes(minKib), keepsLink: true },
      disk.target.host,
    );
  } catch (error) {
    if (
      !isDriverError(
        error,
        'HOST_UNREACHABLE',
        'HOST_TIMEOUT',
        'NOT_REACHABLE_FROM_HOST',
        'LINSTOR_NODE_OFFLINE',
      )
    )
      throw error;
    ctx.log.warn(`the link of disk ${disk.disk.id} on ${disk.target.host} was not renewed: ${error.message}`);
  }
}
