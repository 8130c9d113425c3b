import type { Context } from '../context.ts';
import { DriverError, isDriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, NodeName, Resource, ResourceName, Snapshot } from '../linstor/linstor.ts';
import type { Outcome } from '../linstor/outcome.ts';
import { isReplyLost } from '../linstor/reply-lost.ts';
import { allEvacuated, evacuatedAmong, LeftOut } from './evacuation.ts';
import { noteKeptParts } from './kept-parts.ts';
import { knownReplicas } from './known-view.ts';
import { requireDataConnected } from './online.ts';
import { isReadable, sameName } from './replicas.ts';
import { adopted } from './snapshot-adopted.ts';
import { requirePassing, requireSnapshottable } from './snapshot-ready.ts';
import { poll } from './wait.ts';

/** LINSTOR gives a snapshot two minutes itself (linstor-behaviour §3.12). */
const snapshotTimeoutMs = 130_000;

export const isUsable = (snapshot: Snapshot): boolean =>
  snapshot.flags.includes('SUCCESSFUL') && !snapshot.flags.includes('DELETE');

export async function findSnapshot(
  linstor: Linstor,
  resource: ResourceName,
  name: string,
): Promise<Snapshot | undefined> {
  return among(await linstor.snapshots({ names: [resource] }), resource, name);
}

const among = (all: readonly Snapshot[], resource: ResourceName, name: string): Snapshot | undefined =>
  all.find((snapshot) => sameName(snapshot.resource, resource) && sameName(snapshot.name, name));

export interface SnapshotOptions {
  readonly nodes?: readonly NodeName[];
  /**
   * What a snapshot of that name means: `replace` – a leftover of an earlier try; take a new one (OpenNebula's
   * snapshot ids only grow while their list lives, contract §3.4).
   */
  readonly existing?: 'replace' | 'fail';
  /** What is to be read from it must be there; absent: `nodes`. */
  readonly needs?: readonly NodeName[];
  /** View of the resource: what it shows to be hopeless is not tried. */
  readonly view?: readonly Resource[];
  /** Properties of the snapshot itself. */
  readonly props?: Readonly<Record<string, string>>;
  /** Something is held meanwhile: throws NotNow instead of waiting for what passes. */
  readonly atOnce?: boolean;
}

export interface Taken {
  /** Forgets its removal on the undo stack. */
  readonly keep: () => void;
  /** Has it got its properties? Old controllers and the client cannot give it any. */
  readonly noted: boolean;
}

/** LINSTOR refuses for a reason that passes by itself. */
export class NotNow extends DriverError {}

/**
 * Takes a snapshot and leaves its removal on the undo stack. A resource that is still syncing is waited for. One that is away is not. Errors: SNAPSHOT, LINSTOR_UNSUPPORTED (a pool without snapshots), LINSTOR_NODE_OFFLINE,
 * LastingObstacle.
 */
export async function takeSnapshot(
  ctx: Pick<Context, 'clock' | 'undo' | 'log'>,
  linstor: Linstor,
  resource: ResourceName,
  name: string,
  options: SnapshotOptions = {},
): Promise<Taken> {
  const what = `snapshot ${name} of ${resource} is not taken`;
  if (options.view) requireSnapshottable(what, resource, options.view);
  const forget = ctx.undo.push(`delete snapshot ${name} of ${resource}`, () =>
    linstor.deleteSnapshot(resource, name),
  );
  let { props } = options;
  let replaced = false;
  let lost = false;
  let renewed = false;
  let last: unknown;
  const done = await poll(ctx.clock, snapshotTimeoutMs, async () => {
    try {
      const taken = await linstor.createSnapshot(resource, name, {
        ...(options.nodes ? { nodes: options.nodes } : {}),
        ...(props ? { props } : {}),
      });
      const [stale] = renewed ? [] : await adopted(linstor, taken, [{ resource, snapshot: name }]);
      if (!stale) return taken;
      const said = `snapshot ${name} of ${resource} is an older one on ${stale.nodes.join(', ')}`;
      if (options.atOnce) throw new NotNow('SNAPSHOT', said);
      ctx.log.info(`${said}, kept there since a deletion while the node was away; it is taken again`);
      await dropWhole(linstor, resource, name);
      renewed = true;
      return undefined;
    } catch (error) {
      last = error;
      if (props && isDriverError(error, 'LINSTOR_UNSUPPORTED') && !isLinstorError(error)) {
        props = undefined;
        return undefined;
      }
      // Asked again, an own one that the lost request has made is refused as existing: it is taken again, because it
      // might as well be an older one.
      if (isReplyLost(error) && !error.late && !lost) {
        lost = true;
        return undefined;
      }
      if (
        isLinstorError(error, 'FAIL_EXISTS_SNAPSHOT_DFN') &&
        (options.existing !== 'fail' || lost) &&
        !replaced
      ) {
        ctx.log.info(`snapshot ${name} of ${resource} is a leftover and is taken again`);
        await linstor.deleteSnapshot(resource, name);
        replaced = true;
        return undefined;
      }
      // 979/974: a replica is still syncing; 971: a rollback is running.
      if (
        isLinstorError(
          error,
          'FAIL_SNAPSHOT_NOT_UPTODATE',
          'FAIL_NOT_ALL_UPTODATE',
          'FAIL_SNAPSHOT_ROLLBACK_IN_PROGRESS',
        )
      ) {
        requirePassing(what, resource, error);
        if (options.atOnce)
          throw new NotNow(error.code, error.message, { details: error.details, cause: error });
        await requireSources(linstor, resource, what, options.nodes);
        return undefined;
      }
      if (isLinstorError(error, 'FAIL_EXISTS_SNAPSHOT_DFN')) forget();
      // No diskful satellite that is connected and stays.
      if (isLinstorError(error, 'FAIL_NOT_CONNECTED')) await requireStaying(linstor, resource, what, options);
      // A failed try leaves a definition that blocks the name and the resource’s deletion (linstor-behaviour §3.12).
      throw error;
    }
  });
  if (!done) throw last;
  // LINSTOR calls it a success also where a satellite was away (linstor-behaviour §7.8).
  if (lost || done.warnings.length > 0)
    await requireTaken(linstor, resource, name, options.needs ?? options.nodes ?? []);
  return { keep: forget, noted: props !== undefined };
}

async function requireStaying(
  linstor: Linstor,
  resource: ResourceName,
  what: string,
  { nodes, view }: SnapshotOptions,
): Promise<void> {
  const asked =
    nodes ?? (view ?? (await knownReplicas(linstor, resource))).filter(isReadable).map(({ node }) => node);
  const evacuated = await evacuatedAmong(linstor, asked);
  if (asked.length > 0 && evacuated.length === asked.length) throw allEvacuated(what, resource, evacuated);
}

/** No waiting brings a replica into sync whose satellite is away, or whose disk is not used. */
async function requireSources(
  linstor: Linstor,
  resource: ResourceName,
  what: string,
  nodes: readonly NodeName[] | undefined,
): Promise<void> {
  const replicas = await knownReplicas(linstor, resource);
  requireSnapshottable(what, resource, replicas);
  await requireDataConnected(
    linstor,
    what,
    nodes ? replicas.filter((replica) => nodes.some((node) => sameName(node, replica.node))) : replicas,
    resource,
  );
}

/** Throws LINSTOR_NODE_OFFLINE when LINSTOR’s own record does not say that the snapshot is whole, on these nodes: LeftOut if they are evacuated. */
export async function requireTaken(
  linstor: Linstor,
  resource: ResourceName,
  name: string,
  nodes: readonly NodeName[],
): Promise<void> {
  const snapshot = await findSnapshot(linstor, resource, name);
  const lacking = nodes.filter((node) => !snapshot?.nodes.some((each) => sameName(each, node)));
  if (snapshot && isUsable(snapshot) && lacking.length === 0) return;
  const evacuated = snapshot && isUsable(snapshot) ? await evacuatedAmong(linstor, lacking) : [];
  if (lacking.length > 0 && evacuated.length === lacking.length)
    throw new LeftOut(
      `snapshot ${name} of ${resource} is not on ${lacking.join(', ')}, from where LINSTOR moves volumes away`,
      evacuated,
    );
  const state = snapshot ? snapshot.flags.join(', ') || 'incomplete' : 'missing';
  throw new DriverError(
    'LINSTOR_NODE_OFFLINE',
    `snapshot ${name} of ${resource} was not taken on every node: it is ${
      snapshot && isUsable(snapshot) ? `not on ${lacking.join(', ')}` : state
    }`,
  );
}

/** Throws LINSTOR_NODE_OFFLINE when a satellite keeps its part: the next snapshot of that name would be this one again. */
export async function dropWhole(linstor: Linstor, resource: ResourceName, name: string): Promise<void> {
  const outcome = await linstor.deleteSnapshot(resource, name);
  if (outcome.satelliteAway)
    throw new DriverError(
      'LINSTOR_NODE_OFFLINE',
      `snapshot ${name} of ${resource} is not taken: an older one of that name is in the pool of ${awayIn(outcome)}, which is away`,
    );
}

const awayIn = ({ nodesAway }: Outcome): string => nodesAway.join(', ') || 'a node';

/** Deleting a snapshot that is not there succeeds. */
export async function dropSnapshot(
  ctx: Pick<Context, 'log'>,
  linstor: Linstor,
  resource: ResourceName,
  name: string,
): Promise<void> {
  await noteKeptParts(ctx, linstor, await linstor.deleteSnapshot(resource, name), {
    resource,
    snapshot: name,
  });
}

/** Throws SNAPSHOT when it is missing or not usable. */
export async function requireSnapshot(
  linstor: Linstor,
  resource: ResourceName,
  name: string,
): Promise<Snapshot> {
  return usableSnapshot(await linstor.snapshots({ names: [resource] }), resource, name);
}

/** The same among those that have been read. */
export function usableSnapshot(all: readonly Snapshot[], resource: ResourceName, name: string): Snapshot {
  const snapshot = among(all, resource, name);
  if (!snapshot) throw new DriverError('SNAPSHOT', `resource ${resource} has no snapshot ${name}`);
  if (!isUsable(snapshot)) {
    throw new DriverError(
      'SNAPSHOT',
      `snapshot ${name} of ${resource} is not usable (${snapshot.flags.join(', ') || 'incomplete'})`,
    );
  }
  return snapshot;
}
