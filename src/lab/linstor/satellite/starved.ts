import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hasQuorum, onNoQuorum, resourcesOn } from '../model/kernel.ts';
import { findNode, type LabNode } from '../model/node.ts';
import type { Runtime } from '../runtime.ts';
import { hang, setConnection } from './connection.ts';

/**
 * DRBD without its peers. A node that gets no processor for longer than DRBD's ping time-out (0.5 s) loses them while LINSTOR's satellite
 * on it answers (`starve`); a cut of the network leaves two sides, and the controller on one of them (`cut`). Where quorum is lost, the lab's
 * hosts show a device that nobody has open read-only, as it cannot be promoted; one that is open and whose policy is `suspend-io`
 * stands still for everybody who opens it (`ssh-script.ts`).
 */
export function starve(lab: Runtime, name: string, starved: boolean): void {
  const node = mustFind(lab, name);
  if (starved) node.starved = true;
  else delete node.starved;
  showQuorum(lab);
}

const FAR_SIDE = 'far';

/**
 * The network is cut between `names` and the rest. The controller is with the rest: after `seconds` it takes the satellites of the far
 * side for dead.
 */
export function cut(lab: Runtime, names: readonly string[], seconds: number | undefined): void {
  const nodes = names.map((name) => mustFind(lab, name));
  for (const node of nodes) {
    node.side = FAR_SIDE;
    hang(lab, node.name, seconds);
  }
  showQuorum(lab);
}

/** A host without power: its satellite answers nothing, and its peers have lost it. */
export function kill(lab: Runtime, name: string, seconds: number | undefined): void {
  mustFind(lab, name).dead = true;
  hang(lab, name, seconds);
  showQuorum(lab);
}

/** Everything that concerns the node's kernel is well again. */
export async function rejoin(lab: Runtime, name: string): Promise<void> {
  const node = mustFind(lab, name);
  const wasAway = node.connection !== 'ONLINE' || node.hung === true;
  delete node.side;
  delete node.dead;
  delete node.starved;
  if (wasAway) await setConnection(lab, node.name, 'ONLINE');
  showQuorum(lab);
}

function mustFind(lab: Runtime, name: string): LabNode {
  const node = findNode(lab.state, name);
  if (!node) throw new Error(`the lab has no node '${name}'`);
  return node;
}

/** One line for each device without quorum: its name, and whether it stands still or cannot be promoted. */
function showQuorum(lab: Runtime): void {
  const directory = join(lab.root, 'noquorum');
  mkdirSync(directory, { recursive: true });
  for (const { name } of lab.state.nodes) {
    const lines = resourcesOn(lab.state, name)
      .filter(({ definition, own }) => !hasQuorum(lab.state, definition, own))
      .flatMap(({ definition, own }) => {
        const frozen = own.drbd?.inUse === true && onNoQuorum(lab.state, definition) === 'suspend-io';
        return own.volumes.flatMap(({ topDevice }) =>
          topDevice === undefined ? [] : `${basename(topDevice)}\t${frozen ? 'frozen' : 'refused'}\n`,
        );
      });
    if (lines.length === 0) rmSync(join(directory, name), { force: true });
    else writeFileSync(join(directory, name), lines.join(''));
  }
}
