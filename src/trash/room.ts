import type { Context } from '../context.ts';
import { toDriverError } from '../errors.ts';
import { trashOf } from '../volumes/trash.ts';
import { removeFromTrash, type TrashPlace } from './empty.ts';

/**
 * Removes the oldest of what is in the trash and was put there by a datastore that allows it. False: there is nothing of that kind, or
 * nothing that can go.
 */
export async function makeRoom(ctx: Context, place: TrashPlace): Promise<boolean> {
  const notes = await trashOf(place.linstor, place.settings.namePrefix);
  for (const note of notes.filter(({ yields }) => yields)) {
    try {
      if ((await removeFromTrash(ctx, place, note)) === 'gone') continue;
      ctx.log.warn(
        `there was no room: ${note.resource} (“${note.name}”) was removed from the trash for good`,
      );
      return true;
    } catch (error) {
      ctx.log.info(`${note.resource} stays in the trash: ${toDriverError(error).message}`);
    }
  }
  return false;
}
