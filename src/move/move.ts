import type { Context } from '../context.ts';
import { DriverError, toDriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type {
  Linstor,
  NodeName,
  Resource,
  ResourceDefinition,
  ResourceName,
  StoragePool,
} from '../linstor/linstor.ts';
import { isThin } from '../linstor/providers.ts';
import { dropBases, isBase } from '../volumes/base.ts';
import { nameFirstReplica, otherFirstReplica } from '../volumes/first-replica.ts';
import { lockName } from '../volumes/names.ts';
import { isDiskful, isDiskless, isReadable, replicasOf, sameName } from '../volumes/replicas.ts';
import { dropNote, type MoveNote, readNote, writeNote } from './note.ts';
import { isMoved, nextStep, type Step } from './plan.ts';

export interface MoveRequest {
  readonly linstor: Linstor;
  readonly prefix: string;
  readonly resource: ResourceName;
  readonly pools: readonly string[];
  /** The definition belongs to it afterwards. */
  readonly group?: string;
  /** Of the group: more are made if there are fewer. */
  readonly replicas?: number;
  /** KiB a second between two nodes, while it moves; absent: as DRBD is set. */
  readonly limitKib?: number;
  /** Nothing changes for so long: given up. Milliseconds. */
  readonly stallMs: number;
  readonly say: (text: string) => void;
}

/** In KiB a second (linstor-behaviour §3.16). */
const rateProperty = 'DrbdOptions/PeerDevice/c-max-rate';
const lookMs = 2000;

/**
 * Moves a volume into other storage pools while it is in use: a replica more, in sync, then one less; whoever has it open has it open all the
 * while, at the same device. Every step is decided from what is there, so that this goes on wherever an earlier call was ended.
 *
 * Errors: NOT_SUPPORTED (no DRBD), SNAPSHOT, PLACEMENT, LINSTOR_TIMEOUT, LINSTOR's own; what has moved stays moved.
 */
export async function moveVolume(ctx: Context, request: MoveRequest): Promise<'moved' | 'as it was'> {
  const { linstor, resource, say, prefix } = request;
  const begun = await ctx.lock(lockName(resource), () => begin(ctx, request));
  if (!begun) return 'as it was';
  let told = '';
  let changedAt = ctx.clock.now();
  for (;;) {
    const { step, text } = await ctx.lock(lockName(resource), () => goOn(ctx, request));
    if (text !== told) {
      if (text !== '') say(text);
      changedAt = ctx.clock.now();
      told = text;
    }
    if (step.do === 'done') break;
    if (step.do !== 'wait') continue;
    if (ctx.clock.now() - changedAt > request.stallMs)
      throw new DriverError('LINSTOR_TIMEOUT', `the move of ${resource} does not get on: ${text}`, {
        remedy: 'look with linstor resource list and linstor error-reports list; the same command goes on',
      });
    await ctx.clock.sleep(lookMs);
  }
  await ctx.lock(lockName(resource), () => end(request));
  await dropNote(linstor, prefix, resource);
  return 'moved';
}

async function look(
  linstor: Linstor,
  resource: ResourceName,
): Promise<{ definition: ResourceDefinition; view: Resource[] }> {
  const [[definition], all] = await Promise.all([
    linstor.definitions({ names: [resource] }),
    linstor.resources({ names: [resource] }),
  ]);
  if (!definition || definition.flags.includes('DELETE'))
    throw new DriverError('LINSTOR_NOT_FOUND', `resource ${resource} does not exist in LINSTOR any more`);
  return { definition, view: replicasOf(all, resource) };
}

/** Notes what is to become, before anything changes. False when nothing has to. */
async function begin(ctx: Context, request: MoveRequest): Promise<boolean> {
  const { linstor, prefix, resource, pools, group, limitKib, say } = request;
  const { definition, view } = await look(linstor, resource);
  const diskful = view.filter(isDiskful);
  if (diskful.some(({ layers }) => !layers.includes('DRBD')))
    throw new DriverError(
      'NOT_SUPPORTED',
      `${resource} is plain storage, without DRBD: it has one copy, which stays where it is`,
      {
        remedy: 'copy it: save the disk as an image in the other datastore, with the VM powered off',
      },
    );
  const earlier = await readNote(linstor, prefix, resource);
  if (earlier)
    say(`${resource}: an earlier move to ${earlier.pools.join(', ')} was broken off; it goes on from there`);
  else {
    const behind = diskful.filter((replica) => !isReadable(replica));
    if (behind.length > 0)
      throw new DriverError(
        'LINSTOR_NOT_UPTODATE',
        `${resource} is not in sync on ${behind.map(({ node }) => node).join(', ')}; nothing was changed`,
      );
  }
  const before = earlier?.replicas ?? diskful.length;
  const { back, limitBefore } = earlier ?? {};
  const note: MoveNote = {
    pools,
    ...(group === undefined ? {} : { group }),
    replicas: Math.max(before, request.replicas ?? 0),
    nodes: earlier?.nodes ?? diskful.map(({ node }) => node),
    ...(back === undefined ? {} : { back }),
    ...(limitBefore === undefined ? {} : { limitBefore }),
    ...(limitBefore === undefined && limitKib !== undefined
      ? { limitBefore: definition.props[rateProperty] ?? '' }
      : {}),
  };
  const all = await linstor.storagePools();
  const first = nextStep(view, withRoom(all, view, definition), note);
  const sameGroup = group === undefined || sameName(group, definition.group);
  if (!earlier && first.do === 'done' && sameGroup) return false;
  if (first.do === 'stuck') throw stuck(resource, first);
  if (first.do !== 'done') await requireNoSnapshots(ctx, linstor, resource);
  await writeNote(linstor, prefix, resource, note);
  if (limitKib !== undefined && definition.props[rateProperty] !== String(limitKib))
    await linstor.modifyDefinition(resource, { set: { [rateProperty]: String(limitKib) } });
  return true;
}

const stuck = (resource: ResourceName, { why }: Extract<Step, { do: 'stuck' }>): DriverError =>
  new DriverError('PLACEMENT', `${resource} cannot be moved: ${why}`, {
    remedy: 'add a node with that pool, or choose another pool; replicas never become fewer than they were',
  });

/** A snapshot lives beside the replicas that it was taken of, and would be lost with them. */
async function requireNoSnapshots(ctx: Context, linstor: Linstor, resource: ResourceName): Promise<void> {
  const snapshots = await linstor.snapshots({ names: [resource] });
  const kept = snapshots.filter((snapshot) => !isBase(snapshot)).map(({ name }) => name);
  if (kept.length > 0)
    throw new DriverError(
      'SNAPSHOT',
      `${resource} has snapshots, which do not move with it: ${kept.join(', ')}`,
      {
        remedy: 'delete them first (those of backups: the next backup is a full one then)',
      },
    );
  await dropBases(ctx, linstor, resource, snapshots);
}

/** Pools that can take a replica: thick ones all of it, thin ones what the fullest replica holds now. Unknown space counts as enough. */
function withRoom(
  pools: readonly StoragePool[],
  view: readonly Resource[],
  { volumes }: ResourceDefinition,
): readonly StoragePool[] {
  const whole = volumes.reduce((sum, { sizeKib }) => sum + sizeKib, 0);
  const held = Math.max(
    0,
    ...view.map((replica) => replica.volumes.reduce((sum, { allocatedKib = 0 }) => sum + allocatedKib, 0)),
  );
  return pools.filter(
    ({ freeKib, provider }) => freeKib === undefined || freeKib >= (isThin(provider) ? held : whole),
  );
}

/** What was taken away to come back has come back: should it be the one that is too many at the end, it does not come again. */
async function whenBack(
  { linstor, prefix, resource }: MoveRequest,
  note: MoveNote,
  view: readonly Resource[],
): Promise<MoveNote> {
  const { back, ...rest } = note;
  if (
    back === undefined ||
    !view.some((each) => sameName(each.node, back) && isDiskful(each) && isMoved(note, each))
  )
    return note;
  await writeNote(linstor, prefix, resource, rest);
  return rest;
}

/** One step under the lock, after a look at all that may have changed since. */
async function goOn(ctx: Context, request: MoveRequest): Promise<{ step: Step; text: string }> {
  const { linstor, prefix, resource } = request;
  const [{ definition, view }, pools, note] = await Promise.all([
    look(linstor, resource),
    linstor.storagePools(),
    readNote(linstor, prefix, resource),
  ]);
  if (!note)
    throw new DriverError(
      'IN_USE',
      `the note of the move of ${resource} is gone: somebody else has finished it`,
    );
  const kept = await whenBack(request, note, view);
  const step = nextStep(view, withRoom(pools, view, definition), kept);
  if (step.do === 'stuck') throw stuck(resource, step);
  if (step.do === 'exchange' || step.do === 'drop') await requireNoSnapshots(ctx, linstor, resource);
  await perform(request, step, { definition, view, note: kept });
  return { step, text: described(resource, step, view) };
}

interface Scene {
  readonly definition: ResourceDefinition;
  readonly view: readonly Resource[];
  readonly note: MoveNote;
}

async function perform(request: MoveRequest, step: Step, scene: Scene): Promise<void> {
  const { linstor, prefix, resource } = request;
  const { note, view } = scene;
  switch (step.do) {
    case 'add':
      await confirmFirst(request, scene, step.on?.node);
      await addReplica(request, note, view, step.on);
      return;
    case 'exchange':
      await writeNote(linstor, prefix, resource, { ...note, back: step.node });
      await confirmFirst(request, scene, step.node);
      await linstor.toggleDisk(resource, step.node, { diskless: true });
      await giveBack(request, step);
      return;
    case 'give back':
      await confirmFirst(request, scene, step.node);
      await giveBack(request, step);
      return;
    case 'drop':
      await confirmFirst(request, scene, step.node);
      if (step.keepClient) await linstor.toggleDisk(resource, step.node, { diskless: true });
      else await linstor.deleteResource(resource, step.node);
      return;
  }
}

const giveBack = ({ linstor, resource }: MoveRequest, { node, pool }: { node: NodeName; pool: string }) =>
  mixing(() => linstor.toggleDisk(resource, node, { pool }));

async function addReplica(
  { linstor, resource }: MoveRequest,
  { pools }: MoveNote,
  view: readonly Resource[],
  on: { readonly node: NodeName; readonly pool: string } | undefined,
): Promise<void> {
  if (on) {
    await mixing(() => linstor.toggleDisk(resource, on.node, { pool: on.pool }));
    return;
  }
  try {
    await mixing(() => linstor.place(resource, { additionalPlaceCount: 1, storagePools: pools }));
  } catch (error) {
    // Where no other node is left, the one that has the vote alone gets a disk.
    const votes = view.filter((replica) => isDiskless(replica) && replica.inUse !== true);
    const nodes = (await linstor.storagePools({ pools })).filter(({ node }) =>
      votes.some((vote) => sameName(vote.node, node)),
    );
    const [pool] = nodes;
    if (!pool || !isLinstorError(toDriverError(error).cause ?? error, 'FAIL_NOT_ENOUGH_NODES')) throw error;
    await mixing(() => linstor.toggleDisk(resource, pool.node, { pool: pool.name }));
  }
}

/** Says what to do where LINSTOR does not put thin and thick replicas side by side. */
async function mixing(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const known = toDriverError(error);
    if (!/mix|972|different.*stor/i.test(known.message)) throw error;
    throw new DriverError(known.code, known.message, {
      details: known.details,
      reports: known.reports,
      remedy:
        'let LINSTOR have replicas of both kinds while it moves: linstor controller set-property AllowMixingStoragePoolDriver true',
      cause: error,
    });
  }
}

/** What was up to date first must be named by a node that keeps its disk, or an empty replica counts as up to date (linstor-behaviour §6). */
async function confirmFirst(
  { linstor, resource }: MoveRequest,
  { definition, view }: Scene,
  except: NodeName | undefined,
): Promise<void> {
  const holders = view
    .filter((replica) => isReadable(replica) && (except === undefined || !sameName(replica.node, except)))
    .map(({ node }) => node);
  const other = otherFirstReplica(definition, holders);
  if (other) await nameFirstReplica(linstor, resource, other);
}

/** What was set for the time of the move is as it was; the definition belongs to its new group. */
async function end({ linstor, prefix, resource }: MoveRequest): Promise<void> {
  const note = await readNote(linstor, prefix, resource);
  if (!note) return;
  const { limitBefore, group } = note;
  if (limitBefore === undefined && group === undefined) return;
  await linstor.modifyDefinition(resource, {
    ...(group === undefined ? {} : { group }),
    ...(limitBefore ? { set: { [rateProperty]: limitBefore } } : {}),
    ...(limitBefore === '' ? { unset: [rateProperty] } : {}),
  });
}

function described(resource: ResourceName, step: Step, view: readonly Resource[]): string {
  switch (step.do) {
    case 'done':
      return `${resource}: all replicas are in their new pool`;
    case 'wait': {
      const parts = step.nodes.map((node) => {
        const replica = view.find((each) => sameName(each.node, node));
        const done = replica?.volumes[0]?.syncedPercent;
        return done === undefined ? node : `${node} ${Math.floor(done / 5) * 5} %`;
      });
      return `${resource}: in sync soon: ${parts.join(', ')}`;
    }
    case 'add':
      return `${resource}: one replica more${step.on ? `, on ${step.on.node}` : ''}`;
    case 'exchange':
    case 'give back':
      return `${resource}: the replica on ${step.node} gets its disk in pool ${step.pool}`;
    case 'drop':
      return `${resource}: one replica less, on ${step.node}${step.keepClient ? ', where the VM goes on over the network' : ''}`;
    case 'stuck':
      return step.why;
  }
}
