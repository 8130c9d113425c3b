import type { Context } from '../context.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, ResourceName, Snapshot } from '../linstor/linstor.ts';
import { Outcome } from '../linstor/outcome.ts';
import { isReplyLost } from '../linstor/reply-lost.ts';
import { requireDataConnected } from '../volumes/online.ts';
import { dropSnapshot, dropWhole, usableSnapshot } from '../volumes/snapshot.ts';
import { adopted } from '../volumes/snapshot-adopted.ts';
import { requirePassing, whenSnapshottable } from '../volumes/snapshot-ready.ts';
import { poll } from '../volumes/wait.ts';
import { type FreezeWindow, whileHeld } from './freeze.ts';

export interface TakeRequest {
  readonly linstor: Linstor;
  readonly points: readonly { readonly resource: ResourceName; readonly snapshot: string }[];
  readonly window: FreezeWindow;
  /** The caller takes them back itself. */
  readonly keeps?: boolean;
}

/** How long a replica that is still syncing is waited for; the guest is not held meanwhile. */
const syncMs = 130_000;

/** How often a guest is held for one backup, when LINSTOR refuses for what nobody could know. */
const tries = 3;

/**
 * One snapshot of all the resources at one point in time; their removal is on the undo stack. The guest is held for the one call to LINSTOR
 * that takes them, and let go before anything is waited for, looked at or tried again. Returns the snapshots as LINSTOR has recorded them.
 *
 * Errors: SNAPSHOT, LINSTOR_NODE_OFFLINE, LINSTOR_UNSUPPORTED.
 */
export async function takeTogether(ctx: Context, request: TakeRequest): Promise<readonly Snapshot[]> {
  const { linstor, points } = request;
  const resources = points.map(({ resource }) => resource);
  const together = await canTakeTogether(request);
  if (!together && points.length > 1 && request.window.domain !== undefined && request.window.mode === 'NONE')
    ctx.log.warn(
      'the snapshots of the disks are taken one after the other, so that they are from moments apart: LINSTOR takes them together from REST API 1.18 on; FS_FREEZE would hold the guest meanwhile',
    );
  for (const { resource, snapshot } of request.keeps ? [] : points)
    ctx.undo.push(`delete snapshot ${snapshot} of ${resource}`, () =>
      linstor.deleteSnapshot(resource, snapshot),
    );
  let last: unknown;
  let cleared = false;
  let renewed = false;
  let refused = 0;
  const done = await poll(ctx.clock, syncMs, async () => {
    // What passes is waited for before the guest is held, and what does not is told.
    for (const { resource, snapshot } of points)
      await whenSnapshottable(ctx, linstor, resource, `snapshot ${snapshot} of ${resource} is not taken`);
    try {
      const taken = await whileHeld(ctx, request.window, () => takeNow(request, together));
      const stale = renewed ? [] : await adopted(linstor, taken, points);
      if (stale.length === 0) return true;
      for (const { resource, snapshot, nodes } of stale)
        ctx.log.info(
          `snapshot ${snapshot} of ${resource} is an older one on ${nodes.join(', ')}, kept there since a deletion while the node was away; all are taken again`,
        );
      for (const { resource, snapshot } of points) await dropWhole(linstor, resource, snapshot);
      renewed = true;
      return undefined;
    } catch (error) {
      last = error;
      const again = await mayTryAgain(ctx, request, error, cleared);
      if (again === 'cleared') cleared = true;
      refused += 1;
      if (refused >= tries) throw error;
      return undefined;
    }
  });
  if (!done) throw last;
  const all = await linstor.snapshots({ names: resources });
  return points.map(({ resource, snapshot }) => usableSnapshot(all, resource, snapshot));
}

/**
 * The same for a guest that is not there meanwhile, and comes back when this returns or throws: nothing is waited for, and nothing tried again.
 * The caller has looked before, and looks afterwards.
 */
export async function takeOnce(
  ctx: Context,
  request: Pick<TakeRequest, 'linstor' | 'points'>,
): Promise<readonly { readonly nodes: readonly string[] }[]> {
  const { linstor, points } = request;
  for (const { resource, snapshot } of points)
    ctx.undo.push(`delete snapshot ${snapshot} of ${resource}`, () =>
      linstor.deleteSnapshot(resource, snapshot),
    );
  const together = await canTakeTogether({ ...request, window: { host: '', mode: 'NONE', seconds: 1 } });
  return adopted(
    linstor,
    await takeNow({ ...request, window: { host: '', mode: 'NONE', seconds: 1 } }, together),
    points,
  );
}

/** The client knows one name for all. */
async function canTakeTogether({ linstor, points }: TakeRequest): Promise<boolean> {
  const names = new Set(points.map(({ snapshot }) => snapshot));
  if (linstor.transport === 'cli' && names.size > 1) return false;
  return (await linstor.capabilities()).multiSnapshot;
}

async function takeNow({ linstor, points }: TakeRequest, together: boolean): Promise<Outcome> {
  if (together && points.length > 1) return linstor.createSnapshots(points);
  const entries: Outcome['entries'][number][] = [];
  for (const { resource, snapshot } of points)
    entries.push(...(await linstor.createSnapshot(resource, snapshot)).entries);
  return new Outcome(entries);
}

/** Throws what no second try mends. */
async function mayTryAgain(
  ctx: Context,
  { linstor, points }: TakeRequest,
  error: unknown,
  cleared: boolean,
): Promise<'cleared' | 'waiting'> {
  // 979/974: a replica is still syncing; 971: a rollback is running. What has been taken of the others is from another moment.
  if (
    isLinstorError(
      error,
      'FAIL_SNAPSHOT_NOT_UPTODATE',
      'FAIL_NOT_ALL_UPTODATE',
      'FAIL_SNAPSHOT_ROLLBACK_IN_PROGRESS',
    )
  ) {
    for (const { resource, snapshot } of points)
      requirePassing(`snapshot ${snapshot} of ${resource} is not taken`, resource, error);
    const view = await linstor.resources({ names: points.map(({ resource }) => resource) });
    for (const { resource, snapshot } of points)
      await requireDataConnected(linstor, `snapshot ${snapshot} of ${resource} is not taken`, view, resource);
    await clear(ctx, linstor, points);
    return 'waiting';
  }
  // 514: it exists. Either the lost request has made it, or it could not be deleted before.
  if (
    !cleared &&
    ((isReplyLost(error) && !error.late) || isLinstorError(error, 'FAIL_EXISTS_SNAPSHOT_DFN'))
  ) {
    await clear(ctx, linstor, points);
    return 'cleared';
  }
  throw error;
}

async function clear(ctx: Context, linstor: Linstor, points: TakeRequest['points']): Promise<void> {
  for (const { resource, snapshot } of points) await dropSnapshot(ctx, linstor, resource, snapshot);
}
