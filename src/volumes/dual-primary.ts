import type { Context } from '../context.ts';
import { type Attachment, attach, detach } from '../disks/attach.ts';
import { replicaOnHost, requireOnlineNode } from '../disks/nodes.ts';
import { DriverError, isDriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, NodeName, Resource, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { hasNetworkLayer, isDiskful, isTieBreaker, layersOf } from './replicas.ts';

/**
 * Two primaries: both ends of a live migration hold the device open for a moment. Outside of that moment it must not be
 * possible, or a VM that is started twice destroys its disk (users #85).
 */

/** On the resource definition (linstor-behaviour §3.16). */
export const dualPrimaryProperty = 'DrbdOptions/Net/allow-two-primaries';

/**
 * `exclusive`: one VM writes; two primaries only during the window. `shareable`: several VMs write, two primaries are
 * allowed for as long as the image is shareable (tm/ln sees to that). `read-only`: nobody becomes primary.
 */
export type Sharing = 'exclusive' | 'shareable' | 'read-only';

export interface Window {
  readonly resource: ResourceName;
  readonly sourceHost: string;
  readonly destinationHost: string;
  readonly sharing: Sharing;
  /** View of the resource. */
  readonly view: readonly Resource[];
}

type WindowSettings = Pick<Settings, 'nodeMap' | 'disklessPool'>;

/**
 * Moving a VM leaves plain storage behind: LINSTOR would make a new, empty volume on the destination. Throws
 * NOT_REACHABLE_FROM_HOST (or NO_REPLICA) before anything is changed.
 */
export function requireMovable(
  resource: ResourceName,
  view: readonly Resource[],
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
 * From REST 1.29 LINSTOR itself confines two primaries to the connection between the two nodes; before, a property of
 * the resource definition does it.
 *
 * Errors: those of `attach`.
 */
export async function openWindow(
  ctx: Context,
  linstor: Linstor,
  window: Window,
  settings: WindowSettings,
): Promise<Attachment> {
  const { resource, sharing, view, destinationHost } = window;
  // Primaries are DRBD's; other network layers (NVMe) let any number of nodes in.
  if (hasPrimaries(view) && sharing !== 'read-only') {
    if (sharing === 'exclusive' && (await linstor.capabilities()).managedDualPrimary) {
      const attachment = await openManaged(ctx, linstor, window, settings);
      if (attachment) return attachment;
    }
    await allowTwoPrimaries(ctx, linstor, window, settings);
  }
  const present = replicaOnHost(view, destinationHost, settings.nodeMap);
  if (present && isTieBreaker(present)) {
    // Attaching takes the flag away; deleting the diskless replica gives it back (recordings drbd-01, 32–35).
    ctx.undo.push(`give the tie-breaker of ${resource} on ${present.node} back`, () =>
      detach(linstor, resource, destinationHost, settings.nodeMap),
    );
  }
  return attach(ctx, linstor, resource, destinationHost, settings, { view });
}

const hasPrimaries = (view: readonly Resource[]): boolean => layersOf(view).includes('DRBD');

/** A 2xx of which a satellite knows nothing is not done: the destination's open would fail later (linstor-behaviour §7.8). */
async function allowTwoPrimaries(
  ctx: Context,
  linstor: Linstor,
  window: Window,
  settings: WindowSettings,
): Promise<void> {
  const { resource, sharing } = window;
  if (sharing === 'exclusive') {
    ctx.undo.push(`forbid two primaries of ${resource}`, () => forbidTwoPrimaries(linstor, resource));
  }
  const outcome = await linstor.modifyDefinition(resource, { set: { [dualPrimaryProperty]: 'yes' } });
  if (!outcome.satelliteAway) return;
  for (const host of [window.sourceHost, window.destinationHost]) {
    await requireOnlineNode(linstor, host, settings.nodeMap);
  }
}

async function forbidTwoPrimaries(linstor: Linstor, resource: ResourceName): Promise<void> {
  await linstor.modifyDefinition(resource, { unset: [dualPrimaryProperty] });
}

/** Undefined when the LINSTOR client is older than the controller and does not know how. */
async function openManaged(
  ctx: Context,
  linstor: Linstor,
  window: Window,
  settings: WindowSettings,
): Promise<Attachment | undefined> {
  const { resource, view, destinationHost } = window;
  const node = nodeName(view, destinationHost, settings);
  const forget = ctx.undo.push(`end the migration window of ${resource} on ${node}`, () =>
    linstor.unmakeAvailable(resource, node),
  );
  const open = async (): Promise<Attachment> => {
    const attachment = await attach(ctx, linstor, resource, destinationHost, settings, {
      view,
      manageDualPrimary: true,
    });
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

export interface ClosedWindow {
  readonly resource: ResourceName;
  /** The host that is left: the source after a migration, the destination after a failed one. */
  readonly host: string;
  readonly sharing: Sharing;
  /** Fresh: the caller has waited until the host closed the device. */
  readonly view: readonly Resource[];
}

/**
 * Two primaries are forbidden again, and a diskless replica on the host that was left is gone; a replica with a disk and a
 * tie-breaker stay. `held`: the device is still open there, nothing was changed.
 */
export async function closeWindow(
  linstor: Linstor,
  window: ClosedWindow,
  settings: WindowSettings,
): Promise<'closed' | 'held'> {
  const { resource, host, sharing, view } = window;
  const replica = replicaOnHost(view, host, settings.nodeMap);
  if (replica?.inUse) return 'held';
  if (sharing === 'exclusive' && hasPrimaries(view)) {
    const managed = (await linstor.capabilities()).managedDualPrimary;
    const ended = managed ? await endManaged(linstor, window, settings) : undefined;
    if (ended) return ended;
    await forbidTwoPrimaries(linstor, resource);
  }
  return (await detach(linstor, resource, host, settings.nodeMap, view)) === 'held' ? 'held' : 'closed';
}

async function endManaged(
  linstor: Linstor,
  { resource, host, view }: ClosedWindow,
  settings: WindowSettings,
): Promise<'closed' | 'held' | undefined> {
  try {
    await linstor.unmakeAvailable(resource, nodeName(view, host, settings));
    return 'closed';
  } catch (error) {
    if (isLinstorError(error, 997)) return 'held';
    if (isDriverError(error, 'LINSTOR_UNSUPPORTED')) return undefined;
    if (!isLinstorError(error, 300)) throw error;
    // Not LINSTOR's name of that host, so nothing is attached there; the window itself must close all the same.
    const node = await requireOnlineNode(linstor, host, settings.nodeMap);
    await linstor.unmakeAvailable(resource, node.name);
    return 'closed';
  }
}

function nodeName(view: readonly Resource[], host: string, settings: WindowSettings): NodeName {
  return replicaOnHost(view, host, settings.nodeMap)?.node ?? settings.nodeMap[host] ?? host;
}
