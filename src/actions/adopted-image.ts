import { parseVolumeAddress, requirePermitted } from '../adopt/address.ts';
import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { ResourceName } from '../linstor/linstor.ts';
import type { DatastoreMessage } from '../opennebula/message.ts';
import type { Settings } from '../opennebula/settings.ts';
import { bytesToMib, type MiB, mib, mibToKib } from '../units.ts';
import { lockName, sourceOf } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { clearOwnLeftover } from './datastore/mkfs.ts';
import { type ImageCall, registrationOf, registrationProps } from './image-call.ts';

/** `cp` and `stat` of PATH `linstor://RESOURCE[@SNAPSHOT]`: an image of a volume that LINSTOR has already. */

/** ADOPT in the image's template. */
function isTaken({ image }: ImageCall): boolean {
  const word = image.template['ADOPT']?.trim().toLowerCase() ?? '';
  if (word === '' || word === 'copy') return false;
  if (word === 'take') return true;
  throw new DriverError('BAD_ATTRIBUTE', `ADOPT=${word} of image ${image.id} is neither copy nor take`);
}

/** ADOPT_FORMAT in the image's template: what whoever had the volume says of it. */
function toldFormat({ image }: ImageCall): 'raw' | 'qcow2' | undefined {
  const word = image.template['ADOPT_FORMAT']?.trim().toLowerCase() ?? '';
  if (word === '') return undefined;
  if (word === 'raw' || word === 'qcow2') return word;
  throw new DriverError(
    'BAD_ATTRIBUTE',
    `ADOPT_FORMAT=${word} of image ${image.id} is neither raw nor qcow2`,
  );
}

/** The reply of `cp`. */
export async function adoptedImage(ctx: Context, call: ImageCall, resource: ResourceName): Promise<string> {
  const { message, image, settings, linstor } = call;
  const address = parseVolumeAddress(message.path);
  requirePermitted(address, settings.adoptAllow, image.ownerId);
  const [{ findOrigin }, { makeImage, takeOver }] = await Promise.all([
    import('../adopt/source.ts'),
    import('../adopt/make.ts'),
  ]);
  const spec = {
    id: image.id,
    resource,
    sizeKib: mibToKib(image.sizeMib),
    props: registrationProps(call, resource),
    told: toldFormat(call),
    registration: registrationOf(image),
  };
  if (isTaken(call)) {
    const origin = await findOrigin(ctx, call, address);
    await takeOver(ctx, call, origin, spec);
    return `${sourceOf(origin.definition.name)} raw`;
  }
  if (sameName(address.resource, resource))
    throw new DriverError(
      'BAD_MESSAGE',
      `image ${image.id} cannot be made of ${resource}, which is its own name`,
      {
        remedy: 'add ADOPT=take to the image’s template to take the volume over as it is',
      },
    );
  await ctx.lock(lockName(resource), async () => {
    const [[existing], origin] = await Promise.all([
      linstor.definitions({ names: [resource] }),
      findOrigin(ctx, call, address),
    ]);
    await clearOwnLeftover(ctx, call, existing, resource);
    await makeImage(ctx, call, origin, spec);
  });
  return `${sourceOf(resource)} raw`;
}

/** What `stat` says. */
export async function sizeOfVolume(
  ctx: Context,
  message: DatastoreMessage,
  settings: Settings,
): Promise<MiB> {
  const address = parseVolumeAddress(message.path);
  requirePermitted(address, settings.adoptAllow, 'not told');
  const { findOrigin, withContent } = await import('../adopt/source.ts');
  const where = { linstor: ctx.linstor(settings), settings };
  const origin = await findOrigin(ctx, where, address);
  return withContent(ctx, where, origin, undefined, async ({ virtualBytes }) =>
    mib(Math.max(1, bytesToMib(virtualBytes))),
  );
}
