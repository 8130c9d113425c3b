import type { Disk, Image, Vm } from '../../opennebula/one.ts';
import { resourceKeyOf } from '../../volumes/names.ts';
import { type BackupStatus, backupStatus } from './backup.ts';
import type { VolumeStatus } from './volume.ts';
import { type WholeVmStatus, wholeVmStatus } from './whole-vm.ts';

/** Does the host that has the volume open hold its data? Undefined while nobody has it open. */
export function isLocal(volume: VolumeStatus | undefined): boolean | undefined {
  const users = volume?.replicas.filter(({ inUse }) => inUse) ?? [];
  return users.length === 0 ? undefined : users.every(({ role }) => role === 'disk');
}

/** One disk of a VM with the volume behind it. */
export interface VmDiskStatus {
  readonly disk: Disk;
  readonly volume?: VolumeStatus;
}

export interface VmStatus {
  readonly vm: Vm;
  readonly disks: readonly VmDiskStatus[];
  readonly checkpoint?: VolumeStatus;
  readonly backup?: BackupStatus;
  readonly whole?: WholeVmStatus;
}

/** Disks in the order of the VM's document, each with its volume if LINSTOR has one. `policy`: of snapshots, as it is written. */
export function vmStatus(vm: Vm, volumes: readonly VolumeStatus[], policy?: string): VmStatus {
  const byName = new Map(volumes.map((volume) => [volume.resource.toLowerCase(), volume]));
  const checkpoint = living(volumes.filter((volume) => volume.kind === 'checkpoint' && volume.vm === vm.id));
  const disks = vm.disks.map((disk): VmDiskStatus => {
    const volume =
      disk.kind === 'clone' || disk.kind === 'volatile'
        ? living(volumes.filter((item) => item.kind === 'disk' && item.vm === vm.id && item.disk === disk.id))
        : byName.get(resourceKeyOf(disk.source) ?? '');
    return { disk, ...(volume ? { volume } : {}) };
  });
  const backup = backupStatus(vm, disks);
  const whole = wholeVmStatus(vm, disks, policy);
  return {
    vm,
    disks,
    ...(checkpoint ? { checkpoint } : {}),
    ...(backup ? { backup } : {}),
    ...(whole ? { whole } : {}),
  };
}

/** One that LINSTOR is deleting may still be there beside the one that has taken its place. */
const living = (volumes: readonly VolumeStatus[]): VolumeStatus | undefined =>
  volumes.find((volume) => !volume.deleting) ?? volumes[0];

export interface ImageStatus {
  readonly image: Image;
  readonly volume?: VolumeStatus;
  readonly vms: readonly {
    readonly id: number;
    readonly name: string;
    readonly disk: number;
    readonly kind: Disk['kind'];
  }[];
}

/** The image's volume, found by its SOURCE, and the VMs that use the image. */
export function imageStatus(image: Image, vms: readonly Vm[], volumes: readonly VolumeStatus[]): ImageStatus {
  const name = resourceKeyOf(image.source) ?? '';
  const volume = volumes.find((item) => item.resource.toLowerCase() === name);
  return {
    image,
    ...(volume ? { volume } : {}),
    vms: vms.flatMap((vm) =>
      vm.disks
        .filter((disk) => disk.imageId === image.id)
        .map((disk) => ({ id: vm.id, name: vm.name, disk: disk.id, kind: disk.kind })),
    ),
  };
}
