import { snapshotSizeMark } from '../../volumes/marks.ts';
import { lockName } from '../../volumes/names.ts';
import { dropSnapshot } from '../../volumes/snapshot.ts';
import { bothDone } from '../../volumes/wait.ts';
import type { ActionHandler } from '../action.ts';
import { existingImageResource, openImageCall, targetSnapshot } from '../image-call.ts';

/** A snapshot that is not there is success (contract §3.4). */
export const snapDelete: ActionHandler = async (call, ctx) => {
  const image = await openImageCall(call, ctx);
  const resource = existingImageResource(image);
  const { id, name } = targetSnapshot(image);
  await ctx.lock(lockName(resource), async () => {
    const [, [definition]] = await bothDone(
      dropSnapshot(ctx, image.linstor, resource, name),
      image.linstor.definitions({ names: [resource] }),
    );
    if (definition && snapshotSizeMark(id) in definition.props)
      await image.linstor.modifyDefinition(resource, { unset: [snapshotSizeMark(id)] });
  });
  return undefined;
};
