import type { Context } from '../../context.ts';
import { requireClosed } from '../../disks/in-use.ts';
import { isDriverError, toDriverError } from '../../errors.ts';
import type { Replica, ResourceDefinition, ResourceName } from '../../linstor/linstor.ts';
import { driverName } from '../../opennebula/driver-name.ts';
import { vmState } from '../../opennebula/states.ts';
import { basesOf, discardBase } from '../../volumes/base.ts';
import { resourceOfDisk } from '../../volumes/disk.ts';
import { lockName, namesFor } from '../../volumes/names.ts';
import { removeResource } from '../../volumes/remove.ts';
import { replicasOf } from '../../volumes/replicas.ts';
import { dropSnapshot } from '../../volumes/snapshot.ts';
import { presentName } from '../../volumes/stand-in.ts';
import type { ActionHandler } from '../action.ts';
import { existingImageResource, type ImageCall, openImageCall } from '../image-call.ts';

/** Removes the image with its snapshots; one that is gone already is success (contract §2.4). */
export const rm: ActionHandler = async (call, ctx) => {
  const image = await openImageCall(call, ctx);
  // An image without SOURCE never came into being; oned does not ask for it, but --force may.
  if (image.image.source === '') return undefined;
  const resource = existingImageResource(image);
  await ctx.lock(lockName(resource), async () => {
    await removeImage(ctx, image, resource);
    await dropSavingSnapshot(ctx, image, resource);
  });
  return undefined;
};

async function removeImage(ctx: Context, image: ImageCall, resource: ResourceName): Promise<void> {
  const { linstor, settings } = image;
  const kept = settings.trash > 0;
  const [all, snapshots, [definition]] = await Promise.all([
    linstor.replicas([resource]),
    kept ? [] : linstor.snapshots({ names: [resource] }),
    kept ? linstor.definitions({ names: [resource] }) : [],
  ]);
  const view = replicasOf(all, resource);
  try {
    await requireClosed(ctx, { resource, linstor, settings, view, hosts: settings.bridgeList });
  } catch (error) {
    // Whether it is open cannot be told where the host is away: OpenNebula says that no VM uses it.
    if (!isDriverError(error, 'HOST_UNREACHABLE', 'HOST_TIMEOUT')) throw error;
    ctx.log.warn(`${error.message}; ${resource} is removed on OpenNebula’s word that it is unused`);
  }
  if (definition && (await keepImage(ctx, image, definition, view))) return;
  // LINSTOR deletes nothing that has snapshots, and would have to be asked twice.
  if (!view.some((replica) => replica.inUse))
    for (const { name } of basesOf(snapshots, resource)) await discardBase(ctx, linstor, resource, name);
  await removeResource(ctx, linstor, resource);
}

/** With its snapshots, those of which clones are made too. False: there is nothing to keep. */
async function keepImage(
  ctx: Context,
  call: ImageCall,
  definition: ResourceDefinition,
  view: readonly Replica[],
): Promise<boolean> {
  const { isWorthKeeping, leaveHosts, putIntoTrash } = await import('../../trash/keep.ts');
  if (!(await isWorthKeeping(call, definition, view))) return false;
  const { id, name, type, persistent, ownerId } = call.image;
  await putIntoTrash(ctx, call, definition, {
    kind: 'image',
    reason: 'image deleted',
    image: id,
    name,
    type,
    persistent,
    datastore: call.message.datastore.id,
    ...(ownerId === undefined ? {} : { owner: ownerId }),
  });
  await leaveHosts(ctx, call, definition, view);
  return true;
}

/**
 * An image that was saved from a disk of a running VM was read from a snapshot named after it. A save that was killed left it there, and
 * nobody calls for it again once the image is deleted. Whatever prevents that is no reason to keep the image: gc finds the snapshot too.
 */
async function dropSavingSnapshot(
  ctx: Context,
  { image, linstor, settings }: ImageCall,
  resource: ResourceName,
): Promise<void> {
  const [vmId, diskId] = [image.template['SAVED_VM_ID'], image.template['SAVED_DISK_ID']].map(Number);
  if (vmId === undefined || diskId === undefined || !(vmId >= 0 && diskId >= 0)) return;
  try {
    const vm = await ctx.one.vm(vmId);
    const disk = vm.disks.find((each) => each.id === diskId);
    if (vm.state === vmState.DONE || disk?.tmMad !== driverName) return;
    const proper = resourceOfDisk(vm, disk, settings.namePrefix).resource;
    const definitions = await linstor.definitions({ names: namesFor(proper) });
    await dropSnapshot(ctx, linstor, presentName(proper, definitions), resource);
  } catch (error) {
    if (isDriverError(error, 'ONE_NOT_FOUND')) return;
    ctx.log.warn(
      `snapshot ${resource} of disk ${diskId} of VM ${vmId} was not looked for: ${toDriverError(error).message}`,
    );
  }
}
