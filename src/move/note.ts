import type { Linstor } from '../linstor/linstor.ts';
import type { ResourceName } from '../linstor/names.ts';

/** A move that has begun: what has to be known to go on with it, and to leave everything else as it was. */
export interface MoveNote {
  readonly pools: readonly string[];
  readonly group?: string | undefined;
  readonly replicas: number;
  readonly nodes: readonly string[];
  readonly back?: string | undefined;
  /** What DRBD's limit was before this move set its own; empty: none. Absent: it was left alone. */
  readonly limitBefore?: string | undefined;
}

/** In the controller's key-value store: it costs no satellite a round. A published format. */
export const moveStore = (prefix: string): string => `${prefix}one-moves`;

const keyOf = (resource: ResourceName): string => resource.toLowerCase();
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

/** Undefined for what is no note of a move. */
export function parseNote(text: string | undefined): MoveNote | undefined {
  if (text === undefined) return undefined;
  try {
    const raw = JSON.parse(text) as Partial<Record<keyof MoveNote, unknown>>;
    const pools = texts(raw.pools);
    const replicas = Number(raw.replicas);
    if (pools.length === 0 || !Number.isInteger(replicas) || replicas < 1) return undefined;
    return {
      pools,
      replicas,
      nodes: texts(raw.nodes),
      ...(typeof raw.group === 'string' ? { group: raw.group } : {}),
      ...(typeof raw.back === 'string' ? { back: raw.back } : {}),
      ...(typeof raw.limitBefore === 'string' ? { limitBefore: raw.limitBefore } : {}),
    };
  } catch {
    return undefined;
  }
}

export const readNote = async (
  linstor: Linstor,
  prefix: string,
  resource: ResourceName,
): Promise<MoveNote | undefined> => parseNote((await linstor.keyValues(moveStore(prefix)))[keyOf(resource)]);

export const writeNote = (linstor: Linstor, prefix: string, resource: ResourceName, note: MoveNote) =>
  linstor.modifyKeyValues(moveStore(prefix), { set: { [keyOf(resource)]: JSON.stringify(note) } });

export const dropNote = (linstor: Linstor, prefix: string, resource: ResourceName) =>
  linstor.modifyKeyValues(moveStore(prefix), { unset: [keyOf(resource)] });
