import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, Resource, ResourceName, StoragePool, VolumeDefinition } from '../linstor/linstor.ts';
import { type KiB, kib } from '../units.ts';
import { isDiskful, replicasOf } from './replicas.ts';
import { poll } from './wait.ts';

/** A resource under DRBD must be in sync everywhere before it grows (linstor-behaviour §3.8). */
const syncTimeoutMs = 600_000;

export interface Growth {
  readonly before: KiB;
  readonly after: KiB;
  /** The resource as it was before it grew; absent when nothing was to be done. */
  readonly view?: readonly Resource[];
}

export interface Known {
  readonly view?: readonly Resource[] | undefined;
  readonly volume?: Pick<VolumeDefinition, 'sizeKib' | 'flags'> | undefined;
}

/**
 * The volume holds at least `sizeKib`; it never shrinks (LINSTOR would truncate plain storage without a word).
 * Errors: LINSTOR_NOT_FOUND, LINSTOR_NO_SPACE (LINSTOR does not check thin pools), LINSTOR_NOT_UPTODATE,
 * LINSTOR_NODE_OFFLINE. `known`: what has just been read or made.
 */
export async function growVolume(
  ctx: Context,
  linstor: Linstor,
  name: ResourceName,
  sizeKib: KiB,
  known: Known = {},
): Promise<Growth> {
  const volume = known.volume ?? (await volumeOf(linstor, name));
  const unfinished = volume.flags.includes('RESIZE');
  if (volume.sizeKib >= sizeKib && !unfinished) return { before: volume.sizeKib, after: volume.sizeKib };
  const replicas = replicasOf(known.view ?? (await linstor.resources({ names: [name] })), name);
  await requireRoom(linstor, name, replicas, kib(Math.max(0, sizeKib - volume.sizeKib)));
  // After a half-done resize LINSTOR calls the same size "no change" (§3.8): go one step beyond it.
  const target = unfinished && volume.sizeKib >= sizeKib ? kib(volume.sizeKib + 4096) : sizeKib;
  let last: unknown;
  const outcome = await poll(ctx.clock, syncTimeoutMs, async () => {
    try {
      return await linstor.resizeVolume(name, 0, target);
    } catch (error) {
      last = error;
      if (isLinstorError(error, 974, 979, 971)) return undefined;
      throw error;
    }
  });
  if (!outcome) throw last;
  if (outcome.satelliteAway) {
    const offline = replicas.filter((replica) => !replica.stateKnown).map((replica) => replica.node);
    throw new DriverError(
      'LINSTOR_NODE_OFFLINE',
      `${name} was not resized on every node: a satellite is away${offline.length > 0 ? ` (${offline.join(', ')})` : ''}`,
    );
  }
  return { before: volume.sizeKib, after: target, view: replicas };
}

async function volumeOf(
  linstor: Linstor,
  name: ResourceName,
): Promise<Pick<VolumeDefinition, 'sizeKib' | 'flags'>> {
  const [definition] = await linstor.definitions({ names: [name] });
  const volume = definition?.volumes.find((each) => each.number === 0);
  if (!definition || !volume)
    throw new DriverError('LINSTOR_NOT_FOUND', `resource ${name} does not exist or has no volume`);
  if (definition.flags.includes('DELETE'))
    throw new DriverError('LINSTOR_DELETING', `resource ${name} is being deleted`);
  return volume;
}

/** The controller's default for `MaxOversubscriptionRatio` (linstor-behaviour §3.3). */
const defaultRatio = 20;

async function requireRoom(
  linstor: Linstor,
  name: ResourceName,
  replicas: readonly Resource[],
  growthKib: KiB,
): Promise<void> {
  const diskful = replicas.filter(isDiskful);
  if (diskful.length === 0 || growthKib === 0) return;
  const pools = await linstor.storagePools({
    nodes: diskful.map((replica) => replica.node),
    pools: [...new Set(diskful.flatMap((replica) => replica.volumes.map((volume) => volume.pool)))],
  });
  for (const replica of diskful) {
    const pool = pools.find((each) => each.node === replica.node && each.name === replica.volumes[0]?.pool);
    if (pool?.freeKib === undefined) continue;
    const allowed = pool.freeKib * ratioOf(pool);
    if (growthKib > allowed) {
      throw new DriverError(
        'LINSTOR_NO_SPACE',
        `${name} cannot grow by ${growthKib / 1024} MiB: pool ${pool.name} on ${pool.node} has ${Math.floor(pool.freeKib / 1024)} MiB free (over-subscription ${ratioOf(pool)})`,
      );
    }
  }
}

function ratioOf(pool: StoragePool): number {
  if (!pool.provider.endsWith('_THIN')) return 1;
  const value = Number(
    pool.props['MaxFreeCapacityOversubscriptionRatio'] ?? pool.props['MaxOversubscriptionRatio'],
  );
  return Number.isFinite(value) && value > 0 ? value : defaultRatio;
}
