import type { Context } from '../context.ts';
import { toDriverError } from '../errors.ts';
import type { Resource, StoragePool } from '../linstor/linstor.ts';
import { isReal } from '../linstor/providers.ts';
import { isDiskful, replicasOf, sameName } from '../volumes/replicas.ts';
import { type TrashNote, trashOf } from '../volumes/trash.ts';
import { removeFromTrash, type TrashPlace } from './empty.ts';

/** A thin pool is promised without end and full all at once; `doctor` warns from here on as well. */
const lowShare = 0.1;

export const isLow = ({ freeKib, totalKib }: StoragePool): boolean =>
  freeKib !== undefined && totalKib !== undefined && totalKib > 0 && freeKib / totalKib < lowShare;

/**
 * While a pool has less than a tenth of its space left, the oldest goes that has a part in it and may go before its time. The figures are
 * asked anew each time: nothing goes that need not.
 */
export async function relievePools(ctx: Context, place: TrashPlace): Promise<TrashNote[]> {
  const { linstor, settings } = place;
  const gone: TrashNote[] = [];
  const stay = new Set<string>();
  for (;;) {
    const notes = (await trashOf(linstor, settings.namePrefix)).filter(
      ({ yields, resource }) => yields && !stay.has(resource),
    );
    if (notes.length === 0) return gone;
    const low = (await linstor.storagePools({ fresh: true })).filter((pool) => isReal(pool) && isLow(pool));
    if (low.length === 0) return gone;
    const view = await linstor.resources({ names: notes.map(({ resource }) => resource) });
    const oldest = notes.find(({ resource }) => replicasOf(view, resource).some((each) => isIn(each, low)));
    if (!oldest) return gone;
    // Whatever comes of it, it is not tried again.
    stay.add(oldest.resource);
    try {
      if ((await removeFromTrash(ctx, place, oldest)) === 'removed') gone.push(oldest);
    } catch (error) {
      ctx.log.warn(`${oldest.resource} stays in the trash: ${toDriverError(error).message}`);
    }
  }
}

export const isIn = (replica: Resource, pools: readonly StoragePool[]): boolean =>
  isDiskful(replica) &&
  pools.some(
    ({ name, node }) =>
      sameName(node, replica.node) && replica.volumes.some((volume) => sameName(volume.pool, name)),
  );
