import { pointsOf } from '../../backup/points.ts';
import type { Context } from '../../context.ts';
import { namesOf } from '../../disks/attach.ts';
import { type DiskCall, diskOf, onDisk, readDiskCall } from '../../disks/disk-call.ts';
import { ensureDiskDetached } from '../../disks/ensure-detached.ts';
import { findReplica } from '../../disks/find-node.ts';
import { closeGraceMs } from '../../disks/in-use.ts';
import { DriverError, toDriverError } from '../../errors.ts';
import type { Replica, ResourceDefinition } from '../../linstor/linstor.ts';
import { requireDiskTarget } from '../../opennebula/target.ts';
import { forgetVmSnapshots, isOfVmOrPolicy } from '../../vm-snapshots/forget.ts';
import { dropBases } from '../../volumes/base.ts';
import { isExclusive, mayWriteImage } from '../../volumes/disk.ts';
import { marks } from '../../volumes/marks.ts';
import { resourceOfSource, snapshotId } from '../../volumes/names.ts';
import { hasNetworkLayer, layersOf, replicasOf, sameName } from '../../volumes/replicas.ts';
import { dropSnapshot } from '../../volumes/snapshot.ts';
import { dualPrimaryProperty } from '../../volumes/two-primaries.ts';
import type { ActionHandler } from '../action.ts';

/**
 * `mvds <host>:<vm directory>/disk.<n> SOURCE <vm> <datastore>`: a persistent (or shareable) image goes back to its
 * datastore. Nothing of it is removed but the attachment; its snapshots stay unless PERSISTENT_SNAPSHOTS=NO (contract §3.5).
 */
export const mvds: ActionHandler = async (call, ctx) => {
  const [targetArgument, sourceArgument, vmArgument, datastoreArgument] = call.argv;
  const target = requireDiskTarget(targetArgument, 'source');
  const source = resourceOfSource(sourceArgument ?? '');
  const disk = await readDiskCall(ctx, target, vmArgument, datastoreArgument);
  if (disk.diskResource.ownedByVm || !sameName(disk.diskResource.resource, source)) {
    throw new DriverError(
      'ONE_INCOMPLETE',
      `disk ${target.diskId} of VM ${disk.vm.id} is not image ${source} in OpenNebula’s document; nothing was changed`,
    );
  }
  await onDisk(ctx, disk, (_, definition) => giveBack(ctx, disk, definition));
  return undefined;
};

async function giveBack(
  ctx: Context,
  call: DiskCall,
  definition: ResourceDefinition | undefined,
): Promise<void> {
  const { resource } = call.diskResource;
  const view = replicasOf(await call.linstor.replicas([resource]), resource);
  await ensureDiskDetached(ctx, { ...diskOf(call), view }, call.target.host, {
    unlink: true,
    graceMs: closeGraceMs,
  });
  // What is not there need not be taken away: each change of a definition is told to all its satellites.
  const unset = (await marksToUnset(ctx, call, view)).filter((key) => key in (definition?.props ?? {}));
  if (unset.length > 0) await call.linstor.modifyDefinition(resource, { unset });
  if (mayWriteImage(call.disk)) {
    const snapshots = await call.linstor.snapshots({ names: [resource] });
    await dropBases(ctx, call.linstor, resource, snapshots);
    await forgetVmSnapshots(ctx, call.linstor, resource, snapshots, (each) =>
      isOfVmOrPolicy(each, call.vm.id),
    );
  }
  await dropPoints(ctx, call);
  if (call.disk.attributes['PERSISTENT_SNAPSHOTS']?.toUpperCase() === 'NO')
    await dropDiskSnapshots(ctx, call);
}

async function marksToUnset(ctx: Context, call: DiskCall, view: readonly Replica[]): Promise<string[]> {
  if (isExclusive(call.disk)) return [marks.vmId, marks.diskId, marks.datastoreId];
  if (call.disk.kind !== 'shareable' || !hasNetworkLayer(layersOf(view))) return [];
  return (await hasOtherVms(ctx, call, view)) ? [] : [dualPrimaryProperty];
}

/** LINSTOR tells of open devices only, but a VM that is powered off starts again without another ln. */
async function hasOtherVms(ctx: Context, call: DiskCall, view: readonly Replica[]): Promise<boolean> {
  const users = view.filter((each) => each.inUse);
  const own = await findReplica(namesOf(diskOf(call)), users, call.target.host);
  if (users.some((each) => each !== own)) return true;
  if (call.disk.imageId === undefined) return false;
  try {
    const { vmIds = [] } = await ctx.one.image(call.disk.imageId);
    return vmIds.some((id) => id !== call.vm.id);
  } catch (error) {
    // Giving the disk back does not fail over this; two primaries that stay allowed do no harm, forbidden ones would.
    ctx.log.warn(
      `whether other VMs have image ${call.disk.imageId} is not known (${toDriverError(error).message}); it stays shareable`,
    );
    return true;
  }
}

/** Without its disk the VM's chain of backups has ended; the image must not carry its snapshots on. */
async function dropPoints(ctx: Context, call: DiskCall): Promise<void> {
  const { resource } = call.diskResource;
  // Asked only where there can be any: what another mode left is deleted by the next backup, of whatever VM.
  if (call.vm.backup['MODE']?.toUpperCase() !== 'INCREMENT') return;
  const chain = isExclusive(call.disk) ? {} : { vmId: call.vm.id };
  const snapshots = await call.linstor.snapshots({ names: [resource] });
  for (const { name } of pointsOf(snapshots, chain)) await dropSnapshot(ctx, call.linstor, resource, name);
}

/** OpenNebula forgets them (PERSISTENT_SNAPSHOTS=NO), so they would be leaked. */
async function dropDiskSnapshots(ctx: Context, call: DiskCall): Promise<void> {
  const { resource } = call.diskResource;
  for (const snapshot of await call.linstor.snapshots({ names: [resource] })) {
    if (snapshotId(snapshot.name) !== undefined)
      await dropSnapshot(ctx, call.linstor, resource, snapshot.name);
  }
}
