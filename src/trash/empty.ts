import type { Context } from '../context.ts';
import { requireClosed } from '../disks/in-use.ts';
import { DriverError, isDriverError } from '../errors.ts';
import type { Linstor, ResourceDefinition } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { basesOf, discardBase } from '../volumes/base.ts';
import { forgetCopy, isCopy } from '../volumes/copies.ts';
import { lockName } from '../volumes/names.ts';
import { removeResource } from '../volumes/remove.ts';
import { replicasOf } from '../volumes/replicas.ts';
import { forgetTrash, noteOf, type TrashNote, trashOf } from '../volumes/trash.ts';
import { holderOf } from './holder.ts';

export interface TrashPlace {
  readonly linstor: Linstor;
  readonly settings: Settings;
}

/** `gone`: it had been removed by somebody else. */
export type Removed = 'removed' | 'gone';

/**
 * Removes for good what is in the trash, with its snapshots, after another look at everything that speaks against it. Throws IN_USE where
 * somebody has it: an image, a VM, a process.
 */
export async function removeFromTrash(ctx: Context, place: TrashPlace, note: TrashNote): Promise<Removed> {
  return ctx.lock(lockName(note.resource), async () => {
    const { linstor, settings } = place;
    const prefix = settings.namePrefix;
    const [notes, [definition]] = await Promise.all([
      trashOf(linstor, prefix),
      linstor.definitions({ names: [note.resource] }),
    ]);
    const now = definition && noteOf(notes, definition);
    if (!now || now.since !== note.since) {
      if (definition && now)
        throw new DriverError('IN_USE', `${note.resource} was put into the trash again and is left`);
      if (!definition) await forgetTrash(linstor, prefix, note.resource);
      return 'gone';
    }
    const holder = await holderOf(ctx, now);
    if (holder !== undefined)
      throw new DriverError('IN_USE', `${note.resource} is not removed: ${holder} has it`, {
        remedy: 'gc forgets that it was in the trash',
      });
    await removeVolume(ctx, place, definition);
    if (isCopy(definition)) await forgetCopy(ctx, linstor, prefix, definition.name);
    await forgetTrash(linstor, prefix, note.resource);
    return 'removed';
  });
}

async function removeVolume(
  ctx: Context,
  { linstor, settings }: TrashPlace,
  { name }: ResourceDefinition,
): Promise<void> {
  const [all, snapshots] = await Promise.all([
    linstor.replicas([name]),
    linstor.snapshots({ names: [name] }),
  ]);
  const view = replicasOf(all, name);
  const open = view.filter((replica) => replica.inUse);
  if (open.length > 0)
    throw new DriverError('IN_USE', `${name} is open on ${open.map(({ node }) => node).join(', ')}`);
  try {
    await requireClosed(ctx, { resource: name, linstor, settings, view, hosts: settings.bridgeList });
  } catch (error) {
    if (!isDriverError(error, 'HOST_UNREACHABLE', 'HOST_TIMEOUT')) throw error;
    ctx.log.warn(`${error.message}; ${name} is removed on OpenNebula’s word that it is unused`);
  }
  for (const base of basesOf(snapshots, name)) await discardBase(ctx, linstor, name, base.name);
  await removeResource(ctx, linstor, name);
}
