import type { LabDefinition, LayerKind } from '../model/definition.ts';
import { findGroup } from '../model/group.ts';
import { findNode, isOnline, missing } from '../model/node.ts';
import { largestKib, mayMix } from '../model/placement.ts';
import { findPool, type LabPool, poolExists } from '../model/pool.ts';
import { diskful, isDrbd } from '../model/resource.ts';
import { Refusal } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';

/** Where a resource on a named node goes, and whether it fits. */

/** Peer slots are counted per replica: itself excluded (linstor-behaviour §1.4). */
export function refuseFullSlots(definition: LabDefinition, layers: readonly LayerKind[]): void {
  const slots = definition.drbd?.peerSlots ?? definition.peerSlots ?? 7;
  const others = definition.resources.filter(isDrbd);
  if (!layers.includes('DRBD') || others.length <= slots) return;
  throw new Refusal(
    993,
    `Resource on node ${others[0]?.node} has insufficient peer slots to add another peer`,
    {
      report: true,
    },
  );
}

/** Resource, volume definition, definition, group, node, controller; then the default pool (linstor-behaviour §3.10). */
export function poolNameFor(
  lab: Runtime,
  definition: LabDefinition,
  node: string,
  props: Readonly<Record<string, string>>,
): string {
  const sources = [
    props,
    definition.volumes[0]?.props,
    definition.props,
    findGroup(lab.state, definition.group)?.props,
    findNode(lab.state, node)?.props,
    lab.state.controllerProps,
  ];
  return (
    sources.map((source) => source?.['StorPoolName']).find((name) => name !== undefined) ?? 'DfltStorPool'
  );
}

export function poolFor(lab: Runtime, definition: LabDefinition, node: string, name: string): LabPool {
  const pool = findPool(lab.state, node, name);
  if (pool) return pool;
  if (name === 'DfltStorPool') {
    throw new Refusal(
      311,
      `The storage pool 'DfltStorPool' for resource '${definition.name}' for volume number '0' is not deployed on node '${node}'.`,
      {
        cause: 'Dependency not found',
        details: `The resource which should be deployed had at least one volume definition (volume number '0') which LINSTOR tried to automatically create. The storage pool name for this new volume was looked for, in order, in: the properties of the resource, volume definition, resource definition and node, and finally in a system wide default storage pool name defined by the LINSTOR Controller.`,
        report: true,
      },
    );
  }
  if (!poolExists(lab.state, name)) {
    throw new Refusal(309, `Storage pool definition '${name}' not found.`, {
      cause: `The specified storage pool definition '${name}' could not be found in the database`,
      correction: `Create a storage pool definition '${name}' first.`,
    });
  }
  throw missing('storage pool', 310, name, { where: ` on node '${node}'` });
}

/** Explicit placement says 206 where automatic says 996 (linstor-behaviour §3.9). */
export function checkFit(lab: Runtime, definition: LabDefinition, pool: LabPool): void {
  const tooBig = definition.volumes.find((item) => item.sizeKib > largestKib(lab.state, pool));
  if (tooBig && isOnline(findNode(lab.state, pool.node))) {
    throw new Refusal(
      206,
      `Not enough free space available for volume ${tooBig.number} of resource '${definition.name}'.`,
    );
  }
  for (const other of diskful(definition)) {
    const theirs = findPool(lab.state, other.node, other.volumes[0]?.pool ?? '');
    if (theirs && !mayMix(lab.state, theirs, pool)) {
      throw new Refusal(221, 'Mixing thin and thick storage pools are not allowed', { report: true });
    }
  }
}
