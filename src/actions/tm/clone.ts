import { allDone } from '../../all-done.ts';
import type { Context } from '../../context.ts';
import { diskMarks, isCompleted } from '../../disks/completed-disk.ts';
import { type DiskCall, diskOf, readDiskCall, underName } from '../../disks/disk-call.ts';
import { duplicate } from '../../disks/duplicate.ts';
import { ensureDiskAttached } from '../../disks/ensure-attached.ts';
import { growDisk } from '../../disks/grow.ts';
import { requireClosed } from '../../disks/in-use.ts';
import { DriverError } from '../../errors.ts';
import type { Resource, ResourceDefinition, ResourceName } from '../../linstor/linstor.ts';
import { imageState } from '../../opennebula/states.ts';
import { requireDiskTarget } from '../../opennebula/target.ts';
import { type KiB, kib, kibToBytes, mibToKib } from '../../units.ts';
import type { Clone } from '../../volumes/clone.ts';
import { isCompleteCopy, isCopy } from '../../volumes/copies.ts';
import { knownView } from '../../volumes/known-view.ts';
import { marks } from '../../volumes/marks.ts';
import { lockName, namesFor, resourceOfSource } from '../../volumes/names.ts';
import { requireOwn } from '../../volumes/reclaim.ts';
import { undisturbed } from '../../volumes/redo-after-restart.ts';
import { isOnZfs, isReadable, replicasOf, sameName } from '../../volumes/replicas.ts';
import type { Known } from '../../volumes/resize.ts';
import { dropSnapshot } from '../../volumes/snapshot.ts';
import { freeName, present } from '../../volumes/stand-in.ts';
import type { ActionHandler } from '../action.ts';

/**
 * `clone <fe>:SOURCE <host>:<vm directory>/disk.<n> <vm> <datastore>`: the VM gets a disk of its own with the image's
 * content (contract §3.5). Repeatable: a disk that this deployment has already completed is used as it is, anything
 * else of its name is a leftover and made anew (contract §3.4).
 */
export const clone: ActionHandler = async (call, ctx) => {
  const [sourceArgument, targetArgument, vmArgument, datastoreArgument] = call.argv;
  const target = requireDiskTarget(targetArgument, 'destination');
  const source = sourceResource(sourceArgument);
  const disk = await readDiskCall(ctx, target, vmArgument, datastoreArgument);
  if (disk.disk.kind !== 'clone' || !sameName(resourceOfSource(disk.disk.source), source)) {
    throw new DriverError(
      'ONE_INCOMPLETE',
      `disk ${target.diskId} of VM ${disk.vm.id} is not a clone of ${source} in OpenNebula’s document; nothing was changed`,
    );
  }
  await ctx.lock(lockName(disk.diskResource.resource), () => cloneDisk(ctx, disk, source));
  return undefined;
};

/** The resource in `<fe>:SOURCE`. */
export function sourceResource(argument: string | undefined): ResourceName {
  return resourceOfSource(argument?.slice(argument.indexOf(':') + 1) ?? '');
}

async function cloneDisk(ctx: Context, opened: DiskCall, source: ResourceName): Promise<void> {
  const proper = opened.diskResource.resource;
  const names = [source, ...namesFor(proper)];
  const definitions = await opened.linstor.definitions({ names });
  const view = await knownView(
    opened.linstor,
    definitions.map((definition) => definition.name),
  );
  const image = definitions.find((definition) => sameName(definition.name, source));
  if (!image)
    throw new DriverError('LINSTOR_NOT_FOUND', `image resource ${source} does not exist in LINSTOR`);
  if (image.props[marks.incomplete] !== undefined) await requireRegistered(ctx, opened, source);
  const existing = present(proper, definitions);
  if (
    existing &&
    isCompleted(opened, existing) &&
    replicasOf(view, existing.name).some(isReadable) &&
    (!isCopy(existing) || (await isCompleteCopy(opened.linstor, opened.settings.namePrefix, existing)))
  ) {
    const call = underName(opened, existing.name);
    ctx.log.info(`disk ${call.disk.id} of VM ${call.vm.id} was completed by an earlier try`);
    const replicas = replicasOf(view, existing.name);
    await allDone([
      dropHelper(ctx, call, image, replicasOf(view, source)),
      use(ctx, call, image, { view: replicas, volume: existing.volumes[0] }),
    ]);
    return;
  }
  requireOwn(existing);
  for (const name of namesFor(proper))
    await requireClosed(ctx, {
      ...diskOf(underName(opened, name)),
      view: replicasOf(view, name),
      hosts: [opened.target.host],
    });
  const name = await freeName(ctx, opened.linstor, proper, { definitions, view });
  const call = underName(opened, name);
  const replicas = replicasOf(view, source);
  await undisturbed(ctx, call.linstor, name, async () => {
    const made = await makeClone(ctx, call, image, replicas);
    const volume = made.sizeKib === undefined ? undefined : { sizeKib: made.sizeKib, flags: [] };
    await allDone([use(ctx, call, image, { view: made.view, volume }), made.tidy()]);
    return made;
  });
}

/**
 * An image that is not marked complete is none, unless OpenNebula has been told that it is: LINSTOR has then forgotten the last thing that it had
 * answered, as a controller that was killed does, and is told again.
 */
async function requireRegistered(ctx: Context, call: DiskCall, source: ResourceName): Promise<void> {
  const { imageId } = call.disk;
  const { state } = imageId === undefined ? {} : await ctx.one.image(imageId);
  if (state !== imageState.READY && state !== imageState.USED)
    throw new DriverError('NO_REPLICA', `image resource ${source} is not complete`);
  ctx.log.warn(
    `LINSTOR has forgotten that ${source} is complete, as OpenNebula knows image ${imageId} to be`,
  );
  await call.linstor.modifyDefinition(source, { unset: [marks.incomplete] });
}

/** Large enough, attached and linked. A disk may be asked for larger than its image (contract §3.3). */
async function use(ctx: Context, call: DiskCall, image: ResourceDefinition, known: Known): Promise<void> {
  const { resource } = call.diskResource;
  const wanted = mibToKib(call.disk.sizeMib);
  const link = async (minKib: KiB): Promise<void> => {
    await ensureDiskAttached(
      ctx,
      { ...diskOf(call), view: known.view, minBytes: kibToBytes(minKib) },
      call.target.host,
    );
  };
  if (wanted <= (image.volumes[0]?.sizeKib ?? 0)) await link(wanted);
  else
    await growDisk(ctx, { ...call, resource, host: call.target.host }, wanted, known, ({ before }) =>
      link(kib(Math.max(wanted, before))),
    );
}

/** An earlier try that was killed may have left its helper snapshot on the image. */
async function dropHelper(
  ctx: Context,
  call: DiskCall,
  image: ResourceDefinition,
  replicas: readonly Resource[],
): Promise<void> {
  if (isOnZfs(replicas)) return;
  await dropSnapshot(ctx, call.linstor, image.name, call.diskResource.resource);
}

async function makeClone(
  ctx: Context,
  call: DiskCall,
  source: ResourceDefinition,
  replicas: readonly Resource[],
): Promise<Clone> {
  return duplicate(ctx, {
    settings: call.settings,
    linstor: call.linstor,
    source,
    replicas,
    target: call.diskResource.resource,
    sizeKib: mibToKib(call.disk.sizeMib),
    props: diskMarks(call),
    host: call.target.host,
    mode: call.settings.cloneMode,
    base: 'make',
    completion: 'note',
    what: `disk ${call.disk.id} of VM ${call.vm.id}`,
    spread: call.vm.id,
  });
}
