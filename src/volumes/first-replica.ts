import type {
  Capabilities,
  Linstor,
  NodeName,
  ResourceDefinition,
  ResourceName,
} from '../linstor/linstor.ts';
import { sameName } from './replicas.ts';

/**
 * LINSTOR names in each volume definition the node whose replica was the first one to be up to date, and a restore takes the name over from the
 * snapshot. From 1.33.2 on that node's satellite confirms it, by the flag DRBD_INITIALIZED. Where it has no replica nobody confirms, and
 * a replica that LINSTOR adds there later declares itself up to date while it is empty.
 */
export const firstReplicaProperty = 'Linstor/Drbd/InitialUptoDateOn';

/** Says nothing about a volume but that its first replica was up to date. */
const confirmed = 'DRBD_INITIALIZED';

/** Volumes of which another node has to be named, and that node. */
export interface FirstReplica {
  readonly node: NodeName;
  readonly volumes: readonly number[];
}

/** What to name after a restore from `source` onto these nodes only; undefined when its own name serves. */
export function otherFirstReplica(
  source: ResourceDefinition,
  nodes: readonly NodeName[],
): FirstReplica | undefined {
  const [node] = nodes;
  const volumes = source.volumes.filter(({ props }) => {
    const named = props[firstReplicaProperty];
    return named !== undefined && !nodes.some((each) => sameName(each, named));
  });
  return node === undefined || volumes.length === 0
    ? undefined
    : { node, volumes: volumes.map(({ number }) => number) };
}

/**
 * Properties for the new definition: from 1.34 on an administrator can have LINSTOR add a replica in the very call that restores, before
 * another node is named.
 */
export async function withoutFurtherReplica(linstor: Linstor): Promise<Record<string, string>> {
  return (await linstor.capabilities()).balanceAfterRestore
    ? { 'Snapshot/BalanceAfterRestore': 'False' }
    : {};
}

/** The same for LINSTOR's own clone, which takes the name over as well (linstor-behaviour §3.13). */
export const noFurtherReplicaOfClone = (capabilities: Capabilities): Record<string, string> =>
  capabilities.balanceAfterRestore ? { 'Clone/BalanceAfterClone': 'False' } : {};

export async function nameFirstReplica(
  linstor: Linstor,
  resource: ResourceName,
  { node, volumes }: FirstReplica,
): Promise<void> {
  for (const number of volumes)
    await linstor.modifyVolume(resource, number, { [firstReplicaProperty]: node });
}

/** Is a replica that comes to the named node an empty one that counts as up to date? `holders`: nodes that have a disk of it. */
export const lacksFirstReplica = (definition: ResourceDefinition, holders: readonly NodeName[]): boolean =>
  holders.length > 0 &&
  otherFirstReplica(definition, holders)?.volumes.some(
    (number) => !definition.volumes.find((each) => each.number === number)?.flags.includes(confirmed),
  ) === true;

/** Is there nothing to know about the volume but its size? */
export const isPlainVolume = ({ flags }: { readonly flags: readonly string[] }): boolean =>
  flags.every((flag) => flag === confirmed);
