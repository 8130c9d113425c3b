import type { Context } from '../context.ts';
import { DriverError, isDriverError, toDriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { NodeName, Replica, ResourceName } from '../linstor/linstor.ts';
import type { Sharing } from '../volumes/disk.ts';
import { hasNetworkLayer, isDiskful, isTieBreaker, layersOf, onNode } from '../volumes/replicas.ts';
import { closeMs, dualPrimaryProperty, forbidTwoPrimaries, isFinal } from '../volumes/two-primaries.ts';
import { untilDone } from '../volumes/wait.ts';
import { type Attachment, attach, type DiskRef, detach, namesOf } from './attach.ts';
import { guessNode, requireOnlineNode } from './find-node.ts';

/**
 * Two primaries: both ends of a live migration hold the device open for a moment. Outside of that moment it must not be
 * possible, or a VM that is started twice destroys its disk (users #85).
 */

/** A disk during a live migration. */
export interface Migrating extends DiskRef {
  readonly sharing: Sharing;
  /** The resource's replicas. */
  readonly view: readonly Replica[];
}

/**
 * Moving a VM leaves plain storage behind: LINSTOR would make a new, empty volume on the destination. Throws
 * NOT_REACHABLE_FROM_HOST (or NO_REPLICA) before anything is changed.
 */
export function requireMovable(
  resource: ResourceName,
  view: readonly Replica[],
  what: string,
  from: string,
  to: string,
): void {
  const layers = layersOf(view);
  if (!view.some(isDiskful)) {
    throw new DriverError(
      'NO_REPLICA',
      `${what} cannot move to ${to}: resource ${resource} has no replica with a disk`,
    );
  }
  if (hasNetworkLayer(layers)) return;
  const where = view.map((replica) => replica.node).join(', ');
  throw new DriverError(
    'NOT_REACHABLE_FROM_HOST',
    `${what} cannot move from ${from} to ${to}: resource ${resource} is plain storage on ${where} (layers ${layers.join(',')}) and is not reachable over the network; on ${to} LINSTOR would make a new, empty volume of that name`,
    { remedy: `leave the VM on ${from}, or keep its disks in a resource group with the DRBD layer` },
  );
}

/**
 * The resource is usable on the destination, while the source goes on using it. All of it is on the undo stack.
 * From REST 1.29 LINSTOR itself confines two primaries to the connection between the two nodes, and lets them in along with it
 * (`managed`); before, a property of the resource definition lets any two in, and `allowTwoPrimaries` sets it when all else is ready.
 *
 * Errors: those of `attach`.
 */
export async function attachMigrating(
  ctx: Context,
  disk: Migrating,
  destination: string,
): Promise<Attachment> {
  const { linstor, resource, sharing, view } = disk;
  const node = await nodeOf(disk, destination);
  // Primaries are DRBD's; other network layers (NVMe) let any number of nodes in.
  if (hasPrimaries(view) && sharing === 'exclusive' && (await linstor.capabilities()).managedDualPrimary) {
    const attachment = await attachManaged(ctx, disk, destination, node);
    if (attachment) return { ...attachment, managed: true };
  }
  const present = onNode(view, node);
  if (present && isTieBreaker(present)) {
    // Attaching takes the flag away; deleting the diskless replica gives it back (recordings drbd-01, 32–35).
    ctx.undo.push(`give the tie-breaker of ${resource} on ${present.node} back`, () =>
      detach(linstor, resource, present.node),
    );
  }
  return attach(ctx, disk, destination, { view });
}

const hasPrimaries = (view: readonly Replica[]): boolean => layersOf(view).includes('DRBD');

const nodeOf = (disk: Migrated, host: string): Promise<NodeName> =>
  guessNode(
    namesOf(disk),
    host,
    (disk.view ?? []).map((replica) => replica.node),
  );

/**
 * Two nodes may open the resource for writing, from now on: the last thing before libvirt takes over. A 2xx of which a satellite knows
 * nothing is not done: the destination's open would fail later (linstor-behaviour §7.8).
 */
export async function allowTwoPrimaries(
  ctx: Context,
  disk: Migrating,
  hosts: readonly string[],
): Promise<void> {
  const { linstor, resource, sharing, view } = disk;
  if (!hasPrimaries(view) || sharing === 'read-only') return;
  if (sharing === 'exclusive') {
    ctx.undo.push(`forbid two primaries of ${resource}`, () => forbidTwoPrimaries(ctx, linstor, resource));
  }
  const outcome = await linstor.modifyDefinition(resource, { set: { [dualPrimaryProperty]: 'yes' } });
  if (!outcome.satelliteAway) return;
  for (const host of hosts) await requireOnlineNode(namesOf(disk), host);
}

/** Undefined when the LINSTOR client is older than the controller and does not know how. */
async function attachManaged(
  ctx: Context,
  disk: Migrating,
  destination: string,
  node: NodeName,
): Promise<Attachment | undefined> {
  const { linstor, resource, settings, view } = disk;
  const endLater = (at: NodeName) =>
    ctx.undo.push(`end the migration window of ${resource} on ${at}`, () =>
      linstor.unmakeAvailable(resource, at),
    );
  let forget = endLater(node);
  const open = async (): Promise<Attachment> => {
    const attachment = await attach(ctx, disk, destination, { view, manageDualPrimary: true });
    // The host has another name in LINSTOR than was thought.
    if (attachment.node !== node) {
      forget();
      forget = endLater(attachment.node);
    }
    // A diskless pool of the site's own is attached by another call, which knows of no migration.
    if (attachment.made && settings.disklessPool !== 'DfltDisklessStorPool') {
      await linstor.makeAvailable(resource, attachment.node, { manageDualPrimary: true });
    }
    return attachment;
  };
  try {
    return await open();
  } catch (error) {
    if (isDriverError(error, 'LINSTOR_UNSUPPORTED')) {
      forget();
      return undefined;
    }
    // Left over from a migration whose end was never reported; refused by LINSTOR while the device is in use there.
    if (!isDriverError(error, 'LINSTOR_EXISTS')) throw error;
    ctx.log.warn(`an earlier live migration of ${resource} was never ended; it is ended now`);
    await linstor.unmakeAvailable(resource, node);
    return open();
  }
}

/** A disk whose migration has ended. The view is fresh: its reader has waited until the host closed the device. Absent: LINSTOR did not tell. */
export type Migrated = Omit<Migrating, 'view'> & Partial<Pick<Migrating, 'view'>>;

/**
 * Two primaries are forbidden again, whatever else fails, and it is tried for minutes. `ended`: LINSTOR has ended it itself, and has taken a
 * diskless replica on `host` away. `held`: the device is still open there, nothing was changed. `forbidden`: a diskless replica there is for
 * `detach`. `host`: the one that is left, the source after a migration, the destination after a failed one.
 */
export async function revokeDualPrimary(
  ctx: Pick<Context, 'clock'>,
  disk: Migrated,
  host: string,
): Promise<'ended' | 'held' | 'forbidden'> {
  const { linstor, resource, sharing, view } = disk;
  if (sharing !== 'exclusive' || (view && view.length > 0 && !hasPrimaries(view))) return 'forbidden';
  const ended = await untilDone(ctx.clock, closeMs, () => endManaged(disk, host), isFinal).catch(
    (error: unknown) => toDriverError(error),
  );
  if (ended === 'held') return ended;
  // Also where LINSTOR manages it: a client that does not know how, or the driver before an update, may have set it.
  await forbidTwoPrimaries(ctx, linstor, resource);
  if (ended instanceof DriverError) throw ended;
  return ended ?? 'forbidden';
}

/** Undefined where LINSTOR does not manage it. */
async function endManaged(disk: Migrated, host: string): Promise<'ended' | 'held' | undefined> {
  const { linstor, resource } = disk;
  if (!(await linstor.capabilities()).managedDualPrimary) return undefined;
  try {
    await linstor.unmakeAvailable(resource, await nodeOf(disk, host));
    return 'ended';
  } catch (error) {
    if (isLinstorError(error, 'FAIL_IN_USE')) return 'held';
    if (isDriverError(error, 'LINSTOR_UNSUPPORTED')) return undefined;
    if (!isLinstorError(error, 'FAIL_NOT_FOUND_NODE')) throw error;
    // Not LINSTOR's name of that host, so nothing is attached there; the window itself must close all the same.
    const found = await requireOnlineNode(namesOf(disk), host);
    await linstor.unmakeAvailable(resource, found.name);
    return 'ended';
  }
}
