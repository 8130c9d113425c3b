import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { Linstor, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import { removeResource } from './remove.ts';
import { poll } from './wait.ts';

/** A pending deletion whose satellites are online is a matter of moments. */
const deletionGraceMs = 20_000;

/**
 * Ours are marked from the first moment, the bash driver's from the moment they were complete (contract §0.2). One without
 * volumes holds nothing: over the LINSTOR client the marks come right after the definition, and a kill may come between.
 */
export const isOwn = (definition: ResourceDefinition): boolean =>
  definition.volumes.length === 0 || Object.keys(definition.props).some((key) => key.startsWith('Aux/one/'));

/** A resource of the right name that nobody of ours has made is not a leftover. Throws LINSTOR_EXISTS. */
export function requireOwn(existing: ResourceDefinition | undefined): void {
  if (!existing || existing.flags.includes('DELETE') || isOwn(existing)) return;
  throw new DriverError(
    'LINSTOR_EXISTS',
    `resource ${existing.name} exists and carries no mark of this driver; it was left alone`,
    {
      remedy: `find out whose it is (two OpenNebulas on one cluster need NAME_PREFIX); if it is unused: linstor resource-definition delete ${existing.name}`,
    },
  );
}

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
