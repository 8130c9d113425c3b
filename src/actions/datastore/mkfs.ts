import type { Context } from '../../context.ts';
import { attachForCopy, planForCopy, releaseAfterCopy } from '../../disks/bridge.ts';
import { formatDevice, wipeDevice } from '../../disks/device-content.ts';
import { DriverError } from '../../errors.ts';
import type { ResourceName } from '../../linstor/linstor.ts';
import { imageState } from '../../opennebula/states.ts';
import { mibToKib } from '../../units.ts';
import { createVolume } from '../../volumes/create.ts';
import { marks, registrationMark } from '../../volumes/marks.ts';
import { lockName, sourceOf } from '../../volumes/names.ts';
import { planPlacement } from '../../volumes/placement.ts';
import { clearLeftover } from '../../volumes/reclaim.ts';
import { readsZeroWhenNew } from '../../volumes/replicas.ts';
import type { ActionHandler } from '../action.ts';
import {
  type ImageCall,
  newImageResource,
  openImageCall,
  registrationOf,
  registrationProps,
} from '../image-call.ts';

const usedStates: ReadonlySet<number> = new Set([imageState.USED, imageState.USED_PERS]);

/** Values of FORMAT (FSTYPE up to 5.12) that are no file system. */
const notFileSystems = new Set(['', 'raw', 'qcow2', 'save_as']);

/**
 * An empty image, always raw; with a file system when FS (FSTYPE up to 5.12) names one. For `save_as` only the SOURCE is
 * announced and nothing is made: `cpds` does that (contract §2.2). The reply is the SOURCE alone, never with a format.
 */
export const mkfs: ActionHandler = async (call, ctx) => {
  const image = await openImageCall(call, ctx);
  const resource = newImageResource(image);
  const { format, fs } = image.image;
  if (format === 'save_as' || fs === 'save_as') return sourceOf(resource);
  if (image.image.sizeMib < 1)
    throw new DriverError(
      'IMAGE_SIZE',
      `image ${image.image.id} is to have a size of ${image.image.sizeMib} MiB`,
      { remedy: 'give a SIZE of at least 1 MiB' },
    );
  await ctx.lock(lockName(resource), () => makeImage(ctx, image, resource));
  return sourceOf(resource);
};

async function makeImage(ctx: Context, image: ImageCall, resource: ResourceName): Promise<void> {
  const { linstor, settings } = image;
  const [[existing], plan] = await Promise.all([
    linstor.definitions({ names: [resource] }),
    planPlacement(linstor, settings.placement),
  ]);
  await clearOwnLeftover(ctx, image, existing, resource);
  const minKib = mibToKib(image.image.sizeMib);
  const spread = image.image.id;
  const { plan: placed, machines } = await planForCopy(ctx, image, plan, spread);
  const view = await createVolume(ctx, linstor, {
    name: resource,
    sizeKib: minKib,
    plan: placed,
    props: registrationProps(image, resource),
  });
  const fs = image.image.fs.toLowerCase();
  const wantsFs = !notFileSystems.has(fs);
  const clean = readsZeroWhenNew(view);
  if (wantsFs || !clean) {
    const bridge = await attachForCopy(ctx, image, { resource, view, minKib, spread, machines });
    if (!clean) await wipeDevice(ctx, bridge.host, bridge);
    if (wantsFs) await formatDevice(ctx, bridge.host, bridge, fs);
    await releaseAfterCopy(ctx, image, bridge);
  }
}

/**
 * Image ids are never used twice, so a resource of this name is what an earlier, killed try of this very image left – if it was made for
 * this very registration, of which OpenNebula still waits to hear, or carries an older release's mark of an unfinished one. Anything
 * else may be another OpenNebula's image, or one of a database that has been restored: it is not touched.
 */
export async function clearOwnLeftover(
  ctx: Context,
  { linstor, image }: ImageCall,
  existing: Parameters<typeof clearLeftover>[3],
  resource: ResourceName,
): Promise<void> {
  if (!existing) return;
  const waiting = image.state !== imageState.READY && !usedStates.has(image.state);
  const mine =
    waiting && image.registeredAt > 0 && existing.props[registrationMark(resource)] === registrationOf(image);
  if (!mine && existing.props[marks.incomplete] === undefined && !existing.flags.includes('DELETE')) {
    throw new DriverError(
      'LINSTOR_EXISTS',
      `resource ${resource} for the new image ${image.id} exists already and is complete`,
      {
        remedy:
          'another OpenNebula may use the same cluster (set NAME_PREFIX), or the image database was restored; look at the resource before removing it',
      },
    );
  }
  await clearLeftover(ctx, linstor, resource, existing);
}
