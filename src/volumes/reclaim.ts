import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { Linstor, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import { removeResource } from './remove.ts';
import { poll } from './wait.ts';

/** A pending deletion whose satellites are online is a matter of moments. */
const deletionGraceMs = 20_000;

/**
 * Clears the way for a new resource of a name that belongs to one disk or image of ours: a leftover of an earlier
 * try is removed. The caller holds the resource's lock and has decided that the content is not wanted.
 * Throws LINSTOR_DELETING when an offline satellite holds the name.
 */
export async function clearLeftover(
  ctx: Context,
  linstor: Linstor,
  name: ResourceName,
  existing: ResourceDefinition | undefined,
): Promise<void> {
  if (!existing) return;
  if (!existing.flags.includes('DELETE')) {
    ctx.log.info(`resource ${name} is a leftover of an earlier try and is removed`);
    await removeResource(ctx, linstor, name);
  }
  const gone = await poll(ctx.clock, deletionGraceMs, async () => {
    const [left] = await linstor.definitions({ names: [name] });
    return left ? undefined : true;
  });
  if (!gone)
    throw new DriverError('LINSTOR_DELETING', `resource ${name} of an earlier try is still being deleted`);
}
