import { type DeviceIdentity, deviceIdentity, type IdentityKind } from '../hosts/scripts/identity.ts';
import type {
  LayerKind,
  NodeName,
  Replica,
  Resource,
  ResourceName,
  ResourceVolume,
} from '../linstor/linstor.ts';
import { clonesItself, hasSnapshots, isZfs, readsZero } from '../linstor/providers.ts';

/**
 * What a replica is: the one place that says so, by pure readings: of what the controller knows by itself wherever that is enough, else
 * of the view. Flags are tested for membership: LINSTOR lists composed ones (linstor-behaviour §1.3).
 */

type Flagged = Pick<Replica, 'flags'>;

const has = (resource: Flagged, flag: string): boolean => resource.flags.includes(flag);

export const isDeleting = (resource: Flagged): boolean =>
  has(resource, 'DELETE') || has(resource, 'DRBD_DELETE');
export const isTieBreaker = (resource: Flagged): boolean => has(resource, 'TIE_BREAKER');
export const isDiskless = (resource: Flagged): boolean =>
  has(resource, 'DISKLESS') ||
  has(resource, 'DRBD_DISKLESS') ||
  has(resource, 'NVME_INITIATOR') ||
  has(resource, 'EBS_INITIATOR');
/** Switched off, as during a rollback. */
export const isInactive = (resource: Flagged): boolean => has(resource, 'INACTIVE');
/** Its node was away for so long that LINSTOR has replaced it. */
const isEvicted = (resource: Flagged): boolean => has(resource, 'EVICTED');
/** LINSTOR has placed another one for it; it stays in use until that is in sync. */
export const isEvacuating = (resource: Flagged): boolean => has(resource, 'EVACUATE');

export const skipDiskProperty = 'DrbdOptions/SkipDisk';

/** DRBD leaves the disk alone: LINSTOR sets it after the disk has failed, and only a person takes it away. */
export const skipsDisk = ({ props }: Pick<Resource, 'props'>): boolean =>
  /^(true|yes)$/i.test(props[skipDiskProperty] ?? '');

/** Holds data and is meant to: with a disk, not deleting, not switched off or evicted. */
export const isDiskful = (resource: Flagged & { readonly volumes: readonly unknown[] }): boolean =>
  !isDiskless(resource) &&
  !isDeleting(resource) &&
  !isInactive(resource) &&
  !isEvicted(resource) &&
  resource.volumes.length > 0;

/** In sync, as far as DRBD tells; plain storage has no state. */
export const isInSync = ({ diskState }: Pick<ResourceVolume, 'diskState'>): boolean =>
  diskState === undefined || diskState === '' || diskState === '[]' || diskState === 'UpToDate';

/** A replica whose disk can be read now: satellite online and, with DRBD, every volume in sync. */
export const isReadable = (resource: Resource): boolean =>
  isDiskful(resource) && resource.stateKnown && resource.volumes.every(isInSync);

/** A replica of which a snapshot is part that LINSTOR takes now (linstor-behaviour §3.12). */
export const isSnapshotSource = (resource: Resource): boolean =>
  isReadable(resource) && !isEvacuating(resource) && !skipsDisk(resource);

/** Counts as "the disk is on that host": tie-breakers and what is being deleted do not. */
export const isAttached = (resource: Flagged): boolean =>
  !isDeleting(resource) && !isTieBreaker(resource) && !isInactive(resource) && !isEvicted(resource);

/** Layers that let a node without the disk use the resource. */
export const hasNetworkLayer = (layers: readonly LayerKind[]): boolean =>
  layers.includes('DRBD') || layers.includes('NVME');

export const replicasOf = <R extends Replica>(view: readonly R[], name: ResourceName): R[] =>
  view.filter((resource) => sameName(resource.name, name));

/** LINSTOR compares names without case (linstor-behaviour §1.2). */
export const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

export const onNode = <R extends Replica>(replicas: readonly R[], node: NodeName): R | undefined =>
  replicas.find((resource) => sameName(resource.node, node));

/** Layer stack of a resource: that of a replica with a disk, top-most first. */
export function layersOf(replicas: readonly Replica[]): readonly LayerKind[] {
  return (replicas.find(isDiskful) ?? replicas[0])?.layers ?? [];
}

/**
 * Is a newly made volume of these replicas known to read as zeroes? Only thin pools promise it, and only where no
 * layer in between transforms the data; the weakest replica decides (rule 5 of docs/architecture.md).
 */
export function readsZeroWhenNew(replicas: readonly Resource[]): boolean {
  const diskful = replicas.filter(isDiskful);
  return (
    diskful.length > 0 &&
    diskful.every(
      (resource) =>
        resource.layers.every((layer) => layer === 'DRBD' || layer === 'STORAGE' || layer === 'NVME') &&
        resource.volumes.every((volume) => readsZero(volume.provider)),
    )
  );
}

const everyVolume = (replicas: readonly Resource[], can: (provider: string) => boolean): boolean =>
  replicas.filter(isDiskful).every((replica) => replica.volumes.every((volume) => can(volume.provider)));

/** Can the replicas be snapshotted? LVM (thick) cannot; one such replica fails the whole request (linstor-behaviour §6.1). */
export const canSnapshot = (replicas: readonly Resource[]): boolean => everyVolume(replicas, hasSnapshots);

/** Does LINSTOR clone them itself (linstor-behaviour §6.1)? */
export const canCloneNatively = (replicas: readonly Resource[]): boolean =>
  everyVolume(replicas, clonesItself);

/** Has one of them a volume on ZFS, where what is made from a snapshot depends on it? */
export const isOnZfs = (
  replicas: readonly { readonly volumes: readonly Partial<ResourceVolume>[] }[],
): boolean =>
  replicas.some(({ volumes }) =>
    volumes.some(
      ({ provider, backingPath }) =>
        (provider !== undefined && isZfs(provider)) || backingPath?.startsWith('/dev/zvol/'),
    ),
  );

/**
 * Does a volume of these replicas show what its pool held before where it grows? ZFS never does; behind encryption it is noise. One such
 * replica is enough: DRBD copies its content to the others. Undefined where pools are not told.
 */
export function growsWithOldBytes(replicas: readonly (Replica | Resource)[]): boolean | undefined {
  const open = replicas.filter((replica) => isDiskful(replica) && !replica.layers.includes('LUKS'));
  const providers = open.flatMap(({ volumes }) =>
    volumes.map((volume) => ('provider' in volume ? volume.provider : undefined)),
  );
  if (providers.some((provider) => provider !== undefined && !showsZeroes(provider))) return true;
  return providers.includes(undefined) ? undefined : false;
}

const showsZeroes = (provider: string): boolean => readsZero(provider) || isZfs(provider);

/** Candidate device nodes, best first: DRBD's stable link, then what LINSTOR reports for that node (linstor-behaviour §5). */
export function devicePaths(replica: Replica): string[] {
  const reported = replica.volumes[0]?.devicePath;
  const stable = replica.layers[0] === 'DRBD' ? stablePath(replica.name, reported) : undefined;
  return [...new Set([stable ?? [], reported ?? []].flat())];
}

const kinds: Readonly<Record<string, IdentityKind>> = {
  DRBD: 'drbd',
  NVME: 'nvme',
  LUKS: 'luks',
  CACHE: 'cache',
  WRITECACHE: 'cache',
  BCACHE: 'cache',
};

/** What the device of the resource on that node has to be: its top-most layer there decides. An NVMe target has the device of the layer below. */
export function identityOf(replica: Pick<Resource, 'name' | 'layers' | 'flags'>): DeviceIdentity {
  const [top, below] = replica.layers;
  const layer = top === 'NVME' && !isDiskless(replica) ? below : top;
  return deviceIdentity(kinds[layer ?? ''] ?? 'storage', replica.name);
}

export const byResPath = (name: ResourceName): string => `/dev/drbd/by-res/${name}/0`;

/** udev's link by resource, in the directory of DRBD's own device by number. */
export function stablePath(name: ResourceName, reported: string | undefined): string {
  const numbered = /^(.*)\/drbd\d+$/.exec(reported ?? '');
  return numbered ? `${numbered[1]}/drbd/by-res/${name}/0` : byResPath(name);
}

/** Does it name a DRBD device by number? */
export const isNumbered = (reported: string | undefined): boolean => /\/drbd\d+$/.test(reported ?? '');

/**
 * `/dev/<group>/<resource>_00000`, `/dev/zvol/<pool>/<resource>_00000`: where the volume of another resource is that is in the same pool.
 * Undefined for devices that are not named after their resource.
 */
export function namesakePath(
  name: ResourceName,
  other: ResourceName,
  { provider, devicePath }: Pick<ResourceVolume, 'provider' | 'devicePath'>,
): string | undefined {
  if (!/^(LVM|ZFS)/.test(provider) || devicePath === undefined) return undefined;
  const cut = devicePath.lastIndexOf('/') + 1;
  const suffix = /_\d{5}$/.exec(devicePath)?.[0] ?? '';
  return suffix && devicePath.slice(cut) === `${name}${suffix}`
    ? `${devicePath.slice(0, cut)}${other}${suffix}`
    : undefined;
}
