import type { Context } from '../context.ts';
import { type DriverError, isDriverError, toDriverError } from '../errors.ts';
import { isOpen, unlinkDisks } from '../hosts/scripts/device-use.ts';
import type { Linstor, NodeName, Replica, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import type { Sharing } from '../volumes/disk.ts';
import { lockName } from '../volumes/names.ts';
import { devicePaths, onNode, replicasOf } from '../volumes/replicas.ts';
import { persistently, poll } from '../volumes/wait.ts';
import { detach, isRemovable, namesOf } from './attach.ts';
import { revokeDualPrimary } from './dual-primary.ts';
import { findReplica } from './find-node.ts';
import { closes, datastoresOf, usedByOthers, useOf } from './in-use.ts';

/** A disk that is not to be used on a host any more. */
export interface DiskToDetach {
  readonly resource: ResourceName;
  readonly linstor: Linstor;
  readonly settings: Pick<Settings, 'nodeMap' | 'disklessPool'>;
  /** The resource's replicas, already read. */
  readonly view?: readonly Replica[];
  /** The VM's link to it. */
  readonly link?: string;
  /** How many VMs may have it. Absent: one. */
  readonly sharing?: Sharing;
}

export interface DetachTogether {
  /** How long it may still be closing. */
  readonly graceMs?: number;
  /** The views are from before other work: they tell what is there, and are read again before anything is taken away. */
  readonly olderViews?: boolean;
  /** Takes the VMs' links away first, and looks on the host who has the devices. */
  readonly unlink?: boolean;
  /** The host is gone: it is not asked, and what several VMs may have stays. */
  readonly dead?: boolean;
  /** A live migration has ended, and this host is left: two primaries are forbidden again. */
  readonly migrated?: boolean;
  /** Takes the lock of each resource while LINSTOR works on it; else the caller holds it. */
  readonly lockEach?: boolean;
  /** What is safe to repeat is tried again after a failure: nobody comes back to it later. */
  readonly insist?: boolean;
  /** Told of what failed, when all have been tried. Absent: the first failure is thrown then. */
  readonly onFailure?: (disk: DiskToDetach, error: DriverError) => void;
}

/** `kept`: nothing was to be taken away – data, a tie-breaker, or nothing at all. */
export type Detached = 'detached' | 'kept' | 'open' | 'other-vm' | 'failed';

interface Leaving extends DiskToDetach {
  readonly view: readonly Replica[];
  readonly node: NodeName | undefined;
  /** LINSTOR did not tell where it is. */
  readonly unseen?: DriverError;
}

/**
 * These disks are not attached on `host` any more: diskless replicas there are removed; data and tie-breakers stay, and so does what is
 * still open after `graceMs`, or what another VM uses there. Safe to repeat.
 */
export async function ensureDetached(
  ctx: Context,
  disks: readonly DiskToDetach[],
  host: string,
  options: DetachTogether = {},
): Promise<readonly Detached[]> {
  const inHands = options.unlink ? await giveUpLinks(ctx, disks, host) : disks.map(() => 'free' as const);
  const free = disks.filter((_, index) => inHands[index] !== 'open' && inHands[index] !== 'other-vm');
  const start = ctx.clock.now();
  const leaving = await awaitClosed(ctx, free, host, options);
  const busy = options.unlink ? new Set<string>() : await heldByOthers(ctx, leaving, host, options);
  const left = (): number => Math.max(0, (options.graceMs ?? 0) - (ctx.clock.now() - start));
  const failures: DriverError[] = [];
  const take = async (disk: Leaving): Promise<Detached> => {
    try {
      const work = (): Promise<Detached> => takeAway(ctx, disk, host, options, left());
      const once = () => (options.lockEach ? ctx.lock(lockName(disk.resource), work) : work());
      return await (options.insist ? persistently(ctx.clock, once) : once());
    } catch (error) {
      // Stopped is not done: the same call comes again.
      if (ctx.signal.aborted) throw error;
      const failure = toDriverError(error);
      if (options.onFailure) options.onFailure(disk, failure);
      else failures.push(failure);
      return 'failed';
    }
  };
  const taken = await Promise.all(
    leaving.map(async (disk) => (busy.has(disk.resource) ? 'other-vm' : take(disk))),
  );
  const [failure] = failures;
  if (failure) throw failure;
  return disks.map((disk, index) => {
    const hands = inHands[index];
    if (hands === 'open' || hands === 'other-vm') return hands;
    return taken[free.indexOf(disk)] ?? 'kept';
  });
}

/** The same for one, and the log tells why it stays. */
export async function ensureDiskDetached(
  ctx: Context,
  disk: DiskToDetach,
  host: string,
  options: DetachTogether = {},
): Promise<void> {
  const [outcome = 'kept'] = await ensureDetached(ctx, [disk], host, options);
  tellStaying(ctx, disk.resource, host, outcome);
}

/** For what is not worth a failure: it goes with the next detach. */
export const warnOf =
  (ctx: Context, host: string) =>
  ({ resource }: Pick<DiskToDetach, 'resource'>, error: DriverError): void =>
    ctx.log.warn(`${resource} could not be detached from ${host}: ${error.message}`);

export function tellStaying(ctx: Context, resource: ResourceName, host: string, outcome: Detached): void {
  if (outcome === 'open') ctx.log.warn(`${resource} is still open on ${host} and stays attached there`);
  else if (outcome === 'other-vm')
    ctx.log.info(`${resource} stays attached on ${host}: another VM may use it there`);
}

/** Where all of them are, and whether they are open: what each controller knows by itself. */
export async function viewDisks<D extends Pick<DiskToDetach, 'resource' | 'linstor'>>(
  disks: readonly D[],
): Promise<(D & { readonly view: readonly Replica[] })[]> {
  const views = new Map<Linstor, Promise<Replica[]>>();
  for (const { linstor } of disks) {
    if (views.has(linstor)) continue;
    const names = disks.filter((disk) => disk.linstor === linstor).map((disk) => disk.resource);
    views.set(linstor, linstor.replicas([...new Set(names)]));
  }
  return Promise.all(
    disks.map(async (disk) => ({
      ...disk,
      view: replicasOf((await views.get(disk.linstor)) ?? [], disk.resource),
    })),
  );
}

/**
 * The disks with their views, when LINSTOR has none of them open on the host any more, or when the time is up. QEMU has ended, but DRBD may
 * tell of it a moment later.
 */
async function awaitClosed(
  ctx: Context,
  disks: readonly DiskToDetach[],
  host: string,
  options: DetachTogether,
): Promise<Leaving[]> {
  let leaving: Leaving[] = [];
  let given = disks.every((disk) => disk.view !== undefined);
  await poll(ctx.clock, options.graceMs ?? 0, async () => {
    let viewed: readonly (DiskToDetach & Pick<Leaving, 'view'>)[];
    try {
      viewed = given
        ? disks.map((disk) => ({ ...disk, view: replicasOf(disk.view ?? [], disk.resource) }))
        : await viewDisks(disks);
    } catch (error) {
      if (!options.migrated || ctx.signal.aborted) throw error;
      // Two primaries are forbidden all the same.
      const unseen = toDriverError(error);
      leaving = disks.map((disk) => ({ ...disk, view: [], node: undefined, unseen }));
      return true;
    }
    given = false;
    leaving = await Promise.all(
      viewed.map(async (disk) => ({ ...disk, node: await nodeToLeave(disk, host, options) })),
    );
    const open = leaving.some(
      ({ sharing = 'exclusive', view, node }) =>
        sharing === 'exclusive' && node !== undefined && onNode(view, node)?.inUse,
    );
    return open ? undefined : true;
  });
  return leaving;
}

/** Undefined when nothing can be there to be taken away: the list of nodes is not read for that. */
async function nodeToLeave(
  disk: DiskToDetach & { readonly view: readonly Replica[] },
  host: string,
  { migrated }: DetachTogether,
): Promise<NodeName | undefined> {
  const candidates = migrated ? disk.view : disk.view.filter(isRemovable);
  return (await findReplica(namesOf(disk), candidates, host))?.node;
}

/** Images that several VMs may have on this host. A host that cannot be asked keeps them. */
async function heldByOthers(
  ctx: Context,
  disks: readonly Leaving[],
  host: string,
  { dead }: DetachTogether,
): Promise<ReadonlySet<string>> {
  const shared = disks.flatMap(({ sharing = 'exclusive', view, node, link, resource }) => {
    const replica = node === undefined ? undefined : onNode(view, node);
    if (sharing === 'exclusive' || link === undefined || !replica || !isRemovable(replica)) return [];
    return { resource, paths: devicePaths(replica), ownLink: link };
  });
  const names = shared.map((disk) => disk.resource);
  if (dead || shared.length === 0) return new Set(names);
  try {
    const used = await usedByOthers(ctx, host, shared);
    return new Set(names.filter((_, index) => used[index] ?? true));
  } catch (error) {
    if (ctx.signal.aborted) throw error;
    ctx.log.warn(
      `${host} cannot tell who uses ${names.join(', ')}; left attached: ${toDriverError(error).message}`,
    );
    return new Set(names);
  }
}

/** Tries until LINSTOR lets go of it: it may be open for a moment longer than the view says. */
async function takeAway(
  ctx: Context,
  disk: Leaving,
  host: string,
  { migrated, olderViews }: DetachTogether,
  leftMs: number,
): Promise<Detached> {
  const { linstor, resource, node, unseen } = disk;
  let view: readonly Replica[] | undefined = disk.view;
  if (migrated) {
    if (node !== undefined && onNode(view, node)?.inUse) return 'open';
    const revoked = await revokeDualPrimary(ctx, { ...disk, sharing: disk.sharing ?? 'exclusive' }, host);
    if (unseen) throw unseen;
    if (revoked !== 'forbidden') return revoked === 'held' ? 'open' : 'detached';
  }
  if (node === undefined) return 'kept';
  if (olderViews) view = undefined;
  const done = await poll(ctx.clock, leftMs, async () => {
    const now = await detach(linstor, resource, node, view);
    view = undefined;
    return now === 'held' ? undefined : now;
  });
  return done ?? 'open';
}

/** Who has a device in hands after the VM's link is gone. `elsewhere`: the resource has replicas, but none on that host. */
export type InHands = 'free' | 'elsewhere' | 'open' | 'other-vm' | 'unreachable';

/**
 * Takes the VM's links away and tells which of the devices behind them are free on that host, waiting for what is closing. A host that
 * cannot be reached is no obstacle to cleaning up in LINSTOR (contract §3.4 delete, users #98). Without a replica on that host a link is a
 * stale one, and what uses its device is not our concern.
 */
export async function giveUpLinks(
  ctx: Context,
  disks: readonly DiskToDetach[],
  host: string,
): Promise<readonly InHands[]> {
  const links = disks.flatMap(({ link }) => link ?? []);
  const [first] = links;
  if (first === undefined) return disks.map(() => 'free');
  const datastores = datastoresOf(first);
  const replicas = await Promise.all(disks.map((disk) => findReplica(namesOf(disk), disk.view ?? [], host)));
  const nobody = (disk: DiskToDetach): InHands => (disk.view?.length ? 'elsewhere' : 'free');
  try {
    const { removed, uses } = await unlinkDisks(ctx.hosts, host, links, datastores);
    return await Promise.all(
      disks.map(async (disk, index) => {
        const at = links.indexOf(disk.link ?? '');
        const replica = replicas[index];
        if (!replica) return nobody(disk);
        if (at < 0) return 'free';
        const paths = devicePaths(replica);
        const gone = removed.find(({ link }) => link === disk.link);
        const use =
          gone && paths.includes(gone.target) ? uses[at] : await useOf(ctx, host, paths, datastores);
        if (!use) return 'free';
        // Another VM's link to a shared image: whoever has it open is that VM, and will not close it for us.
        if ((disk.sharing ?? 'exclusive') !== 'exclusive' && use.otherLinks.length > 0) return 'other-vm';
        if (isOpen(use)) return (await closes(ctx, host, paths)) ? 'free' : 'open';
        return use.otherLinks.length > 0 ? 'other-vm' : 'free';
      }),
    );
  } catch (error) {
    if (!isDriverError(error, 'HOST_UNREACHABLE', 'HOST_TIMEOUT')) throw error;
    ctx.log.warn(
      `host ${host} is not reachable; its link ${links.join(', ')} stays: ${toDriverError(error).message}`,
    );
    return disks.map((disk, index) => (replicas[index] ? 'unreachable' : nobody(disk)));
  }
}
