import { DriverError } from '../errors.ts';
import type { ResourceName } from '../linstor/linstor.ts';
import type { Disk, Vm } from '../opennebula/one.ts';
import { diskResource, resourceOfSource } from './names.ts';

/** Which resource a VM's disk is, and whether it goes with the VM. Decided only from the VM's document (contract §3.3). */
export interface DiskResource {
  readonly resource: ResourceName;
  /** True only for clones and volatile disks: everything else is an image that outlives the VM. */
  readonly ownedByVm: boolean;
}

export function resourceOfDisk(vm: Pick<Vm, 'id'>, disk: Disk, prefix: string): DiskResource {
  switch (disk.kind) {
    case 'clone':
    case 'volatile':
      return { resource: diskResource(prefix, vm.id, disk.id), ownedByVm: true };
    case 'persistent':
    case 'cdrom':
    case 'immutable':
    case 'shareable':
      return { resource: resourceOfSource(disk.source), ownedByVm: false };
    case 'filesystem':
      throw new DriverError(
        'NOT_SUPPORTED',
        `disk ${disk.id} of VM ${vm.id} is a shared file system and not on LINSTOR`,
      );
  }
}

/** Only one VM may hold it, so per-VM marks on it mean something (bash driver pitfall 16). */
export const isExclusive = (disk: Disk): boolean =>
  disk.kind === 'clone' || disk.kind === 'volatile' || disk.kind === 'persistent';

/** Is the disk an image that its VM may write to? */
export const mayWriteImage = ({ kind }: Pick<Disk, 'kind'>): boolean =>
  kind === 'persistent' || kind === 'shareable';

/**
 * Who may write. `exclusive`: one VM. `shareable`: several VMs, two primaries are allowed for as long as the image is shareable (tm/ln
 * sees to that). `read-only`: nobody becomes primary.
 */
export type Sharing = 'exclusive' | 'shareable' | 'read-only';

export function sharingOf(disk: Disk): Sharing {
  if (isExclusive(disk)) return 'exclusive';
  return disk.kind === 'shareable' ? 'shareable' : 'read-only';
}

/** Distinguishes a deployment of a VM from an earlier one of the same VM (delete-recreate, contract §3.4). */
export function deploymentMark(vm: Vm): string {
  const last = vm.history.at(-1);
  return last ? `${last.seq}-${last.stime}` : 'none';
}
