import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { Linstor, NodeName, ResourceName } from '../linstor/linstor.ts';
import { createDefinition } from './define.ts';
import type { Plan } from './placement.ts';

export interface Restore {
  readonly from: ResourceName;
  readonly snapshot: string;
  readonly to: ResourceName;
  /** Only nodes that own the snapshot. Absent: all of them. */
  readonly nodes?: readonly NodeName[];
  readonly plan: Pick<Plan, 'group' | 'layers' | 'unbalanced'>;
  readonly props: Readonly<Record<string, string>>;
}

type Target = Pick<Restore, 'from' | 'snapshot' | 'to' | 'nodes'>;

/**
 * A new resource with the content of a snapshot; its removal is on the undo stack. The snapshot's `Aux` marks are laid
 * over those given here (linstor-behaviour §3.12): what must hold afterwards uses keys that the source never has.
 */
export async function restoreSnapshot(ctx: Context, linstor: Linstor, restore: Restore): Promise<void> {
  await createDefinition(ctx, linstor, restore.to, restore.plan, restore.props);
  await restoreInto(linstor, restore);
}

/** The same for a definition that is there and has no volumes. */
export async function restoreInto(linstor: Linstor, restore: Target): Promise<void> {
  const volumes = await linstor.restoreVolumes(restore.from, restore.snapshot, restore.to);
  // "Nothing found" is a warning here, and what follows would make resources without volumes (#25).
  if (volumes.has('warning', 3000))
    throw new DriverError('SNAPSHOT', `snapshot ${restore.snapshot} of ${restore.from} has no volumes`);
  await restoreReplicas(linstor, restore);
}

/**
 * The same for a definition that has the snapshot's volumes already: LINSTOR lays the properties of the snapshot's volumes over them, the
 * generation of DRBD's data among them, and refuses another size (206).
 */
export async function restoreReplicas(linstor: Linstor, restore: Target): Promise<void> {
  const outcome = await linstor.restoreResources(
    restore.from,
    restore.snapshot,
    restore.to,
    restore.nodes ? { nodes: restore.nodes } : {},
  );
  if (outcome.has('warning', 3000))
    throw new DriverError('SNAPSHOT', `${restore.to} was restored without volumes`);
}
