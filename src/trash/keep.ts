import type { Context } from '../context.ts';
import { detach, isRemovable } from '../disks/attach.ts';
import { toDriverError } from '../errors.ts';
import type { Linstor, Replica, ResourceDefinition } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { isCompleteCopy, isCopy } from '../volumes/copies.ts';
import { marks } from '../volumes/marks.ts';
import { isDiskful } from '../volumes/replicas.ts';
import { type TrashNote, trashMark, writeTrash } from '../volumes/trash.ts';

interface Where {
  readonly linstor: Linstor;
  readonly settings: Pick<Settings, 'namePrefix' | 'trash' | 'trashWhenFull'>;
}

/** What was deleted, in OpenNebula's words. */
export type Deleted = Omit<TrashNote, 'resource' | 'since' | 'until' | 'yields' | 'mark' | 'claimed'>;

/** Is there anything worth keeping? What is not whole, or has no data, is nobody's loss. */
export async function isWorthKeeping(
  { linstor, settings }: Where,
  definition: ResourceDefinition,
  view: readonly Replica[],
): Promise<boolean> {
  if (definition.flags.length > 0 || definition.props[marks.incomplete] !== undefined) return false;
  if (!view.some(isDiskful)) return false;
  return !isCopy(definition) || isCompleteCopy(linstor, settings.namePrefix, definition);
}

/**
 * The volume is in the trash: noted first, so that nothing that comes after can lose it. Safe to repeat; its time then begins anew. Throws
 * when it cannot be noted: what shall be kept is not removed instead.
 */
export async function putIntoTrash(
  ctx: Pick<Context, 'clock' | 'log'>,
  { linstor, settings }: Where,
  definition: ResourceDefinition,
  deleted: Deleted,
): Promise<void> {
  const since = ctx.clock.now();
  const until = since + settings.trash;
  await writeTrash(linstor, settings.namePrefix, {
    ...deleted,
    resource: definition.name,
    since,
    until,
    yields: settings.trashWhenFull === 'empty',
    mark: trashMark(definition),
  });
  ctx.log.info(`${definition.name} is kept in the trash until ${new Date(until).toISOString()}`);
}

/** Diskless replicas that nobody needs any more. One that is still open, or cannot be removed, goes when the trash is emptied. */
export async function leaveHosts(
  ctx: Pick<Context, 'log'>,
  { linstor }: Pick<Where, 'linstor'>,
  { name }: ResourceDefinition,
  view: readonly Replica[],
): Promise<void> {
  for (const replica of view.filter(isRemovable)) {
    try {
      await detach(linstor, name, replica.node, view);
    } catch (error) {
      ctx.log.warn(`${name} stays attached on ${replica.node}: ${toDriverError(error).message}`);
    }
  }
}
