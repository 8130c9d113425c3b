import { isVolumeAddress } from '../../adopt/address.ts';
import type { Context } from '../../context.ts';
import { attachForCopy, type BridgeDevice, planForCopy, releaseAfterCopy } from '../../disks/bridge.ts';
import { isDriverError } from '../../errors.ts';
import type { ResourceName } from '../../linstor/linstor.ts';
import type { SourceRequest } from '../../transfer/source.ts';
import { type MiB, mibToKib } from '../../units.ts';
import { createVolume } from '../../volumes/create.ts';
import { lockName, sourceOf } from '../../volumes/names.ts';
import { type Plan, planPlacement } from '../../volumes/placement.ts';
import { removeResource } from '../../volumes/remove.ts';
import { readsZeroWhenNew } from '../../volumes/replicas.ts';
import type { ActionHandler } from '../action.ts';
import { type ImageCall, newImageResource, openImageCall, registrationProps } from '../image-call.ts';
import { imageSource } from '../image-source.ts';
import { clearOwnLeftover } from './mkfs.ts';

/**
 * Imports PATH as a raw image. Nothing is replied before every byte, checksum and exit code is right; on failure nothing is
 * left, because OpenNebula drops an image without SOURCE without asking us again (contract §2.1).
 */
export const cp: ActionHandler = async (call, ctx) => {
  const image = await openImageCall(call, ctx);
  const resource = newImageResource(image);
  if (isVolumeAddress(image.message.path)) {
    const { adoptedImage } = await import('../adopted-image.ts');
    return adoptedImage(ctx, image, resource);
  }
  const source = await imageSource(ctx, image.message, image.settings);
  await ctx.lock(lockName(resource), async () => {
    const [[existing], plan] = await Promise.all([
      image.linstor.definitions({ names: [resource] }),
      planPlacement(image.linstor, image.settings.placement),
    ]);
    await clearOwnLeftover(ctx, image, existing, resource);
    await importFitting(ctx, image, { resource, source, plan });
  });
  return `${sourceOf(resource)} raw`;
};

const measure = async (ctx: Context, { settings }: ImageCall, source: SourceRequest): Promise<MiB> =>
  (await import('../../transfer/vsize.ts')).virtualSize(source, {
    stagingDir: settings.stagingDir,
    signal: ctx.signal,
  });

interface Import {
  readonly resource: ResourceName;
  readonly source: SourceRequest;
  readonly plan: Plan;
}

/** SIZE comes from an earlier `stat`, or from a user who may be wrong: an image that does not fit is measured and given its size. */
async function importFitting(ctx: Context, image: ImageCall, work: Import): Promise<void> {
  const { resource, source } = work;
  const declared = image.image.sizeMib;
  if (declared < 1) return importInto(ctx, image, work, await measure(ctx, image, source));
  try {
    await importInto(ctx, image, work, declared);
  } catch (error) {
    if (!isDriverError(error, 'IMAGE_SIZE')) throw error;
    const real = await measure(ctx, image, source);
    if (real <= declared) throw error;
    ctx.log.info(`image ${image.image.id} has ${real} MiB, not ${declared} MiB as declared`);
    await removeResource(ctx, image.linstor, resource);
    await importInto(ctx, image, work, real);
  }
}

async function importInto(
  ctx: Context,
  image: ImageCall,
  { resource, source, plan }: Import,
  sizeMib: MiB,
): Promise<void> {
  const { linstor, settings } = image;
  const minKib = mibToKib(sizeMib);
  const spread = image.image.id;
  const { plan: placed, machines } = await planForCopy(ctx, image, plan, spread);
  const view = await createVolume(ctx, linstor, {
    name: resource,
    sizeKib: minKib,
    plan: placed,
    props: registrationProps(image, resource),
  });
  const bridge = await attachForCopy(ctx, image, { resource, view, minKib, spread, machines });
  const [{ importImage }, { withProgress }] = await Promise.all([
    import('../../transfer/import.ts'),
    import('../../transfer/progress.ts'),
  ]);
  const { compressTransfer: compress, limitTransferBw, verify, stagingDir } = settings;
  const { signal, clock } = ctx;
  await withProgress(ctx.log, `import of image ${image.image.id}`, clock, (onProgress) =>
    importImage(
      ctx.hosts,
      source,
      {
        host: bridge.host,
        device: bridge.device,
        identity: bridge.identity,
        bytes: bridge.bytes,
        readsZero: readsZeroWhenNew(view),
      },
      { compress, limitTransferBw, verify, stagingDir, signal, clock, onProgress },
    ),
  );
  if (bridge.sector > 512) await warnOfSectors(ctx, image, bridge);
  await releaseAfterCopy(ctx, image, bridge);
}

/** Nothing is wrong with the copy, but who boots from it looks for partitions elsewhere. */
async function warnOfSectors(ctx: Context, { image }: ImageCall, bridge: BridgeDevice): Promise<void> {
  const { countsIn512 } = await import('../../hosts/scripts/sectors.ts');
  if (await countsIn512(ctx.hosts, bridge.host, bridge))
    ctx.log.warn(
      `the partitions of image ${image.id} are counted in sectors of 512 bytes, its device has ${bridge.sector}: a guest that sees those will not boot from it; use a pool with sectors of 512 bytes, or an image that is made for larger ones`,
    );
}
