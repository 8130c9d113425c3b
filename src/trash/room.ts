import type { Context } from '../context.ts';
import { toDriverError } from '../errors.ts';
import type { StoragePool } from '../linstor/linstor.ts';
import { eligiblePools, freeRatio } from '../volumes/capacity.ts';
import { NoRoom } from '../volumes/create.ts';
import { planFor } from '../volumes/placement.ts';
import { replicasOf } from '../volumes/replicas.ts';
import { trashOf } from '../volumes/trash.ts';
import { removeFromTrash, type TrashPlace } from './empty.ts';
import { isIn, isLow } from './pressure.ts';

/**
 * Removes the oldest of what is in the trash and was put there by a datastore that allows it, if that gives room where there is none: LINSTOR
 * says the same where nodes are missing, and nothing goes for that. False: there is nothing of that kind, or nothing that can go.
 */
export async function makeRoom(ctx: Context, place: TrashPlace, why: unknown): Promise<boolean> {
  const { linstor, settings } = place;
  const notes = (await trashOf(linstor, settings.namePrefix)).filter(({ yields }) => yields);
  if (notes.length === 0) return false;
  const { placement } = settings;
  const [all, nodes, group, props, view] = await Promise.all([
    linstor.storagePools({ fresh: true }),
    linstor.nodes(),
    linstor.resourceGroup(placement.resourceGroup ?? 'DfltRscGrp'),
    linstor.controllerProperties(),
    linstor.resources({ names: notes.map(({ resource }) => resource) }),
  ]);
  if (!group) return false;
  const pools = eligiblePools(all, nodes, group, placement);
  if (new Set(pools.map(({ node }) => node)).size < planFor(group, placement).replicas) return false;
  const need = why instanceof NoRoom ? why.needKib : undefined;
  const isShort = (pool: StoragePool): boolean =>
    need === undefined
      ? isLow(pool)
      : (pool.freeKib ?? Number.NaN) * freeRatio(pool, props) < need + overheadKib;
  const short = pools.filter(isShort);
  for (const note of notes) {
    if (!replicasOf(view, note.resource).some((replica) => isIn(replica, short))) continue;
    try {
      if ((await removeFromTrash(ctx, place, note)) === 'gone') continue;
      ctx.log.warn(
        `there was no room: ${note.resource} (“${note.name}”) was removed from the trash for good`,
      );
      return true;
    } catch (error) {
      ctx.log.info(`${note.resource} stays in the trash: ${toDriverError(error).message}`);
    }
  }
  return false;
}

/** DRBD's own data and the rounding to extents, which a volume takes beside its size. */
const overheadKib = 16 * 1024;
