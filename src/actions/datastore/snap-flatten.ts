import type { Linstor } from '../../linstor/linstor.ts';
import { snapshotId } from '../../volumes/names.ts';
import { dropSnapshot, requireSnapshot } from '../../volumes/snapshot.ts';
import type { ActionHandler } from '../action.ts';
import { lockName } from '../disk-call.ts';
import { existingImageResource, openImageCall, targetSnapshot } from '../image-call.ts';
import { revert } from '../revert.ts';

/**
 * The image becomes the snapshot, then all of OpenNebula's snapshots go (contract §2.6). In this order: without the target
 * nothing is deleted. After a failure half-way the target goes last, so that the action can be repeated.
 */
export const snapFlatten: ActionHandler = async (call, ctx) => {
  const image = await openImageCall(call, ctx);
  const resource = existingImageResource(image);
  const { name } = targetSnapshot(image);
  const { linstor, settings } = image;
  await ctx.lock(lockName(resource), async () => {
    await requireSnapshot(linstor, resource, name);
    await revert(ctx, { settings, linstor, resource, snapshot: name, hosts: settings.bridgeList });
    ctx.undo.commit();
    const snapshots = (await linstor.snapshots({ names: [resource] })).filter(
      (each) => snapshotId(each.name) !== undefined,
    );
    const others = snapshots
      .filter((each) => each.name !== name)
      .sort((a, b) => (b.createdAt ?? 0) - (a.createdAt ?? 0));
    for (const each of [...others.map((snapshot) => snapshot.name), name])
      await dropSnapshot(ctx, linstor, resource, each);
    await forgetUsage(linstor, resource);
  });
  return undefined;
};

async function forgetUsage(linstor: Linstor, resource: string): Promise<void> {
  const [definition] = await linstor.definitions({ names: [resource] });
  const keys = Object.keys(definition?.props ?? {}).filter((key) =>
    /^Aux\/one\/SNAPSHOT_\d+\/DISK_SIZE$/.test(key),
  );
  if (keys.length > 0) await linstor.modifyDefinition(resource, { unset: keys });
}
