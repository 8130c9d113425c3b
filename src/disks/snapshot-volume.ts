import type { Context } from '../context.ts';
import type { Linstor, NodeName, Resource, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { knownReplicas } from '../volumes/known-view.ts';
import { madeAtMark } from '../volumes/marks.ts';
import { scratchResource } from '../volumes/names.ts';
import { removeResource } from '../volumes/remove.ts';
import { restoreSnapshot } from '../volumes/restore.ts';

export interface SnapshotVolume {
  readonly resource: ResourceName;
  readonly group: string;
  readonly snapshot: string;
  /** Restored here alone: a must for plain storage. */
  readonly node?: NodeName | undefined;
  /** Part of the scratch resource's name. */
  readonly purpose: string;
}

/** A snapshot is read through a scratch resource, which goes again in any case. */
export async function withSnapshotVolume<T>(
  ctx: Context,
  { linstor, settings }: { readonly linstor: Linstor; readonly settings: Pick<Settings, 'namePrefix'> },
  { resource, group, snapshot, node, purpose }: SnapshotVolume,
  work: (from: { readonly resource: ResourceName; readonly replicas: readonly Resource[] }) => Promise<T>,
): Promise<T> {
  const scratch = scratchResource(settings.namePrefix, purpose, crypto.randomUUID().slice(0, 8));
  await restoreSnapshot(ctx, linstor, {
    from: resource,
    snapshot,
    to: scratch,
    plan: { group, layers: [], unbalanced: false },
    props: { [madeAtMark(scratch)]: String(ctx.clock.now()) },
    ...(node ? { nodes: [node] } : {}),
  });
  const replicas = await knownReplicas(linstor, scratch);
  const result = await work({ resource: scratch, replicas });
  await removeResource(ctx, linstor, scratch);
  return result;
}
