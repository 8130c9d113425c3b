import { DriverError } from '../../errors.ts';
import { vmPlace } from '../../opennebula/paths.ts';
import { parseId, parseTarget } from '../../opennebula/target.ts';
import type { ActionHandler } from '../action.ts';

/**
 * `restore <host>:<vm directory> <vm> <backup image> <increment or -1> <disk or -1>`: the disks of a powered-off VM become what a backup holds
 * (backup contract B10).
 */
export const restore: ActionHandler = async (call, ctx) => {
  const [targetArgument, vmArgument, imageArgument, incrementArgument, diskArgument] = call.argv;
  const { host, path } = parseTarget(targetArgument, 'target');
  const { directory, systemDatastoreId, vmId } = vmPlace(path);
  const request = {
    host,
    directory,
    systemDatastoreId,
    vmId: parseId(vmArgument, 'VM id'),
    imageId: parseId(imageArgument, 'image id'),
    increment: parseId(incrementArgument?.trim() || '-1', 'increment', -1),
    diskId: parseId(diskArgument?.trim() || '-1', 'disk id', -1),
  };
  if (vmId !== request.vmId)
    throw new DriverError('BAD_ARGUMENT', `${path} is not the directory of VM ${request.vmId}`);
  const { restoreInPlace } = await import('../../backup/restore.ts');
  const { vm, linstor, settings } = await restoreInPlace(ctx, request);
  // OpenNebula drops the list of them (contract §5.9).
  if (vm.systemSnapshots.length > 0) {
    const { removeMemories } = await import('../../vm-snapshots/memory.ts');
    await removeMemories(ctx, linstor, settings, vm.id);
  }
  return undefined;
};
