import { clustersOf } from '../availability/clusters.ts';
import type { Context } from '../context.ts';
import { parseResource } from '../volumes/names.ts';
import { notesByVolume, trashOf } from '../volumes/trash.ts';

/** Volumes of the driver that nobody minds once it is uninstalled. */
export interface KeptInLinstor {
  readonly images: number;
  readonly disks: number;
  /** Checkpoints, memory, and what an action was making. */
  readonly others: number;
  /** Deleted ones, which are in none of the other numbers. */
  readonly trash: number;
}

/** Reads only. */
export async function keptInLinstor(context: Context): Promise<KeptInLinstor> {
  const kept = { images: 0, disks: 0, others: 0, trash: 0 };
  for (const { settings } of clustersOf(context, await context.one.datastores())) {
    const linstor = context.linstor(settings);
    const [definitions, notes] = await Promise.all([
      linstor.definitions(),
      trashOf(linstor, settings.namePrefix),
    ]);
    const noteFor = notesByVolume(notes);
    for (const definition of definitions) {
      const kind = parseResource(settings.namePrefix, definition.name)?.kind;
      if (kind === undefined) continue;
      if (noteFor(definition)) kept.trash += 1;
      else if (kind === 'image') kept.images += 1;
      else if (kind === 'disk') kept.disks += 1;
      else kept.others += 1;
    }
  }
  return kept;
}

const counted = (count: number, one: string, many: string): string[] =>
  count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];

/** `undefined`: LINSTOR or OpenNebula did not tell. */
export function keptText(kept: KeptInLinstor | undefined): string {
  if (!kept) return 'What stays in LINSTOR is not known: LINSTOR or OpenNebula did not answer.';
  const parts = [
    ...counted(kept.images, 'image', 'images'),
    ...counted(kept.disks, 'VM disk', 'VM disks'),
    ...counted(kept.others, 'other volume', 'other volumes'),
    ...counted(kept.trash, 'volume in the trash', 'volumes in the trash'),
  ];
  if (parts.length === 0) return 'Nothing of the driver stays in LINSTOR.';
  const empty = kept.trash > 0 ? '; the trash is emptied by “linstor_un trash empty”, before' : '';
  return `Stays in LINSTOR: ${parts.join(', ')}${empty}.`;
}
