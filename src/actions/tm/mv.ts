import { moveDisk } from '../../disks/move-disk.ts';
import { DriverError } from '../../errors.ts';
import { parseId, parseVmTarget } from '../../opennebula/target.ts';
import type { ActionHandler } from '../action.ts';
import { moveVmDirectory } from '../migration/directory.ts';

/**
 * `mv <host>:<path> <host>:<path> <vm> <datastore>`, where both paths are a VM's disk or both its directory: first
 * all disks, the directory last (contract §3.5). Repeating it is safe.
 */
export const mv: ActionHandler = async (call, ctx) => {
  const [sourceArgument, destinationArgument, vmArgument, datastoreArgument] = call.argv;
  const source = parseVmTarget(sourceArgument, 'source');
  const destination = parseVmTarget(destinationArgument, 'destination');
  const vmId = parseId(vmArgument, 'VM id');
  const datastoreId = parseId(datastoreArgument, 'datastore id');
  if (source.vmId !== vmId || destination.vmId !== vmId) {
    throw new DriverError(
      'BAD_ARGUMENT',
      `${source.path} and ${destination.path} are not both in a directory of VM ${vmId}`,
    );
  }
  if (source.kind === 'disk' && destination.kind === 'disk' && source.diskId === destination.diskId) {
    await moveDisk(ctx, { source, destination, vmId, datastoreId });
  } else if (source.kind === 'directory' && destination.kind === 'directory') {
    await moveVmDirectory(ctx, { source, destination, vmId });
  } else {
    throw new DriverError(
      'BAD_ARGUMENT',
      `${source.path} cannot become ${destination.path}: both must be the same disk, or both the directory of the VM`,
    );
  }
  return undefined;
};
