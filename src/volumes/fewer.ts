import type { Linstor, NodeName } from '../linstor/linstor.ts';
import { nodeName } from '../linstor/names.ts';
import type { Plan } from './placement.ts';
import { hasNetworkLayer, isDiskful, sameName } from './replicas.ts';

/** How many volumes of a group are looked at for the nodes that it uses. */
const sample = 8;

/**
 * The plan with the replicas that can be had while satellites are away: a VM that comes up with one copy of a disk is worth more than none.
 * Undefined where fewer would not help.
 *
 * LINSTOR does not show a group's own list of nodes, and forgets it for a request that names a count (linstor-behaviour §3.4): so only
 * nodes are taken on which some volume of the group has a replica already.
 */
export async function fewerReplicas(linstor: Linstor, plan: Plan): Promise<Plan | undefined> {
  if (plan.replicas < 2 || !hasNetworkLayer(plan.effectiveLayers)) return undefined;
  const nodes = await linstor.nodes();
  const isOnline = (name: string): boolean =>
    nodes.some((node) => sameName(node.name, name) && node.status === 'ONLINE');
  const away = nodes.filter(({ status }) => status !== 'ONLINE').length;
  const used = plan.nodes.length > 0 ? plan.nodes : await nodesOfGroup(linstor, plan.group);
  const online = used.filter(isOnline);
  const replicas = Math.min(plan.replicas - 1, online.length);
  // What is missing must be missing because of the nodes that are away, and not for want of space.
  if (replicas < 1 || replicas < plan.replicas - away) return undefined;
  return {
    ...plan,
    replicas,
    nodes: plan.nodes.length > 0 ? online.slice(0, replicas) : [],
    filter: { ...plan.filter, nodes: online, placeCount: replicas },
  };
}

async function nodesOfGroup(linstor: Linstor, group: string): Promise<NodeName[]> {
  const names = (await linstor.definitions())
    .filter((definition) => sameName(definition.group, group))
    .slice(-sample)
    .map(({ name }) => name);
  if (names.length === 0) return [];
  const holders = (await linstor.replicas(names)).filter(isDiskful).map(({ node }) => node.toLowerCase());
  return [...new Set(holders)].map(nodeName);
}
