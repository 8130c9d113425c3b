import type { Context } from '../context.ts';
import { DriverError, isDriverError } from '../errors.ts';
import type { Disk, Image, Vm } from '../opennebula/one.ts';
import type { Template } from '../opennebula/one-changes.ts';
import { imageState, imageType, inLcm, vmState } from '../opennebula/states.ts';
import { poll } from '../volumes/wait.ts';
import { type DiskMove, type ImageMove, moved, type VmMove } from './linbit-plan.ts';

/** The steps of a move from LINBIT's driver. Each may be interrupted and repeated; nothing of the old volumes is removed by us. */

const typeNames: Readonly<Record<number, string>> = {
  [imageType.OS]: 'OS',
  [imageType.CDROM]: 'CDROM',
  [imageType.DATABLOCK]: 'DATABLOCK',
};

/** A copy of a large image takes its time; oned's own hot-plugs do not. */
const copyMs = 24 * 3_600_000;
const plugMs = 10 * 60_000;

type Told = (text: string) => void;

/** The new image takes the old one's name; the old one stays, as `NAME-linbit`. */
export async function moveImage(
  ctx: Pick<Context, 'one' | 'clock'>,
  target: number,
  { image, resource, format, made }: ImageMove,
  tell: Told,
): Promise<Image> {
  const fresh =
    made ??
    (await adopt(ctx, target, {
      NAME: `${image.name}-of-${resource}`,
      TYPE: typeNames[image.type] ?? 'OS',
      PERSISTENT: image.persistent ? 'YES' : 'NO',
      PATH: `linstor://${resource}`,
      ADOPT_FORMAT: format,
      [moved.from]: resource,
    }));
  if (!made) tell(`image ${image.id} (${image.name}) is image ${fresh.id}`);
  await takeName(ctx, image, fresh);
  return fresh;
}

async function takeName({ one }: Pick<Context, 'one'>, old: Image, fresh: Image): Promise<void> {
  if (fresh.name === old.name || old.name.endsWith('-linbit')) return;
  const { name } = old;
  await one.renameImage(old.id, `${name}-linbit`);
  await one.renameImage(fresh.id, name);
  if (old.ownerId !== undefined && old.ownerId !== 0) await one.giveImage(fresh.id, old.ownerId);
}

/** What an interrupted try has made under that name is not trusted, and made anew. */
async function adopt(
  ctx: Pick<Context, 'one' | 'clock'>,
  target: number,
  template: Template,
): Promise<Image> {
  const { one } = ctx;
  for (const stale of (await one.images()).filter(({ name }) => name === template['NAME'])) {
    if (stale.datastoreId !== target || (stale.vmIds ?? []).length > 0)
      throw new DriverError('IN_USE', `image ${stale.id} has the name ${stale.name}`, {
        remedy: 'rename it',
      });
    await one.deleteImage(stale.id);
    await gone(ctx, stale.id);
  }
  const id = await one.allocateImage(template, target);
  const image = await poll(ctx.clock, copyMs, async () => {
    const now = await one.image(id);
    return now.state === imageState.LOCKED || now.state === imageState.INIT ? undefined : now;
  });
  if (image?.state === imageState.READY) return image;
  const why = image?.template['ERROR'] ?? 'see oneimage show and linstor_un trace --failed';
  throw new DriverError('IMAGE_SOURCE', `image ${id} was not made of ${template['PATH']}: ${why}`, {
    remedy: 'fix the cause and run the same command again',
  });
}

async function gone({ one, clock }: Pick<Context, 'one' | 'clock'>, id: number): Promise<void> {
  const left = await poll(clock, plugMs, async () => {
    try {
      await one.image(id);
      return undefined;
    } catch (error) {
      if (isDriverError(error, 'ONE_NOT_FOUND')) return true;
      throw error;
    }
  });
  if (!left) throw new DriverError('IN_USE', `image ${id} of an earlier try is not deleted`);
}

/**
 * Each disk of a powered-off VM becomes a persistent image of ours and takes the old one's place. The image is created again unless the old disk
 * has gone already: the VM may have run since an interrupted try.
 */
export async function moveVm(
  ctx: Pick<Context, 'one' | 'clock'>,
  target: number,
  { vm, disks, waiting }: VmMove,
  tell: Told,
): Promise<void> {
  for (const image of waiting) await attach(ctx, vm, image.id, targetOf(image.template), tell);
  for (const move of disks) {
    const image = await imageFor(ctx, target, vm, move);
    await requireOff(ctx, vm);
    await ctx.one.detachDisk(vm.id, move.disk.id);
    await settled(ctx, vm, (now) => !now.disks.some(({ id }) => id === move.disk.id));
    tell(`VM ${vm.id}: disk ${move.disk.id} is detached`);
    await attach(ctx, vm, image, attributesOf(move.disk), tell);
  }
}

const kept = ['TARGET', 'DEV_PREFIX', 'CACHE', 'IO', 'DISCARD', 'READONLY'] as const;

const attributesOf = ({ attributes }: Disk): Template =>
  Object.fromEntries(kept.flatMap((name) => (attributes[name] ? [[name, attributes[name]]] : [])));

/** Kept in the image, for the case that the move is interrupted between the two disks. */
const remembered = (attributes: Template): Template =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ADOPTED_${name}`, value]));
const targetOf = (template: Readonly<Record<string, string>>): Template =>
  Object.fromEntries(
    kept.flatMap((name) => {
      const value = template[`ADOPTED_${name}`];
      return value === undefined ? [] : [[name, value]];
    }),
  );

async function imageFor(
  ctx: Pick<Context, 'one' | 'clock'>,
  target: number,
  vm: Vm,
  { disk, resource, format, image }: DiskMove,
): Promise<number> {
  if (resource === undefined) {
    if (image === undefined) throw new DriverError('INTERNAL', `no image for disk ${disk.id} of VM ${vm.id}`);
    return image;
  }
  const made = await adopt(ctx, target, {
    NAME: `vm-${vm.id}-disk-${disk.id}-of-${resource}`,
    TYPE: disk.kind === 'volatile' ? 'DATABLOCK' : 'OS',
    PERSISTENT: 'YES',
    PATH: `linstor://${resource}`,
    ADOPT_FORMAT: format,
    [moved.from]: resource,
    [moved.vm]: vm.id,
    [moved.disk]: disk.id,
    ...remembered(attributesOf(disk)),
  });
  return made.id;
}

async function attach(
  ctx: Pick<Context, 'one' | 'clock'>,
  vm: Vm,
  image: number,
  attributes: Template,
  tell: Told,
): Promise<void> {
  await requireOff(ctx, vm);
  await ctx.one.attachDisk(vm.id, { IMAGE_ID: image, ...attributes });
  const now = await settled(ctx, vm, (each) => each.disks.some(({ imageId }) => imageId === image));
  const disk = now.disks.find(({ imageId }) => imageId === image);
  tell(`VM ${vm.id}: image ${image} is disk ${disk?.id ?? '?'}`);
}

async function requireOff({ one }: Pick<Context, 'one'>, { id }: Vm): Promise<void> {
  const vm = await one.vm(id);
  if (vm.state !== vmState.POWEROFF)
    throw new DriverError('IN_USE', `VM ${id} is not powered off any more`, {
      remedy: 'power it off and run the same command again',
    });
}

/** A hot-plug of oned's has ended, and did what was asked. Throws ONE_REFUSED. */
async function settled(
  { one, clock }: Pick<Context, 'one' | 'clock'>,
  { id }: Vm,
  isDone: (vm: Vm) => boolean,
): Promise<Vm> {
  const now = await poll(clock, plugMs, async () => {
    const vm = await one.vm(id);
    const busy =
      vm.state === vmState.ACTIVE &&
      inLcm(vm.lcmState, 'HOTPLUG', 'HOTPLUG_PROLOG_POWEROFF', 'HOTPLUG_EPILOG_POWEROFF');
    return busy ? undefined : vm;
  });
  if (now && isDone(now)) return now;
  throw new DriverError('ONE_REFUSED', `oned has not changed the disks of VM ${id} as asked`, {
    remedy: `see onevm show ${id} and its log, fix the cause, and run the same command again`,
  });
}
