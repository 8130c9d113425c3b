import type { Context } from '../context.ts';
import type { Linstor, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import type { Disk, Vm } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { resourceOfDisk, type Sharing, sharingOf } from '../volumes/disk.ts';
import { namesFor } from '../volumes/names.ts';
import { presentName } from '../volumes/stand-in.ts';
import { diskSettings, ourDisks } from './disk-call.ts';

/** All disks of one VM that are ours, for the actions that handle them together. */

export interface VmDisk {
  readonly disk: Disk;
  readonly resource: ResourceName;
  readonly sharing: Sharing;
  readonly settings: Settings;
  readonly linstor: Linstor;
  /** `<vm directory>/disk.<id>` */
  readonly link: string;
}

/**
 * Names and settings of the VM's disks on LINSTOR. `whole`: the system datastore is ours, so that volatile disks of VMs
 * from before OpenNebula wrote a TM into them are ours too (contract §5.4).
 * Throws when a datastore is missing: nothing is guessed.
 */
export async function vmDisks(
  ctx: Context,
  vm: Vm,
  directory: string,
  systemDatastoreId: number,
  whole: boolean,
): Promise<VmDisk[]> {
  const disks = disksOfOurs(vm, whole);
  const bySource = new Map<number, Promise<Settings>>();
  const settingsOf = (id: number): Promise<Settings> => {
    const known = bySource.get(id) ?? diskSettings(ctx, id, systemDatastoreId);
    bySource.set(id, known);
    return known;
  };
  const found = await Promise.all(
    disks.map(async (disk) => {
      const settings = await settingsOf(disk.datastoreId ?? systemDatastoreId);
      return {
        disk,
        settings,
        linstor: ctx.linstor(settings),
        resource: resourceOfDisk(vm, disk, settings.namePrefix).resource,
        sharing: sharingOf(disk),
        link: `${directory}/disk.${disk.id}`,
      };
    }),
  );
  return mayHaveStandIns(vm) ? underTheirNames(found) : found;
}

/** One that has been deployed once has none: they come from deploying anew while LINSTOR cannot delete. */
const mayHaveStandIns = (vm: Vm): boolean => (vm.history.at(-1)?.seq ?? 0) > 0;

/** One question to each controller, which it answers by itself. */
async function underTheirNames(disks: readonly VmDisk[]): Promise<VmDisk[]> {
  const own = disks.filter(({ disk }) => disk.kind === 'clone' || disk.kind === 'volatile');
  const definitions = new Map<Linstor, Promise<ResourceDefinition[]>>();
  for (const linstor of new Set(own.map((disk) => disk.linstor))) {
    const names = own
      .filter((disk) => disk.linstor === linstor)
      .flatMap(({ resource }) => namesFor(resource));
    definitions.set(linstor, linstor.definitions({ names }));
  }
  return Promise.all(
    disks.map(async (disk) =>
      own.includes(disk)
        ? { ...disk, resource: presentName(disk.resource, (await definitions.get(disk.linstor)) ?? []) }
        : disk,
    ),
  );
}

function disksOfOurs(vm: Vm, whole: boolean): Disk[] {
  return [
    ...ourDisks(vm),
    ...(whole ? vm.disks.filter((disk) => disk.kind === 'volatile' && disk.tmMad === '') : []),
  ];
}

/** Names of the links that are ours in a VM's directory; they are made anew on every host and never copied. */
export const ourLinkNames = (vm: Vm): string[] => disksOfOurs(vm, true).map((disk) => `disk.${disk.id}`);
