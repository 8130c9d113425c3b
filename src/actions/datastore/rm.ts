import type { Context } from '../../context.ts';
import { isDriverError } from '../../errors.ts';
import { removeResource } from '../../volumes/remove.ts';
import { replicasOf } from '../../volumes/replicas.ts';
import type { ActionHandler } from '../action.ts';
import { lockName } from '../disk-call.ts';
import { existingImageResource, type ImageCall, openImageCall } from '../image-call.ts';
import { requireClosed } from '../on-host.ts';

/** Removes the image with its snapshots; one that is gone already is success (contract §2.4). */
export const rm: ActionHandler = async (call, ctx) => {
  const image = await openImageCall(call, ctx);
  // An image without SOURCE never came into being; oned does not ask for it, but --force may.
  if (image.image.source === '') return undefined;
  const resource = existingImageResource(image);
  await ctx.lock(lockName(resource), () => removeImage(ctx, image, resource));
  return undefined;
};

async function removeImage(ctx: Context, { linstor, settings }: ImageCall, resource: string): Promise<void> {
  const view = replicasOf(await linstor.resources({ names: [resource] }), resource);
  try {
    await requireClosed(ctx, settings, resource, view, settings.bridgeList);
  } catch (error) {
    // Whether it is open cannot be told where the host is away: OpenNebula says that no VM uses it.
    if (!isDriverError(error, 'HOST_UNREACHABLE', 'HOST_TIMEOUT')) throw error;
    ctx.log.warn(`${error.message}; ${resource} is removed on OpenNebula’s word that it is unused`);
  }
  await removeResource(ctx, linstor, resource);
}
