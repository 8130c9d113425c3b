import type { ClusterFacts, OneFacts } from '../checks/facts.ts';
import { findLeftovers } from './leftovers.ts';

/** How many leftovers there are, without asking about each VM of the past: what needs that stays uncounted. */
export function countLeftovers(
  clusters: readonly ClusterFacts[],
  one: OneFacts,
  now: number,
): number | undefined {
  if (!one.vms.ok || !one.images.ok) return undefined;
  const [vms, images] = [one.vms.value, one.images.value];
  const all = clusters.flatMap((cluster) => {
    const { definitions, resources, snapshots, nodes, kept, trash, settings } = cluster;
    if (!definitions.ok || !resources.ok || !snapshots.ok || !nodes.ok || !kept.ok || !trash.ok) return [];
    return findLeftovers({
      prefix: settings.namePrefix,
      nodeMap: settings.nodeMap,
      definitions: definitions.value,
      resources: resources.value,
      snapshots: snapshots.value,
      nodes: nodes.value,
      kept: kept.value,
      trash: trash.value,
      vms,
      images,
      past: new Map(),
      now,
      olderThanMs: 24 * 3_600_000,
    });
  });
  return all.length;
}
