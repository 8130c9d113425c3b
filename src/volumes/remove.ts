import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, ResourceName } from '../linstor/linstor.ts';
import { dropSnapshot } from './snapshot.ts';
import { poll } from './wait.ts';

/** How long a device may still be closing after its last user (linstor-behaviour §5, §7.6). */
const inUseGraceMs = 10_000;

export interface Removal {
  /** `pending`: LINSTOR finishes when the named satellites are back. */
  readonly state: 'gone' | 'pending';
}

/**
 * The resource with all its snapshots is gone, or marked for deletion where a satellite is away. Safe to repeat;
 * what does not exist is gone. Throws LINSTOR_IN_USE naming the holders. Plain storage has no protection against
 * being deleted while open (linstor-behaviour §3.7): callers look on the host first.
 */
export async function removeResource(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  name: ResourceName,
  onRequest: () => void = () => undefined,
): Promise<Removal> {
  let last: unknown;
  const done = await poll(ctx.clock, inUseGraceMs, async () => {
    try {
      onRequest();
      const outcome = await linstor.deleteDefinition(name);
      return { away: outcome.satelliteAway };
    } catch (error) {
      last = error;
      if (isLinstorError(error, 'FAIL_EXISTS_SNAPSHOT_DFN')) {
        await removeSnapshots(ctx, linstor, name);
        return undefined;
      }
      if (isLinstorError(error, 'FAIL_IN_USE')) return undefined;
      throw error;
    }
  });
  if (!done && isLinstorError(last, 'FAIL_IN_USE')) throw await heldBy(linstor, name, last);
  if (!done && isLinstorError(last, 'FAIL_EXISTS_SNAPSHOT_DFN'))
    throw await stuckSnapshots(linstor, name, last);
  if (!done) throw last;
  if (!done.away) return { state: 'gone' };
  ctx.log.warn(`resource ${name} is marked for deletion; LINSTOR removes it when its satellites are back`);
  return { state: 'pending' };
}

async function removeSnapshots(
  ctx: Pick<Context, 'log'>,
  linstor: Linstor,
  name: ResourceName,
): Promise<void> {
  const snapshots = await linstor.snapshots({ names: [name] });
  // Newest first: ZFS snapshots may depend on older ones.
  for (const snapshot of [...snapshots].sort((a, b) => (b.createdAt ?? 0) - (a.createdAt ?? 0))) {
    await dropSnapshot(ctx, linstor, name, snapshot.name);
  }
}

/** A snapshot that LINSTOR is deleting, and cannot while a node that has a part of it is away, keeps its resource. */
async function stuckSnapshots(linstor: Linstor, name: ResourceName, cause: unknown): Promise<DriverError> {
  const [snapshots, nodes] = await Promise.all([linstor.snapshots({ names: [name] }), linstor.nodes()]);
  const holders = new Set(snapshots.flatMap((snapshot) => snapshot.nodes.map((node) => node.toLowerCase())));
  const away = nodes.filter((node) => holders.has(node.name.toLowerCase()) && node.status !== 'ONLINE');
  const list = snapshots.map((snapshot) => snapshot.name).join(', ');
  const where = away.map((node) => `${node.name} (${node.status})`).join(', ');
  const [first] = away;
  return new DriverError(
    'LINSTOR_DELETING',
    `resource ${name} is not deleted: LINSTOR does not get rid of its snapshot ${list}${where ? `, a part of which is on ${where}` : ''}`,
    {
      cause,
      remedy: first
        ? `bring ${away.map((node) => node.name).join(', ')} back and delete the image again; if a node never returns: linstor node lost ${first.name}`
        : `linstor snapshot list -r ${name}, then linstor error-reports list; delete it with linstor snapshot delete ${name} ${snapshots[0]?.name ?? 'NAME'}`,
    },
  );
}

async function heldBy(linstor: Linstor, name: ResourceName, cause: unknown): Promise<DriverError> {
  const holders = (await linstor.replicas([name]))
    .filter((resource) => resource.inUse)
    .map((resource) => resource.node);
  return new DriverError(
    'LINSTOR_IN_USE',
    `resource ${name} is in use${holders.length > 0 ? ` on ${holders.join(', ')}` : ''}`,
    { cause },
  );
}
