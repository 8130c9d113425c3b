import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { DeviceIdentity } from '../hosts/scripts/identity.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, NodeName, Replica, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { whenStateKnown } from '../volumes/online.ts';
import {
  byResPath,
  devicePaths,
  growsWithOldBytes,
  hasNetworkLayer,
  identityOf,
  isAttached,
  isDeleting,
  isDiskful,
  isDiskless,
  isTieBreaker,
  layersOf,
  onNode,
  replicasOf,
  sameName,
  stablePath,
} from '../volumes/replicas.ts';
import { findNode, guessNode, requireOnlineNode } from './find-node.ts';

/** What LINSTOR does to make a resource usable on a host, and to end that. Actions say it by `ensureAttached`, `ensureDetached`. */

/** A resource, the controller that has it, and how it is handled there. */
export interface DiskRef {
  readonly resource: ResourceName;
  readonly linstor: Linstor;
  readonly settings: Pick<Settings, 'nodeMap' | 'disklessPool'>;
}

export const namesOf = ({ linstor, settings }: Pick<DiskRef, 'linstor' | 'settings'>) => ({
  linstor,
  nodeMap: settings.nodeMap,
});

/** A resource that is usable on a host, as far as LINSTOR can say; the device node is checked on the host itself. */
export interface Attachment {
  readonly resource: ResourceName;
  readonly host: string;
  readonly node: NodeName;
  /** Best first. */
  readonly devicePaths: readonly string[];
  readonly identity: DeviceIdentity;
  /** A diskless replica was made for it, just now. */
  readonly made: boolean;
  /** LINSTOR has let both ends of a migration in along with it: these two nodes alone. */
  readonly managed?: boolean;
  /** Where it grows it may show what its pool held before (grown.ts); undefined: not known. */
  readonly growsDirty: boolean | undefined;
}

export interface AttachOptions {
  /** The resource's replicas, already read. */
  readonly view?: readonly Replica[] | undefined;
  /** Allow both ends of a live migration to open it; needs REST 1.29, see `allowTwoPrimaries` for older controllers. */
  readonly manageDualPrimary?: boolean;
}

/**
 * The resource is usable on `host`. Plain storage is never taken to another node: LINSTOR would make a new, empty
 * volume there and call it success (linstor-behaviour §3.11).
 *
 * Errors: NO_REPLICA, NOT_REACHABLE_FROM_HOST, LINSTOR_NODE_OFFLINE, NODE_UNKNOWN, LINSTOR_ERROR. A diskless replica
 * that it makes is on the undo stack.
 */
export async function attach(
  ctx: Context,
  disk: DiskRef,
  host: string,
  options: AttachOptions = {},
): Promise<Attachment> {
  const { linstor, resource } = disk;
  const view = replicasOf(options.view ?? (await linstor.replicas([resource])), resource);
  const nodes = view.map((replica) => replica.node);
  const names = namesOf(disk);
  // LINSTOR itself says if there is no such node, but makes a volume of its own where plain storage is asked for.
  const network = hasNetworkLayer(layersOf(view));
  const node = network ? await guessNode(names, host, nodes) : await findNode(names, host, nodes);
  try {
    return await attachTo(ctx, disk, host, node, { ...options, view });
  } catch (error) {
    // 300: no node of that name. 310: make-available finds no pool on a node that is away (linstor-behaviour §3.11).
    if (!isLinstorError(error, 'FAIL_NOT_FOUND_NODE', 'FAIL_NOT_FOUND_STOR_POOL')) throw error;
    const found = await requireOnlineNode(names, host);
    if (node === undefined || sameName(found.name, node)) throw error;
    return attachTo(ctx, disk, host, found.name, { ...options, view });
  }
}

async function attachTo(
  ctx: Context,
  disk: DiskRef,
  host: string,
  node: NodeName | undefined,
  options: AttachOptions & { readonly view: readonly Replica[] },
): Promise<Attachment> {
  const { linstor, resource } = disk;
  const isHere = (replica: Replica): boolean => node !== undefined && sameName(replica.node, node);
  const view = await whenStateKnown(ctx, linstor, options.view, isHere, (name) => linstor.replicas([name]));
  const diskful = view.filter(isDiskful);
  if (diskful.length === 0) {
    throw new DriverError(
      'NO_REPLICA',
      `resource ${resource} has no replica with a disk, so there is nothing to attach on ${host}`,
    );
  }
  const present = view.find(isHere);
  const growsDirty = growsWithOldBytes(view);
  const network = hasNetworkLayer(layersOf(view));
  if (!network && diskful.length > 1) {
    throw new DriverError(
      'PLACEMENT',
      `resource ${resource} is plain storage on ${diskful.map((replica) => replica.node).join(', ')}: these are volumes of different content, and it is not clear which one is meant`,
      {
        remedy: 'find out which one holds the data, delete the other with `linstor resource delete`',
      },
    );
  }
  if (present && isAttached(present) && !(options.manageDualPrimary && network)) {
    requireState(present, resource);
    return {
      resource,
      host,
      node: present.node,
      devicePaths: devicePaths(present),
      identity: identityOf(present),
      made: false,
      growsDirty,
    };
  }
  if (!network || node === undefined) throw notReachable(resource, host, diskful, present);
  await makeAvailable(ctx, disk, host, present?.node ?? node, present, options);
  const made = present === undefined || !isAttached(present);
  const identity = identityThere(resource, present, view);
  const attachment = { resource, host, node: present?.node ?? node, identity, made, growsDirty };
  const guessed = drbdPaths(resource, present, view);
  if (guessed) return { ...attachment, devicePaths: guessed };
  const reported = await reportedPaths(linstor, { ...attachment, devicePaths: [byResPath(resource)] });
  return { ...attachment, devicePaths: reported };
}

/** A diskless replica that was not there a moment ago is of the layers of the others. */
function identityThere(
  resource: ResourceName,
  present: Replica | undefined,
  view: readonly Replica[],
): DeviceIdentity {
  const flags = present && isDiskful(present) ? present.flags : ['DISKLESS'];
  const { name = resource } = view[0] ?? {};
  return identityOf({ name, flags, layers: present?.layers.length ? present.layers : layersOf(view) });
}

/**
 * What the controller says after attaching, for the case that the guessed DRBD path does not appear. One more call,
 * so only on demand.
 */
export async function reportedPaths(linstor: Linstor, attachment: Attachment): Promise<readonly string[]> {
  const replica = onNode(await linstor.replicas([attachment.resource]), attachment.node);
  return replica ? devicePaths(replica) : attachment.devicePaths;
}

/**
 * DRBD’s minor is the same on every node of a resource, so another replica’s `/dev/drbd<minor>` serves and spares a call
 * (linstor-behaviour §5). Undefined for a path that does not tell the minor.
 */
function drbdPaths(
  resource: ResourceName,
  present: Replica | undefined,
  view: readonly Replica[],
): string[] | undefined {
  const own = present?.stateKnown ? present.volumes[0]?.devicePath : undefined;
  const others = view
    .filter((replica) => replica.stateKnown && !isDeleting(replica) && replica.layers[0] === 'DRBD')
    .flatMap((replica) => replica.volumes[0]?.devicePath ?? []);
  const [other] = others;
  const same =
    other?.startsWith('/dev/drbd') || (others.length > 1 && others.every((path) => path === other));
  const known = own ?? (same ? other : undefined);
  return known ? [...new Set([stablePath(resource, known), known])] : undefined;
}

function requireState(present: Replica, resource: ResourceName): void {
  if (present.stateKnown) return;
  // The path of an offline satellite is from the past and may belong to another resource by now.
  throw new DriverError(
    'LINSTOR_NODE_OFFLINE',
    `the satellite on ${present.node} is not connected, so the device of ${resource} there is not known`,
  );
}

function notReachable(
  resource: ResourceName,
  host: string,
  diskful: readonly Replica[],
  present: Replica | undefined,
): DriverError {
  const where = diskful.map((replica) => replica.node).join(', ');
  const why = present && isDeleting(present) ? ` (its replica on ${present.node} is being deleted)` : '';
  return new DriverError(
    'NOT_REACHABLE_FROM_HOST',
    `resource ${resource} is plain storage on ${where} without a network layer and cannot be used on ${host}${why}`,
    {
      remedy: `run the VM on ${where}, or use a resource group with the DRBD layer`,
    },
  );
}

async function makeAvailable(
  ctx: Context,
  disk: DiskRef,
  host: string,
  node: NodeName,
  present: Replica | undefined,
  options: AttachOptions,
): Promise<void> {
  const { linstor, resource, settings } = disk;
  const wasThere = present !== undefined && !isDeleting(present);
  // A tie-breaker becomes an ordinary diskless replica; deleting that gives the tie-breaker back.
  if (!wasThere || isTieBreaker(present)) {
    ctx.undo.push(`detach ${resource} from ${node}`, () => detach(linstor, resource, node), {
      part: resource,
    });
  }
  const custom = settings.disklessPool !== 'DfltDisklessStorPool' && present === undefined;
  const outcome = custom
    ? await linstor.createResource(resource, node, { diskless: true, pool: settings.disklessPool })
    : await linstor.makeAvailable(
        resource,
        node,
        options.manageDualPrimary ? { manageDualPrimary: true } : {},
      );
  if (outcome.satelliteAway) await requireOnlineNode(namesOf(disk), host);
}

/** A diskless replica that is there for somebody's sake and may go when nobody needs it; a tie-breaker and data stay. */
export const isRemovable = (replica: Pick<Replica, 'flags'>): boolean =>
  isDiskless(replica) && !isTieBreaker(replica) && !isDeleting(replica);

/**
 * The resource is not used through this node any more: a diskless replica there is removed. Never fails because it is in use:
 * then it is left (`held`).
 */
export async function detach(
  linstor: Linstor,
  resource: ResourceName,
  node: NodeName | undefined,
  view?: readonly Replica[],
): Promise<'detached' | 'kept' | 'held'> {
  const replicas = replicasOf(view ?? (await linstor.replicas([resource])), resource);
  const replica = node === undefined ? undefined : onNode(replicas, node);
  if (!replica || !isRemovable(replica)) return 'kept';
  if (replica.inUse) return 'held';
  try {
    await linstor.deleteResource(resource, replica.node);
    return 'detached';
  } catch (error) {
    if (isLinstorError(error, 'FAIL_IN_USE')) return 'held';
    throw error;
  }
}
