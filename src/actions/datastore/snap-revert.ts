import { growDisk } from '../../disks/grow.ts';
import { revert } from '../../disks/revert.ts';
import { atLeast } from '../../opennebula/version.ts';
import { mibToKib } from '../../units.ts';
import { lockName } from '../../volumes/names.ts';
import type { ActionHandler } from '../action.ts';
import { existingImageResource, openImageCall, targetSnapshot } from '../image-call.ts';

/** Content and size become the snapshot's; later snapshots stay (contract §2.6). */
export const snapRevert: ActionHandler = async (call, ctx) => {
  const image = await openImageCall(call, ctx);
  const resource = existingImageResource(image);
  const { name } = targetSnapshot(image);
  const { linstor, settings } = image;
  await ctx.lock(lockName(resource), async () => {
    const size = await revert(ctx, {
      settings,
      linstor,
      resource,
      snapshot: name,
      hosts: settings.bridgeList,
    });
    ctx.undo.commit();
    const wanted = mibToKib(image.image.sizeMib);
    if (!atLeast(ctx.oneVersion, 6, 9, 80) && wanted > size)
      await growDisk(ctx, { linstor, settings, resource }, wanted);
  });
  return undefined;
};
