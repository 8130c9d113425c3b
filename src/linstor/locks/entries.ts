/**
 * What front-ends leave in LINSTOR's key-value store for each other (docs/architecture.md, “Several front-ends”): `held/<lock>/<id>` is an owner or
 * somebody who wants to be one, `lost/<lock>/<id>` says that the other front-ends do not count that entry any more. A published format.
 */

export const lockStore = (prefix: string): string => `${prefix}one-locks`;

export interface Entry {
  readonly lock: string;
  /** Of one attempt to get the lock, never used again. */
  readonly id: string;
  /** Goes up while the owner lives. */
  readonly beat: number;
  /** `FrontEnd.identity` */
  readonly identity: string;
  readonly host: string;
  readonly pid: number;
  readonly action: string;
  /** Epoch milliseconds by the owner's clock: when it asked for the lock, and when it last gave a sign of life. */
  readonly since: number;
  readonly seen: number;
}

export interface Fenced {
  readonly lock: string;
  readonly id: string;
  /** Name of the front-end that took over. */
  readonly by: string;
  /** Epoch milliseconds, by the clock of that one. */
  readonly at: number;
  /** What the first may have sent before has arrived. */
  readonly settled: boolean;
}

export const heldKey = ({ lock, id }: Pick<Entry, 'lock' | 'id'>): string => `held/${lock}/${id}`;
export const lostKey = ({ lock, id }: Pick<Entry, 'lock' | 'id'>): string => `lost/${lock}/${id}`;

/** Words without blanks, and without what the client's table cannot carry. */
const word = (text: string): string => text.replaceAll(/[^A-Za-z0-9._:/-]+/g, '_') || '_';

export const heldValue = ({ beat, identity, host, pid, action, since, seen }: Entry): string =>
  [beat, identity, word(host), pid, word(action), since, seen].join(' ');

export const lostValue = ({ by, at, settled }: Pick<Fenced, 'by' | 'at' | 'settled'>): string =>
  `${word(by)} ${at}${settled ? ' settled' : ''}`;

export interface Snapshot {
  readonly held: readonly Entry[];
  readonly lost: readonly Fenced[];
}

type Pairs = Readonly<Record<string, string>>;

/** What cannot be read is no entry, but counts as one of its lock: nobody knows who wrote it. */
export function readEntries(pairs: Pairs): Snapshot {
  const held: Entry[] = [];
  const lost: Fenced[] = [];
  for (const [key, value] of Object.entries(pairs)) {
    const match = /^(held|lost)\/([^/]+)\/([^/]+)$/.exec(key);
    if (!match) continue;
    const [, kind, lock = '', id = ''] = match;
    const words = value.split(' ');
    if (kind === 'lost')
      lost.push({ lock, id, by: words[0] ?? '', at: Number(words[1]) || 0, settled: words[2] === 'settled' });
    else {
      const [beat, identity = '', host = '', pid, action = '', since, seen] = words;
      const number = (text: string | undefined): number => Number(text) || 0;
      const [beats, process, from, last] = [number(beat), number(pid), number(since), number(seen)];
      held.push({ lock, id, beat: beats, identity, host, pid: process, action, since: from, seen: last });
    }
  }
  return { held, lost };
}

/** Entries that count. */
export const living = ({ held, lost }: Snapshot): Entry[] =>
  held.filter((entry) => !lost.some((each) => each.lock === entry.lock && each.id === entry.id));
