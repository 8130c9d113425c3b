import type { Context } from '../../context.ts';
import { type Duplicate, duplicate } from '../../disks/duplicate.ts';
import { growDisk } from '../../disks/grow.ts';
import { DriverError } from '../../errors.ts';
import type { ResourceName } from '../../linstor/linstor.ts';
import { atLeast } from '../../opennebula/version.ts';
import { mibToKib } from '../../units.ts';
import { knownReplicas } from '../../volumes/known-view.ts';
import { lockName, resourceOfSource, sourceOf } from '../../volumes/names.ts';
import { undisturbed } from '../../volumes/redo-after-restart.ts';
import { sameName } from '../../volumes/replicas.ts';
import type { ActionHandler } from '../action.ts';
import { type ImageCall, newImageResource, openImageCall, registrationProps } from '../image-call.ts';
import { clearOwnLeftover } from './mkfs.ts';

/**
 * A new image with the content of another one, whose SOURCE is in PATH (contract §2.3). Blocks are shared where the
 * storage can and the destination datastore allows it; snapshots are not taken over.
 */
export const clone: ActionHandler = async (call, ctx) => {
  const image = await openImageCall(call, ctx);
  const resource = newImageResource(image);
  const origin = resourceOfSource(image.message.path);
  if (sameName(origin, resource))
    throw new DriverError('BAD_MESSAGE', `image ${image.image.id} cannot be cloned from itself`);
  await ctx.lock(lockName(resource), () => cloneImage(ctx, image, origin, resource));
  // Up to 6.4.6 the whole reply becomes the SOURCE (contract §2.3).
  return atLeast(ctx.oneVersion, 6, 5, 80) ? `${sourceOf(resource)} raw` : sourceOf(resource);
};

async function cloneImage(
  ctx: Context,
  image: ImageCall,
  origin: ResourceName,
  resource: ResourceName,
): Promise<void> {
  const { linstor, settings } = image;
  const [definitions, view] = await Promise.all([
    linstor.definitions({ names: [origin, resource] }),
    knownReplicas(linstor, origin),
  ]);
  const source = definitions.find((definition) => sameName(definition.name, origin));
  if (!source)
    throw new DriverError('LINSTOR_NOT_FOUND', `the image to clone has no resource ${origin} in LINSTOR`);
  await clearOwnLeftover(
    ctx,
    image,
    definitions.find((definition) => sameName(definition.name, resource)),
    resource,
  );
  const request: Duplicate = {
    settings,
    linstor,
    source,
    replicas: view,
    target: resource,
    sizeKib: mibToKib(image.image.sizeMib),
    props: registrationProps(image, resource),
    // CLONE_MODE is about VM disks; images share blocks whenever that is possible.
    mode: settings.cloneMode === 'clone' ? 'clone' : 'snapshot',
    base: 'use',
    what: `image ${image.image.id}`,
    spread: image.image.id,
  };
  await undisturbed(ctx, linstor, resource, async () => {
    const made = await duplicate(ctx, request);
    if (mibToKib(image.image.sizeMib) > (source.volumes[0]?.sizeKib ?? 0))
      await growDisk(ctx, { linstor, settings, resource }, mibToKib(image.image.sizeMib));
    await made.tidy();
    return made;
  });
}
