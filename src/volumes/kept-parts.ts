import type { Context } from '../context.ts';
import { toDriverError } from '../errors.ts';
import type { Linstor, NodeName } from '../linstor/linstor.ts';
import { nodeName, type ResourceName, resourceName } from '../linstor/names.ts';
import type { Outcome } from '../linstor/outcome.ts';
import { isDiskful, sameName } from './replicas.ts';

/**
 * Parts of deleted snapshots that lie in the pools of nodes which were away then. LINSTOR has forgotten them (linstor-behaviour §3.12); they are
 * noted in one of the controller's key-value stores, so that gc can remove them when the node is back.
 */
export interface KeptPart {
  readonly resource: ResourceName;
  readonly snapshot: string;
  readonly node: NodeName;
  readonly pool: string;
}

/** One for all OpenNebulas of a LINSTOR: whose a part is, its resource's name tells. */
export const keptStore = 'one-kept-parts';

export const keptKey = ({ node, resource, snapshot }: Omit<KeptPart, 'pool'>): string =>
  `${node}/${resource}/${snapshot}`;

export const keptParts = (notes: Readonly<Record<string, string>>): KeptPart[] =>
  Object.entries(notes).flatMap(([key, pool]) => {
    const [node, resource, snapshot, ...more] = key.split('/');
    if (!node || !resource || !snapshot || more.length > 0) return [];
    return [{ node: nodeName(node), resource: resourceName(resource), snapshot, pool }];
  });

/** After a deletion: what satellites that are away have kept is told and noted. What cannot be noted is no failure. */
export async function noteKeptParts(
  ctx: Pick<Context, 'log'>,
  linstor: Linstor,
  outcome: Outcome,
  point: { readonly resource: ResourceName; readonly snapshot: string },
): Promise<void> {
  if (!outcome.satelliteAway) return;
  const { resource, snapshot } = point;
  const away = outcome.nodesAway;
  const where = away.join(', ') || 'a node';
  ctx.log.warn(
    `snapshot ${snapshot} of ${resource} is deleted, but not in the pool of ${where}, which is away: LINSTOR does not come back to it; when it has returned: linstor_un gc`,
  );
  try {
    const holders = (await linstor.replicas([resource])).filter(
      (replica) =>
        isDiskful(replica) &&
        (away.length === 0 ? !replica.stateKnown : away.some((node) => sameName(node, replica.node))),
    );
    const set = Object.fromEntries(
      holders.flatMap(({ node, props }) => {
        const pool = props['StorPoolName'];
        return pool === undefined ? [] : [[keptKey({ ...point, node }), pool] as const];
      }),
    );
    if (Object.keys(set).length > 0) await linstor.modifyKeyValues(keptStore, { set });
  } catch (error) {
    ctx.log.warn(
      `that is not noted (${toDriverError(error).message}); on LVM: lvremove VG/${resource}_00000_${snapshot} on ${where}`,
    );
  }
}
