/**
 * Which controller the lab pretends to be. Unknown fields and paths are refused according to the REST
 * version of that generation (linstor-behaviour §0.2).
 */
export type GenerationName = '1.20' | '1.27' | '1.31' | '1.33' | '1.35';

export interface Generation {
  readonly name: GenerationName;
  readonly version: string;
  readonly restVersion: string;
  /** Minor number of the REST version: 1.27.0 → 27. */
  readonly rest: number;
  /** Rollback is delete + restore, takes any snapshot; before 1.31 only the newest one. */
  readonly rollbackAny: boolean;
  /** Clone errors answer 500 (1.32.2); before, 201 with the error among the messages. */
  readonly cloneErrorsAre500: boolean;
  /** DRBD shrink is refused (1.33.3). */
  readonly refusesDrbdShrink: boolean;
  /** Resize needs every DRBD replica UpToDate (1.30.4). */
  readonly resizeNeedsUpToDate: boolean;
  /** Same size is a warning without satellite work (1.30.3). */
  readonly warnsSameSize: boolean;
  /** ZFS snapshots can be deleted while restored volumes depend on them (1.31). */
  readonly zfsRename: boolean;
  /** Volume definitions tell by a flag that their first replica was up to date (1.33.2). */
  readonly marksInitialized: boolean;
}

function generation(name: GenerationName, version: string, rest: number): Generation {
  const [, minor = 0, patch = 0] = version.split('.').map(Number);
  const since = (m: number, p = 0): boolean => minor > m || (minor === m && patch >= p);
  return {
    name,
    version,
    restVersion: `1.${rest}.0`,
    rest,
    rollbackAny: since(31),
    cloneErrorsAre500: since(32, 2),
    refusesDrbdShrink: since(33, 3),
    resizeNeedsUpToDate: since(30, 4),
    warnsSameSize: since(30, 3),
    zfsRename: since(31),
    marksInitialized: since(33, 2),
  };
}

const generations: Record<GenerationName, Generation> = {
  '1.20': generation('1.20', '1.20.3', 15),
  '1.27': generation('1.27', '1.27.1', 22),
  '1.31': generation('1.31', '1.31.3', 25),
  '1.33': generation('1.33', '1.33.3', 27),
  '1.35': generation('1.35', '1.35.0', 29),
};

export const generationNames = Object.keys(generations) as readonly GenerationName[];

export function generationOf(name: GenerationName): Generation {
  return generations[name];
}
