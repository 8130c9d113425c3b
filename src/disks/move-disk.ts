import { type DiskCall, lockName, openDiskCall } from '../actions/disk-call.ts';
import { type Move, moveOf } from '../actions/migration/move-kind.ts';
import type { DiskTarget } from '../actions/target.ts';
import type { Context } from '../context.ts';
import { toDriverError } from '../errors.ts';
import type { Linstor, Resource, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { kib } from '../units.ts';
import { isExclusive } from '../volumes/disk.ts';
import { requireMovable } from '../volumes/dual-primary.ts';
import { marks } from '../volumes/marks.ts';
import { devicePaths, isDeleting, isDiskless, isTieBreaker, replicasOf } from '../volumes/replicas.ts';
import { persistently, poll } from '../volumes/wait.ts';
import { detach } from './attach.ts';
import { replicaOnHost } from './nodes.ts';
import { attachAndLink } from './on-host.ts';
import { usedByOthers } from './other-users.ts';

export interface DiskMove {
  readonly source: DiskTarget;
  readonly destination: DiskTarget;
  readonly vmId: number;
  /** Of the image; of the system datastore for volatile disks. */
  readonly datastoreId: number;
}

/** A device of any size: DISK/SIZE is no measure of a disk that a bash driver has reverted (contract §9.1 no. 11). */
const anySize = kib(1);

/**
 * The disk is usable where the VM goes, and not attached any more where it comes from. Nothing is copied. The source's link
 * stays: the directory, which is moved last, takes it away – or it is the destination's own, on shared storage.
 */
export async function moveDisk(ctx: Context, move: DiskMove): Promise<void> {
  const call = await openDiskCall(ctx, move.destination, move.vmId, move.datastoreId);
  const { source, destination } = move;
  const kind = moveOf(
    call.vm.lcmState,
    ctx.hosts.isFrontend(source.host),
    ctx.hosts.isFrontend(destination.host),
  );
  await ctx.lock(lockName(call.diskResource.resource), async () => {
    const { resource } = call.diskResource;
    const view = replicasOf(await call.linstor.resources({ names: [resource] }), resource);
    if (kind !== 'store') await bring(ctx, call, move, kind, view);
    if (leavesSource(kind, source.host, destination.host)) await releaseSource(ctx, call, source, kind, view);
  });
}

export function leavesSource(kind: Move, source: string, destination: string): boolean {
  if (kind === 'fetch') return false;
  return kind === 'store' || source.toLowerCase() !== destination.toLowerCase();
}

async function bring(
  ctx: Context,
  call: DiskCall,
  { source, destination }: DiskMove,
  kind: Move,
  view: readonly Resource[],
): Promise<void> {
  const { resource } = call.diskResource;
  if (kind !== 'fetch' && source.host.toLowerCase() !== destination.host.toLowerCase()) {
    requireMovable(resource, view, `disk ${call.disk.id} of VM ${call.vm.id}`, source.host, destination.host);
  }
  await attachAndLink(ctx, call, { resource, view, minKib: anySize });
  if (isExclusive(call.disk) && source.systemDatastoreId !== destination.systemDatastoreId) {
    await call.linstor.modifyDefinition(resource, {
      set: { [marks.datastoreId]: String(destination.systemDatastoreId) },
    });
  }
}

/** How long the VM that has just ended may still be closing its disk. */
const closeGraceMs = 10_000;

/**
 * Only a diskless replica is taken away. The VM already has its disk, so a failure here is no failure of the move: what
 * stays attached does no harm and goes with the next detach.
 */
async function releaseSource(
  ctx: Context,
  call: DiskCall,
  source: DiskTarget,
  kind: Move,
  view: readonly Resource[],
): Promise<void> {
  const { resource } = call.diskResource;
  const { settings, linstor } = call;
  const replica = replicaOnHost(view, source.host, settings.nodeMap);
  if (!replica || !isDiskless(replica) || isTieBreaker(replica) || isDeleting(replica)) return;
  try {
    if (!isExclusive(call.disk) && (await hasOtherUser(ctx, source, replica, kind))) {
      ctx.log.info(`${resource} stays attached on ${source.host}: another VM may use it there`);
      return;
    }
    await persistently(ctx.clock, () =>
      release(ctx, linstor, resource, source.host, settings, kind === 'rescue' ? 0 : closeGraceMs),
    );
  } catch (error) {
    // Stopped is not done: the destination is given back, and the same call comes again.
    if (ctx.signal.aborted) throw error;
    ctx.log.warn(`${resource} could not be detached from ${source.host}: ${toDriverError(error).message}`);
  }
}

/** Detaches from a host, waiting for what is still closing; warns when it stays open. */
export async function release(
  ctx: Context,
  linstor: Linstor,
  resource: ResourceName,
  host: string,
  settings: Pick<Settings, 'nodeMap'>,
  graceMs: number,
): Promise<void> {
  const done = await poll(ctx.clock, graceMs, async () => {
    const result = await detach(linstor, resource, host, settings.nodeMap);
    return result === 'held' ? undefined : result;
  });
  if (!done) ctx.log.warn(`${resource} is still open on ${host} and stays attached there`);
}

/** A dead host cannot be asked, and keeps what several VMs may have. */
async function hasOtherUser(
  ctx: Context,
  source: DiskTarget,
  replica: Resource,
  kind: Move,
): Promise<boolean> {
  if (kind === 'rescue') return true;
  const device = { paths: devicePaths(replica), ownLink: source.path };
  const [used = true] = await usedByOthers(ctx, source.host, source.directory, [device]);
  return used;
}
