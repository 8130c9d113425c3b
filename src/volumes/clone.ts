import { allDone } from '../all-done.ts';
import type { Context } from '../context.ts';
import { DriverError, toDriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, NodeName, Resource, ResourceName } from '../linstor/linstor.ts';
import type { KiB } from '../units.ts';
import { type Base, discardBase } from './base.ts';
import { createDefinition, spawnMarked } from './define.ts';
import {
  type FirstReplica,
  nameFirstReplica,
  noFurtherReplicaOfClone,
  withoutFurtherReplica,
} from './first-replica.ts';
import { knownReplicas } from './known-view.ts';
import { madeByMark, marks, vmMarks } from './marks.ts';
import type { DefinitionPlan } from './placement.ts';
import { removeResource } from './remove.ts';
import {
  isDiskful,
  isNumbered,
  isOnZfs,
  isReadable,
  layersOf,
  namesakePath,
  sameName,
  stablePath,
} from './replicas.ts';
import { restoreInto, restoreReplicas } from './restore.ts';
import { dropSnapshot, takeSnapshot } from './snapshot.ts';
import { persistently, poll } from './wait.ts';

export interface CloneRequest {
  readonly source: ResourceName;
  /** View of the source. */
  readonly replicas: readonly Resource[];
  readonly target: ResourceName;
  readonly plan: DefinitionPlan;
  readonly props: Readonly<Record<string, string>>;
  /** Restore only here (plain storage). */
  readonly node?: NodeName;
  /** The source's only volume, where that is all that there is to know of its volumes: then the target's can be made along with it. */
  readonly volume?: { readonly sizeKib: KiB };
  /** After a restore or clone onto `nodes` of the source. */
  readonly first?: (nodes: readonly NodeName[]) => FirstReplica | undefined;
  /** The clone is used on a host next. */
  readonly wantsView?: boolean;
  /** The snapshot that serves all clones of the source, if it may be had; asked once. Absent: a snapshot of its own. */
  readonly base?: (() => Promise<Base | undefined>) | undefined;
}

export interface Clone {
  /** As far as it is wanted and known. */
  readonly view?: readonly Resource[];
  readonly sizeKib?: KiB;
  /** Its bytes were copied, through the driver's hands. */
  readonly copied?: boolean;
  /** What the snapshot has laid over its properties, where that is not what the source has now. */
  readonly carried?: Readonly<Record<string, string>>;
  /** Removes the helper snapshot, which nothing needs to wait for; never fails. */
  readonly tidy: () => Promise<void>;
}

/** ZFS volumes made from a snapshot depend on it; before server 1.31 it then cannot be deleted. */
const dependsOnSnapshot = async (linstor: Linstor, replicas: readonly Resource[]): Promise<boolean> =>
  isOnZfs(replicas) && !(await linstor.capabilities()).deleteSnapshotWithClones;

/**
 * A copy that shares its blocks with the source, restored from the source's base where there is one. Otherwise from a snapshot of its
 * own, named like the target, as the bash driver does (contract §0.2), which goes again; it stays only on ZFS under servers before 1.31.
 */
export async function cloneBySnapshot(ctx: Context, linstor: Linstor, request: CloneRequest): Promise<Clone> {
  const { base } = request;
  if (!base || (await dependsOnSnapshot(linstor, request.replicas)))
    return restoreOf(ctx, linstor, request, () => takeHelper(ctx, linstor, request));
  try {
    return await ctx.undo.within(() =>
      restoreOf(ctx, linstor, request, () => ofBase(ctx, linstor, request, base)),
    );
  } catch (error) {
    if (!(error instanceof BaseUnusable)) throw error;
    ctx.log.warn(`${error.message}; ${request.target} gets a snapshot of its own`);
    const made = await restoreOf(ctx, linstor, request, () => takeHelper(ctx, linstor, request));
    // Another snapshot of the same image could be restored: it is this one that cannot.
    await discardBase(ctx, linstor, request.source, error.base);
    return made;
  }
}

/** What a clone is restored from. */
interface Origin {
  readonly snapshot: string;
  readonly carried?: Readonly<Record<string, string>>;
  readonly tidy: () => Promise<void>;
  /** Told when the restore has failed. */
  readonly failed?: (error: unknown) => never;
}

class BaseUnusable extends Error {
  readonly base: string;
  constructor(base: string, cause: unknown) {
    super(`snapshot ${base} could not be restored: ${toDriverError(cause).message}`, { cause });
    this.base = base;
  }
}

async function ofBase(
  ctx: Context,
  linstor: Linstor,
  request: CloneRequest,
  wanted: () => Promise<Base | undefined>,
): Promise<Origin> {
  const base = await wanted();
  if (!base) return takeHelper(ctx, linstor, request);
  return {
    snapshot: base.name,
    carried: base.props,
    tidy: async () => undefined,
    failed: (error) => {
      const code = toDriverError(error).code;
      throw base.found && ['LINSTOR_ERROR', 'LINSTOR_NOT_FOUND', 'SNAPSHOT'].includes(code)
        ? new BaseUnusable(base.name, error)
        : error;
    },
  };
}

async function takeHelper(ctx: Context, linstor: Linstor, request: CloneRequest): Promise<Origin> {
  const { source, target, node } = request;
  const nodes = node === undefined ? {} : { nodes: [node] };
  const needs = restoreNodes(request);
  await takeSnapshot(ctx, linstor, source, target, { needs, view: request.replicas, ...nodes });
  return { snapshot: target, tidy: () => tidy(ctx, linstor, request) };
}

const restoreNodes = ({ node, replicas }: CloneRequest): NodeName[] =>
  node === undefined ? replicas.filter(isReadable).map((replica) => replica.node) : [node];

async function restoreOf(
  ctx: Context,
  linstor: Linstor,
  request: CloneRequest,
  origin: () => Promise<Origin>,
): Promise<Clone> {
  const { source, target } = request;
  const nodes = restoreNodes(request);
  const first = request.first?.(nodes);
  const alone = first ? await withoutFurtherReplica(linstor) : {};
  const [{ snapshot, carried, tidy, failed }, hasVolumes] = await allDone([
    origin(),
    defineTarget(ctx, linstor, { ...request, props: { ...request.props, ...alone } }),
  ]);
  const restore = { from: source, snapshot, to: target, nodes, first };
  try {
    if (hasVolumes) await restoreReplicas(ctx, linstor, restore);
    else await restoreInto(ctx, linstor, restore);
  } catch (error) {
    failed?.(error);
    throw error;
  }
  const view = request.wantsView
    ? await viewOf(linstor, request, request.replicas.filter(isReadable))
    : undefined;
  return {
    ...(view ? { view } : {}),
    ...(request.volume ? { sizeKib: request.volume.sizeKib } : {}),
    ...(carried ? { carried } : {}),
    tidy,
  };
}

/** Returns whether the volume was made as well: LUKS keeps a key with it, of which only LINSTOR's own restore is known to be right. */
async function defineTarget(ctx: Context, linstor: Linstor, request: CloneRequest): Promise<boolean> {
  const { target: name, plan, props, volume, replicas } = request;
  const layers = layersOf(replicas);
  if (volume && ['DRBD,STORAGE', 'STORAGE'].includes(layers.join())) {
    const options = { definitionsOnly: true };
    const like = { ...plan, layers };
    const spawned = await spawnMarked(ctx, linstor, {
      name,
      plan: like,
      props,
      sizeKib: volume.sizeKib,
      options,
    });
    if (spawned !== 'cannot') return true;
  }
  await createDefinition(ctx, linstor, name, plan, props);
  return false;
}

/**
 * Where it is known without asking: under DRBD replicas are where the source has them, under the name that udev gives; a logical volume and a
 * zvol have the name of the resource. Should the device not come, LINSTOR is asked after all. A loop device's name is known to LINSTOR alone.
 */
async function viewOf(
  linstor: Linstor,
  { target, replicas, node }: CloneRequest,
  readable: readonly Resource[],
): Promise<readonly Resource[]> {
  const made = readable.filter((replica) => node === undefined || sameName(replica.node, node));
  const drbd = layersOf(replicas)[0] === 'DRBD';
  const view = made.map((replica) => expected(target, replica, drbd));
  const known = view.length > 0 && view.every((replica) => replica !== undefined);
  return known ? view.filter((replica) => replica !== undefined) : knownReplicas(linstor, target);
}

/** Field by field: the source's device must never pass for the clone's. */
function expected(name: ResourceName, source: Resource, drbd: boolean): Resource | undefined {
  const { node, flags, props, layers, stateKnown } = source;
  const [volume, ...further] = source.volumes;
  const devicePath = !volume
    ? undefined
    : drbd
      ? isNumbered(volume.devicePath) && stablePath(name, volume.devicePath)
      : namesakePath(source.name, name, volume);
  if (!volume || further.length > 0 || !devicePath) return undefined;
  const { number, pool, provider } = volume;
  const volumes = [{ number, pool, provider, devicePath }];
  return { name, node, flags, props, layers, stateKnown, volumes, connections: {} };
}

async function tidy(
  ctx: Context,
  linstor: Linstor,
  { source, target, replicas, props }: CloneRequest,
): Promise<void> {
  if (await dependsOnSnapshot(linstor, replicas)) {
    ctx.log.info(`snapshot ${target} of ${source} stays while ${target} lives (ZFS before LINSTOR 1.31)`);
    return;
  }
  const dropped = await dropHelperSnapshot(ctx, linstor, source, target);
  if (!dropped && marks.vmId in props) await markHelper(ctx, linstor, target);
}

/** The clone is good; a left helper snapshot costs space and is removed with the clone, the image, or by gc. */
async function dropHelperSnapshot(
  ctx: Context,
  linstor: Linstor,
  source: ResourceName,
  snapshot: string,
): Promise<boolean> {
  try {
    await persistently(ctx.clock, () => dropSnapshot(ctx, linstor, source, snapshot));
    return true;
  } catch (error) {
    ctx.log.warn(
      `helper snapshot ${snapshot} of ${source} could not be deleted: ${toDriverError(error).message}`,
    );
    return false;
  }
}

/** Tells tm/delete, which reads the disk's marks anyway, that there is one more thing to delete. */
async function markHelper(ctx: Context, linstor: Linstor, disk: ResourceName): Promise<void> {
  try {
    await linstor.modifyDefinition(disk, { set: { [marks.helper]: 'yes' } });
  } catch (error) {
    ctx.log.info(`only gc will find it: ${disk} could not be marked (${toDriverError(error).message})`);
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
  const first = request.first?.(request.replicas.filter(isDiskful).map(({ node }) => node));
  const alone = first ? noFurtherReplicaOfClone(capabilities) : {};
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
        set: { ...request.props, ...request.plan.policy, ...alone, [madeByMark(target)]: nonce },
        unset: vmMarks.filter((key) => !(key in request.props)),
      },
    });
  } catch (error) {
    if (
      isLinstorError(
        error,
        'FAIL_INVLD_PROVIDER',
        'FAIL_SNAPSHOTS_NOT_SUPPORTED',
        'FAIL_STLT_DOES_NOT_SUPPORT_PROVIDER',
        'FAIL_STLT_DOES_NOT_SUPPORT_LAYER',
        'FAIL_INVLD_RSC_STATE',
      )
    ) {
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
  if (first) await nameFirstReplica(linstor, target, first);
}
