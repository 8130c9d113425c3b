import type { Context } from '../context.ts';
import { DriverError, isDriverError, toDriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, NodeName, PlacementFilter, Resource, ResourceName } from '../linstor/linstor.ts';
import { awaitSatellites, offlineError, satellitesAway } from '../linstor/satellites.ts';
import type { KiB } from '../units.ts';
import { createDefinition, type Spawned, spawnMarked } from './define.ts';
import { fewerReplicas } from './fewer.ts';
import { knownReplicas } from './known-view.ts';
import { whenStateKnown } from './online.ts';
import type { Plan } from './placement.ts';
import { hasNetworkLayer, isDiskful, isReadable, sameName } from './replicas.ts';

export interface NewVolume {
  readonly name: ResourceName;
  readonly sizeKib: KiB;
  readonly plan: Plan;
  readonly props?: Readonly<Record<string, string>>;
  /** Put a replica with a disk here: must for plain storage, wish for DRBD. */
  readonly node?: NodeName;
  /** LINSTOR's name of that node, should nothing be placed on one of the name above. */
  readonly realNode?: () => Promise<NodeName | undefined>;
  /** A VM waits for it: fewer replicas than planned will do while satellites are away. */
  readonly urgent?: boolean;
}

/**
 * Makes definition, volume and replicas, and leaves their removal on the undo stack. Returns the whole view of the resource,
 * diskless replicas and tie-breakers too, so that nobody has to ask again before attaching it.
 * The caller holds the lock of the resource and has made sure that it does not exist.
 *
 * Errors: LINSTOR_EXISTS (made by somebody else meanwhile), LINSTOR_NO_SPACE, LINSTOR_LOCKED, LINSTOR_NODE_OFFLINE.
 */
export async function createVolume(ctx: Context, linstor: Linstor, volume: NewVolume): Promise<Resource[]> {
  if (volume.plan.effectiveLayers.includes('LUKS')) await requireUnlocked(linstor, volume.name);
  try {
    await ctx.undo.within(() => makePlaced(ctx, linstor, volume));
  } catch (error) {
    if (!isDriverError(error, 'LINSTOR_NO_SPACE')) throw error;
    // Pools of nodes that are away count for nothing; after a start of the controller, that is all of them.
    if ((await satellitesAway(linstor)).length === 0) throw error;
    const still = await awaitSatellites(linstor, (ms) => ctx.clock.sleep(ms));
    if (still.length > 0) await makeFewer(ctx, linstor, volume, offlineError(error, still), still);
    else await makePlaced(ctx, linstor, volume);
  }
  const placed = await knownReplicas(linstor, volume.name);
  const view = [
    ...(await whenStateKnown(ctx, linstor, placed, isDiskful, (name) => knownReplicas(linstor, name))),
  ];
  const replicas = view.filter(isDiskful);
  const away = replicas.filter((replica) => !replica.stateKnown);
  if (replicas.length === 0 || away.length === replicas.length) {
    const where = away.map((replica) => replica.node).join(', ');
    throw new DriverError(
      'LINSTOR_NODE_OFFLINE',
      `${volume.name} was placed, but no replica is online${where ? ` (on ${where})` : ''}`,
    );
  }
  return view;
}

/** Throws `error` where fewer are not wanted, or would not help. */
async function makeFewer(
  ctx: Context,
  linstor: Linstor,
  volume: NewVolume,
  error: DriverError,
  away: readonly string[],
): Promise<void> {
  const plan = volume.urgent ? await fewerReplicas(linstor, volume.plan) : undefined;
  if (!plan) throw error;
  const { node, realNode: _, ...rest } = volume;
  const wished = node !== undefined && plan.filter.nodes?.some((each) => sameName(each, node));
  try {
    await makePlaced(ctx, linstor, { ...rest, plan, ...(wished ? { node } : {}) });
  } catch (again) {
    throw isDriverError(again, 'LINSTOR_NO_SPACE') ? error : again;
  }
  ctx.log.warn(
    `${volume.name} has ${plan.replicas} of ${volume.plan.replicas} replicas: there is no connection to the satellite on ${away.join(', ')}; when it is back, and if LINSTOR does not add the rest by itself: ${addTheRest(volume)}`,
  );
}

/** A count at the command line forgets the group's own list of nodes (linstor-behaviour §3.4). */
const addTheRest = ({ name, plan }: NewVolume): string =>
  plan.unbalanced
    ? `linstor resource create ${name} --auto-place ${plan.replicas}`
    : `linstor resource-group adjust ${plan.group}`;

async function makePlaced(ctx: Context, linstor: Linstor, volume: NewVolume): Promise<void> {
  if (await spawnPlaced(ctx, linstor, volume)) return;
  await createDefinition(ctx, linstor, volume.name, volume.plan, volume.props ?? {});
  await linstor.createVolume(volume.name, 0, volume.sizeKib);
  await place(linstor, volume);
}

/** LINSTOR finds no place on the nodes asked for, or has none of that name. */
const noPlace = [
  'FAIL_NOT_ENOUGH_NODES',
  'FAIL_NOT_ENOUGH_FREE_SPACE',
  'FAIL_INVLD_VLM_SIZE',
  'FAIL_NOT_FOUND_STOR_POOL',
  'FAIL_NOT_FOUND_NODE',
] as const;

/** The volume on the node that was meant, where LINSTOR knows it by another name. */
async function underRealName(volume: NewVolume): Promise<NewVolume | undefined> {
  const node = await volume.realNode?.();
  if (node === undefined || volume.node === undefined || sameName(node, volume.node)) return undefined;
  const { realNode: _, ...rest } = volume;
  return { ...rest, node };
}

/** Definition, volume, marks and replicas in one transaction; false where that cannot be had, and then nothing is made. */
async function spawnPlaced(ctx: Context, linstor: Linstor, volume: NewVolume): Promise<boolean> {
  const { plan, name, node, sizeKib, props = {} } = volume;
  const spawn = (filter: PlacementFilter) =>
    spawnMarked(ctx, linstor, { name, plan, props, sizeKib, options: { filter } });
  const wish =
    plan.nodes.length > 0 ? everyNode(plan) : node === undefined ? plan.filter : oneNode(plan, node);
  const wished = wish !== plan.filter && plan.nodes.length === 0;
  let made: Spawned;
  let elsewhere = false;
  try {
    made = await spawn(wish);
  } catch (error) {
    const renamed = wished && isLinstorError(error, ...noPlace) ? await underRealName(volume) : undefined;
    if (renamed) return spawnPlaced(ctx, linstor, renamed);
    elsewhere = wished && hasNetworkLayer(plan.effectiveLayers) && isLinstorError(error, ...noPlace);
    if (!elsewhere) throw noRoom(error, volume, wished ? node : undefined);
    made = await spawn(plan.filter).catch((again) => {
      throw noRoom(again, volume);
    });
  }
  if (made === 'cannot') return false;
  // Replicas on other nodes; or an answer was lost, and whatever is missing is made up for.
  if (made === 'ours') await place(linstor, volume);
  else if (wished && !elsewhere && plan.replicas > 1) await placeRest(linstor, volume);
  return true;
}

/** As many replicas as nodes: one on each. Naming a node alone would ignore the group's pools (error 311). */
const everyNode = (plan: Plan): PlacementFilter => ({
  ...plan.filter,
  nodes: plan.nodes,
  placeCount: plan.nodes.length,
});
const oneNode = (plan: Plan, node: NodeName): PlacementFilter => ({
  ...plan.filter,
  nodes: [node],
  placeCount: 1,
});

async function place(linstor: Linstor, volume: NewVolume): Promise<void> {
  const { plan, name, node } = volume;
  if (plan.nodes.length > 0) {
    await linstor.place(name, everyNode(plan));
    return;
  }
  if (node !== undefined) {
    try {
      await linstor.place(name, oneNode(plan, node));
      if (plan.replicas === 1) return;
    } catch (error) {
      const renamed = isLinstorError(error, ...noPlace) ? await underRealName(volume) : undefined;
      if (renamed) return place(linstor, renamed);
      if (!hasNetworkLayer(plan.effectiveLayers) || !isLinstorError(error, ...noPlace)) {
        throw noRoom(error, volume, node);
      }
    }
  }
  await placeRest(linstor, volume);
}

async function placeRest(linstor: Linstor, volume: NewVolume): Promise<void> {
  try {
    await linstor.place(volume.name, volume.plan.filter);
  } catch (error) {
    throw noRoom(error, volume);
  }
}

/** LINSTOR finds no place for a volume of that size; it says the same where it has too few nodes. */
export class NoRoom extends DriverError {
  readonly needKib: KiB;
  constructor(needKib: KiB, ...rest: ConstructorParameters<typeof DriverError>) {
    super(...rest);
    this.needKib = needKib;
  }
}

/** 996 is also LINSTOR's answer to "too big" (linstor-behaviour §3.9): say what was asked for. */
function noRoom(error: unknown, volume: NewVolume, node?: NodeName): unknown {
  if (!isLinstorError(error, 'FAIL_NOT_ENOUGH_NODES', 'FAIL_NOT_ENOUGH_FREE_SPACE', 'FAIL_INVLD_VLM_SIZE'))
    return error;
  const where = node
    ? `on ${node}`
    : `${volume.plan.replicas} time(s) in resource group “${volume.plan.group}”`;
  return new NoRoom(
    volume.sizeKib,
    'LINSTOR_NO_SPACE',
    `no room for ${volume.name} of ${volume.sizeKib / 1024} MiB ${where}`,
    {
      details: [error.message, ...error.details],
      reports: error.reports,
      cause: error,
    },
  );
}

async function requireUnlocked(linstor: Linstor, name: ResourceName): Promise<void> {
  let state: string | undefined;
  try {
    state = await linstor.encryption();
  } catch (error) {
    if (toDriverError(error).code !== 'LINSTOR_UNSUPPORTED') throw error;
  }
  if (state === 'locked' || state === 'unset') {
    throw new DriverError(
      'LINSTOR_LOCKED',
      `${name} cannot be encrypted: LINSTOR’s master passphrase is ${state}`,
      {
        remedy:
          state === 'unset' ? 'linstor encryption create-passphrase' : 'linstor encryption enter-passphrase',
      },
    );
  }
}

/** A replica from which the whole content can be read now; the one on `prefer` if it can. Throws NO_REPLICA, LINSTOR_NODE_OFFLINE. */
export function readableReplica(
  name: ResourceName,
  replicas: readonly Resource[],
  prefer?: NodeName,
): Resource {
  const readable = replicas.filter(isReadable);
  const chosen =
    readable.find((replica) => prefer !== undefined && replica.node.toLowerCase() === prefer.toLowerCase()) ??
    readable[0];
  if (chosen) return chosen;
  const diskful = replicas.filter(isDiskful);
  if (diskful.length === 0)
    throw new DriverError('NO_REPLICA', `resource ${name} has no replica with a disk`);
  const states = diskful.map(
    (replica) =>
      `${replica.node}: ${replica.stateKnown ? (replica.volumes[0]?.diskState ?? 'unknown') : 'offline'}`,
  );
  throw new DriverError(
    diskful.some((replica) => replica.stateKnown) ? 'LINSTOR_NOT_UPTODATE' : 'LINSTOR_NODE_OFFLINE',
    `no replica of ${name} can be read (${states.join(', ')})`,
  );
}
