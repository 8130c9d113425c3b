import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, Resource, ResourceName, Snapshot } from '../linstor/linstor.ts';
import { isBase } from './base.ts';
import { requireDataConnected } from './online.ts';
import { isDeleting, isDiskful, isInactive, replicasOf } from './replicas.ts';
import { usableSnapshot } from './snapshot.ts';
import { poll } from './wait.ts';

/** DRBD may still be closing, or syncing after the last operation. */
const graceMs = 20_000;

/** A rollback deletes all replicas and restores them; with a slow pool, or a satellite that is late, it takes its time. */
const runningMs = 120_000;

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
  const start = ctx.clock.now();
  const done = await poll(ctx.clock, runningMs + graceMs, async () => {
    try {
      return await linstor.rollback(resource, snapshot);
    } catch (error) {
      last = error;
      // Two at once trip over each other's replicas: the first one's is waited for.
      if (isRunning(error)) {
        if (ctx.clock.now() - start < runningMs + graceMs) await whenRolledBack(ctx, linstor, resource);
        return undefined;
      }
      if (!isLinstorError(error, 'FAIL_IN_USE', 'FAIL_NOT_ALL_UPTODATE') || ctx.clock.now() - start > graceMs)
        throw error;
      await requireDataConnected(
        linstor,
        `${resource} is not reverted`,
        await linstor.resources({ names: [resource] }),
        resource,
      );
      return undefined;
    }
  });
  if (!done) throw isRunning(last) ? stillRunning(resource, last) : last;
  if (done.satelliteAway)
    throw new DriverError(
      'LINSTOR_NODE_OFFLINE',
      `${resource} was not reverted to ${snapshot} on every node: a satellite is away`,
    );
}

/** 971, or what a controller that stumbles over a replica which another call has deleted says: a Java exception by name. */
const isRunning = (error: unknown): boolean =>
  isLinstorError(error, 'FAIL_SNAPSHOT_ROLLBACK_IN_PROGRESS') ||
  (isLinstorError(error) && /AccessToDeletedData/.test(error.message));

const stillRunning = (resource: ResourceName, cause: unknown): DriverError =>
  new DriverError('LINSTOR_DELETING', `${resource} is not reverted: LINSTOR is still at an earlier revert`, {
    remedy: 'wait until `linstor resource list` shows all replicas, then retry',
    cause,
  });

/** Between its steps a rollback leaves no replica, or replicas that go or are switched off. */
const isWhole = (view: readonly Resource[]): boolean =>
  view.some(isDiskful) && !view.some((each) => isDeleting(each) || isInactive(each));

/** While it runs, a rollback keeps what was there before in a snapshot of this name (linstor-behaviour §3.12). */
const isSafety = (snapshot: Snapshot): boolean => snapshot.name.startsWith('safety-snap-');

/** Is a rollback that another call has begun still running, as far as this shows? */
export const looksRollingBack = (view: readonly Resource[], snapshots: readonly Snapshot[]): boolean =>
  !isWhole(view) || snapshots.some(isSafety);

/** Returns the view of the resource when no rollback is running, or when it has run for so long that LINSTOR may judge itself. */
export async function whenRolledBack(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  resource: ResourceName,
): Promise<readonly Resource[]> {
  ctx.log.info(`LINSTOR is still reverting ${resource}; that is waited for`);
  let view: readonly Resource[] = [];
  const done = await poll(ctx.clock, runningMs, async () => {
    const [all, snapshots] = await Promise.all([
      linstor.resources({ names: [resource] }),
      linstor.snapshots({ names: [resource] }),
    ]);
    view = replicasOf(all, resource);
    await requireDataConnected(linstor, `${resource} is not reverted`, view, resource);
    return looksRollingBack(view, snapshots) ? undefined : view;
  });
  if (!done) ctx.log.warn(`LINSTOR has not ended an earlier revert of ${resource}`);
  return done ?? view;
}

/** Servers before 1.31 roll back only to the newest snapshot (linstor-behaviour §3.12); returns the snapshot, checked, and all. */
export async function canRollBack(
  linstor: Linstor,
  resource: ResourceName,
  name: string,
): Promise<{ readonly snapshot: Snapshot; readonly direct: boolean; readonly all: readonly Snapshot[] }> {
  const [all, { rollbackAny }] = await Promise.all([
    linstor.snapshots({ names: [resource] }),
    linstor.capabilities(),
  ]);
  const snapshot = usableSnapshot(all, resource, name);
  // A base goes before anything is reverted.
  const newest = all.every((other) => isBase(other) || (other.createdAt ?? 0) <= (snapshot.createdAt ?? 0));
  return { snapshot, direct: rollbackAny || newest, all };
}
