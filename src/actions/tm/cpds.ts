import type { Context } from '../../context.ts';
import {
  type DiskCall,
  diskSettings,
  located,
  namesOfDisk,
  openDiskCall,
  underName,
} from '../../disks/disk-call.ts';
import { type Duplicate, duplicate } from '../../disks/duplicate.ts';
import { DriverError } from '../../errors.ts';
import type { ResourceDefinition, ResourceName } from '../../linstor/linstor.ts';
import { inLcm } from '../../opennebula/states.ts';
import { parseId, requireDiskTarget } from '../../opennebula/target.ts';
import { mibToKib } from '../../units.ts';
import type { Clone } from '../../volumes/clone.ts';
import { knownReplicas } from '../../volumes/known-view.ts';
import { marks } from '../../volumes/marks.ts';
import { lockName, resourceOfSource, snapshotName } from '../../volumes/names.ts';
import { clearLeftover } from '../../volumes/reclaim.ts';
import { undisturbed } from '../../volumes/redo-after-restart.ts';
import { canSnapshot, sameName } from '../../volumes/replicas.ts';
import { dropSnapshot } from '../../volumes/snapshot.ts';
import type { ActionHandler } from '../action.ts';
import { snapshotFrozen } from './snap-create-live.ts';

/**
 * `cpds <host>:<vm directory>/disk.<n> SOURCE <snapshot id or -1> <vm> <datastore>`: the disk, or a snapshot of it, becomes the image
 * that `mkfs` announced (contract §2.2, §3.5). A running disk is read from a snapshot taken for it, with the guest frozen if possible.
 */
export const cpds: ActionHandler = async (call, ctx) => {
  const [sourceArgument, destination, snapshotArgument, vmArgument, datastoreArgument] = call.argv;
  const target = requireDiskTarget(sourceArgument, 'source');
  const image = resourceOfSource(destination ?? '');
  const snapshot = parseId(snapshotArgument, 'snapshot id', -1);
  const datastoreId = parseId(datastoreArgument, 'datastore id');
  const disk = await openDiskCall(ctx, target, parseId(vmArgument, 'VM id'), datastoreId);
  if (sameName(image, disk.diskResource.resource))
    throw new DriverError('BAD_ARGUMENT', `disk ${target.diskId} cannot be saved over itself`);
  // The image belongs to the image datastore: the system datastore has no say in where it goes.
  const settings = await diskSettings(ctx, datastoreId, datastoreId);
  const work = { ...disk, settings: { ...settings, namePrefix: disk.settings.namePrefix } };
  await ctx.lock(lockName(image), () =>
    ctx.lock(lockName(disk.diskResource.resource), () => saveAs(ctx, work, image, snapshot)),
  );
  return undefined;
};

const running = (disk: DiskCall): boolean => inLcm(disk.vm.lcmState, 'HOTPLUG_SAVEAS', 'RUNNING');

async function saveAs(ctx: Context, call: DiskCall, image: ResourceName, snapshot: number): Promise<void> {
  const { linstor } = call;
  const names = namesOfDisk(call);
  const definitions = await linstor.definitions({ names: [...names, image] });
  const source = located(call, definitions);
  if (!source)
    throw new DriverError(
      'LINSTOR_NOT_FOUND',
      `disk ${call.disk.id} of VM ${call.vm.id} has no resource ${call.diskResource.resource} in LINSTOR`,
    );
  const origin = source.name;
  const disk = underName(call, origin);
  await clearPlaceholder(
    ctx,
    disk,
    definitions.find((definition) => sameName(definition.name, image)),
    image,
  );
  const replicas = await knownReplicas(linstor, origin);
  const request: Duplicate = {
    settings: disk.settings,
    linstor,
    source,
    replicas,
    target: image,
    sizeKib: mibToKib(disk.disk.sizeMib),
    props: { [marks.incomplete]: 'saveas' },
    completion: 'mark',
    mode: disk.settings.cloneMode === 'copy' ? 'snapshot' : disk.settings.cloneMode,
    what: `the saved image of disk ${disk.disk.id} of VM ${disk.vm.id}`,
    spread: disk.vm.id,
  };
  await undisturbed(ctx, linstor, image, () => saveContent(ctx, disk, request, snapshot));
}

/** `snapshot`: its content; below 0, the present one. */
async function saveContent(
  ctx: Context,
  disk: DiskCall,
  request: Duplicate,
  snapshot: number,
): Promise<Pick<Clone, 'copied'>> {
  const { linstor, replicas, target: image } = request;
  const origin = request.source.name;
  if (snapshot >= 0) {
    return duplicate(ctx, { ...request, snapshot: snapshotName(snapshot) });
  }
  if (running(disk)) {
    if (!canSnapshot(replicas)) {
      throw new DriverError(
        'NOT_SUPPORTED',
        `disk ${disk.disk.id} of the running VM ${disk.vm.id} is in a pool without snapshots and cannot be read consistently`,
        { remedy: 'power the VM off and save the disk then' },
      );
    }
    // Of a name that a repeated call knows: a try that was killed cannot take its snapshot away.
    const temporary = image;
    await snapshotFrozen(ctx, disk, temporary);
    const made = await duplicate(ctx, { ...request, snapshot: temporary, snapshotIsNew: true });
    await dropSnapshot(ctx, linstor, origin, temporary);
    return made;
  }
  const made = await duplicate(ctx, request);
  await made.tidy();
  return made;
}

/** Only what an interrupted save of this image left may be removed: anything else is somebody's image. */
async function clearPlaceholder(
  ctx: Context,
  disk: DiskCall,
  existing: ResourceDefinition | undefined,
  image: ResourceName,
): Promise<void> {
  if (!existing) return;
  if (existing.props[marks.incomplete] === undefined && !existing.flags.includes('DELETE')) {
    throw new DriverError(
      'LINSTOR_EXISTS',
      `the image ${image} exists already; disk ${disk.disk.id} of VM ${disk.vm.id} was not saved over it`,
    );
  }
  await clearLeftover(ctx, disk.linstor, image, existing);
}
