import { dropNumbered } from '../../volumes/drop-numbered.ts';
import { lockName } from '../../volumes/names.ts';
import type { ActionHandler } from '../action.ts';
import { existingImageResource, openImageCall, targetSnapshot } from '../image-call.ts';

/** A snapshot that is not there is success (contract §3.4). */
export const snapDelete: ActionHandler = async (call, ctx) => {
  const image = await openImageCall(call, ctx);
  const resource = existingImageResource(image);
  const { id } = targetSnapshot(image);
  await ctx.lock(lockName(resource), () => dropNumbered(ctx, image.linstor, resource, id));
  return undefined;
};
