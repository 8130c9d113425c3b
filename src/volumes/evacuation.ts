import { DriverError } from '../errors.ts';
import type { Linstor, NodeName, Resource, ResourceName } from '../linstor/linstor.ts';
import { isEvacuated } from '../linstor/node-state.ts';
import { sameName } from './replicas.ts';
import { LastingObstacle } from './snapshot-ready.ts';

/**
 * A node that is evacuated (`linstor node evacuate`) keeps its replicas, in use and in sync, until others are; but LINSTOR leaves them out of
 * snapshots. Those that it replaces are flagged. Of those that it has no other place for, and of plain storage, only the node tells.
 */

/** The snapshot was taken, but not of these replicas: whoever needs them all does without. */
export class LeftOut extends DriverError {
  readonly nodes: readonly NodeName[];
  constructor(message: string, nodes: readonly NodeName[]) {
    super('LINSTOR_NODE_OFFLINE', message, {
      remedy: `end it with linstor node restore ${nodes[0] ?? ''}, or wait until the node is empty`,
    });
    this.nodes = nodes;
  }
}

export async function evacuatedAmong(
  linstor: Pick<Linstor, 'nodes'>,
  names: readonly NodeName[],
): Promise<readonly NodeName[]> {
  const nodes = (await linstor.nodes()).filter(isEvacuated);
  return names.filter((name) => nodes.some((node) => sameName(node.name, name)));
}

export const without = (replicas: readonly Resource[], nodes: readonly NodeName[]): Resource[] =>
  replicas.filter((replica) => !nodes.some((node) => sameName(node, replica.node)));

/** Nothing is left to take a snapshot of: no waiting mends that, bytes can still be read. */
export const allEvacuated = (what: string, name: ResourceName, nodes: readonly NodeName[]): LastingObstacle =>
  new LastingObstacle(
    'SNAPSHOT',
    `${what}: LINSTOR takes none on a node that is evacuated, and ${name} is on ${nodes.join(', ')} only`,
    { remedy: `end the evacuation: linstor node restore ${nodes[0] ?? ''}` },
  );
