import type { Context } from '../../context.ts';
import { DriverError } from '../../errors.ts';
import type { Linstor } from '../../linstor/linstor.ts';
import { kib } from '../../units.ts';
import { type KeptPart, keptKey, keptStore } from '../../volumes/kept-parts.ts';
import { removeResource } from '../../volumes/remove.ts';
import { isDiskful, sameName } from '../../volumes/replicas.ts';

/**
 * The part is gone, and its note too. A satellite takes what it finds under the name of a snapshot for that snapshot, and a snapshot
 * can be deleted: so one of that name is taken there, of the resource or of a small one that is made for it. The caller holds the
 * lock of the resource.
 *
 * Errors: LINSTOR_NODE_OFFLINE, LINSTOR_DELETING, LINSTOR_EXISTS.
 */
export async function removeKeptPart(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  part: KeptPart,
): Promise<void> {
  const { resource, snapshot, node } = part;
  const what = `what is left of snapshot ${snapshot} of ${resource} in the pool of ${node} stays`;
  const names = [resource];
  const [nodes, [definition], replicas, snapshots] = await Promise.all([
    linstor.nodes(),
    linstor.definitions({ names }),
    linstor.replicas(names),
    linstor.snapshots({ names }),
  ]);
  if (nodes.find((each) => sameName(each.name, node))?.status !== 'ONLINE')
    throw new DriverError('LINSTOR_NODE_OFFLINE', `${what}: the node is away`);
  if (definition?.flags.includes('DELETE'))
    throw new DriverError('LINSTOR_DELETING', `${what} as long as LINSTOR is deleting ${resource}`);
  const present = snapshots.find((each) => sameName(each.name, snapshot));
  if (!present?.nodes.some((each) => sameName(each, node))) {
    if (present) throw new DriverError('LINSTOR_EXISTS', `${what}: there is a snapshot of that name`);
    const here = replicas.some((replica) => isDiskful(replica) && sameName(replica.node, node));
    if (definition && !here)
      throw new DriverError(
        'LINSTOR_EXISTS',
        `${what}: there is a ${resource}, without a replica on that node`,
      );
    if (definition) await adoptAndDelete(linstor, part, what);
    else await withStandIn(ctx, linstor, part, () => adoptAndDelete(linstor, part, what));
  }
  // Taken anew meanwhile: the driver lets no older one be.
  await linstor.modifyKeyValues(keptStore, { unset: [keptKey(part)] });
}

async function adoptAndDelete(linstor: Linstor, part: KeptPart, what: string): Promise<void> {
  await linstor.createSnapshot(part.resource, part.snapshot, { nodes: [part.node] });
  const { satelliteAway } = await linstor.deleteSnapshot(part.resource, part.snapshot);
  if (satelliteAway) throw new DriverError('LINSTOR_NODE_OFFLINE', `${what}: the node is away`);
}

const anySize = kib(4096);

async function withStandIn(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  { resource, node, pool }: KeptPart,
  work: () => Promise<void>,
): Promise<void> {
  await linstor.createDefinition({ name: resource, layers: ['STORAGE'] });
  try {
    await linstor.createVolume(resource, 0, anySize);
    await linstor.createResource(resource, node, { pool, layers: ['STORAGE'] });
    await work();
  } finally {
    await removeResource(ctx, linstor, resource);
  }
}
