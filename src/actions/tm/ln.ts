import { allDone } from '../../all-done.ts';
import type { Context } from '../../context.ts';
import { type DiskCall, diskOf, onDisk, readDiskCall } from '../../disks/disk-call.ts';
import { ensureDiskAttached } from '../../disks/ensure-attached.ts';
import { DriverError } from '../../errors.ts';
import type { Replica, ResourceDefinition } from '../../linstor/linstor.ts';
import { requireDiskTarget } from '../../opennebula/target.ts';
import { mibToBytes } from '../../units.ts';
import { dropBases } from '../../volumes/base.ts';
import { isExclusive, mayWriteImage } from '../../volumes/disk.ts';
import { followProps } from '../../volumes/follow.ts';
import { marks } from '../../volumes/marks.ts';
import { hasNetworkLayer, layersOf, replicasOf, sameName } from '../../volumes/replicas.ts';
import { dualPrimaryProperty } from '../../volumes/two-primaries.ts';
import type { ActionHandler } from '../action.ts';
import { sourceResource } from './clone.ts';

/**
 * `ln <fe>:SOURCE <host>:<vm directory>/disk.<n> <vm> <datastore>`: the image itself becomes the VM's disk – persistent,
 * CD-ROM, immutable or shareable (contract §3.3). Nothing is resized; repeating it is safe.
 */
export const ln: ActionHandler = async (call, ctx) => {
  const [sourceArgument, targetArgument, vmArgument, datastoreArgument] = call.argv;
  const target = requireDiskTarget(targetArgument, 'destination');
  const source = sourceResource(sourceArgument);
  const disk = await readDiskCall(ctx, target, vmArgument, datastoreArgument);
  if (disk.diskResource.ownedByVm || !sameName(disk.diskResource.resource, source)) {
    throw new DriverError(
      'ONE_INCOMPLETE',
      `disk ${target.diskId} of VM ${disk.vm.id} is not image ${source} itself in OpenNebula’s document; nothing was changed`,
    );
  }
  await onDisk(ctx, disk, (_, definition) => link(ctx, disk, definition));
  return undefined;
};

async function link(ctx: Context, call: DiskCall, definition: ResourceDefinition | undefined): Promise<void> {
  const { resource } = call.diskResource;
  const [all] = await allDone([
    call.linstor.replicas([resource]),
    mayWriteImage(call.disk) ? dropBases(ctx, call.linstor, resource) : Promise.resolve(),
  ]);
  const view = replicasOf(all, resource);
  const change = marksToSet(call, view);
  if (Object.keys(change).length > 0) await call.linstor.modifyDefinition(resource, { set: change });
  await ensureDiskAttached(
    ctx,
    { ...diskOf(call), view, definition, minBytes: mibToBytes(call.disk.sizeMib) },
    call.target.host,
  );
}

/**
 * Per-VM marks only where one VM holds the image (they feed the usage report); a shareable disk needs several
 * primaries for as long as it is one (contract §3.3).
 */
function marksToSet(call: DiskCall, view: readonly Replica[]): Record<string, string> {
  if (call.disk.kind === 'shareable' && hasNetworkLayer(layersOf(view)))
    return { [dualPrimaryProperty]: 'yes' };
  if (!isExclusive(call.disk)) return {};
  return {
    ...followProps(call.settings),
    [marks.vmId]: String(call.vm.id),
    [marks.diskId]: String(call.disk.id),
    [marks.datastoreId]: String(call.target.systemDatastoreId),
  };
}
