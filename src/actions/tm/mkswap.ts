import { makeVolatile } from '../../disks/volatile.ts';
import { parseId, requireDiskTarget } from '../../opennebula/target.ts';
import { mib } from '../../units.ts';
import type { ActionHandler } from '../action.ts';

/** `mkswap <MiB> <host>:<vm directory>/disk.<n> <vm> <datastore>`: a swap disk (contract §3.5). */
export const mkswap: ActionHandler = async (call, ctx) => {
  const [size, targetArgument, vm, datastore] = call.argv;
  await makeVolatile(ctx, {
    target: requireDiskTarget(targetArgument, 'destination'),
    vmId: parseId(vm, 'VM id'),
    datastoreId: parseId(datastore, 'datastore id'),
    sizeMib: mib(parseId(size, 'size', 1)),
    swap: true,
  });
  return undefined;
};
