import {
  type Attributes,
  datastoreOf,
  imageOf,
  type LabDatastore,
  type LabDisk,
  type LabImage,
  type LabVm,
  lcm,
  noSnapshots,
  OneRefusal,
  type OneState,
  type SnapshotList,
  vmState,
} from './model.ts';
import { type LabOnedOptions, now, type Operation, Session } from './oned.ts';

/** A disk as a VM template asks for it. Sizes are MiB. */
export type DiskSpec =
  | { readonly image: number; readonly sizeMb?: number; readonly template?: Attributes }
  | {
      readonly volatile: 'fs' | 'swap';
      readonly sizeMb: number;
      readonly fs?: string;
      readonly format?: string;
      readonly template?: Attributes;
    };

export interface NewVm {
  readonly name: string;
  readonly disks: readonly DiskSpec[];
  /** Default: a CONTEXT section, so that every start has a context call. */
  readonly context?: Attributes | false;
  readonly memoryMb?: number;
  readonly template?: Attributes;
  readonly backup?: Attributes;
}

const letters = 'abcdefghijklmnopqrstuvwxyz';

/** ALLOW_ORPHANS of a new snapshot list: FORMAT is decided by the disk's format (contract §3.6). */
export function allowOrphansOf(disk: LabDisk): string {
  const mode = (disk.attributes['ALLOW_ORPHANS'] ?? 'NO').toUpperCase();
  if (mode !== 'FORMAT') return mode;
  return disk.attributes['FORMAT'] === 'qcow2' ? 'NO' : 'YES';
}

const yesNo = (value: boolean): string => (value ? 'YES' : 'NO');

/** INHERIT_DATASTORE_ATTR and what oned computes for an image disk (contract §3.3). */
function imageDisk(
  id: number,
  spec: Extract<DiskSpec, { image: number }>,
  image: LabImage,
  datastore: LabDatastore,
): LabDisk {
  const cdrom = image.type === 1;
  const immutable = image.persistentType === 'IMMUTABLE';
  const persistent = image.persistent && !cdrom && !immutable;
  const size = spec.sizeMb ?? image.sizeMb;
  if (spec.sizeMb !== undefined && size !== image.sizeMb && (persistent || cdrom || immutable)) {
    throw new OneRefusal('SIZE cannot be changed for persistent and CDROM disks.');
  }
  if (size < image.sizeMb)
    throw new OneRefusal(`New disk size has to be bigger than the image size ${image.sizeMb}`);
  const inherited = Object.fromEntries(
    ['ALLOW_ORPHANS', 'CLONE_TARGET', 'DISK_TYPE', 'LN_TARGET', 'PERSISTENT_SNAPSHOTS'].flatMap((name) => {
      const value = datastore.template[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  return {
    id,
    attributes: {
      ...inherited,
      CLONE: yesNo(!persistent && !cdrom && !immutable),
      CLUSTER_ID: '0',
      DATASTORE: datastore.name,
      DATASTORE_ID: String(datastore.id),
      DEV_PREFIX: 'sd',
      DISK_ID: String(id),
      DISK_SNAPSHOT_TOTAL_SIZE: '0',
      DRIVER: 'raw',
      FORMAT: image.format,
      IMAGE: image.name,
      IMAGE_ID: String(image.id),
      IMAGE_STATE: persistent || immutable ? '8' : '2',
      ORIGINAL_SIZE: String(image.sizeMb),
      ...(persistent ? { PERSISTENT: 'YES' } : {}),
      READONLY: yesNo(cdrom || immutable),
      SAVE: yesNo(persistent),
      ...(image.persistentType === 'SHAREABLE' ? { SHAREABLE: 'YES' } : {}),
      SIZE: String(size),
      SOURCE: image.source,
      TARGET: `sd${letters[id % 26]}`,
      TM_MAD: datastore.tmMad,
      TYPE: cdrom ? 'CDROM' : (datastore.template['DISK_TYPE'] ?? 'FILE'),
      ...spec.template,
    },
  };
}

function volatileDisk(id: number, spec: Extract<DiskSpec, { volatile: string }>): LabDisk {
  return {
    id,
    attributes: {
      DEV_PREFIX: 'sd',
      DISK_ID: String(id),
      DRIVER: 'raw',
      FORMAT: spec.volatile === 'swap' ? 'raw' : (spec.format ?? 'raw'),
      ...(spec.fs === undefined ? {} : { FS: spec.fs }),
      SIZE: String(spec.sizeMb),
      TARGET: `sd${letters[id % 26]}`,
      TYPE: spec.volatile,
      ...spec.template,
    },
  };
}

/** Makes the disk, marks its image as used and takes over the snapshots of a persistent one. */
export function addDisk(state: OneState, vm: LabVm, spec: DiskSpec): LabDisk {
  const id = vm.nextDisk++;
  if ('volatile' in spec) {
    const disk = volatileDisk(id, spec);
    vm.disks.push(disk);
    return disk;
  }
  const image = imageOf(state, spec.image);
  if (image.state === 8 && image.persistentType === '')
    throw new OneRefusal(`Image ${image.id} is used by another VM.`);
  if (image.state !== 1 && image.state !== 2 && image.state !== 8)
    throw new OneRefusal(`Image ${image.id} is not READY.`);
  const disk = imageDisk(id, spec, image, datastoreOf(state, image.datastoreId));
  if (disk.attributes['SAVE'] === 'YES' && image.snapshots.snapshots.length > 0) {
    vm.snapshots[String(id)] = structuredClone(image.snapshots);
  }
  image.state = disk.attributes['IMAGE_STATE'] === '8' ? 8 : 2;
  if (!image.vms.includes(vm.id)) image.vms.push(vm.id);
  vm.disks.push(disk);
  return disk;
}

/** What oned does with the image when a disk is gone: size and snapshots of a persistent one return (contract §3.5 mvds). */
export function releaseDisk(state: OneState, vm: LabVm, disk: LabDisk, options: { normally: boolean }): void {
  vm.disks = vm.disks.filter((each) => each.id !== disk.id);
  const snapshots: SnapshotList | undefined = vm.snapshots[String(disk.id)];
  delete vm.snapshots[String(disk.id)];
  const image = state.images.find((each) => String(each.id) === disk.attributes['IMAGE_ID']);
  if (!image) return;
  const stillUsed = vm.disks.some((each) => each.attributes['IMAGE_ID'] === String(image.id));
  if (!stillUsed) image.vms = image.vms.filter((id) => id !== vm.id);
  if (image.vms.length === 0 && (image.state === 2 || image.state === 8)) image.state = 1;
  if (disk.attributes['SAVE'] !== 'YES' || !options.normally) return;
  image.sizeMb = Math.max(image.sizeMb, Number(disk.attributes['SIZE']));
  const kept = disk.attributes['PERSISTENT_SNAPSHOTS'] !== 'NO';
  if (snapshots) image.snapshots = kept ? snapshots : noSnapshots(snapshots.allowOrphans);
}

/** `onetemplate instantiate --hold`: no driver is called before the VM is deployed. */
export function createVm(options: LabOnedOptions, spec: NewVm): Operation & { readonly vm: number } {
  const session = new Session(options);
  const vm = session.update((state) => {
    const id = state.nextId.vm++;
    const made: LabVm = {
      id,
      name: spec.name,
      state: vmState.PENDING,
      lcmState: lcm.INIT,
      stime: now(),
      deployId: '',
      disks: [],
      nextDisk: 0,
      memoryMb: spec.memoryMb ?? 128,
      template: { ...spec.template },
      history: [],
      snapshots: {},
      backup: { ...spec.backup },
    };
    for (const disk of spec.disks) addDisk(state, made, disk);
    if (spec.context !== false) {
      made.context = { DISK_ID: String(made.nextDisk++), NETWORK: 'NO', TARGET: 'hda', ...spec.context };
    }
    state.vms.push(made);
    return id;
  });
  return { ...session.done(`onetemplate instantiate --hold --name ${spec.name}`), vm };
}
