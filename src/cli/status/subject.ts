import { DriverError } from '../../errors.ts';
import { suggest } from '../suggest.ts';

export const subjectKinds = ['vm', 'image', 'host', 'node', 'datastore'] as const;
export type SubjectKind = (typeof subjectKinds)[number];
/** What there is one of: no id. */
export const locks = 'locks';

export interface Subject {
  readonly what: SubjectKind;
  /** As it was typed: an id or a name. */
  readonly key: string;
}

const examples: Readonly<Record<SubjectKind, string>> = {
  vm: '7',
  image: '12',
  host: 'node1',
  node: 'node1',
  datastore: '100',
};

/** Throws USAGE. */
export function subjectFrom(
  what: string | undefined,
  key: string | undefined,
): Subject | typeof locks | undefined {
  if (what === undefined) return undefined;
  if (what === locks) {
    if (key === undefined) return locks;
    throw new DriverError('USAGE', 'status locks takes no ID');
  }
  const kind = subjectKinds.find((each) => each === what);
  if (kind === undefined) {
    const meant = suggest(what, subjectKinds);
    throw new DriverError('USAGE', `status: “${what}” is not one of ${subjectKinds.join(', ')}, locks`, {
      remedy: `did you mean “linstor_un status ${meant ?? 'vm'} ${key ?? examples[kind ?? 'vm']}”?`,
    });
  }
  if (key === undefined || key === '')
    throw new DriverError(
      'USAGE',
      `status ${kind}: missing ${kind === 'host' || kind === 'node' ? 'name' : 'ID or name'}`,
      {
        remedy: `for example: linstor_un status ${kind} ${examples[kind]}`,
      },
    );
  return { what: kind, key };
}

/** OpenNebula's command that lists what there is. */
const lists: Readonly<Record<SubjectKind, string>> = {
  vm: 'onevm list',
  image: 'oneimage list',
  host: 'onehost list',
  node: 'linstor node list',
  datastore: 'onedatastore list',
};

const nouns: Readonly<Record<SubjectKind, string>> = {
  vm: 'VM',
  image: 'image',
  host: 'host',
  node: 'LINSTOR node',
  datastore: 'datastore',
};

const idOf = (key: string): number | undefined => (/^\d{1,9}$/.test(key) ? Number(key) : undefined);

/** The object that was typed, by its id or its name. Throws ONE_NOT_FOUND, with what was probably meant. */
export function choose<T extends { readonly name: string; readonly id?: number }>(
  { what, key }: Subject,
  all: readonly T[],
): T {
  const id = idOf(key);
  const byId = id === undefined ? undefined : all.find((item) => item.id === id);
  if (byId) return byId;
  const named = all.filter((item) => item.name.toLowerCase() === key.toLowerCase());
  const exact = named.filter((item) => item.name === key);
  const found = exact.length > 0 ? exact : named;
  if (found.length === 1 && found[0]) return found[0];
  if (found.length > 1)
    throw new DriverError(
      'ONE_NOT_FOUND',
      `${found.length} ${nouns[what]}s are called “${key}”: ${found.map((item) => item.id).join(', ')}`,
      {
        remedy: `give the id: linstor_un status ${what} ${found[0]?.id}`,
      },
    );
  throw unknownSubject({ what, key }, all);
}

export function unknownSubject(
  { what, key }: Subject,
  all: readonly { readonly name: string; readonly id?: number }[],
): DriverError {
  const meant =
    idOf(key) === undefined
      ? suggest(
          key,
          all.map(({ name }) => name),
        )
      : undefined;
  const named = idOf(key) === undefined ? `called “${key}”` : key;
  return new DriverError(
    what === 'node' ? 'LINSTOR_NOT_FOUND' : 'ONE_NOT_FOUND',
    `there is no ${nouns[what]} ${named}`,
    {
      remedy:
        meant === undefined
          ? `${lists[what]} lists them`
          : `did you mean “linstor_un status ${what} ${meant}”?`,
    },
  );
}

/** A VM or image that is done is in no list; OpenNebula still knows it by its id. */
export const numericKey = ({ key }: Subject): number | undefined => idOf(key);
