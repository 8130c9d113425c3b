import type { NodeName, Snapshot } from '../linstor/linstor.ts';
import type { BackupConfig } from '../opennebula/backup-config.ts';
import { type BackupPoint, backupSnapshot, parseBackupSnapshot } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { isUsable } from '../volumes/snapshot.ts';

/*
 * The snapshots that backups keep (backup contract B7). OpenNebula never tells whether an increment that was handed over was also recorded: so
 * both, the last recorded one and the one just made, stay until the next backup says by its LAST_INCREMENT_ID which of them counts.
 */

/** What the backup of one VM is, before any disk is looked at. */
export interface BackupKind {
  /** In the names of the files. */
  readonly number: number;
  /** Of the snapshot that is taken of every disk. */
  readonly take: number | 'full';
  /** Increment that the new one is the difference to; absent: everything is in the file. */
  readonly parent?: number;
}

export function backupKind({
  mode,
  lastIncrement,
}: Pick<BackupConfig, 'mode' | 'lastIncrement'>): BackupKind {
  if (mode === 'FULL') return { number: 0, take: 'full' };
  const number = lastIncrement + 1;
  return { number, take: number, ...(lastIncrement >= 0 ? { parent: lastIncrement } : {}) };
}

/** Whose chain a snapshot of this disk belongs to. */
export interface Chain {
  /** Set for an image that other VMs may have as well. */
  readonly vmId?: number;
}

export const pointName = (chain: Chain, increment: number | 'full'): string =>
  backupSnapshot({ increment, ...chain });

const pointOf = (chain: Chain, snapshot: Snapshot): BackupPoint | undefined => {
  const point = parseBackupSnapshot(snapshot.name);
  return point && point.vmId === chain.vmId ? point : undefined;
};

/** The backup snapshots of a disk in this chain. */
export const pointsOf = (snapshots: readonly Snapshot[], chain: Chain): Snapshot[] =>
  snapshots.filter((snapshot) => pointOf(chain, snapshot) !== undefined);

/** Those that the backup has no use for: of an earlier chain, or of a try that OpenNebula has not recorded. */
export const superfluous = (snapshots: readonly Snapshot[], chain: Chain, kind: BackupKind): Snapshot[] =>
  pointsOf(snapshots, chain).filter(
    (snapshot) => kind.parent === undefined || pointOf(chain, snapshot)?.increment !== kind.parent,
  );

export interface Parent {
  readonly name: string;
  readonly nodes: readonly NodeName[];
}

/** The parent, on nodes on which the disk can be read too; undefined when it is lost: the increment then holds everything. */
export function usableParent(
  snapshots: readonly Snapshot[],
  chain: Chain,
  kind: BackupKind,
  readable: readonly NodeName[],
): Parent | undefined {
  const { parent } = kind;
  if (parent === undefined) return undefined;
  const found = snapshots.find(
    (snapshot) => pointOf(chain, snapshot)?.increment === parent && isUsable(snapshot),
  );
  const nodes = readable.filter((node) => found?.nodes.some((each) => sameName(each, node)));
  return found && nodes.length > 0 ? { name: found.name, nodes } : undefined;
}
