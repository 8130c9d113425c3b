import type { Context } from '../../context.ts';
import { type DiskCall, onDisk, readDiskCall } from '../../disks/disk-call.ts';
import { toDriverError } from '../../errors.ts';
import type { Resource } from '../../linstor/linstor.ts';
import { parseId, requireDiskTarget } from '../../opennebula/target.ts';
import { allocatedMark, snapshotSizeMark } from '../../volumes/marks.ts';
import { snapshotName } from '../../volumes/names.ts';
import { isDiskful, replicasOf } from '../../volumes/replicas.ts';
import { takeSnapshot } from '../../volumes/snapshot.ts';
import type { ActionHandler } from '../action.ts';

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
  await onDisk(ctx, snapshot.disk, async (disk) => {
    const { resource } = disk.diskResource;
    const view = replicasOf(await disk.linstor.resources({ names: [resource] }), resource);
    const props = usageProps(view);
    // A snapshot of that id that is there already belongs to a list that OpenNebula has dropped (contract §3.4).
    const { noted } = await takeSnapshot(ctx, disk.linstor, resource, snapshot.name, {
      existing: 'replace',
      view,
      props,
    });
    if (!noted) await recordUsage(ctx, { ...snapshot, disk }, props);
  });
  return undefined;
};

/** Allocated KiB at the time of the snapshot, for the usage report. */
export function usageProps(view: readonly Resource[]): Record<string, string> {
  const sizes = view.filter(isDiskful).map((replica) => replica.volumes[0]?.allocatedKib ?? 0);
  return { [allocatedMark]: String(Math.round(Math.max(0, ...sizes))) };
}

/** On the definition, where the snapshot cannot hold it. A figure is never worth a failure. */
export async function recordUsage(
  ctx: Context,
  { disk, id }: SnapshotCall,
  props: Readonly<Record<string, string>>,
): Promise<void> {
  const { resource } = disk.diskResource;
  try {
    await disk.linstor.modifyDefinition(resource, {
      set: { [snapshotSizeMark(id)]: props[allocatedMark] ?? '0' },
    });
  } catch (error) {
    ctx.log.warn(`usage of snapshot ${id} of ${resource} was not recorded: ${toDriverError(error).message}`);
  }
}
