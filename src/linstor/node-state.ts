import type { Node } from './linstor.ts';

/** What a node is good for: the one place that says so. */

/** Flags of a node that LINSTOR gives up, or that is to become empty: it takes no new volumes (linstor-behaviour §3.3, §7.8). */
const leaving: readonly string[] = ['EVICTED', 'EVACUATE', 'DELETE'];

export const leavingFlags = ({ flags }: Pick<Node, 'flags'>): readonly string[] =>
  flags.filter((flag) => leaving.includes(flag));

/** LINSTOR moves the replicas away; until that is done they serve, but no snapshot is taken of them. */
export const isEvacuated = ({ flags }: Pick<Node, 'flags'>): boolean => flags.includes('EVACUATE');

/** Would LINSTOR place a new volume there by itself? */
export const takesVolumes = (node: Node): boolean =>
  node.status === 'ONLINE' &&
  leavingFlags(node).length === 0 &&
  node.props['AutoplaceTarget']?.toLowerCase() !== 'false';
