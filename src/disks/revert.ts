import type { Context } from '../context.ts';
import type { Linstor, Resource, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import type { KiB } from '../units.ts';
import { dropBases } from '../volumes/base.ts';
import { readableReplica } from '../volumes/create.ts';
import { knownReplicas } from '../volumes/known-view.ts';
import { madeAtMark } from '../volumes/marks.ts';
import { scratchResource } from '../volumes/names.ts';
import { removeResource } from '../volumes/remove.ts';
import { hasNetworkLayer, layersOf, replicasOf } from '../volumes/replicas.ts';
import { restoreSnapshot } from '../volumes/restore.ts';
import { canRollBack, looksRollingBack, rollBack, whenRolledBack } from '../volumes/revert.ts';
import { copyResource } from './copy-resource.ts';
import { requireClosed } from './in-use.ts';

export interface Revert {
  readonly settings: Settings;
  readonly linstor: Linstor;
  readonly resource: ResourceName;
  readonly snapshot: string;
  /** Hosts by which the resource's nodes may be known. */
  readonly hosts: readonly string[];
}

/** The resource becomes what the snapshot holds; later snapshots stay. Returns the snapshot's size. */
export async function revert(ctx: Context, request: Revert): Promise<KiB> {
  const { linstor, resource, snapshot, settings } = request;
  const [all, { snapshot: found, direct, all: snapshots }] = await Promise.all([
    linstor.resources({ names: [resource] }),
    canRollBack(linstor, resource, snapshot),
  ]);
  // A call before this one may have been killed, and LINSTOR goes on with what it had asked for.
  const present = replicasOf(all, resource);
  const view = looksRollingBack(present, snapshots) ? await whenRolledBack(ctx, linstor, resource) : present;
  await requireClosed(ctx, { resource, linstor, settings, view, hosts: request.hosts });
  await dropBases(ctx, linstor, resource, snapshots);
  const size = found.volumes[0]?.sizeKib ?? (0 as KiB);
  if (direct) await rollBack(ctx, linstor, resource, snapshot);
  else await copyBack(ctx, request, view, size);
  return size;
}

/**
 * Servers before 1.31, older snapshot: its content is copied over the volume, every byte of it. Skipping zeroes here is the
 * bash driver's corrupting defect (users #69): the volume holds other data.
 */
async function copyBack(
  ctx: Context,
  { linstor, resource, snapshot, settings }: Revert,
  view: readonly Resource[],
  sizeKib: KiB,
): Promise<void> {
  const scratch = scratchResource(settings.namePrefix, 'revert', crypto.randomUUID().slice(0, 8));
  const [definition] = await linstor.definitions({ names: [resource] });
  const local = hasNetworkLayer(layersOf(view)) ? undefined : readableReplica(resource, view).node;
  await restoreSnapshot(ctx, linstor, {
    from: resource,
    snapshot,
    to: scratch,
    plan: { group: definition?.group ?? 'DfltRscGrp', layers: [], unbalanced: false },
    props: { [madeAtMark(scratch)]: String(ctx.clock.now()) },
    ...(local ? { nodes: [local] } : {}),
  });
  await copyResource(
    ctx,
    { settings, linstor },
    {
      from: {
        resource: scratch,
        replicas: await knownReplicas(linstor, scratch),
      },
      to: { resource, replicas: view, readsZero: false },
      sizeKib,
    },
  );
  await removeResource(ctx, linstor, scratch);
}
