import type { Finding } from '../checks/check.ts';
import { checkReads } from '../checks/cluster.ts';
import type { ClusterFacts, ClusterView } from '../checks/facts.ts';
import { checkNodes } from '../checks/nodes.ts';
import { checkHealth } from '../checks/storage.ts';
import type { ClusterStatus, NodeStatus } from './model.ts';
import type { VolumeStatus } from './volume.ts';

/** What `doctor` would call a warning or a failure of this cluster: `status` is well when it is. */
export function problemsIn(view: ClusterView, cluster: ClusterFacts): Finding[] {
  if (!cluster.capabilities.ok) return [];
  return [...checkReads(cluster), ...checkNodes(view, cluster), ...checkHealth(view, cluster)].filter(
    ({ severity }) => severity === 'warn' || severity === 'fail',
  );
}

/** Findings of which the screen has a line of its own, by node or by volume. */
const ofNodes = 'linstor.nodes';
const told: ReadonlySet<string> = new Set([
  ofNodes,
  'linstor.hosts',
  'storage.deleting',
  'storage.unknown',
  'storage.sync',
  'storage.split',
  'storage.replicas',
]);

export interface Trouble {
  readonly nodes: readonly string[];
  /** Volumes with a trouble that no dead node explains. */
  readonly volumes: readonly { readonly volume: VolumeStatus; readonly text: string }[];
  readonly others: readonly string[];
}

/** What one dead node causes is one line; the rest is told volume by volume. */
export function troubleOf(cluster: ClusterStatus, problems: readonly Finding[]): Trouble {
  const dead = new Map(
    cluster.nodes.filter((node) => node.status !== 'ONLINE').map((node) => [node.name, node]),
  );
  const explained = (volume: VolumeStatus): ReadonlySet<string> =>
    new Set(
      volume.replicas
        .filter((replica) => replica.state === 'unknown' && dead.has(replica.node))
        .map((replica) => `${replica.node} unknown`),
    );
  const inUse = new Set(problems.filter(({ id }) => id === ofNodes).map(({ object }) => object));
  return {
    nodes: [...dead.values()].flatMap((node) => {
      const held = cluster.volumes.filter((volume) => volume.replicas.some(isDataOn(node)));
      return inUse.has(node.name) || held.length > 0 ? [nodeText(node, held)] : [];
    }),
    volumes: cluster.volumes.flatMap((volume) => {
      const known = explained(volume);
      const left = volume.trouble.filter((text) => !known.has(text));
      return left.length === 0 ? [] : [{ volume, text: left.join(', ') }];
    }),
    others: problems
      .filter(({ id }) => !told.has(id))
      .map(({ object, what }) => (object === undefined ? what : `${object}: ${what}`)),
  };
}

const isDataOn =
  (node: NodeStatus) =>
  (replica: VolumeStatus['replicas'][number]): boolean =>
    replica.role === 'disk' && replica.node === node.name;

function nodeText(node: NodeStatus, held: readonly VolumeStatus[]): string {
  const last = held.filter(
    (volume) =>
      !volume.replicas.some(
        (replica) =>
          replica.role === 'disk' &&
          replica.node !== node.name &&
          (replica.state === 'UpToDate' || replica.state === 'ok'),
      ),
  );
  const count = (number: number): string => `${number} volume${number === 1 ? '' : 's'}`;
  const what =
    held.length === 0 ? '' : `: ${count(held.length)} ${held.length === 1 ? 'has' : 'have'} a replica there`;
  const alone =
    last.length === 0 || held.length === 0 ? '' : `; no other up-to-date replica for ${count(last.length)}`;
  return `${node.name} is ${node.status}${what}${alone}`;
}
