import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { Linstor, NodeName, ResourceName } from '../linstor/linstor.ts';
import type { Outcome } from '../linstor/outcome.ts';
import { isReplyLost } from '../linstor/reply-lost.ts';
import { createDefinition } from './define.ts';
import { type FirstReplica, nameFirstReplica, withoutFurtherReplica } from './first-replica.ts';
import type { DefinitionPlan } from './placement.ts';
import { isDiskful, replicasOf, sameName } from './replicas.ts';
import { poll } from './wait.ts';

export interface Restore {
  readonly from: ResourceName;
  readonly snapshot: string;
  readonly to: ResourceName;
  /** Only nodes that own the snapshot. Absent: all of them. */
  readonly nodes?: readonly NodeName[];
  readonly plan: DefinitionPlan;
  readonly props: Readonly<Record<string, string>>;
  readonly first?: FirstReplica | undefined;
}

type Waiting = Pick<Context, 'clock' | 'log'>;
type Target = Pick<Restore, 'from' | 'snapshot' | 'to' | 'nodes' | 'first'>;

/**
 * A new resource with the content of a snapshot; its removal is on the undo stack. The snapshot's `Aux` marks are laid
 * over those given here (linstor-behaviour §3.12): what must hold afterwards uses keys that the source never has.
 */
export async function restoreSnapshot(ctx: Context, linstor: Linstor, restore: Restore): Promise<void> {
  const alone = restore.first ? await withoutFurtherReplica(linstor) : {};
  await createDefinition(ctx, linstor, restore.to, restore.plan, { ...restore.props, ...alone });
  await restoreInto(ctx, linstor, restore);
}

/** The same for a definition that is there and has no volumes. */
export async function restoreInto(ctx: Waiting, linstor: Linstor, restore: Target): Promise<void> {
  const volumes = await linstor.restoreVolumes(restore.from, restore.snapshot, restore.to);
  // "Nothing found" is a warning here, and what follows would make resources without volumes (#25).
  if (volumes.has('warning', 'WARN_NOT_FOUND'))
    throw new DriverError('SNAPSHOT', `snapshot ${restore.snapshot} of ${restore.from} has no volumes`);
  await restoreReplicas(ctx, linstor, restore);
}

/**
 * The same for a definition that has the snapshot's volumes already: LINSTOR lays the properties of the snapshot's volumes over them, the
 * generation of DRBD's data among them, and refuses another size (206).
 *
 * Where a restore comes from is forgotten at its end, also for a satellite that was away: once back it makes an empty volume, which DRBD takes for
 * in sync. So nothing is kept of a restore that did not reach every node, or of which nobody knows whether it did.
 * Errors: SNAPSHOT, LINSTOR_NODE_OFFLINE.
 */
export async function restoreReplicas(ctx: Waiting, linstor: Linstor, restore: Target): Promise<void> {
  const outcome = (await firstTry(linstor, restore)) ?? (await secondTry(ctx, linstor, restore));
  if (outcome.has('warning', 'WARN_NOT_FOUND'))
    throw new DriverError('SNAPSHOT', `${restore.to} was restored without volumes`);
  if (outcome.satelliteAway) await requireReached(linstor, restore, outcome);
  if (restore.first) await nameFirstReplica(linstor, restore.to, restore.first);
}

const send = (linstor: Linstor, { from, snapshot, to, nodes }: Target): Promise<Outcome> =>
  linstor.restoreResources(from, snapshot, to, nodes ? { nodes } : {});

/** Undefined when the answer was lost. */
async function firstTry(linstor: Linstor, restore: Target): Promise<Outcome | undefined> {
  try {
    return await send(linstor, restore);
  } catch (error) {
    if (isReplyLost(error) && !error.late) return undefined;
    throw error;
  }
}

const discardMs = 30_000;

/** What the lost request has made is not to be trusted, and goes first: LINSTOR does not restore over replicas (502). */
async function secondTry(ctx: Waiting, linstor: Linstor, restore: Target): Promise<Outcome> {
  const { to } = restore;
  ctx.log.info(`the answer to the restore of ${to} was lost; it is restored again`);
  for (const { node } of await linstor.replicas([to])) await linstor.deleteResource(to, node);
  const gone = await poll(ctx.clock, discardMs, async () =>
    (await linstor.replicas([to])).length === 0 ? true : undefined,
  );
  if (!gone)
    throw new DriverError('LINSTOR_DELETING', `${to} is not restored again: its first replicas do not go`);
  return send(linstor, restore);
}

/** A tie-breaker that is to be made on a node that is away holds no data. */
async function requireReached(linstor: Linstor, { from, to }: Target, outcome: Outcome): Promise<void> {
  const away = outcome.nodesAway;
  const view = replicasOf(await linstor.resources({ names: [to] }), to);
  const missed = view.filter(
    (replica) =>
      isDiskful(replica) && (away.length === 0 || away.some((node) => sameName(node, replica.node))),
  );
  if (view.length > 0 && missed.length === 0) return;
  const where = (missed.length > 0 ? missed.map(({ node }) => node) : away).join(', ');
  throw new DriverError(
    'LINSTOR_NODE_OFFLINE',
    `${to} was not restored from ${from} on ${where || 'every node'}: its satellite was away, and what it makes later is empty`,
  );
}
