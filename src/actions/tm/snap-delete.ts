import { snapshotSizeMark } from '../../volumes/marks.ts';
import { lockName } from '../../volumes/names.ts';
import { dropSnapshot } from '../../volumes/snapshot.ts';
import { bothDone } from '../../volumes/wait.ts';
import type { ActionHandler } from '../action.ts';
import { openSnapshotCall } from './snap-create.ts';

/** Also called on running VMs: there is no live variant (contract §3.6). A snapshot that is not there is success. */
export const snapDelete: ActionHandler = async (call, ctx) => {
  const { disk, id, name } = await openSnapshotCall(call.argv, ctx);
  const { resource } = disk.diskResource;
  await ctx.lock(lockName(resource), async () => {
    const [, [definition]] = await bothDone(
      dropSnapshot(ctx, disk.linstor, resource, name),
      disk.linstor.definitions({ names: [resource] }),
    );
    if (definition && snapshotSizeMark(id) in definition.props) {
      await disk.linstor.modifyDefinition(resource, { unset: [snapshotSizeMark(id)] });
    }
  });
  return undefined;
};
