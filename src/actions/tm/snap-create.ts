import type { Context } from '../../context.ts';
import { snapshotSizeMark } from '../../volumes/marks.ts';
import { lockName, snapshotName } from '../../volumes/names.ts';
import { isDiskful } from '../../volumes/replicas.ts';
import { takeSnapshot } from '../../volumes/snapshot.ts';
import type { ActionHandler } from '../action.ts';
import { type DiskCall, readDiskCall } from '../disk-call.ts';
import { parseId, requireDiskTarget } from '../target.ts';

export interface SnapshotCall {
  readonly disk: DiskCall;
  readonly id: number;
  readonly name: string;
}

/** `<host>:<vm directory>/disk.<n> <snapshot id> <vm> <datastore>`, the shape of all four snapshot actions. */
export async function openSnapshotCall(argv: readonly string[], ctx: Context): Promise<SnapshotCall> {
  const [targetArgument, snapshotArgument, vmArgument, datastoreArgument] = argv;
  const target = requireDiskTarget(targetArgument, 'target');
  const id = parseId(snapshotArgument, 'snapshot id');
  const disk = await readDiskCall(ctx, target, vmArgument, datastoreArgument);
  return { disk, id, name: snapshotName(id) };
}

/** Snapshot of a disk of a stopped or suspended VM: nothing writes, so nothing is frozen (contract §3.6). */
export const snapCreate: ActionHandler = async (call, ctx) => {
  const snapshot = await openSnapshotCall(call.argv, ctx);
  await ctx.lock(lockName(snapshot.disk.diskResource.resource), async () => {
    await takeDiskSnapshot(ctx, snapshot);
    await recordUsage(ctx, snapshot);
  });
  return undefined;
};

/** A snapshot of that id that is there already belongs to a list that OpenNebula has dropped (contract §3.4). */
export async function takeDiskSnapshot(ctx: Context, { disk, name }: SnapshotCall): Promise<void> {
  await takeSnapshot(ctx, disk.linstor, disk.diskResource.resource, name, { existing: 'replace' });
}

/** Allocated KiB at the time of the snapshot, for the usage report. A figure is never worth a failure. */
export async function recordUsage(ctx: Context, { disk, id }: SnapshotCall): Promise<void> {
  const { resource } = disk.diskResource;
  try {
    const view = await disk.linstor.resources({ names: [resource] });
    const allocated = Math.max(
      0,
      ...view.filter(isDiskful).map((replica) => replica.volumes[0]?.allocatedKib ?? 0),
    );
    await disk.linstor.modifyDefinition(resource, {
      set: { [snapshotSizeMark(id)]: String(Math.round(allocated)) },
    });
  } catch (error) {
    ctx.log.warn(
      `usage of snapshot ${id} of ${resource} was not recorded: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
