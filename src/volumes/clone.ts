import type { Context } from '../context.ts';
import { DriverError, toDriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, NodeName, Resource, ResourceName } from '../linstor/linstor.ts';
import { createDefinition } from './create.ts';
import { madeByMark, vmMarks } from './marks.ts';
import type { Plan } from './placement.ts';
import { removeResource } from './remove.ts';
import { isDiskful, isReadable } from './replicas.ts';
import { restoreInto } from './restore.ts';
import { dropSnapshot, takeSnapshot } from './snapshot.ts';
import { bothDone, poll, twice } from './wait.ts';

export interface CloneRequest {
  readonly source: ResourceName;
  /** View of the source. */
  readonly replicas: readonly Resource[];
  readonly target: ResourceName;
  readonly plan: Pick<Plan, 'group' | 'layers' | 'unbalanced'>;
  readonly props: Readonly<Record<string, string>>;
  /** Restore only here (plain storage). */
  readonly node?: NodeName;
  /** Read the clone's view on the way, while the helper snapshot goes. */
  readonly wantsView?: boolean;
}

const snapshotProviders: ReadonlySet<string> = new Set([
  'LVM_THIN',
  'ZFS',
  'ZFS_THIN',
  'FILE',
  'FILE_THIN',
  'SPDK',
  'REMOTE_SPDK',
  'EBS_TARGET',
]);

/** Can the replicas be snapshotted? LVM (thick) cannot; one such replica fails the whole request (linstor-behaviour §6.1). */
export const canSnapshot = (replicas: readonly Resource[]): boolean =>
  replicas
    .filter(isDiskful)
    .every((replica) => replica.volumes.every((volume) => snapshotProviders.has(volume.provider)));

/**
 * What LINSTOR clones itself (linstor-behaviour §6.1). It must be known beforehand: asking a 1.33 controller to clone FILE_THIN
 * is refused, and its later writes then fail at random.
 */
const cloneProviders: ReadonlySet<string> = new Set(['LVM', 'LVM_THIN', 'ZFS', 'ZFS_THIN']);

export const canCloneNatively = (replicas: readonly Resource[]): boolean =>
  replicas
    .filter(isDiskful)
    .every((replica) => replica.volumes.every((volume) => cloneProviders.has(volume.provider)));

/** ZFS volumes made from a snapshot depend on it; before server 1.31 it then cannot be deleted. */
const isZfs = (replicas: readonly Resource[]): boolean =>
  replicas.some((replica) => replica.volumes.some((volume) => volume.provider.startsWith('ZFS')));

/**
 * A copy that shares its blocks with the source: snapshot, restore, and the snapshot goes again. The helper snapshot is
 * named like the target, as the bash driver does (contract §0.2); it stays only on ZFS under servers before 1.31. Returns the
 * view of the clone if it is wanted.
 */
export async function cloneBySnapshot(
  ctx: Context,
  linstor: Linstor,
  request: CloneRequest,
): Promise<readonly Resource[] | undefined> {
  const { source, target } = request;
  const readable = request.replicas.filter(isReadable).map((replica) => replica.node);
  const nodes = request.node !== undefined ? [request.node] : undefined;
  await bothDone(
    takeSnapshot(ctx, linstor, source, target, nodes ? { nodes } : {}),
    createDefinition(ctx, linstor, target, request.plan, request.props),
  );
  await restoreInto(linstor, {
    from: source,
    snapshot: target,
    to: target,
    nodes: nodes ?? readable,
  });
  if (isZfs(request.replicas) && !(await linstor.capabilities()).deleteSnapshotWithClones) {
    ctx.log.info(`snapshot ${target} of ${source} stays while ${target} lives (ZFS before LINSTOR 1.31)`);
    return undefined;
  }
  const [view] = await bothDone(
    request.wantsView ? linstor.resources({ names: [target] }) : Promise.resolve(undefined),
    dropHelperSnapshot(ctx, linstor, source, target),
  );
  return view;
}

/** The clone is good; a left helper snapshot costs space and is removed with the clone, the image, or by gc. */
async function dropHelperSnapshot(
  ctx: Context,
  linstor: Linstor,
  source: ResourceName,
  snapshot: string,
): Promise<void> {
  try {
    await twice(ctx.clock, () => dropSnapshot(ctx, linstor, source, snapshot));
  } catch (error) {
    ctx.log.warn(
      `helper snapshot ${snapshot} of ${source} could not be deleted: ${toDriverError(error).message}`,
    );
  }
}

/** One clone may take as long as its bytes; without progress LINSTOR reports FAILED. */
const cloneTimeoutMs = 6 * 3600 * 1000;

/**
 * LINSTOR's own clone. Throws LINSTOR_UNSUPPORTED where the controller or the provider has none, so that the caller can
 * take another way; nothing is left then. Only COMPLETE is proof (linstor-behaviour §3.13).
 */
export async function cloneNatively(ctx: Context, linstor: Linstor, request: CloneRequest): Promise<void> {
  const { source, target } = request;
  const capabilities = await linstor.capabilities();
  if (!capabilities.cloneProps) {
    throw new DriverError(
      'LINSTOR_UNSUPPORTED',
      `LINSTOR ${capabilities.serverVersion} cannot give a clone its own properties (REST 1.26 can)`,
    );
  }
  const nonce = crypto.randomUUID();
  ctx.undo.push(`remove resource ${target}`, async () => {
    const [definition] = await linstor.definitions({ names: [target] });
    if (definition?.props[madeByMark(target)] === nonce) await removeResource(ctx, linstor, target);
  });
  try {
    await linstor.clone(source, target, {
      group: request.plan.group,
      ...(request.plan.layers.length > 0 ? { layers: request.plan.layers } : {}),
      props: {
        set: { ...request.props, [madeByMark(target)]: nonce },
        unset: vmMarks.filter((key) => !(key in request.props)),
      },
    });
  } catch (error) {
    if (isLinstorError(error, 227, 994, 989, 988)) {
      throw new DriverError('LINSTOR_UNSUPPORTED', error.message, { cause: error });
    }
    throw error;
  }
  const status = await poll(ctx.clock, cloneTimeoutMs, async () => {
    const now = await linstor.cloneStatus(source, target);
    return now === 'CLONING' ? undefined : (now ?? 'FAILED');
  });
  if (status !== 'COMPLETE') {
    throw new DriverError(
      'LINSTOR_ERROR',
      `LINSTOR’s clone of ${source} into ${target} ${status === 'FAILED' ? 'failed' : 'did not end'}`,
      {
        remedy:
          'check that all nodes of the image are online (`linstor node list`, `linstor error-reports list`), then retry',
      },
    );
  }
}
