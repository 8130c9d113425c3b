import type { Context } from '../context.ts';
import { isDriverError } from '../errors.ts';
import type { Image } from '../opennebula/one.ts';
import { imageState, vmState } from '../opennebula/states.ts';
import { sourceOf } from '../volumes/names.ts';
import type { TrashNote } from '../volumes/trash.ts';

/** The image that has the volume as its content. */
export const imageWith = ({ resource }: Pick<TrashNote, 'resource'>, images: readonly Image[]) =>
  images.find((image) => image.source.trim().toLowerCase() === sourceOf(resource).toLowerCase());

/** It is there to stay: nobody is deleting it, and no deletion has failed. */
export const isSettled = (image: Image | undefined): image is Image =>
  image !== undefined &&
  [imageState.READY, imageState.USED, imageState.USED_PERS, imageState.DISABLED].some(
    (state) => state === image.state,
  );

/**
 * Who has the volume all the same: an image whose deletion failed or that was made of it since, a VM that is not gone. Asks anew, for what
 * follows cannot be taken back.
 */
export async function holderOf(ctx: Pick<Context, 'one'>, note: TrashNote): Promise<string | undefined> {
  const image = imageWith(note, await ctx.one.images());
  if (image) return `image ${image.id}`;
  if (note.kind !== 'disk' || note.vm === undefined) return undefined;
  try {
    const vm = await ctx.one.vm(note.vm);
    return vm.state === vmState.DONE ? undefined : `VM ${vm.id}`;
  } catch (error) {
    if (isDriverError(error, 'ONE_NOT_FOUND')) return undefined;
    throw error;
  }
}
