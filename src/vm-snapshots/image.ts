import type { BackupDisk } from '../backup/disks.ts';
import type { Context } from '../context.ts';
import { diskSettings } from '../disks/disk-call.ts';
import { duplicate } from '../disks/duplicate.ts';
import { DriverError, isDriverError, toDriverError } from '../errors.ts';
import type { ResourceName } from '../linstor/names.ts';
import type { Image, Vm } from '../opennebula/one.ts';
import type { Template } from '../opennebula/one-changes.ts';
import { imageState } from '../opennebula/states.ts';
import { kibToBytes, mib, mibToKib } from '../units.ts';
import { marks, ofSnapshotMark, registrationMark } from '../volumes/marks.ts';
import { lockName, resourceOfSource } from '../volumes/names.ts';
import { undisturbed } from '../volumes/redo-after-restart.ts';
import { removeResource } from '../volumes/remove.ts';
import { usableSnapshot } from '../volumes/snapshot.ts';
import { poll } from '../volumes/wait.ts';

export interface ImageOfSnapshot {
  readonly vm: Vm;
  readonly disk: BackupDisk;
  readonly snapshot: string;
  /** Image datastore of ours, on the same LINSTOR. */
  readonly datastore: number;
  readonly name: string;
}

/** An empty volume is made in that time. */
const readyMs = 10 * 60_000;

/** On the image: what it is to hold. A run that was killed is known by it. */
const originAttribute = 'MADE_OF_SNAPSHOT';

const originOf = ({ vm, disk, snapshot }: ImageOfSnapshot): string =>
  `${vm.id}/${disk.disk.id}/${snapshot}`.toLowerCase();

/**
 * A new image of OpenNebula's with what the snapshot holds of one disk. OpenNebula makes an empty data block first, as for anybody; its volume
 * makes room for one of that name with the content. When that fails, the image goes; when it is killed, the next call with the same wish ends it.
 */
export async function imageOfSnapshot(ctx: Context, wish: ImageOfSnapshot): Promise<Image> {
  const { vm, disk, datastore, name } = wish;
  const snapshot = usableSnapshot(disk.snapshots, disk.resource, wish.snapshot);
  const settings = await diskSettings(ctx, datastore, datastore);
  if (ctx.linstor(settings) !== disk.linstor)
    throw new DriverError(
      'NOT_SUPPORTED',
      `datastore ${datastore} is on another LINSTOR than ${disk.resource}`,
      {
        remedy: 'choose an image datastore on the same controllers with --datastore',
      },
    );
  const sizeKib = snapshot.volumes[0]?.sizeKib ?? disk.definition.volumes[0]?.sizeKib ?? mibToKib(mib(1));
  const size = Math.max(1, Math.ceil(kibToBytes(sizeKib) / (1024 * 1024)));
  const id = await allocated(ctx, wish, {
    NAME: name,
    TYPE: 'DATABLOCK',
    SIZE: size,
    FORMAT: 'raw',
    [originAttribute]: originOf(wish),
  });
  try {
    const image = await whenReady(ctx, id);
    const target = resourceOfSource(image.source);
    await ctx.lock(lockName(target), () =>
      ctx.lock(lockName(disk.resource), async () => {
        if (await isComplete(wish, target)) return;
        await removeResource(ctx, disk.linstor, target);
        await undisturbed(ctx, disk.linstor, target, () =>
          duplicate(ctx, {
            settings: { ...settings, namePrefix: disk.settings.namePrefix },
            linstor: disk.linstor,
            source: disk.definition,
            replicas: disk.view,
            snapshot: snapshot.name,
            target,
            sizeKib,
            props: {
              [marks.incomplete]: 'saveas',
              [registrationMark(target)]: `${image.id}-${image.registeredAt}`,
              [ofSnapshotMark(target)]: originOf(wish),
            },
            completion: 'mark',
            mode: settings.cloneMode === 'copy' ? 'snapshot' : settings.cloneMode,
            what: `image ${id} of disk ${disk.disk.id} of VM ${vm.id}`,
            spread: vm.id,
          }),
        );
      }),
    );
    return image;
  } catch (error) {
    await ctx.one.deleteImage(id).catch((left: unknown) => {
      ctx.log.warn(`image ${id} is empty and stays: ${toDriverError(left).message}`);
    });
    throw error;
  }
}

/** Its id. Where the name is taken: by an image of the same wish that was never finished, and that nobody has used since. */
async function allocated(ctx: Context, wish: ImageOfSnapshot, template: Template): Promise<number> {
  try {
    return await ctx.one.allocateImage(template, wish.datastore);
  } catch (error) {
    if (!isDriverError(error, 'ONE_REFUSED') || !/already taken/i.test(error.message)) throw error;
    const taken = new DriverError('ONE_REFUSED', error.message, {
      remedy: 'name the new image with --name (and --disk), or rename the other one: oneimage rename',
      cause: error,
    });
    const same = (await ctx.one.images()).find(
      (image) =>
        image.name === wish.name &&
        image.datastoreId === wish.datastore &&
        image.template[originAttribute] === originOf(wish),
    );
    const waiting = same?.state === imageState.LOCKED || same?.state === imageState.READY;
    if (!same || !waiting || same.persistent || same.snapshots.length > 0) throw taken;
    if (same.source !== '' && (await isComplete(wish, resourceOfSource(same.source)))) throw taken;
    ctx.log.warn(`image ${same.id} was begun by an earlier call and is finished now`);
    return same.id;
  }
}

/** Is the content of the snapshot there, all of it? */
async function isComplete(wish: ImageOfSnapshot, target: ResourceName): Promise<boolean> {
  const [definition] = await wish.disk.linstor.definitions({ names: [target] });
  return (
    definition?.props[ofSnapshotMark(target)] === originOf(wish) &&
    definition.props[marks.incomplete] === undefined &&
    !definition.flags.some((flag) => ['CLONING', 'FAILED', 'DELETE'].includes(flag))
  );
}

async function whenReady(ctx: Context, id: number): Promise<Image> {
  const image = await poll(ctx.clock, readyMs, async () => {
    const now = await ctx.one.image(id);
    if (now.state === imageState.ERROR)
      throw new DriverError('ONE_REFUSED', `image ${id} could not be made`, {
        remedy: `onelog or oneimage show ${id} tells why`,
      });
    return now.state === imageState.READY ? now : undefined;
  });
  if (image) return image;
  throw new DriverError('ONE_REFUSED', `image ${id} is not ready after ${readyMs / 60_000} minutes`);
}
