import type { Context } from '../context.ts';
import type { Replica, ResourceDefinition } from '../linstor/linstor.ts';
import { type Move, moveOf } from '../opennebula/move-kind.ts';
import type { DiskTarget } from '../opennebula/target.ts';
import { isExclusive } from '../volumes/disk.ts';
import { marks } from '../volumes/marks.ts';
import { replicasOf } from '../volumes/replicas.ts';
import { type DiskCall, diskOf, onDisk, openDiskCall } from './disk-call.ts';
import { requireMovable } from './dual-primary.ts';
import { ensureDiskAttached } from './ensure-attached.ts';
import { ensureDiskDetached, warnOf } from './ensure-detached.ts';
import { closeGraceMs } from './in-use.ts';

export interface DiskMove {
  readonly source: DiskTarget;
  readonly destination: DiskTarget;
  readonly vmId: number;
  /** Of the image; of the system datastore for volatile disks. */
  readonly datastoreId: number;
}

/**
 * The disk is usable where the VM goes, and not attached any more where it comes from. Nothing is copied. The source's link
 * stays: the directory, which is moved last, takes it away – or it is the destination's own, on shared storage.
 */
export async function moveDisk(ctx: Context, move: DiskMove): Promise<void> {
  const opened = await openDiskCall(ctx, move.destination, move.vmId, move.datastoreId);
  const { source, destination } = move;
  const kind = moveOf(
    opened.vm.lcmState,
    ctx.hosts.isFrontend(source.host),
    ctx.hosts.isFrontend(destination.host),
  );
  await onDisk(ctx, opened, async (call, definition) => {
    const { resource } = call.diskResource;
    const view = replicasOf(await call.linstor.replicas([resource]), resource);
    if (kind !== 'store') await bring(ctx, call, move, kind, view, definition);
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
  view: readonly Replica[],
  definition: ResourceDefinition | undefined,
): Promise<void> {
  const { resource } = call.diskResource;
  if (kind !== 'fetch' && source.host.toLowerCase() !== destination.host.toLowerCase()) {
    requireMovable(resource, view, `disk ${call.disk.id} of VM ${call.vm.id}`, source.host, destination.host);
  }
  await ensureDiskAttached(ctx, { ...diskOf(call), view, definition }, destination.host);
  if (isExclusive(call.disk) && source.systemDatastoreId !== destination.systemDatastoreId) {
    await call.linstor.modifyDefinition(resource, {
      set: { [marks.datastoreId]: String(destination.systemDatastoreId) },
    });
  }
}

/**
 * Only a diskless replica is taken away. The VM already has its disk, so a failure here is no failure of the move: what
 * stays attached does no harm and goes with the next detach.
 */
async function releaseSource(
  ctx: Context,
  call: DiskCall,
  source: DiskTarget,
  kind: Move,
  view: readonly Replica[],
): Promise<void> {
  const dead = kind === 'rescue';
  await ensureDiskDetached(ctx, { ...diskOf(call), link: source.path, view }, source.host, {
    graceMs: dead ? 0 : closeGraceMs,
    olderViews: true,
    dead,
    insist: true,
    onFailure: warnOf(ctx, source.host),
  });
}
