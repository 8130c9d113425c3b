import { diskSettings, ourDisks } from '../actions/disk-call.ts';
import type { Context } from '../context.ts';
import { isDriverError } from '../errors.ts';
import { type DiskLink, linkDisks } from '../hosts/scripts/link-disks.ts';
import type { Linstor, Resource, ResourceName } from '../linstor/linstor.ts';
import type { Disk, Vm } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { bytes } from '../units.ts';
import { isExclusive, resourceOfDisk } from '../volumes/disk.ts';
import type { Sharing } from '../volumes/dual-primary.ts';
import { devicePaths, layersOf, replicasOf } from '../volumes/replicas.ts';
import { type Attachment, reportedPaths } from './attach.ts';

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

export interface ViewedDisk extends VmDisk {
  readonly view: readonly Resource[];
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
  return Promise.all(
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
}

export function sharingOf(disk: Disk): Sharing {
  if (isExclusive(disk)) return 'exclusive';
  return disk.kind === 'shareable' ? 'shareable' : 'read-only';
}

function disksOfOurs(vm: Vm, whole: boolean): Disk[] {
  return [
    ...ourDisks(vm),
    ...(whole ? vm.disks.filter((disk) => disk.kind === 'volatile' && disk.tmMad === '') : []),
  ];
}

/** Names of the links that are ours in a VM's directory; they are made anew on every host and never copied. */
export const ourLinkNames = (vm: Vm): string[] => disksOfOurs(vm, true).map((disk) => `disk.${disk.id}`);

/** The present state of all of them: one call for each controller. */
export async function viewDisks(disks: readonly VmDisk[]): Promise<ViewedDisk[]> {
  const views = new Map<Linstor, Promise<Resource[]>>();
  for (const { linstor } of disks) {
    if (views.has(linstor)) continue;
    const names = disks.filter((disk) => disk.linstor === linstor).map((disk) => disk.resource);
    views.set(linstor, linstor.resources({ names: [...new Set(names)] }));
  }
  return Promise.all(
    disks.map(async (disk) => ({
      ...disk,
      view: replicasOf((await views.get(disk.linstor)) ?? [], disk.resource),
    })),
  );
}

export interface AttachedDisk {
  readonly link: string;
  readonly linstor: Linstor;
  readonly attachment: Attachment;
  readonly view: readonly Resource[];
}

/**
 * Names that the device may have on any node: DRBD's minor is the same everywhere, and a replica that was made a moment ago
 * is not reported with one yet (linstor-behaviour §5). None for other stacks, whose names differ from node to node.
 */
export function commonPaths(view: readonly Resource[]): string[] {
  if (layersOf(view)[0] !== 'DRBD') return [];
  return [...new Set(view.filter((replica) => replica.stateKnown).flatMap(devicePaths))];
}

/** Anything but nothing: DISK/SIZE is no measure here, a bash driver's revert may have left another size (contract §9.1 no. 11). */
const someBytes = bytes(1);

/**
 * Waits for the devices of all disks on the host and points their links at them: one ssh session, and a second only
 * where a device node has another name than expected. `linkFirst` does it along with other work on the host.
 */
export async function linkAttachedDisks(
  ctx: Context,
  host: string,
  disks: readonly AttachedDisk[],
  linkFirst: (links: readonly DiskLink[]) => Promise<unknown> = (links) => linkDisks(ctx.hosts, host, links),
): Promise<void> {
  const linksTo = (candidates: readonly (readonly string[])[]): DiskLink[] =>
    disks.map((disk, index) => ({
      link: disk.link,
      minBytes: someBytes,
      candidates: candidates[index] ?? [],
    }));
  const expected = disks.map(({ attachment, view }) => [
    ...new Set([...attachment.devicePaths, ...commonPaths(view)]),
  ]);
  try {
    await linkFirst(linksTo(expected));
  } catch (error) {
    if (!isDriverError(error, 'DEVICE_MISSING')) throw error;
    const reported = await Promise.all(disks.map((disk) => reportedPaths(disk.linstor, disk.attachment)));
    const all = expected.map((paths, index) => [...new Set([...paths, ...(reported[index] ?? [])])]);
    if (all.every((paths, index) => paths.length === expected[index]?.length)) throw error;
    await linkDisks(ctx.hosts, host, linksTo(all));
  }
}

/** Runs `work` for all, waits for all, then throws the first failure: nothing goes on behind the back of the undo stack. */
export async function forAll<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results = await Promise.allSettled(items.map(work));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}
