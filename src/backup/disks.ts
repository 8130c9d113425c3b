import type { Context } from '../context.ts';
import { type VmDisk, vmDisks } from '../disks/migration-disks.ts';
import { DriverError } from '../errors.ts';
import type { Linstor, NodeName, Resource, ResourceDefinition, Snapshot } from '../linstor/linstor.ts';
import { driverName } from '../opennebula/driver-name.ts';
import type { Vm } from '../opennebula/one.ts';
import { knownView } from '../volumes/known-view.ts';
import { canSnapshot, isDiskful, isReadable, replicasOf, sameName } from '../volumes/replicas.ts';
import type { Chain } from './points.ts';

/** A disk that is backed up, with all that LINSTOR knows of it. */
export interface BackupDisk extends VmDisk {
  readonly chain: Chain;
  readonly definition: ResourceDefinition;
  readonly view: readonly Resource[];
  readonly snapshots: readonly Snapshot[];
  /** Nodes on which its content can be read now. */
  readonly readable: readonly NodeName[];
  readonly canSnapshot: boolean;
}

const nameOf = (vm: Vm, disk: number): string => `disk ${disk} of VM ${vm.id}`;

/**
 * The disks of a backup that OpenNebula has chosen. All of them must be ours: what is in another datastore, only its own driver can read
 * consistently (backup contract B13). Throws ONE_INCOMPLETE, NOT_SUPPORTED.
 */
export async function chosenDisks(
  ctx: Context,
  vm: Vm,
  place: { readonly directory: string; readonly systemDatastoreId: number },
  ids: readonly number[],
): Promise<readonly VmDisk[]> {
  const ours = await vmDisks(ctx, vm, place.directory, place.systemDatastoreId, true);
  return ids.map((id) => {
    const known = vm.disks.find((disk) => disk.id === id);
    if (!known)
      throw new DriverError('ONE_INCOMPLETE', `VM ${vm.id} has no disk ${id} in OpenNebula’s document`);
    const disk = ours.find((each) => each.disk.id === id);
    if (disk) return disk;
    throw new DriverError(
      'NOT_SUPPORTED',
      `${nameOf(vm, id)} belongs to the driver “${known.tmMad || 'unknown'}”, and ${driverName} can back up only its own disks`,
      {
        remedy:
          'leave the disk out with DISK_IDS of the backup configuration (OpenNebula 7.4), or move it to a LINSTOR datastore',
      },
    );
  });
}

/** One controller, or no snapshot can be of one moment. Throws NOT_SUPPORTED. */
export function onlyController(vm: Vm, disks: readonly VmDisk[]): Linstor {
  const [first, ...others] = new Set(disks.map((disk) => disk.linstor));
  if (first === undefined) throw new DriverError('BAD_ARGUMENT', `the backup of VM ${vm.id} has no disks`);
  if (others.length > 0)
    throw new DriverError(
      'NOT_SUPPORTED',
      `the disks of VM ${vm.id} are on several LINSTOR clusters, which cannot take a snapshot together`,
      {
        remedy:
          'back up the disks of one cluster, with DISK_IDS of the backup configuration (OpenNebula 7.4)',
      },
    );
  return first;
}

/** Reads the state of all disks: three calls. Throws LINSTOR_NOT_FOUND, NO_REPLICA, LINSTOR_NOT_UPTODATE. */
export async function viewBackupDisks(
  linstor: Linstor,
  vm: Vm,
  disks: readonly VmDisk[],
): Promise<readonly BackupDisk[]> {
  const names = [...new Set(disks.map((disk) => disk.resource))];
  const [definitions, resources, snapshots] = await Promise.all([
    linstor.definitions({ names }),
    knownView(linstor, names),
    linstor.snapshots({ names }),
  ]);
  return disks.map((disk) => {
    const { resource } = disk;
    const what = `${nameOf(vm, disk.disk.id)} (${resource})`;
    const definition = definitions.find((each) => sameName(each.name, resource));
    if (!definition) throw new DriverError('LINSTOR_NOT_FOUND', `${what} does not exist in LINSTOR`);
    const view = replicasOf(resources, resource);
    if (!view.some(isDiskful)) throw new DriverError('NO_REPLICA', `${what} has no replica with a disk`);
    const readable = view.filter(isReadable).map(({ node }) => node);
    if (readable.length === 0)
      throw new DriverError(
        'LINSTOR_NOT_UPTODATE',
        `${what} has no replica that is up to date on a node whose satellite is connected`,
      );
    return {
      ...disk,
      chain: disk.sharing === 'exclusive' ? {} : { vmId: vm.id },
      definition,
      view,
      snapshots: snapshots.filter((snapshot) => sameName(snapshot.resource, resource)),
      readable,
      canSnapshot: canSnapshot(view),
    };
  });
}
