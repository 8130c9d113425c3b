import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import type { Image, Vm } from '../opennebula/one.ts';
import { vmState } from '../opennebula/states.ts';
import { parseResource } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { noteOf, trashOf } from '../volumes/trash.ts';
import type { Where } from './content.ts';

/** Resource of a SOURCE, of ours or of LINBIT's driver, which writes the bare name or a DRBD path (contract §9.2). */
export function resourceIn(source: string): string | undefined {
  const text = source.trim();
  return (
    /^\/dev\/drbd\/by-res\/([^/]+)\/0$/.exec(text)?.[1] ??
    (/^[A-Za-z_][\w-]{1,47}$/.test(text) ? text : undefined)
  );
}

/** Names that LINBIT's driver gives the disks of VMs (contract §9.2). */
export const linbitDisk = (image: string, vm: number, disk: number): string => `${image}-vm${vm}-disk${disk}`;
export const linbitVolatile = (vm: number, disk: number): string => `OpenNebula-Volatile-vm${vm}-disk${disk}`;

/** What in OpenNebula has the volume; undefined for nothing. */
export function holderIn(
  name: ResourceName,
  images: readonly Image[],
  vms: readonly Vm[],
  prefix: string,
): string | undefined {
  const image = images.find(({ source }) => {
    const found = resourceIn(source);
    return found !== undefined && sameName(found, name);
  });
  if (image) return `image ${image.id}`;
  const own = parseResource(prefix, name)?.vmId;
  const vm = vms.find(
    (each) =>
      each.state !== vmState.DONE &&
      (each.id === own ||
        each.disks.some(({ id, source }) => {
          const origin = resourceIn(source);
          const names = [
            linbitVolatile(each.id, id),
            ...(origin ? [origin, linbitDisk(origin, each.id, id)] : []),
          ];
          return names.some((candidate) => sameName(candidate, name));
        })),
  );
  return vm ? `VM ${vm.id}` : undefined;
}

/** Throws IN_USE naming whoever in OpenNebula has the volume. */
export async function requireNobodys(
  ctx: Context,
  { linstor, settings }: Where,
  definition: ResourceDefinition,
) {
  const [images, vms, notes] = await Promise.all([
    ctx.one.images(),
    ctx.one.vms(),
    trashOf(linstor, settings.namePrefix),
  ]);
  const { name } = definition;
  if (noteOf(notes, definition))
    throw new DriverError('IN_USE', `${name} is in the trash`, {
      remedy: `linstor_un trash restore ${name}`,
    });
  const holder = holderIn(name, images, vms, settings.namePrefix);
  if (holder !== undefined)
    throw new DriverError('IN_USE', `${name} is not taken over: ${holder} has it`, {
      remedy: `delete ${holder} without its volume first, or leave ADOPT=take out: the volume is then cloned`,
    });
}
