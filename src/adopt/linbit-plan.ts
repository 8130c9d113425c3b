import type { ResourceDefinition } from '../linstor/linstor.ts';
import { type ResourceName, resourceName } from '../linstor/names.ts';
import type { Datastore, Disk, Image, Vm } from '../opennebula/one.ts';
import { datastoreType, imageState, imageType, vmState } from '../opennebula/states.ts';
import { sameName } from '../volumes/replicas.ts';
import { linbitDisk, linbitVolatile, resourceIn } from './holders.ts';

/**
 * What a move from LINBIT's driver does, from one look at OpenNebula and LINSTOR (contract §9.2). Images first; persistent ones that a VM
 * has go with the VM. What is done already is known by the new image's own template.
 */

export const linbitDriver = 'linstor';

/** In the template of each image that the move makes: of which volume, and for which disk of which VM. */
export const moved = { from: 'ADOPTED_FROM', vm: 'ADOPTED_FOR_VM', disk: 'ADOPTED_FOR_DISK' } as const;

export interface LinbitFacts {
  readonly datastores: readonly Datastore[];
  readonly images: readonly Image[];
  readonly vms: readonly Vm[];
  readonly definitions: readonly ResourceDefinition[];
  /** Image datastore that new images go to. */
  readonly target: number;
}

export interface ImageMove {
  readonly image: Image;
  readonly resource: ResourceName;
  readonly format: 'raw' | 'qcow2';
  /** The new image, when it is there. */
  readonly made?: Image;
  /** Why nothing is done with it now. */
  readonly left?: string;
}

export interface DiskMove {
  readonly disk: Disk;
  /** What is adopted; absent: the moved image is attached. */
  readonly resource?: ResourceName;
  readonly format: 'raw' | 'qcow2';
  readonly image?: number;
}

export interface VmMove {
  readonly vm: Vm;
  readonly disks: readonly DiskMove[];
  /** Made by a move that was interrupted after the old disk had gone: only to be attached. */
  readonly waiting: readonly Image[];
  readonly left?: string;
}

export interface LinbitPlan {
  readonly images: readonly ImageMove[];
  readonly vms: readonly VmMove[];
}

const usable: ReadonlySet<number> = new Set([imageState.READY, imageState.USED, imageState.USED_PERS]);

export const isLinbits = ({ dsMad, tmMad }: Pick<Datastore, 'dsMad' | 'tmMad'>): boolean =>
  dsMad === linbitDriver || tmMad === linbitDriver;

const formatOf = (text: string): 'raw' | 'qcow2' => (text.trim().toLowerCase() === 'qcow2' ? 'qcow2' : 'raw');

export function planMove(facts: LinbitFacts): LinbitPlan {
  const theirs = new Set(
    facts.datastores
      .filter((each) => isLinbits(each) && each.type === datastoreType.IMAGE)
      .map(({ id }) => id),
  );
  const images = facts.images
    .filter((image) => theirs.has(image.datastoreId ?? -1) && image.type !== imageType.BACKUP)
    .flatMap((image) => imageMove(facts, image));
  const vms = facts.vms
    .filter(({ state }) => state !== vmState.DONE)
    .flatMap((vm) => vmMove(facts, images, vm));
  return { images, vms };
}

const madeOf = ({ images, target }: LinbitFacts, resource: string): Image | undefined =>
  images.find(
    (image) =>
      image.datastoreId === target &&
      usable.has(image.state) &&
      sameName(image.template[moved.from] ?? '', resource),
  );

const exists = ({ definitions }: LinbitFacts, name: string): boolean =>
  definitions.some((each) => sameName(each.name, name) && !each.flags.includes('DELETE'));

function imageMove(facts: LinbitFacts, image: Image): ImageMove[] {
  const name = resourceIn(image.source);
  // Without SOURCE it never came into being.
  if (name === undefined) return [];
  const resource = resourceName(name);
  const made = madeOf(facts, resource);
  const base = { image, resource, format: formatOf(image.format), ...(made ? { made } : {}) };
  const holder = image.vmIds?.[0];
  if (image.persistent && holder !== undefined)
    return [{ image, resource, format: base.format, left: `goes with VM ${holder}` }];
  if (made) return [base];
  if (!exists(facts, resource)) return [{ ...base, left: `LINSTOR has no volume ${resource}` }];
  if (!usable.has(image.state)) return [{ ...base, left: 'it is not READY' }];
  return [base];
}

const isTheirs = (disk: Disk): boolean => disk.tmMad === linbitDriver && disk.kind !== 'filesystem';

function vmMove(facts: LinbitFacts, images: readonly ImageMove[], vm: Vm): VmMove[] {
  const theirs = vm.disks.filter(isTheirs);
  const waiting = facts.images.filter(
    (image) =>
      image.template[moved.vm] === String(vm.id) &&
      image.state === imageState.READY &&
      (image.vmIds ?? []).length === 0 &&
      !vm.disks.some(
        ({ id }) => String(id) === image.template[moved.disk] && theirs.some((each) => each.id === id),
      ),
  );
  if (theirs.length === 0 && waiting.length === 0) return [];
  const disks = theirs.map((disk) => diskMove(images, vm, disk));
  const left = reasonToLeave(facts, vm, theirs, disks);
  return [{ vm, disks, waiting, ...(left === undefined ? {} : { left }) }];
}

function diskMove(images: readonly ImageMove[], vm: Vm, disk: Disk): DiskMove {
  const source = resourceIn(disk.source);
  const format = formatOf(disk.format);
  if (source === undefined)
    return { disk, resource: resourceName(linbitVolatile(vm.id, disk.id)), format: 'raw' };
  if (disk.kind === 'persistent') return { disk, resource: resourceName(source), format };
  if (disk.kind === 'clone')
    return { disk, resource: resourceName(linbitDisk(source, vm.id, disk.id)), format };
  // Only read: the image that was made for all.
  const made = images.find((move) => sameName(move.resource, source))?.made;
  return { disk, format, ...(made ? { image: made.id } : {}) };
}

function reasonToLeave(
  facts: LinbitFacts,
  vm: Vm,
  theirs: readonly Disk[],
  disks: readonly DiskMove[],
): string | undefined {
  if (vm.state !== vmState.POWEROFF) return 'it is not powered off';
  const kept = theirs.find(({ id }) =>
    vm.snapshots.some(({ diskId, snapshots }) => diskId === id && snapshots.length > 0),
  );
  if (kept) return `disk ${kept.id} has snapshots, which would be lost: delete them first`;
  const shared = theirs.find(({ kind }) => kind === 'shareable');
  if (shared) return `disk ${shared.id} is shareable: other VMs have it too`;
  const missing = disks.find(({ resource }) => resource !== undefined && !exists(facts, resource));
  if (missing) return `LINSTOR has no volume ${missing.resource}`;
  const early = disks.find(({ resource, image }) => resource === undefined && image === undefined);
  return early ? `the image of disk ${early.disk.id} is not moved yet` : undefined;
}
