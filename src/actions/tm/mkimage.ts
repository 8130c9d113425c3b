import { makeVolatile } from '../../disks/volatile.ts';
import { parseId, requireDiskTarget } from '../../opennebula/target.ts';
import { mib } from '../../units.ts';
import type { ActionHandler } from '../action.ts';

/**
 * `mkimage <MiB> <format> <host>:<vm directory>/disk.<n> <vm> <datastore>`: a volatile disk. It is always raw, whatever the
 * format says; a file system comes from FS in the VM's document (contract §3.5).
 */
export const mkimage: ActionHandler = async (call, ctx) => {
  const [size, format, targetArgument, vm, datastore] = call.argv;
  await makeVolatile(ctx, {
    target: requireDiskTarget(targetArgument, 'destination'),
    vmId: parseId(vm, 'VM id'),
    datastoreId: parseId(datastore, 'datastore id'),
    sizeMib: mib(parseId(size, 'size', 1)),
    swap: format === 'swap',
  });
  return undefined;
};
