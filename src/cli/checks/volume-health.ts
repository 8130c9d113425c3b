import { readNote } from '../../disks/revert-note.ts';
import type { NodeName, Resource, ResourceDefinition } from '../../linstor/linstor.ts';
import { leavingFlags } from '../../linstor/node-state.ts';
import { isDeleting, isDiskless, isInSync, skipsDisk } from '../../volumes/replicas.ts';
import { type ClusterFacts, orElse } from './facts.ts';

/** What is wrong with a volume. `doctor` and `status` both ask here: they cannot disagree. */
export type Problem =
  | { readonly kind: 'deleting' }
  | { readonly kind: 'no-disk' }
  | { readonly kind: 'half-reverted' }
  | { readonly kind: 'unknown' | 'split'; readonly node: NodeName }
  | { readonly kind: 'not-in-sync'; readonly node: NodeName; readonly state: string };

/** Of a replica without a disk; with one, `Diskless` means that the disk has failed. */
const wellWithoutDisk: ReadonlySet<string> = new Set(['ok', 'Diskless', 'Client', 'TieBreaker', 'UpToDate']);

/** `UpToDate`, `Inconsistent`, …; `ok` for storage without DRBD, `unknown` while the satellite is away. */
export function stateOf(replica: Resource): string {
  if (isDeleting(replica)) return 'DELETING';
  if (!replica.stateKnown) return 'unknown';
  if (Object.values(replica.connections).some((connection) => connection.message === 'StandAlone'))
    return 'StandAlone';
  if (!isDiskless(replica) && skipsDisk(replica)) return 'disk skipped';
  const worst = replica.volumes.find((volume) => !isInSync(volume)) ?? replica.volumes[0];
  return worst?.diskState || 'ok';
}

/** `view`: all replicas of the definition. */
export function problemsOf(definition: ResourceDefinition, view: readonly Resource[]): Problem[] {
  if (definition.flags.includes('DELETE')) return [{ kind: 'deleting' }];
  const noDisk = definition.volumes.length > 0 && !view.some((replica) => !isDiskless(replica));
  const half = readNote(definition)?.state === 'reverting';
  return [
    ...(noDisk ? [{ kind: 'no-disk' } as const] : []),
    ...(half ? [{ kind: 'half-reverted' } as const] : []),
    ...view.flatMap(replicaProblem),
  ];
}

function replicaProblem(replica: Resource): Problem[] {
  const state = stateOf(replica);
  const { node } = replica;
  if (isDiskless(replica) ? wellWithoutDisk.has(state) : isInSync({ diskState: state === 'ok' ? '' : state }))
    return [];
  if (state === 'DELETING') return [{ kind: 'deleting' }];
  if (state === 'unknown') return [{ kind: 'unknown', node }];
  if (state === 'StandAlone') return [{ kind: 'split', node }];
  return [{ kind: 'not-in-sync', node, state }];
}

export function describeProblem(problem: Problem): string {
  switch (problem.kind) {
    case 'deleting':
      return 'being deleted';
    case 'no-disk':
      return 'no replica with a disk';
    case 'half-reverted':
      return 'a revert of its VM is under way or was cut off';
    case 'unknown':
      return `${problem.node} unknown`;
    case 'split':
      return `${problem.node} StandAlone`;
    case 'not-in-sync':
      return `${problem.node} ${problem.state}`;
  }
}

/** Nodes of which nothing is heard: what they hold is of unknown state because of that, and of nothing else. */
export function deadNodes(cluster: Pick<ClusterFacts, 'nodes'>): ReadonlySet<string> {
  return new Set(
    orElse(cluster.nodes, [])
      .filter((node) => node.status !== 'ONLINE' || leavingFlags(node).length > 0)
      .map((node) => node.name),
  );
}
