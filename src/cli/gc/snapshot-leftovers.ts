import { readNote } from '../../disks/revert-note.ts';
import type { Snapshot } from '../../linstor/linstor.ts';
import { snapshotsOf } from '../../opennebula/documents.ts';
import type { Vm } from '../../opennebula/one.ts';
import { imageState, inLcm, vmState } from '../../opennebula/states.ts';
import { marks } from '../../volumes/marks.ts';
import {
  type BackupPoint,
  type ParsedName,
  parseBackupSnapshot,
  parsePolicySnapshot,
  parseResource,
  parseRevertSnapshot,
  parseVmSnapshot,
  snapshotId,
} from '../../volumes/names.ts';
import { isOnZfs } from '../../volumes/replicas.ts';
import type { Index, Inventory } from '../inventory.ts';
import type { Leftover } from './leftovers.ts';

/**
 * Snapshots that an action made and did not live to take away, on volumes that are in use: `one-image-N`, of which image N was made (saved
 * from a disk or cloned from an image), and `snapshot-N`, which OpenNebula has dropped from its lists because the action that made it
 * failed. A snapshot may be all that is left of somebody's data: in any doubt there is not a leftover.
 */
export function ofSharedVolume(inventory: Inventory, index: Index, snapshot: Snapshot): Leftover[] {
  const { datastores } = inventory;
  const old = snapshot.createdAt !== undefined && inventory.now - snapshot.createdAt >= inventory.olderThanMs;
  if (!datastores || !old || !snapshot.flags.includes('SUCCESSFUL')) return [];
  const parsed = parseResource(inventory.prefix, snapshot.resource);
  const holders = index.holdersOf(snapshot.resource);
  if (!parsed || !isSettled(index, snapshot.resource, parsed, holders)) return [];
  const why = reason(inventory, index, snapshot, holders);
  if (why === undefined) return [];
  const base = {
    kind: 'snapshot',
    resource: snapshot.resource,
    snapshot: snapshot.name,
    bytes: 0,
    why,
  } as const;
  const doubt = neverGiven(index, snapshot, holders) ?? doubtOf(datastores, index, snapshot.resource, parsed);
  return [doubt === undefined ? { ...base, proof: 'proven' } : { ...base, proof: 'unproven', doubt }];
}

export interface Holder {
  readonly vm: Vm;
  readonly diskId: number;
}

/** No action is at work on the volume, as far as OpenNebula says; false where OpenNebula does not know the volume. */
function isSettled(index: Index, resource: string, parsed: ParsedName, holders: readonly Holder[]): boolean {
  if (!holders.every(({ vm }) => isQuiet(vm))) return false;
  if (parsed.kind === 'disk')
    return holders.some(({ vm, diskId }) => vm.id === parsed.vmId && diskId === parsed.diskId);
  const image = index.imageOf(resource);
  return image !== undefined && quietImages.has(image.state);
}

const quietImages: ReadonlySet<number> = new Set([imageState.READY, imageState.USED, imageState.USED_PERS]);
const quietVms: ReadonlySet<number> = new Set([
  vmState.STOPPED,
  vmState.SUSPENDED,
  vmState.POWEROFF,
  vmState.UNDEPLOYED,
]);

/** Every other state has an action under way or behind it that will come again. */
const isQuiet = (vm: Vm): boolean =>
  quietVms.has(vm.state) || (vm.state === vmState.ACTIVE && inLcm(vm.lcmState, 'RUNNING', 'UNKNOWN'));

function reason(
  inventory: Inventory,
  index: Index,
  { name, resource }: Snapshot,
  holders: readonly Holder[],
): string | undefined {
  const id = snapshotId(name);
  if (id !== undefined) {
    const lists = [
      ...holders.map(({ vm, diskId }) => snapshotsOf(vm, diskId)),
      index.imageOf(resource)?.snapshots ?? [],
    ];
    return lists.flat().some((known) => known.id === id)
      ? undefined
      : `OpenNebula has no snapshot ${id} of it`;
  }
  const point = parseBackupSnapshot(name);
  if (point) return ofBackup(point, holders);
  const ofVm = vmOf(name);
  if (ofVm !== undefined) return ofWholeVm(index, name, ofVm, holders);
  const target = parseResource(inventory.prefix, name);
  if (target?.kind !== 'image') return undefined;
  const image = index.imageOf(name) ?? inventory.images.find((each) => each.id === target.imageId);
  if (image && !quietImages.has(image.state)) return undefined;
  const definition = index.definitions.get(name.toLowerCase());
  if (definition && (definition.props[marks.incomplete] !== undefined || definition.flags.length > 0))
    return undefined;
  // There the image lives from its snapshot, and before LINSTOR 1.31 it cannot go.
  const zfs = isOnZfs(index.replicasOf(resource));
  if (definition && zfs) return undefined;
  return image
    ? `temporary snapshot; image ${target.imageId} is complete`
    : `temporary snapshot; OpenNebula has no image ${target.imageId}`;
}

/** The VM that a snapshot of a whole VM is of. */
const vmOf = (name: string): number | undefined =>
  parseVmSnapshot(name)?.vmId ?? parsePolicySnapshot(name)?.vmId ?? parseRevertSnapshot(name);

function ofWholeVm(index: Index, name: string, vmId: number, holders: readonly Holder[]): string | undefined {
  const vm = holders.find((holder) => holder.vm.id === vmId)?.vm;
  if (!vm) return `VM ${vmId}, of which it is a part, does not have the disk`;
  const id = parseVmSnapshot(name)?.snapshotId;
  if (id !== undefined)
    return vm.systemSnapshots.some((each) => each.id === id)
      ? undefined
      : `OpenNebula has no snapshot ${id} of VM ${vmId}`;
  if (parseRevertSnapshot(name) === undefined) return undefined;
  // All that there is of the old content, until the next start of the VM brings it back.
  const cutOff = [...index.definitions.values()].some(
    (each) =>
      readNote(each)?.state === 'reverting' &&
      index.holdersOf(each.name).some((holder) => holder.vm.id === vmId),
  );
  return cutOff ? undefined : `the revert of VM ${vmId} that it was taken for is over`;
}

/** Of a chain, the last recorded increment counts and the one after it, which may be stored all the same (backup contract B7). */
function ofBackup({ increment, vmId }: BackupPoint, holders: readonly Holder[]): string | undefined {
  const vm = holders.find((holder) => vmId === undefined || holder.vm.id === vmId)?.vm;
  if (!vm) return 'no VM has the disk that it is a backup snapshot of';
  if (increment === 'full') return `no full backup of VM ${vm.id} is under way`;
  if (Object.keys(vm.backup).length === 0) return undefined;
  const last = Number(vm.backup['LAST_INCREMENT_ID'] || '-1');
  if (!Number.isInteger(last)) return undefined;
  if (last < 0) return `VM ${vm.id} has no chain of increments any more`;
  return increment === last || increment === last + 1
    ? undefined
    : `the last increment of VM ${vm.id} is ${last}`;
}

/**
 * A number that OpenNebula has not come to yet is that of a database which has been set back, or of somebody else. A list that has lost its
 * last snapshot is dropped, and tells nothing.
 */
function neverGiven(
  index: Index,
  { name, resource }: Snapshot,
  holders: readonly Holder[],
): string | undefined {
  const id = snapshotId(name);
  const image = index.imageOf(resource);
  const lists = [
    ...holders.flatMap(({ vm, diskId }) => vm.snapshots.filter((list) => list.diskId === diskId)),
    ...(image ? [{ snapshots: image.snapshots, next: image.nextSnapshot }] : []),
  ];
  const nexts = lists.flatMap(({ snapshots, next }) => (snapshots.length > 0 ? (next ?? []) : []));
  if (id === undefined || nexts.length === 0 || id < Math.max(...nexts)) return undefined;
  return 'OpenNebula has never given that number; was its database restored?';
}

/** A name alone proves nothing (see Leftover): is the volume this OpenNebula's? */
function doubtOf(
  datastores: ReadonlySet<number>,
  index: Index,
  resource: string,
  parsed: ParsedName,
): string | undefined {
  if (parsed.kind === 'disk') {
    const props = index.definitions.get(resource.toLowerCase())?.props ?? {};
    const history = index.vms.get(parsed.vmId as number)?.history ?? [];
    const mine = history.some((item) => `${item.seq}-${item.stime}` === props[marks.deployment]);
    if (mine && props[marks.vmId] === String(parsed.vmId)) return undefined;
    return 'the disk has no mark of a deployment of this VM';
  }
  const datastore = index.imageOf(resource)?.datastoreId;
  if (datastore !== undefined && datastores.has(datastore)) return undefined;
  return 'the image is in none of the datastores on this LINSTOR';
}

/** VMs and images whose own documents decide about a leftover of this kind; undefined for any other. */
export function concerned(
  inventory: Inventory,
  index: Index,
  leftover: Pick<Leftover, 'kind' | 'resource' | 'snapshot'>,
): { readonly vms: number[]; readonly images: number[] } | undefined {
  const { kind, resource, snapshot } = leftover;
  if (kind !== 'snapshot' || snapshot === undefined) return undefined;
  const target = parseResource(inventory.prefix, snapshot);
  const point = parseBackupSnapshot(snapshot);
  const ofVm = vmOf(snapshot);
  if (snapshotId(snapshot) === undefined && target?.kind !== 'image' && !point && ofVm === undefined)
    return undefined;
  const own = parseResource(inventory.prefix, resource);
  return {
    vms: [
      ...index.holdersOf(resource).map(({ vm }) => vm.id),
      ...(own?.vmId === undefined ? [] : [own.vmId]),
      ...(point?.vmId === undefined ? [] : [point.vmId]),
      ...(ofVm === undefined ? [] : [ofVm]),
    ],
    images: [
      ...[resource, snapshot].flatMap((name) => index.imageOf(name)?.id ?? []),
      ...[own, target].flatMap((parsed) => parsed?.imageId ?? []),
    ],
  };
}
