import { imageWith, isSettled } from '../../trash/holder.ts';
import { notesByVolume, readTrash, staleTrash, type TrashNote } from '../../volumes/trash.ts';
import type { Index, Inventory } from '../inventory.ts';
import { allocated, days, type Leftover } from './leftovers.ts';

/** What is in the trash by the notes, with the volumes that they are of. */
export class TrashIndex {
  readonly #notes: ReadonlyMap<string, TrashNote>;

  constructor({ trash = {}, definitions }: Inventory) {
    const noteFor = notesByVolume(readTrash(trash));
    this.#notes = new Map(
      definitions.flatMap((definition) => {
        const note = definition.flags.includes('DELETE') ? undefined : noteFor(definition);
        return note ? [[definition.name.toLowerCase(), note] as const] : [];
      }),
    );
  }

  has(name: string): boolean {
    return this.#notes.has(name.toLowerCase());
  }

  get notes(): readonly TrashNote[] {
    return [...this.#notes.values()];
  }
}

/** What has been kept for its time, and notes of what is not in the trash: the volume is gone, or an image has it again. */
export function ofTrash(inventory: Inventory, index: Index, trash: TrashIndex): Leftover[] {
  const hasVm = (note: TrashNote): boolean =>
    note.kind === 'disk' && note.vm !== undefined && index.vms.has(note.vm);
  const due = trash.notes.filter(
    (note) => note.until <= inventory.now && !hasVm(note) && !imageWith(note, inventory.images),
  );
  // An image that is being deleted has its note already, and a VM that ends has its own.
  const alive = trash.notes.filter((note) => isSettled(imageWith(note, inventory.images)));
  const stale = staleTrash(inventory.trash ?? {}, inventory.definitions);
  return [
    ...due.map((note): Leftover => {
      const { resource, reason, since } = note;
      const base = { kind: 'trash', resource, bytes: allocated(index.replicasOf(resource)) } as const;
      const why = `in the trash: ${reason} ${days(inventory.now - since)} ago`;
      return index.inUse(resource)
        ? { ...base, proof: 'unproven', why, doubt: 'some process holds it open' }
        : { ...base, proof: 'proven', why };
    }),
    ...[...stale, ...alive.map(({ resource }) => resource)].map((resource): Leftover => {
      const why = 'note of what is not in the trash any more';
      return { kind: 'trash-note', resource, bytes: 0, proof: 'proven', why };
    }),
  ];
}
