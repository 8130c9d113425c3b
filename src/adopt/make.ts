import type { Context } from '../context.ts';
import { type BridgeDevice, planForCopy } from '../disks/bridge.ts';
import { duplicate } from '../disks/duplicate.ts';
import { growDisk } from '../disks/grow.ts';
import { type Volume, withDevice } from '../disks/with-device.ts';
import { DriverError } from '../errors.ts';
import type { ResourceName } from '../linstor/linstor.ts';
import { withProgress } from '../transfer/progress.ts';
import { unpackDevice } from '../transfer/unpack-device.ts';
import { bytesToMib, type KiB, kib } from '../units.ts';
import { createVolume } from '../volumes/create.ts';
import { registrationMark, vmMarks } from '../volumes/marks.ts';
import { lockName } from '../volumes/names.ts';
import { planPlacement } from '../volumes/placement.ts';
import { undisturbed } from '../volumes/redo-after-restart.ts';
import { isDiskful, isReadable, readsZeroWhenNew, sameName } from '../volumes/replicas.ts';
import type { Content, Where } from './content.ts';
import { requireNobodys } from './holders.ts';
import { type Origin, type Told, withContent } from './source.ts';

export interface NewImage {
  readonly id: number;
  readonly resource: ResourceName;
  /** As OpenNebula has it; the volume is never smaller than its content. */
  readonly sizeKib: KiB;
  /** Marks of the new volume. */
  readonly props: Readonly<Record<string, string>>;
  /** ADOPT_FORMAT */
  readonly told: Told;
  /** For the mark of a volume that is taken over. */
  readonly registration: string;
}

/** A new volume with the content of the origin: by sharing its blocks where pool and layers agree, else by a copy; unpacked where it holds an image. */
export async function makeImage(ctx: Context, where: Where, origin: Origin, image: NewImage): Promise<void> {
  await withContent(ctx, where, origin, image.told, async (content, from) => {
    if (content.format === 'raw') await duplicated(ctx, where, origin, image);
    else await unpacked(ctx, where, from, content, image);
  });
}

async function duplicated(ctx: Context, where: Where, origin: Origin, image: NewImage): Promise<void> {
  const { linstor, settings } = where;
  const sizeKib = kib(Math.max(image.sizeKib, origin.volume.sizeKib));
  await undisturbed(ctx, linstor, image.resource, async () => {
    const made = await duplicate(ctx, {
      settings,
      linstor,
      source: origin.definition,
      replicas: origin.replicas,
      ...(origin.snapshot ? { snapshot: origin.snapshot.name } : {}),
      target: image.resource,
      sizeKib,
      props: image.props,
      mode: isOnItsNodes(settings, origin) ? 'clone' : 'copy',
      what: `image ${image.id}`,
      spread: image.id,
    });
    if (sizeKib > origin.volume.sizeKib)
      await growDisk(ctx, { linstor, settings, resource: image.resource }, sizeKib);
    await made.tidy();
    return made;
  });
}

/** A clone has its replicas where the origin has them; NODE_LIST says where they have to be. */
function isOnItsNodes({ placement }: Where['settings'], { replicas }: Origin): boolean {
  const holders = replicas.filter(isDiskful).map(({ node }) => node);
  return placement.nodeList.every((wanted) => holders.some((node) => sameName(node, wanted)));
}

async function unpacked(
  ctx: Context,
  where: Where,
  from: Volume,
  content: Content,
  image: NewImage,
): Promise<void> {
  const { linstor, settings } = where;
  const needed = kib(bytesToMib(content.virtualBytes) * 1024);
  const sizeKib = kib(Math.max(image.sizeKib, needed));
  const { plan } = await planForCopy(ctx, where, await planPlacement(linstor, settings.placement), image.id);
  const { resource, props } = image;
  const view = await createVolume(ctx, linstor, { name: resource, sizeKib, plan, props });
  ctx.log.info(`${from.resource} holds a ${content.format} image, which is unpacked into ${resource}`);
  // Where both have a disk nothing is attached, and nothing travels.
  const common = view
    .filter(isReadable)
    .find(({ node }) => from.replicas.some((other) => sameName(other.node, node) && isReadable(other)));
  const { compressTransfer: compress, limitTransferBw, verify, stagingDir } = settings;
  const { signal, clock } = ctx;
  const copy = (source: BridgeDevice, target: BridgeDevice): Promise<void> =>
    withProgress(ctx.log, `adoption of ${from.resource}`, clock, (onProgress) =>
      unpackDevice(
        ctx.hosts,
        { ...source, ...content },
        { ...placeOf(target), readsZero: readsZeroWhenNew(view) },
        { compress, limitTransferBw, verify, stagingDir, signal, clock, onProgress },
      ),
    );
  const volume = { resource, replicas: view, sizeKib };
  await withDevice(
    ctx,
    where,
    volume,
    (target) => withDevice(ctx, where, from, (source) => copy(source, target), target.node),
    common?.node,
  );
}

const placeOf = ({ host, device, identity, bytes }: BridgeDevice) => ({ host, device, identity, bytes });

/** The volume itself becomes the image's: nothing is made, and its old owner must be none. Throws IN_USE, IMAGE_FORMAT. */
export async function takeOver(ctx: Context, where: Where, origin: Origin, image: NewImage): Promise<void> {
  const { linstor } = where;
  const { name, props } = origin.definition;
  if (origin.snapshot)
    throw new DriverError('NOT_SUPPORTED', `a snapshot of ${name} cannot be taken over`, {
      remedy: 'leave ADOPT=take out: an image is then made of the snapshot',
    });
  await ctx.lock(lockName(name), async () => {
    await requireNobodys(ctx, where, origin.definition);
    await withContent(ctx, where, origin, image.told, async ({ format }) => {
      if (format !== 'raw')
        throw new DriverError(
          'IMAGE_FORMAT',
          `${name} holds a ${format} image and cannot be taken over as it is`,
          {
            remedy: 'leave ADOPT=take out: it is then unpacked into a volume of its own',
          },
        );
    });
    await linstor.modifyDefinition(name, {
      set: { [registrationMark(name)]: image.registration },
      unset: vmMarks.filter((key) => key in props),
    });
  });
}
