import type { Context } from '../context.ts';
import { DriverError, isDriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type {
  Linstor,
  Resource,
  ResourceDefinition,
  ResourceName,
  VolumeDefinition,
} from '../linstor/linstor.ts';
import { type KiB, kib } from '../units.ts';
import { freeRatio } from './capacity.ts';
import { requireConnected, requireDataConnected, whenConnected } from './online.ts';
import { isDiskful, replicasOf } from './replicas.ts';
import { poll } from './wait.ts';

/** A resource under DRBD must be in sync everywhere before it grows (linstor-behaviour §3.8). */
const syncTimeoutMs = 600_000;

/** How long a resize that somebody else has begun may go on; what has its flag for longer has come to a halt. */
const runningTimeoutMs = 60_000;

/** LINSTOR does nothing for a size that the definition has already (linstor-behaviour §3.8): the device grows with a further step. */
const stepKib = 4096;

export interface Growth {
  readonly before: KiB;
  readonly after: KiB;
  /** The resource as it was before it grew; absent when nothing was to be done. */
  readonly view?: readonly Resource[];
}

type Volume = Pick<VolumeDefinition, 'sizeKib' | 'flags'>;

export interface Known {
  readonly view?: readonly Resource[] | undefined;
  readonly volume?: Volume | undefined;
  readonly definition?: ResourceDefinition | undefined;
  /** The device was looked at and is smaller than wanted, whatever the definition says. */
  readonly deviceTooSmall?: boolean;
}

/**
 * The volume holds at least `sizeKib`, as far as LINSTOR says: its definition may be ahead of the device. Where a host can look,
 * see `growSeen`. It never shrinks (LINSTOR would truncate plain storage without a word).
 * Errors: LINSTOR_NOT_FOUND, LINSTOR_NO_SPACE (LINSTOR does not check thin pools), LINSTOR_NOT_UPTODATE,
 * LINSTOR_NODE_OFFLINE. `known`: what has just been read or made.
 */
export async function growVolume(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  name: ResourceName,
  sizeKib: KiB,
  known: Known = {},
): Promise<Growth> {
  const found = known.volume ?? volumeIn(known.definition ?? (await definitionOf(linstor, name)), name);
  const running = found.flags.includes('RESIZE');
  if (found.sizeKib >= sizeKib && !running && !known.deviceTooSmall)
    return { before: found.sizeKib, after: found.sizeKib };
  const read = async () => replicasOf(await linstor.resources({ names: [name] }), name);
  const replicas = known.view
    ? replicasOf(known.view, name)
    : await whenConnected(ctx, linstor, await read());
  await requireConnected(linstor, `${name} is not resized`, replicas);
  const volume = running ? await whenResized(ctx, linstor, name, found) : found;
  // Only after a half-done resize, or for a device that was left behind.
  const stuck = known.deviceTooSmall === true || volume.flags.includes('RESIZE');
  if (volume.sizeKib >= sizeKib && !stuck)
    return { before: volume.sizeKib, after: volume.sizeKib, view: replicas };
  const target = volume.sizeKib >= sizeKib ? kib(volume.sizeKib + stepKib) : sizeKib;
  await requireRoom(linstor, name, replicas, kib(Math.max(0, target - volume.sizeKib)));
  await resizeInSync(ctx, linstor, name, target);
  return { before: volume.sizeKib, after: target, view: replicas };
}

/**
 * As `growVolume`, and `look` tells by DEVICE_SIZE when the device has not followed: two overlapping resizes leave the definition at the
 * second size, the device at the first, and no flag to know it by. Then it grows by one step more, once.
 */
export async function growSeen(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  name: ResourceName,
  sizeKib: KiB,
  known: Known,
  look: (growth: Growth) => Promise<void>,
): Promise<Growth> {
  const growth = await growVolume(ctx, linstor, name, sizeKib, known);
  try {
    await look(growth);
    return growth;
  } catch (error) {
    if (!isDriverError(error, 'DEVICE_SIZE')) throw error;
    ctx.log.warn(`the device of ${name} has not followed its definition and is made to: ${error.message}`);
  }
  const again = await growVolume(ctx, linstor, name, sizeKib, { deviceTooSmall: true });
  await look(again);
  return again;
}

/**
 * A resize that a call before this one has begun, and that LINSTOR may still be at work on: a second one on top of it would reach the
 * definition only. Returns the volume when the flag is gone, or with the flag when it has stayed too long.
 */
async function whenResized(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  name: ResourceName,
  found: Volume,
): Promise<Volume> {
  ctx.log.info(`LINSTOR is still resizing ${name} to ${found.sizeKib / 1024} MiB; that is waited for`);
  let volume = found;
  const done = await poll(ctx.clock, runningTimeoutMs, async () => {
    volume = volumeIn(await definitionOf(linstor, name), name);
    return volume.flags.includes('RESIZE') ? undefined : volume;
  });
  return done ?? volume;
}

/** Waits for replicas that are syncing, but for none that is away. */
async function resizeInSync(
  ctx: Pick<Context, 'clock'>,
  linstor: Linstor,
  name: ResourceName,
  sizeKib: KiB,
): Promise<void> {
  let last: unknown;
  const outcome = await poll(ctx.clock, syncTimeoutMs, async () => {
    try {
      return await linstor.resizeVolume(name, 0, sizeKib);
    } catch (error) {
      last = error;
      if (
        !isLinstorError(
          error,
          'FAIL_NOT_ALL_UPTODATE',
          'FAIL_SNAPSHOT_NOT_UPTODATE',
          'FAIL_SNAPSHOT_ROLLBACK_IN_PROGRESS',
        )
      )
        throw error;
      await requireDataConnected(linstor, `${name} is not resized`, await linstor.replicas([name]), name);
      return undefined;
    }
  });
  if (!outcome) throw last;
  if (!outcome.satelliteAway) return;
  await requireConnected(linstor, `${name} was not resized on every node`, await linstor.replicas([name]));
  throw new DriverError(
    'LINSTOR_NODE_OFFLINE',
    `${name} was not resized on every node: a satellite was away meanwhile`,
  );
}

async function definitionOf(linstor: Linstor, name: ResourceName): Promise<ResourceDefinition | undefined> {
  const [definition] = await linstor.definitions({ names: [name] });
  return definition;
}

function volumeIn(definition: ResourceDefinition | undefined, name: ResourceName): Volume {
  const volume = definition?.volumes.find((each) => each.number === 0);
  if (!definition || !volume)
    throw new DriverError('LINSTOR_NOT_FOUND', `resource ${name} does not exist or has no volume`);
  if (definition.flags.includes('DELETE'))
    throw new DriverError('LINSTOR_DELETING', `resource ${name} is being deleted`);
  return volume;
}

async function requireRoom(
  linstor: Linstor,
  name: ResourceName,
  replicas: readonly Resource[],
  growthKib: KiB,
): Promise<void> {
  const diskful = replicas.filter(isDiskful);
  if (diskful.length === 0 || growthKib === 0) return;
  const pools = await linstor.storagePools({
    fresh: true,
    nodes: diskful.map((replica) => replica.node),
    pools: [...new Set(diskful.flatMap((replica) => replica.volumes.map((volume) => volume.pool)))],
  });
  for (const replica of diskful) {
    const pool = pools.find((each) => each.node === replica.node && each.name === replica.volumes[0]?.pool);
    if (pool?.freeKib === undefined) continue;
    const allowed = pool.freeKib * freeRatio(pool);
    if (growthKib > allowed) {
      throw new DriverError(
        'LINSTOR_NO_SPACE',
        `${name} cannot grow by ${growthKib / 1024} MiB: pool ${pool.name} on ${pool.node} has ${Math.floor(pool.freeKib / 1024)} MiB free (over-subscription ${freeRatio(pool)})`,
      );
    }
  }
}
