import { isDigits } from '../digits.ts';
import type { Linstor, ResourceDefinition } from '../linstor/linstor.ts';
import { type ResourceName, resourceName } from '../linstor/names.ts';
import { marks, registrationMark } from './marks.ts';
import { sameName } from './replicas.ts';

/**
 * What was deleted and is kept for a while. The volume stays as it is, under its name; that it is in the trash is noted in one of the
 * controller's key-value stores, which costs no satellite a round of work. A note that is lost makes a leftover of the volume, never a
 * removed one; a note counts only for the volume that it was written for.
 */
export interface TrashNote {
  readonly kind: 'image' | 'disk';
  readonly resource: ResourceName;
  /** Epoch milliseconds: when it was deleted, and from when on nobody wants it any more. */
  readonly since: number;
  readonly until: number;
  /** In words: `image deleted`. */
  readonly reason: string;
  /** Of the image, or of the VM. */
  readonly name: string;
  readonly image?: number;
  readonly vm?: number;
  readonly disk?: number;
  /** The image datastore that it was of. */
  readonly datastore?: number;
  readonly owner?: number;
  /** TYPE of the image. */
  readonly type: number;
  readonly persistent: boolean;
  /** It may go before its time where there is no room for what is new. */
  readonly yields: boolean;
  /** Whose volume it was: another one of that name has another mark. */
  readonly mark: string;
  /** Somebody is making an image of it, until then at the latest. */
  readonly claimed?: number;
}

export const trashStore = (prefix: string): string => `${prefix}one-trash`;

const keyOf = (resource: string): string => resource.toLowerCase();

/** What tells the volume from a later one of that name. */
export const trashMark = ({ name, props }: Pick<ResourceDefinition, 'name' | 'props'>): string =>
  props[registrationMark(name)] ?? props[marks.deployment] ?? '';

/** Values hold no bar and no line break; what is not ASCII is a matter of the client's terminal. */
const written = (note: TrashNote): string =>
  JSON.stringify(note).replace(
    /[^ -{}~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

function read(key: string, text: string): TrashNote | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  const id = (name: string): number | undefined => {
    const number = fields[name];
    return typeof number === 'number' && isDigits(String(number), 15) ? number : undefined;
  };
  const word = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '');
  const [since, until] = [id('since'), id('until')];
  const kind = fields['kind'];
  const name = word('resource');
  if ((kind !== 'image' && kind !== 'disk') || since === undefined || until === undefined) return undefined;
  if (keyOf(name) !== key) return undefined;
  const ids = ['image', 'vm', 'disk', 'datastore', 'owner', 'claimed'] as const;
  return {
    kind,
    resource: resourceName(name),
    since,
    until,
    reason: word('reason'),
    name: word('name'),
    type: id('type') ?? 0,
    persistent: fields['persistent'] === true,
    yields: fields['yields'] === true,
    mark: word('mark'),
    ...Object.fromEntries(ids.flatMap((each) => (id(each) === undefined ? [] : [[each, id(each)]]))),
  };
}

/** All of them, oldest first. One that cannot be read is passed over: its volume is then an ordinary leftover, which a person decides about. */
export const readTrash = (store: Readonly<Record<string, string>>): TrashNote[] =>
  Object.entries(store)
    .flatMap(([key, text]) => read(key, text) ?? [])
    .sort((a, b) => a.since - b.since);

export const trashOf = async (linstor: Linstor, prefix: string): Promise<TrashNote[]> =>
  readTrash(await linstor.keyValues(trashStore(prefix)));

export const writeTrash = async (linstor: Linstor, prefix: string, note: TrashNote): Promise<void> => {
  await linstor.modifyKeyValues(trashStore(prefix), { set: { [keyOf(note.resource)]: written(note) } });
};

export const forgetTrash = async (linstor: Linstor, prefix: string, resource: string): Promise<void> => {
  await linstor.modifyKeyValues(trashStore(prefix), { unset: [keyOf(resource)] });
};

/** The note of this very volume; none of an earlier one of its name. */
export const noteOf = (
  notes: readonly TrashNote[],
  definition: Pick<ResourceDefinition, 'name' | 'props'>,
): TrashNote | undefined =>
  notes.find((note) => sameName(note.resource, definition.name) && note.mark === trashMark(definition));

/** The same for many volumes: looked up, not searched for. */
export function notesByVolume(
  notes: readonly TrashNote[],
): (definition: Pick<ResourceDefinition, 'name' | 'props'>) => TrashNote | undefined {
  const byName = new Map(notes.map((note) => [keyOf(note.resource), note]));
  return (definition) => {
    const note = byName.get(keyOf(definition.name));
    return note?.mark === trashMark(definition) ? note : undefined;
  };
}

/** Notes whose volume is gone or another one by now, by the key that they are kept under. */
export function staleTrash(
  store: Readonly<Record<string, string>>,
  definitions: readonly ResourceDefinition[],
): ResourceName[] {
  const present = new Map(definitions.map((each) => [keyOf(each.name), trashMark(each)]));
  return Object.entries(store).flatMap(([key, text]) => {
    const note = read(key, text);
    return note && present.get(key) === note.mark ? [] : [resourceName(key)];
  });
}
