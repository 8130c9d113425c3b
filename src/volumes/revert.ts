import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, ResourceName, Snapshot } from '../linstor/linstor.ts';
import { requireSnapshot } from './snapshot.ts';
import { poll } from './wait.ts';

/** DRBD may still be closing, or syncing after the last operation. */
const graceMs = 20_000;

/**
 * The resource has the content and the size of the snapshot; all its snapshots stay. Device paths may be others afterwards
 * (linstor-behaviour §3.12). The caller has made sure that nobody has it open: LINSTOR asks only DRBD.
 *
 * Errors: SNAPSHOT, LINSTOR_IN_USE, LINSTOR_NODE_OFFLINE (every satellite of the resource must be connected),
 * LINSTOR_UNSUPPORTED (an older snapshot than the newest on a server before 1.31: see `canRollBack`).
 */
export async function rollBack(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  resource: ResourceName,
  snapshot: string,
): Promise<void> {
  let last: unknown;
  const done = await poll(ctx.clock, graceMs, async () => {
    try {
      return await linstor.rollback(resource, snapshot);
    } catch (error) {
      last = error;
      if (isLinstorError(error, 997, 971, 974)) return undefined;
      throw error;
    }
  });
  if (!done) throw last;
  if (done.satelliteAway)
    throw new DriverError(
      'LINSTOR_NODE_OFFLINE',
      `${resource} was not reverted to ${snapshot} on every node: a satellite is away`,
    );
}

/** Servers before 1.31 roll back only to the newest snapshot (linstor-behaviour §3.12); returns the snapshot, checked. */
export async function canRollBack(
  linstor: Linstor,
  resource: ResourceName,
  name: string,
): Promise<{ readonly snapshot: Snapshot; readonly direct: boolean }> {
  const [snapshot, { rollbackAny }] = await Promise.all([
    requireSnapshot(linstor, resource, name),
    linstor.capabilities(),
  ]);
  if (rollbackAny) return { snapshot, direct: true };
  const all = await linstor.snapshots({ names: [resource] });
  const newest = all.every((other) => (other.createdAt ?? 0) <= (snapshot.createdAt ?? 0));
  return { snapshot, direct: newest };
}
