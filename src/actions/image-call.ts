import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { Linstor, ResourceName } from '../linstor/linstor.ts';
import { type DatastoreMessage, readDatastoreMessage, requireImage } from '../opennebula/message.ts';
import type { Image } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { registrationMark } from '../volumes/marks.ts';
import { imageResource, resourceOfSource, snapshotName } from '../volumes/names.ts';
import { readableImage } from '../volumes/readable.ts';
import type { Call } from './action.ts';

/** All that an action on an image needs to know, read from the driver message. */
export interface ImageCall {
  readonly message: DatastoreMessage;
  readonly image: Image;
  readonly settings: Settings;
  readonly linstor: Linstor;
}

export async function openImageCall(call: Call, ctx: Context): Promise<ImageCall> {
  const message = await readDatastoreMessage(call);
  const image = requireImage(call, message);
  const settings = ctx.settings(message.datastore.template);
  return { message, image, settings, linstor: ctx.linstor(settings) };
}

/** The resource of an image that is to be made: its name is made of its id, once (contract §0.2). */
export const newImageResource = ({ settings, image }: ImageCall): ResourceName =>
  imageResource(settings.namePrefix, image.id);

/** The resource of an image that exists: SOURCE says it. Throws BAD_ARGUMENT for an image without one. */
export const existingImageResource = ({ image }: ImageCall): ResourceName => resourceOfSource(image.source);

/** LINSTOR snapshot of IMAGE/TARGET_SNAPSHOT. */
export function targetSnapshot({ image }: ImageCall): { readonly id: number; readonly name: string } {
  const id = image.targetSnapshot;
  if (id === undefined || id < 0)
    throw new DriverError('BAD_MESSAGE', `image ${image.id} comes without a target snapshot`);
  return { id, name: snapshotName(id) };
}

/** Mark of a resource that is made for this image and no other; see `clearOwnLeftover`. */
export const registrationProps = (
  { image, linstor }: Pick<ImageCall, 'image' | 'linstor'>,
  resource: ResourceName,
): Record<string, string> => ({
  [registrationMark(resource)]: registrationOf(image),
  ...readableImage(linstor, image),
});

export const registrationOf = ({ id, registeredAt }: Pick<Image, 'id' | 'registeredAt'>): string =>
  `${id}-${registeredAt}`;
