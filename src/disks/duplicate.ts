import type { Context } from '../context.ts';
import { isDriverError } from '../errors.ts';
import type { Linstor, NodeName, Resource, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { type KiB, kib } from '../units.ts';
import { type Base, requireBase, servingBase } from '../volumes/base.ts';
import { type Clone, cloneBySnapshot, cloneNatively } from '../volumes/clone.ts';
import { noteComplete } from '../volumes/copies.ts';
import { createVolume, readableReplica } from '../volumes/create.ts';
import { LeftOut, without } from '../volumes/evacuation.ts';
import { isPlainVolume, otherFirstReplica } from '../volumes/first-replica.ts';
import { prefersNode } from '../volumes/follow.ts';
import { copyMark, marks, vmMarks } from '../volumes/marks.ts';
import { planPlacement, unknownGroup } from '../volumes/placement.ts';
import { policyChange, policyProps } from '../volumes/policy.ts';
import {
  canCloneNatively,
  canSnapshot,
  hasNetworkLayer,
  isDiskful,
  isEvacuating,
  isReadable,
  isSnapshotSource,
  layersOf,
  readsZeroWhenNew,
  sameName,
} from '../volumes/replicas.ts';
import { restoreSnapshot } from '../volumes/restore.ts';
import { requireSnapshot } from '../volumes/snapshot.ts';
import { isLasting } from '../volumes/snapshot-ready.ts';
import { dualPrimaryProperty } from '../volumes/two-primaries.ts';
import { namesOf } from './attach.ts';
import { copyResource } from './copy-resource.ts';
import { findReplica, wishedNode } from './find-node.ts';
import { withSnapshotVolume } from './snapshot-volume.ts';

/** A new resource with the content of another one (or of a snapshot of it). */
export interface Duplicate {
  readonly settings: Settings;
  readonly linstor: Linstor;
  readonly source: ResourceDefinition;
  /** View of the source. */
  readonly replicas: readonly Resource[];
  /** Content of this snapshot instead of the present one. */
  readonly snapshot?: string;
  /** The caller has just taken it: LINSTOR's answer has said that it is usable. */
  readonly snapshotIsNew?: boolean;
  /**
   * How a later call shall know that the content is complete. `mark`: by a mark that is gone, along with the change of other marks; `note`: what was
   * copied, by a note outside of the target. Absent: OpenNebula knows it.
   */
  readonly completion?: 'mark' | 'note';
  readonly target: ResourceName;
  readonly sizeKib: KiB;
  /** Marks of the target. */
  readonly props: Readonly<Record<string, string>>;
  /** The target will be used here: a must for plain storage. Absent: anywhere. */
  readonly host?: string;
  readonly mode: Settings['cloneMode'];
  /** May the snapshot that serves all clones of the source be used, or even be made? */
  readonly base?: 'make' | 'use';
  /** For the log: `disk 3 of VM 7`. */
  readonly what: string;
  /** Turns the choice among equal bridge hosts. */
  readonly spread?: number;
}

const nothingLeft = { tidy: async (): Promise<void> => undefined } as const;

/**
 * Makes the duplicate by sharing blocks where the mode and the storage allow it, by copying bytes otherwise. The target does
 * not exist before; its removal is on the undo stack. Its size is the source's or larger. What it leaves to tidy goes beside what is done
 * next.
 */
export async function duplicate(ctx: Context, request: Duplicate): Promise<Clone> {
  const taken =
    request.snapshot === undefined || request.snapshotIsNew
      ? undefined
      : await requireSnapshot(request.linstor, request.source.name, request.snapshot);
  const obstacle = request.mode === 'copy' ? undefined : await sharingObstacle(request);
  if (request.mode === 'copy' || obstacle) {
    if (obstacle) ctx.log.info(`${request.what} becomes a full copy: ${obstacle}`);
    return copied(ctx, request);
  }
  let made: Clone = nothingLeft;
  if (request.snapshot !== undefined)
    await restoreFrom(
      ctx,
      request,
      request.snapshot,
      taken?.nodes ?? request.replicas.filter(isSnapshotSource).map(({ node }) => node),
    );
  else {
    try {
      made = await ctx.undo.within(() => shareStaying(ctx, request));
    } catch (error) {
      if (!isLasting(error)) throw error;
      ctx.log.warn(`${request.what} becomes a full copy: ${error.message}; ${error.remedy}`);
      return copied(ctx, request);
    }
  }
  await ownMarks(request, made.carried);
  return made;
}

const copied = async (ctx: Context, request: Duplicate): Promise<Clone> => ({
  ...(await copyBytes(ctx, request)),
  ...nothingLeft,
  copied: true,
});

/** Without the replicas on nodes that are evacuated, of which LINSTOR takes no snapshot. */
async function shareStaying(ctx: Context, request: Duplicate): Promise<Clone> {
  const replicas = request.replicas.filter((replica) => !isEvacuating(replica));
  const staying = replicas.some(isReadable) ? { ...request, replicas } : request;
  try {
    return await ctx.undo.within(() => shareBlocks(ctx, staying));
  } catch (error) {
    if (!(error instanceof LeftOut)) throw error;
    ctx.log.info(`${error.message}; ${request.what} is made of the other replicas`);
    return shareBlocks(ctx, { ...staying, replicas: without(replicas, error.nodes) });
  }
}

async function shareBlocks(ctx: Context, request: Duplicate): Promise<Clone> {
  const [volume, ...further] = request.source.volumes;
  const simple = volume?.number === 0 && isPlainVolume(volume) && further.length === 0;
  const clone = {
    source: request.source.name,
    replicas: request.replicas,
    target: request.target,
    plan: groupOf(request),
    props: request.props,
    ...(simple ? { volume } : {}),
    first: (nodes: readonly NodeName[]) => otherFirstReplica(request.source, nodes),
    // Only what is used on a host is attached next.
    wantsView: request.host !== undefined,
    base: baseOf(ctx, request),
    ...(await localNode(request)),
  };
  if (
    request.mode === 'clone' &&
    hasNetworkLayer(layersOf(request.replicas)) &&
    canCloneNatively(request.replicas)
  ) {
    try {
      await cloneNatively(ctx, request.linstor, clone);
      return nothingLeft;
    } catch (error) {
      if (!isDriverError(error, 'LINSTOR_UNSUPPORTED')) throw error;
      ctx.log.info(
        `LINSTOR does not clone ${request.source.name} natively (${error.message}); a snapshot serves`,
      );
    }
  }
  return cloneBySnapshot(ctx, request.linstor, clone);
}

function baseOf(
  ctx: Context,
  { base, linstor, source, replicas }: Duplicate,
): (() => Promise<Base | undefined>) | undefined {
  if (base === 'make') return () => requireBase(ctx, linstor, source, replicas);
  if (base !== 'use') return undefined;
  return async () => servingBase(await linstor.snapshots({ names: [source.name] }), source, replicas);
}

async function restoreFrom(
  ctx: Context,
  request: Duplicate,
  snapshot: string,
  takenOn: readonly NodeName[],
): Promise<void> {
  const { node } = await localNode(request);
  await restoreSnapshot(ctx, request.linstor, {
    from: request.source.name,
    snapshot,
    to: request.target,
    plan: groupOf(request),
    props: request.props,
    ...(node ? { nodes: [node] } : {}),
    first: otherFirstReplica(request.source, node ? [node] : takenOn),
  });
}

const groupOf = (request: Duplicate) => ({
  group: request.settings.placement.resourceGroup ?? request.source.group,
  layers: [],
  unbalanced: false,
  policy: policyProps(request.settings.placement, layersOf(request.replicas)),
});

/** Plain storage is restored on one node only: each further one would be a volume of its own. */
async function localNode(request: Duplicate): Promise<{ node?: NodeName }> {
  const { replicas, host } = request;
  if (hasNetworkLayer(layersOf(replicas))) return {};
  const here =
    host === undefined ? undefined : await findReplica(namesOf(request), replicas.filter(isDiskful), host);
  return { node: (here ?? readableReplica(request.source.name, replicas)).node };
}

/** Why blocks cannot be shared with the source; undefined when they can. */
async function sharingObstacle(request: Duplicate): Promise<string | undefined> {
  const { placement } = request.settings;
  const diskful = request.replicas.filter(isDiskful);
  const layers = layersOf(request.replicas);
  const native =
    request.mode === 'clone' &&
    request.snapshot === undefined &&
    hasNetworkLayer(layers) &&
    canCloneNatively(request.replicas);
  if (!native && !canSnapshot(request.replicas)) return 'the storage pool has no snapshots';
  if (placement.encryption && !layers.includes('LUKS')) return 'it is to be encrypted, and its source is not';
  if (placement.layerList.length > 0 && placement.layerList.join() !== layers.join()) {
    return `LAYER_LIST asks for ${placement.layerList.join(',')}, the origin has ${layers.join(',')}`;
  }
  if (
    !hasNetworkLayer(layers) &&
    request.host !== undefined &&
    !(await findReplica(namesOf(request), diskful, request.host))
  ) {
    return `the origin is plain storage on ${diskful.map((each) => each.node).join(', ')} and it is needed on ${request.host}`;
  }
  const pools = await wantedPools(request);
  const used = [...new Set(diskful.flatMap((each) => each.volumes.map((volume) => volume.pool)))];
  if (pools.length > 0 && !used.every((pool) => pools.some((each) => sameName(each, pool)))) {
    return `it belongs into pool ${pools.join(', ')}, the origin is in ${used.join(', ')}`;
  }
  return undefined;
}

/** Pools the target must be in; the group is asked for only when it is not the source's own. */
async function wantedPools({
  settings: { placement },
  linstor,
  source,
}: Duplicate): Promise<readonly string[]> {
  if (placement.storagePools.length > 0) return placement.storagePools;
  if (placement.resourceGroup === undefined || sameName(placement.resourceGroup, source.group)) return [];
  const group = await linstor.resourceGroup(placement.resourceGroup);
  if (!group) throw unknownGroup(placement.resourceGroup);
  return group.filter.storagePools ?? [];
}

/** What is true of the source alone: a copy of a shareable image must not let two hosts write to it (users #85). */
const ownState: readonly string[] = [dualPrimaryProperty, marks.flattened];

/**
 * A restore lays the source's marks over the target's (linstor-behaviour §3.12): marks of a VM, of the bash driver's images
 * or of a disk that is saved as an image, would point the usage report and gc at the wrong object.
 */
async function ownMarks(request: Duplicate, carried = request.source.props): Promise<void> {
  const foreign = vmMarks.filter((key) => key in carried && request.props[key] !== carried[key]);
  const usage = Object.keys(carried).filter(
    (key) => key.startsWith('Aux/one/SNAPSHOT_') || ownState.includes(key),
  );
  const completed = request.completion === 'mark' ? [marks.incomplete] : [];
  const policy = policyChange(groupOf(request).policy, carried);
  const set = {
    ...Object.fromEntries(
      foreign.filter((key) => key in request.props).map((key) => [key, request.props[key] ?? '']),
    ),
    ...policy.set,
  };
  const unset = [
    ...foreign.filter((key) => !(key in request.props)),
    ...usage,
    ...completed,
    ...policy.unset,
  ];
  if (Object.keys(set).length + unset.length > 0)
    await request.linstor.modifyDefinition(request.target, { set, unset });
}

async function copyBytes(
  ctx: Context,
  request: Duplicate,
): Promise<{ view: readonly Resource[]; sizeKib: KiB }> {
  const { linstor, settings, target, host, completion } = request;
  const nonce = crypto.randomUUID();
  const plan = await planPlacement(linstor, settings.placement);
  const local = !hasNetworkLayer(plan.effectiveLayers);
  const sourceKib = request.source.volumes[0]?.sizeKib ?? request.sizeKib;
  const sizeKib = kib(Math.max(request.sizeKib, sourceKib));
  const created = await createVolume(ctx, linstor, {
    name: target,
    sizeKib,
    plan,
    props: { ...request.props, ...(completion === 'note' ? { [copyMark(target)]: nonce } : {}) },
    urgent: host !== undefined,
    ...(host !== undefined && (local || prefersNode(settings))
      ? await wishedNode(namesOf(request), host)
      : {}),
  });
  await withStableSource(ctx, request, async (from) => {
    await copyResource(ctx, request, {
      from,
      to: { resource: target, replicas: created, readsZero: readsZeroWhenNew(created) },
      sizeKib: sourceKib,
    });
  });
  if (completion === 'mark') await linstor.modifyDefinition(target, { unset: [marks.incomplete] });
  if (completion === 'note') await noteComplete(ctx, linstor, settings.namePrefix, target, nonce);
  return { view: created, sizeKib };
}

async function withStableSource(
  ctx: Context,
  request: Duplicate,
  work: (from: { resource: ResourceName; replicas: readonly Resource[] }) => Promise<void>,
): Promise<void> {
  if (request.snapshot === undefined) {
    await work({ resource: request.source.name, replicas: request.replicas });
    return;
  }
  const { node } = await localNode(request);
  const { name: resource, group } = request.source;
  const { snapshot } = request;
  await withSnapshotVolume(ctx, request, { resource, group, snapshot, node, purpose: 'copy' }, work);
}
