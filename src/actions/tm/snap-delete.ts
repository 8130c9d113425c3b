import { onDisk } from '../../disks/disk-call.ts';
import { dropNumbered } from '../../volumes/drop-numbered.ts';
import type { ActionHandler } from '../action.ts';
import { openSnapshotCall } from './snap-create.ts';

/** Also called on running VMs: there is no live variant (contract §3.6). A snapshot that is not there is success. */
export const snapDelete: ActionHandler = async (call, ctx) => {
  const { disk, id } = await openSnapshotCall(call.argv, ctx);
  await onDisk(ctx, disk, ({ linstor, diskResource }) =>
    dropNumbered(ctx, linstor, diskResource.resource, id),
  );
  return undefined;
};
