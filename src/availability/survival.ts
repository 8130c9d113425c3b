import type { Node, Resource, ResourceDefinition, ResourceGroup } from '../linstor/linstor.ts';
import type { NodeName } from '../linstor/names.ts';
import { effectiveProp, quorumKeys } from '../volumes/quorum.ts';
import { isDeleting, isDiskful, isDiskless, isReadable, sameName } from '../volumes/replicas.ts';

/** What is left of a volume when a node goes now. */
export interface Survival {
  readonly resource: string;
  /** Replicas from which everything can be read: now, and then. */
  readonly copies: number;
  readonly left: number;
  /** Would the nodes that are left let a guest write? Where quorum is off, or without DRBD, nobody asks. */
  readonly writable: boolean;
  /** `off`, `majority`, `all` or a number; LINSTOR writes it on every definition, and DRBD's own default is none. */
  readonly quorum: string;
  /** What a guest gets that cannot write. */
  readonly onNoQuorum: string;
  readonly replicated: boolean;
}

export interface Cluster {
  readonly nodes: readonly Node[];
  readonly groups: readonly ResourceGroup[];
  readonly properties: Readonly<Record<string, string>>;
}

/** `replicas`: of this definition. By DRBD's own rule (linstor-behaviour §13.1). */
export function survives(
  definition: ResourceDefinition,
  replicas: readonly Resource[],
  gone: NodeName,
  { nodes, groups, properties }: Cluster,
): Survival {
  const group = groups.find(({ name }) => sameName(name, definition.group))?.props;
  const value = (key: string): string | undefined => effectiveProp(key, definition.props, group, properties);
  const replicated = definition.layers.includes('DRBD');
  const present = replicas.filter((replica) => !isDeleting(replica));
  const isUp = (replica: Resource): boolean =>
    nodes.some((node) => sameName(node.name, replica.node) && node.status === 'ONLINE');
  const stays = present.filter((replica) => !sameName(replica.node, gone) && isUp(replica));
  const quorum = (value(quorumKeys.quorum) ?? 'off').toLowerCase();
  return {
    resource: definition.name,
    quorum,
    replicated,
    copies: present.filter(isReadable).length,
    left: stays.filter(isReadable).length,
    writable: !replicated || hasQuorum(quorum, present, stays),
    onNoQuorum: value(quorumKeys.onNoQuorum) ?? 'io-error',
  };
}

/** Nodes whose absence alone costs a replicated volume its data or its quorum: `node1 (last copy)`. */
export function singlePoints(
  definition: ResourceDefinition,
  replicas: readonly Resource[],
  cluster: Cluster,
): string[] {
  if (!definition.layers.includes('DRBD') || definition.flags.includes('DELETE')) return [];
  return replicas
    .filter((replica) => !isDeleting(replica))
    .flatMap(({ node }) => {
      const { copies, left, writable } = survives(definition, replicas, node, cluster);
      if (copies > 0 && left === 0) return [`${node} (last copy)`];
      return left > 0 && !writable ? [`${node} (quorum)`] : [];
    });
}

function hasQuorum(setting: string, all: readonly Resource[], there: readonly Resource[]): boolean {
  if (setting === 'off') return true;
  const voters = all.filter(isDiskful).length;
  const needed =
    setting === 'majority'
      ? Math.floor(voters / 2) + 1
      : setting === 'all'
        ? voters
        : Number.parseInt(setting, 10);
  const here = there.filter(isDiskful).length;
  if (here >= needed) return true;
  const isHalf = voters > 0 && voters % 2 === 0 && here === needed - 1;
  const diskless = all.filter(isDiskless).length;
  return isHalf && there.filter(isDiskless).length >= Math.floor(diskless / 2) + 1;
}
