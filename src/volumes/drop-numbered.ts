import { allDone } from '../all-done.ts';
import type { Context } from '../context.ts';
import { toDriverError } from '../errors.ts';
import type { Linstor, ResourceName } from '../linstor/linstor.ts';
import { snapshotSizeMark } from './marks.ts';
import { snapshotName } from './names.ts';
import { dropSnapshot } from './snapshot.ts';

/**
 * OpenNebula's snapshot of that id is gone; one that is not there is success (contract §3.4). What an older release has noted of it on the
 * definition goes as well, and a figure that stays is no failure: without its snapshot it counts for nothing.
 */
export async function dropNumbered(
  ctx: Pick<Context, 'log'>,
  linstor: Linstor,
  resource: ResourceName,
  id: number,
): Promise<void> {
  const [, definitions] = await allDone([
    dropSnapshot(ctx, linstor, resource, snapshotName(id)),
    linstor.definitions({ names: [resource] }).catch((error: unknown) => {
      ctx.log.info(`the usage of snapshot ${id} of ${resource} may stay: ${toDriverError(error).message}`);
      return [];
    }),
  ]);
  const mark = snapshotSizeMark(id);
  if (!definitions.some(({ props }) => mark in props)) return;
  try {
    await linstor.modifyDefinition(resource, { unset: [mark] });
  } catch (error) {
    ctx.log.warn(`the usage of snapshot ${id} of ${resource} stays: ${toDriverError(error).message}`);
  }
}
