import type { Context } from '../context.ts';
import { DriverError, toDriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, Resource, ResourceDefinition, Snapshot } from '../linstor/linstor.ts';
import type { ResourceName } from '../linstor/names.ts';
import { evacuatedAmong, LeftOut, without } from './evacuation.ts';
import { marks } from './marks.ts';
import { baseName, baseNumber, lockName } from './names.ts';
import { isDiskful, isReadable, replicasOf, sameName } from './replicas.ts';
import { dropSnapshot, isUsable, takeSnapshot } from './snapshot.ts';
import { dualPrimaryProperty } from './two-primaries.ts';

/**
 * The base of an image: one snapshot from which all its clones are restored. LINSTOR takes the snapshots of a resource one after the other,
 * each with its I/O suspended; restores wait for nothing. The image of a clone does not change, so one base serves until somebody may write to
 * the image: whoever lets that happen (`ln`, a revert) removes the base first. It goes with the image and is in nobody's list.
 */

export interface Base {
  readonly name: string;
  /** What a restore lays over its target. */
  readonly props: Readonly<Record<string, string>>;
  /** It was there before: nothing but LINSTOR's word says that it can be restored. */
  readonly found: boolean;
}

export const isBase = ({ name }: Pick<Snapshot, 'name'>): boolean => baseNumber(name) !== undefined;

/** An image that a VM can write to: what a snapshot of it holds is nobody's image. */
const isWritten = ({ props }: Pick<ResourceDefinition, 'props'>): boolean =>
  props[marks.vmId] !== undefined || props[dualPrimaryProperty] !== undefined;

/** A rollback by hand makes every replica anew. Clocks of nodes differ, so only what is clearly later counts. */
const skewMs = 5 * 60_000;

/**
 * Does it hold what the image holds now, on every node from which the image can be read? A replica that was added later would be missing
 * from each clone.
 */
export function serves(base: Snapshot, image: ResourceDefinition, replicas: readonly Resource[]): boolean {
  const readable = replicas.filter(isReadable);
  const { createdAt } = base;
  const remade =
    createdAt !== undefined &&
    readable.every((replica) => replica.createdAt !== undefined && replica.createdAt > createdAt + skewMs);
  return (
    isBase(base) &&
    isUsable(base) &&
    !isWritten(base) &&
    base.props[marks.incomplete] === undefined &&
    readable.length > 0 &&
    readable.every((replica) => base.nodes.some((node) => sameName(node, replica.node))) &&
    base.volumes.length === image.volumes.length &&
    image.volumes.every((volume) =>
      base.volumes.some((taken) => taken.number === volume.number && taken.sizeKib === volume.sizeKib),
    ) &&
    !remade
  );
}

const number = (snapshot: Snapshot): number => baseNumber(snapshot.name) ?? 0;

export const basesOf = (all: readonly Snapshot[], image: ResourceName): Snapshot[] =>
  all
    .filter((snapshot) => isBase(snapshot) && sameName(snapshot.resource, image))
    .sort((a, b) => number(b) - number(a));

/** The newest that serves; an older one may be on its way out. */
export function servingBase(
  all: readonly Snapshot[],
  image: ResourceDefinition,
  replicas: readonly Resource[],
): Base | undefined {
  const found = basesOf(all, image.name).find((base) => serves(base, image, replicas));
  return found && { name: found.name, props: found.props, found: true };
}

/** The first clone takes the snapshot while the others wait; LINSTOR gives it two minutes, behind whatever else it is at. */
const takingMs = 5 * 60_000;

/**
 * The image's base, made if there is none that serves; undefined where a VM has the image to write to it. Nothing takes a new
 * base back: it is good, whatever becomes of this clone.
 */
export async function requireBase(
  ctx: Context,
  linstor: Linstor,
  image: ResourceDefinition,
  replicas: readonly Resource[],
): Promise<Base | undefined> {
  if (isWritten(image)) return undefined;
  const { name } = image;
  const known = await linstor.snapshots({ names: [name] });
  const present = servingBase(known, image, replicas);
  if (present) return present;
  await requireWanted(linstor, basesOf(known, name), image, replicas);
  const take = async (tries: number): Promise<Base | undefined> => {
    const [all, [now]] = await Promise.all([
      linstor.snapshots({ names: [name] }),
      linstor.definitions({ names: [name] }),
    ]);
    // A clone that OpenNebula has given up goes on while its image may already be somebody's disk.
    if (!now || isWritten(now)) return undefined;
    const taken = servingBase(all, now, replicas);
    if (taken) return taken;
    const fresh = baseName(Math.max(0, ...basesOf(all, name).map(number)) + 1);
    const readable = replicas.filter(isReadable).map((replica) => replica.node);
    try {
      const { keep } = await takeSnapshot(ctx, linstor, name, fresh, {
        existing: 'fail',
        needs: readable,
        view: replicas,
      });
      keep();
    } catch (error) {
      // A clone that was killed had asked for it, and LINSTOR came to it after we had looked.
      if (!isLinstorError(error, 'FAIL_EXISTS_SNAPSHOT_DFN') || tries <= 1) throw error;
      return take(tries - 1);
    }
    return { name: fresh, props: now.props, found: false };
  };
  return ctx.lock(lockName(name), () => take(3), takingMs);
}

/** Throws LeftOut when only nodes that are evacuated keep a base from serving: another one would not have them either. */
async function requireWanted(
  linstor: Linstor,
  bases: readonly Snapshot[],
  image: ResourceDefinition,
  replicas: readonly Resource[],
): Promise<void> {
  for (const base of bases) {
    const lacking = replicas
      .filter(isReadable)
      .map((replica) => replica.node)
      .filter((name) => !base.nodes.some((node) => sameName(node, name)));
    if (lacking.length === 0 || !serves(base, image, without(replicas, lacking))) continue;
    const evacuated = await evacuatedAmong(linstor, lacking);
    if (evacuated.length === lacking.length)
      throw new LeftOut(`snapshot ${base.name} of ${image.name} is not on ${lacking.join(', ')}`, evacuated);
  }
}

/**
 * Before anybody may write to the image, and after: LINSTOR may have come late to the request of a clone that was killed. Throws SNAPSHOT
 * when one stays: later clones would not hold what was written.
 */
export async function dropBases(
  ctx: Pick<Context, 'log'>,
  linstor: Linstor,
  image: ResourceName,
  known?: readonly Snapshot[],
): Promise<void> {
  for (const { name } of basesOf(known ?? (await linstor.snapshots({ names: [image] })), image)) {
    try {
      await dropSnapshot(ctx, linstor, image, name);
    } catch (error) {
      const cause = toDriverError(error);
      throw new DriverError(
        'SNAPSHOT',
        `snapshot ${name} of ${image}, of which clones are made, could not be deleted before the image is written to: ${cause.message}`,
        { details: cause.details, remedy: `linstor snapshot delete ${image} ${name}`, cause },
      );
    }
  }
}

/** What stays is told; gc or the removal of the image takes it. */
export async function discardBase(
  ctx: Pick<Context, 'log'>,
  linstor: Linstor,
  image: ResourceName,
  base: string,
): Promise<void> {
  try {
    await dropSnapshot(ctx, linstor, image, base);
  } catch (error) {
    ctx.log.warn(`snapshot ${base} of ${image} could not be deleted: ${toDriverError(error).message}`);
  }
}

/** Bases that no clone is made of any more: a later one serves, or a node has left the image. */
export function isSuperseded(
  base: Snapshot,
  all: readonly Snapshot[],
  replicas: readonly Resource[],
): boolean {
  if (!isBase(base)) return false;
  const newer = basesOf(all, base.resource).some((other) => number(other) > number(base) && isUsable(other));
  const holders = replicasOf(replicas, base.resource)
    .filter(isDiskful)
    .map((replica) => replica.node);
  return newer || base.nodes.some((node) => !holders.some((holder) => sameName(holder, node)));
}
