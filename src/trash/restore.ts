import type { Context } from '../context.ts';
import { DriverError, isDriverError, toDriverError } from '../errors.ts';
import type { ResourceDefinition, Snapshot } from '../linstor/linstor.ts';
import type { Image } from '../opennebula/one.ts';
import { imageType } from '../opennebula/states.ts';
import { marks, registrationMark, vmMarks } from '../volumes/marks.ts';
import { lockName, snapshotId, sourceOf } from '../volumes/names.ts';
import { forgetTrash, noteOf, type TrashNote, trashOf } from '../volumes/trash.ts';
import type { TrashPlace } from './empty.ts';
import { holderOf, imageWith, isSettled } from './holder.ts';

export interface Restored {
  readonly image: number;
  readonly name: string;
  readonly datastore: number;
  /** Of the volume; OpenNebula has forgotten them. */
  readonly snapshots: readonly string[];
}

export interface RestoreWish {
  /** Image datastore. */
  readonly datastore: number;
  /** Absent: its own, with something behind it where another image has that name. */
  readonly name?: string;
}

const typeNames: Readonly<Record<number, string>> = {
  [imageType.OS]: 'OS',
  [imageType.CDROM]: 'CDROM',
  [imageType.DATABLOCK]: 'DATABLOCK',
};

/**
 * The volume is an image again, as it is: OpenNebula is told of it (contract §8.4), no byte moves and no action runs. Safe to repeat: an
 * image that an earlier try has made is found.
 */
export async function restoreFromTrash(
  ctx: Context,
  { linstor, settings }: TrashPlace,
  note: TrashNote,
  wish: RestoreWish,
): Promise<Restored> {
  return ctx.lock(lockName(note.resource), async () => {
    const prefix = settings.namePrefix;
    const [notes, [definition], snapshots] = await Promise.all([
      trashOf(linstor, prefix),
      linstor.definitions({ names: [note.resource] }),
      linstor.snapshots({ names: [note.resource] }),
    ]);
    const now = definition && noteOf(notes, definition);
    if (!now || definition.flags.includes('DELETE'))
      throw new DriverError('LINSTOR_NOT_FOUND', `${note.resource} is not in the trash any more`, {
        remedy: 'linstor_un trash list',
      });
    const found = imageWith(now, await ctx.one.images());
    const present = isSettled(found) ? found : undefined;
    if (!present) await requireFree(ctx, now);
    const image = present ?? (await allocate(ctx, definition, now, wish));
    await ownMarks(linstor, definition, image);
    await forgetTrash(linstor, prefix, now.resource);
    if (!present) await giveBack(ctx, now, image);
    return {
      image: image.id,
      name: image.name,
      datastore: image.datastoreId ?? wish.datastore,
      snapshots: ofImage(snapshots),
    };
  });
}

const ofImage = (snapshots: readonly Snapshot[]): string[] =>
  snapshots.map(({ name }) => name).filter((name) => snapshotId(name) !== undefined);

async function requireFree(ctx: Context, note: TrashNote): Promise<void> {
  const holder = await holderOf(ctx, note);
  if (holder !== undefined)
    throw new DriverError('IN_USE', `${note.resource} cannot become an image: ${holder} has it`);
}

/** Names are unique among an owner's images. */
function namesFor(note: TrashNote, wanted: string | undefined): string[] {
  if (wanted !== undefined) return [wanted];
  const own = (note.kind === 'disk' ? `${note.name}-disk-${note.disk}` : note.name).replaceAll(
    /["\r\n]/g,
    ' ',
  );
  return [own, `${own}-restored`, `${own}-${note.resource}`];
}

async function allocate(
  ctx: Context,
  definition: ResourceDefinition,
  note: TrashNote,
  { datastore, name: wanted }: RestoreWish,
): Promise<Image> {
  const kib = definition.volumes.reduce((sum, volume) => sum + volume.sizeKib, 0);
  if (definition.volumes.length !== 1)
    throw new DriverError('NOT_SUPPORTED', `${note.resource} has ${definition.volumes.length} volumes`);
  const names = namesFor(note, wanted);
  for (const [index, name] of names.entries()) {
    try {
      const id = await ctx.one.allocateImage(
        {
          NAME: name,
          TYPE: typeNames[note.type] ?? 'OS',
          PERSISTENT: note.persistent ? 'YES' : 'NO',
          SOURCE: sourceOf(definition.name),
          FORMAT: 'raw',
          SIZE: Math.ceil(kib / 1024),
        },
        datastore,
      );
      return await ctx.one.image(id);
    } catch (error) {
      const taken = isDriverError(error, 'ONE_REFUSED') && /already taken/i.test(error.message);
      if (!taken || index + 1 === names.length) throw error;
    }
  }
  throw new DriverError('INTERNAL', `no name for ${note.resource}`);
}

/** What belonged to the VM says nothing any more. An image that was one before has nothing to change, and costs LINSTOR no work. */
async function ownMarks(
  linstor: TrashPlace['linstor'],
  { name, props }: ResourceDefinition,
  image: Image,
): Promise<void> {
  const foreign = vmMarks.filter((key) => key in props);
  const usage = Object.keys(props).filter((key) => key.startsWith('Aux/one/SNAPSHOT_'));
  const flattened = marks.flattened in props ? [marks.flattened] : [];
  if (foreign.length === 0) return;
  await linstor.modifyDefinition(name, {
    set: { [registrationMark(name)]: `${image.id}-${image.registeredAt}` },
    unset: [...foreign, ...usage, ...flattened],
  });
}

/** To whom it belonged; a user who is gone leaves it to oneadmin. */
async function giveBack(ctx: Context, { owner }: TrashNote, { id }: Image): Promise<void> {
  if (owner === undefined || owner === 0) return;
  try {
    await ctx.one.giveImage(id, owner);
  } catch (error) {
    ctx.log.warn(`image ${id} stays oneadmin’s: ${toDriverError(error).message}`);
  }
}
