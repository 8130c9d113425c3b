import { revert } from '../../disks/revert.ts';
import { isDriverError } from '../../errors.ts';
import type { Linstor, ResourceName, Snapshot } from '../../linstor/linstor.ts';
import { marks } from '../../volumes/marks.ts';
import { lockName, snapshotId } from '../../volumes/names.ts';
import { dropSnapshot } from '../../volumes/snapshot.ts';
import type { ActionHandler } from '../action.ts';
import { existingImageResource, openImageCall, targetSnapshot } from '../image-call.ts';

/**
 * The image becomes the snapshot, then all of OpenNebula's snapshots go (contract §2.6). In this order: without the target
 * nothing is deleted. After a failure half-way the target goes last, so that the action can be repeated; a repeated call that
 * finds none at all is told by a mark that it has been done.
 */
export const snapFlatten: ActionHandler = async (call, ctx) => {
  const image = await openImageCall(call, ctx);
  const resource = existingImageResource(image);
  const { id, name } = targetSnapshot(image);
  const { linstor, settings } = image;
  await ctx.lock(lockName(resource), async () => {
    try {
      await revert(ctx, { settings, linstor, resource, snapshot: name, hosts: settings.bridgeList });
    } catch (error) {
      if (!isDriverError(error, 'SNAPSHOT') || !(await isFlattened(linstor, resource, id))) throw error;
      ctx.log.info(`image ${image.image.id} was flattened by an earlier try`);
      return;
    }
    ctx.undo.commit();
    await markFlattened(linstor, resource, id);
    const others = (await ourSnapshots(linstor, resource))
      .filter((each) => each.name !== name)
      .sort((a, b) => (b.createdAt ?? 0) - (a.createdAt ?? 0));
    for (const each of [...others.map((snapshot) => snapshot.name), name])
      await dropSnapshot(ctx, linstor, resource, each);
  });
  return undefined;
};

async function ourSnapshots(linstor: Linstor, resource: ResourceName): Promise<Snapshot[]> {
  const all = await linstor.snapshots({ names: [resource] });
  return all.filter((each) => snapshotId(each.name) !== undefined);
}

async function isFlattened(linstor: Linstor, resource: ResourceName, id: number): Promise<boolean> {
  const [[definition], left] = await Promise.all([
    linstor.definitions({ names: [resource] }),
    ourSnapshots(linstor, resource),
  ]);
  return definition?.props[marks.flattened] === String(id) && left.length === 0;
}

/** What the snapshots use is forgotten with the same call. */
async function markFlattened(linstor: Linstor, resource: ResourceName, id: number): Promise<void> {
  const [definition] = await linstor.definitions({ names: [resource] });
  const usage = Object.keys(definition?.props ?? {}).filter((key) =>
    /^Aux\/one\/SNAPSHOT_\d+\/DISK_SIZE$/.test(key),
  );
  await linstor.modifyDefinition(resource, { set: { [marks.flattened]: String(id) }, unset: usage });
}
