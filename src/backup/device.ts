import type { Context } from '../context.ts';
import { attachForCopy, type Machines, releaseAfterCopy } from '../disks/bridge.ts';
import { ensureDiskAttached } from '../disks/ensure-attached.ts';
import type { VmDisk } from '../disks/migration-disks.ts';
import { toDriverError } from '../errors.ts';
import type { NodeName } from '../linstor/linstor.ts';
import type { ResourceName } from '../linstor/names.ts';
import { type KiB, kibToBytes } from '../units.ts';
import { knownReplicas } from '../volumes/known-view.ts';
import { madeAtMark } from '../volumes/marks.ts';
import { scratchResource } from '../volumes/names.ts';
import { clearLeftover } from '../volumes/reclaim.ts';
import { removeResource } from '../volumes/remove.ts';
import { restoreSnapshot } from '../volumes/restore.ts';
import type { BackupDisk } from './disks.ts';

/** Content of a disk, to be read on a host. */
export interface ReadableDevice {
  readonly host: string;
  readonly node: NodeName;
  readonly device: string;
}

/** `new`: what is backed up; `old`: what it is compared with. */
export type Role = 'new' | 'old';

/** A name that the next backup of the disk knows: what a killed one left is removed by it. */
export const scratchOf = (vmId: number, disk: VmDisk, role: Role): ResourceName =>
  scratchResource(disk.settings.namePrefix, 'backup', `v${vmId}d${disk.disk.id}${role}`);

export interface SnapshotDevice {
  readonly vmId: number;
  readonly disk: BackupDisk;
  readonly snapshot: string;
  readonly role: Role;
  /** Nodes that have the snapshot and can be read, best first; at least one. */
  readonly nodes: readonly NodeName[];
  readonly minKib: KiB;
  /** Needed here and nowhere else: what it is compared with is here. */
  readonly host?: string;
  readonly machines: Machines;
}

/**
 * Runs `work` with a snapshot's content as a device, on a host that has its data if there is one: the snapshot is restored into a temporary
 * resource on one node, which works the same way for every layer stack and storage, and the VM's disk is not touched.
 */
export async function withSnapshotDevice<T>(
  ctx: Context,
  request: SnapshotDevice,
  work: (device: ReadableDevice) => Promise<T>,
): Promise<T> {
  const { disk, snapshot, machines } = request;
  const { linstor, settings } = disk;
  const [node] = request.nodes;
  const scratch = scratchOf(request.vmId, disk, request.role);
  const [left] = await linstor.definitions({ names: [scratch] });
  await clearLeftover(ctx, linstor, scratch, left);
  await restoreSnapshot(ctx, linstor, {
    from: disk.resource,
    snapshot,
    to: scratch,
    plan: { group: disk.definition.group, layers: [], unbalanced: false },
    props: { [madeAtMark(scratch)]: String(ctx.clock.now()) },
    ...(node === undefined ? {} : { nodes: [node] }),
  });
  const view = await knownReplicas(linstor, scratch);
  const minKib = request.minKib;
  let device: ReadableDevice;
  if (request.host === undefined) {
    device = await attachForCopy(
      ctx,
      { settings, linstor },
      {
        resource: scratch,
        view,
        minKib,
        machines,
        ...(node === undefined ? {} : { prefer: node }),
      },
    );
  } else {
    const wanted = { resource: scratch, linstor, settings, view, minBytes: kibToBytes(minKib) };
    device = await ensureDiskAttached(ctx, wanted, request.host);
  }
  try {
    return await work(device);
  } finally {
    await discard(ctx, disk, scratch);
  }
}

/** One that stays is removed by the next backup, or by gc: the data that were read from it are none the worse for it. */
async function discard(ctx: Context, { linstor }: BackupDisk, scratch: ResourceName): Promise<void> {
  try {
    await removeResource(ctx, linstor, scratch);
  } catch (error) {
    ctx.log.warn(`the temporary resource ${scratch} stays for now: ${toDriverError(error).message}`);
  }
}

/** The same for the disk itself, which nobody writes to. */
export async function withDiskDevice<T>(
  ctx: Context,
  disk: BackupDisk,
  machines: Machines,
  work: (device: ReadableDevice) => Promise<T>,
): Promise<T> {
  const where = { settings: disk.settings, linstor: disk.linstor };
  const bridge = await attachForCopy(ctx, where, {
    resource: disk.resource,
    view: disk.view,
    minKib: (disk.definition.volumes[0]?.sizeKib ?? 1) as KiB,
    machines,
  });
  try {
    return await work(bridge);
  } finally {
    await releaseAfterCopy(ctx, where, bridge);
  }
}
