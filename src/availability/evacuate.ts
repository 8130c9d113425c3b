import type { Context } from '../context.ts';
import { matchHost } from '../disks/host-node.ts';
import { DriverError } from '../errors.ts';
import type { Linstor, Node, Resource, ResourceDefinition } from '../linstor/linstor.ts';
import { isEvacuated, takesVolumes } from '../linstor/node-state.ts';
import { severityOf } from '../linstor/outcome.ts';
import { isReal } from '../linstor/providers.ts';
import type { Datastore, Host, Vm } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { parseResource } from '../volumes/names.ts';
import { isDeleting, isDiskful, isReadable, sameName } from '../volumes/replicas.ts';
import { clustersOf } from './clusters.ts';
import { requireHost } from './fence.ts';
import { moveVms, obstacles, vmsToMove } from './move-vms.ts';
import { isHarmless, whatIf } from './what-if.ts';

export interface EvacuateOptions {
  /** VMs that do not migrate alive are powered off for it. */
  readonly poweroff: boolean;
  /** For a restart: VMs leave, data stay. */
  readonly keepReplicas: boolean;
  /** Nothing moves for so long: given up. */
  readonly stallMs: number;
  readonly say: (text: string) => void;
}

/** One LINSTOR that the host is a node of. */
interface Cluster {
  readonly settings: Settings;
  readonly linstor: Linstor;
  readonly node: Node;
}

interface Scene {
  readonly host: Host;
  readonly hosts: readonly Host[];
  readonly datastores: readonly Datastore[];
  readonly clusters: readonly Cluster[];
}

/**
 * Empties a host: no new VMs, those that are there go elsewhere, and LINSTOR moves its replicas, each only when another copy is in sync.
 * Whatever was done stays done when it is interrupted; the same call goes on from there. Throws before anything is changed if fewer
 * copies would remain, and PLACEMENT, IN_USE or LINSTOR_TIMEOUT when something does not move.
 */
export async function evacuate(ctx: Context, name: string, options: EvacuateOptions): Promise<void> {
  const scene = await look(ctx, name);
  const { host, clusters } = scene;
  const vms = await vmsToMove(ctx, host.name);
  refuse(name, [
    ...obstacles(vms, options.poweroff),
    ...(await plainDisks(scene, vms)),
    ...(options.keepReplicas ? await lossOfRestart(ctx, host.name) : await lackOfRoom(scene)),
  ]);
  if (host.enabled) {
    await ctx.one.enableHost(host.id, false);
    options.say(`${host.name} is disabled: it gets no further VMs`);
  }
  await moveVms(ctx, { ...scene, name: host.name }, vms, options);
  if (options.keepReplicas) {
    options.say(`safe to restart ${host.name}: no VM runs there, and no other one needs it`);
    return;
  }
  for (const cluster of clusters) await emptyNode(ctx, cluster, options);
  const after = await whatIf(ctx, host.name);
  const touched = [...after.vms, ...after.images].filter(({ fate }) => fate !== 'same');
  if (!isHarmless(after) || touched.length > 0)
    throw new DriverError('IN_USE', `${host.name} still holds what others need`, {
      details: after.vms.map((vm) => `VM ${vm.id}: ${vm.fate}`),
      remedy: `look with linstor_un what-if ${host.name}, and call this again`,
    });
  options.say(`safe to switch off ${host.name}: no VM runs there, and no copy of a disk is on it`);
}

/** The host takes part again; VMs and replicas stay where they are. */
export async function undoEvacuation(ctx: Context, name: string, say: (text: string) => void): Promise<void> {
  const { host, clusters } = await look(ctx, name);
  for (const { linstor, node } of clusters) {
    await forgetNotes({ settings: ctx.settings(), linstor, node });
    if (!isEvacuated(node)) continue;
    await linstor.restoreNode(node.name);
    say(`LINSTOR may use ${node.name} again`);
  }
  if (!host.enabled) await ctx.one.enableHost(host.id, true);
  say(`${host.name} is enabled; VMs and replicas stay where they are`);
}

async function look(ctx: Context, name: string): Promise<Scene> {
  const [hosts, datastores] = await Promise.all([ctx.one.hosts(), ctx.one.datastores()]);
  requireHost(hosts, name);
  const host = hosts.find((each) => sameName(each.name, name)) as Host;
  const found = await Promise.all(
    clustersOf(ctx, datastores).map(async ({ settings }) => {
      const linstor = ctx.linstor(settings);
      const node = matchHost(name, await linstor.nodes(), settings.nodeMap)?.node;
      return node ? [{ settings, linstor, node }] : [];
    }),
  );
  const clusters = found.flat();
  if (clusters.length === 0)
    throw new DriverError('NODE_UNKNOWN', `host “${name}” is not a node of a LINSTOR that a datastore uses`);
  return { host, hosts, datastores, clusters };
}

function refuse(host: string, reasons: readonly string[]): void {
  if (reasons.length === 0) return;
  throw new DriverError('PLACEMENT', `${host} cannot be emptied; nothing was changed`, {
    details: reasons,
    remedy: 'fix what is listed, then call this again',
  });
}

/** A VM whose disk lies on plain storage of the host cannot leave it. */
async function plainDisks({ clusters }: Scene, vms: readonly Vm[]): Promise<string[]> {
  const lists = await Promise.all(
    clusters.map(async ({ linstor, node, settings }) => {
      const here = await linstor.resources({ nodes: [node.name] });
      return here.flatMap((replica) => {
        const parsed = parseResource(settings.namePrefix, replica.name);
        const isPlain = isDiskful(replica) && !replica.layers.includes('DRBD');
        const vm = vms.find(({ id }) => id === parsed?.vmId);
        return isPlain && vm ? [`VM ${vm.id}: ${replica.name} is plain storage of ${node.name}`] : [];
      });
    }),
  );
  return lists.flat();
}

async function lossOfRestart(ctx: Context, host: string): Promise<string[]> {
  const { vms } = await whatIf(ctx, host);
  return vms
    .filter(({ fate }) => fate === 'lost' || fate === 'stalled')
    .map(({ id, fate }) =>
      fate === 'lost'
        ? `VM ${id}: its only copy is on ${host}`
        : `VM ${id}: without ${host} nobody may write to its disks`,
    );
}

interface Held {
  readonly definition: ResourceDefinition;
  readonly own: Resource;
  readonly all: readonly Resource[];
}

/** What the node holds data of, with the definition. */
async function heldOn(cluster: Cluster): Promise<Held[]> {
  const { linstor, node } = cluster;
  const here = (await linstor.resources({ nodes: [node.name] })).filter(
    (replica) => isDiskful(replica) && !isDeleting(replica),
  );
  if (here.length === 0) return [];
  const names = here.map(({ name }) => name);
  const [definitions, all] = await Promise.all([
    linstor.definitions({ names }),
    linstor.resources({ names }),
  ]);
  return here.flatMap((own) => {
    const definition = definitions.find(({ name }) => sameName(name, own.name));
    const replicas = all.filter(({ name, flags }) => sameName(name, own.name) && !isDeleting({ flags }));
    return definition && !definition.flags.includes('DELETE') ? [{ definition, own, all: replicas }] : [];
  });
}

const isOther = (node: Node) => (replica: Resource) => !sameName(replica.node, node.name);

/** Volumes that no other node could take: with them gone from here there would be fewer copies. */
async function lackOfRoom({ clusters }: Scene): Promise<string[]> {
  const lists = await Promise.all(
    clusters.map(async (cluster) => {
      const { linstor, node } = cluster;
      const [held, nodes, pools, groups] = await Promise.all([
        heldOn(cluster),
        linstor.nodes(),
        linstor.storagePools(),
        linstor.resourceGroups(),
      ]);
      const others = nodes.filter((each) => !sameName(each.name, node.name) && takesVolumes(each));
      return held.flatMap(({ definition, all }) => {
        if (!definition.layers.includes('DRBD'))
          return [`${definition.name} is plain storage of ${node.name}, and stays there`];
        if (!all.filter(isOther(node)).some(isReadable) && !all.some(isReadable))
          return [`${definition.name} has no copy that is up to date`];
        const group = groups.find(({ name }) => sameName(name, definition.group));
        const size = definition.volumes.reduce((sum, { sizeKib }) => sum + sizeKib, 0);
        const names = group?.filter.storagePools ?? [];
        const fits = pools.filter(
          (pool) =>
            isReal(pool) &&
            (names.length === 0 || names.some((name) => sameName(name, pool.name))) &&
            (pool.freeKib === undefined || pool.freeKib >= size),
        );
        const takers = others.filter(
          (each) =>
            fits.some((pool) => sameName(pool.node, each.name)) &&
            !all.some((replica) => isDiskful(replica) && sameName(replica.node, each.name)),
        );
        return takers.length > 0 ? [] : [`${definition.name}: no other node has room for a copy`];
      });
    }),
  );
  return lists.flat();
}

/** Copies before a successor was added, by `node/resource`: a repeated call adds no second one. */
const noteStore = 'linstor_un-evacuate';
const noteOf = (node: Node, { name }: ResourceDefinition): string => `${node.name}/${name}`.toLowerCase();

/**
 * LINSTOR drops a replica without a successor where the others are as many as the group asks for. A volume that has more copies than
 * that, by REPLICA_COUNT or NODE_LIST, gets its successor first (linstor-behaviour §13.3).
 */
async function addSuccessors({ linstor, node }: Cluster, held: readonly Held[]): Promise<void> {
  const [groups, notes] = await Promise.all([linstor.resourceGroups(), linstor.keyValues(noteStore)]);
  for (const { definition, all } of held) {
    const count = groups.find(({ name }) => sameName(name, definition.group))?.filter.placeCount ?? 2;
    const copies = all.filter(isDiskful).length;
    const note = noteOf(node, definition);
    if (copies - 1 < count || copies > Number(notes[note] ?? copies)) continue;
    await linstor.modifyKeyValues(noteStore, { set: { [note]: String(copies) } });
    await linstor.place(definition.name, { additionalPlaceCount: 1 });
  }
}

async function forgetNotes({ linstor, node }: Cluster): Promise<void> {
  const notes = Object.keys(await linstor.keyValues(noteStore));
  const unset = notes.filter((key) => key.startsWith(`${node.name.toLowerCase()}/`));
  if (unset.length > 0) await linstor.modifyKeyValues(noteStore, { unset });
}

const lookMs = 3000;

async function emptyNode(ctx: Context, cluster: Cluster, { say, stallMs }: EvacuateOptions): Promise<void> {
  const { linstor, node } = cluster;
  const held = await heldOn(cluster);
  if (!isEvacuated(node)) {
    await addSuccessors(cluster, held);
    await untilCalm(ctx, cluster, { say, stallMs });
    const outcome = await linstor.evacuateNode(node.name);
    for (const { retCode, message } of outcome.entries) if (severityOf(retCode) === 'warning') say(message);
    say(`LINSTOR moves ${held.length} replicas away from ${node.name}`);
  }
  let before = '';
  let changedAt = ctx.clock.now();
  for (;;) {
    const left = await heldOn(cluster);
    if (left.length === 0) return forgetNotes(cluster);
    const behind = left.flatMap(({ definition, all }) =>
      all
        .filter(isOther(node))
        .filter((replica) => isDiskful(replica) && !isReadable(replica))
        .map((replica) => `${definition.name} on ${replica.node}`),
    );
    const text = `${left.length} still on ${node.name}${behind.length > 0 ? `; in sync soon: ${shortened(behind)}` : ''}`;
    if (text !== before) {
      say(text);
      changedAt = ctx.clock.now();
    }
    before = text;
    if (ctx.clock.now() - changedAt > stallMs)
      throw new DriverError('LINSTOR_TIMEOUT', `replicas do not leave ${node.name}`, {
        details: left.map(({ definition }) => definition.name),
        remedy: 'look with linstor resource list and linstor error-reports list; then call this again',
      });
    await ctx.clock.sleep(lookMs);
  }
}

/** Until nothing is behind: only then LINSTOR may count on all copies. */
async function untilCalm(
  ctx: Context,
  cluster: Cluster,
  { say, stallMs }: Pick<EvacuateOptions, 'say' | 'stallMs'>,
): Promise<void> {
  const until = ctx.clock.now() + stallMs;
  for (let told = ''; ; ) {
    const held = await heldOn(cluster);
    const behind = held.flatMap(({ definition, all }) =>
      all
        .filter((replica) => isDiskful(replica) && !isReadable(replica))
        .map((replica) => `${definition.name} on ${replica.node}`),
    );
    if (behind.length === 0) return;
    const text = `waiting until in sync: ${shortened(behind)}`;
    if (text !== told) say(text);
    told = text;
    if (ctx.clock.now() > until)
      throw new DriverError('LINSTOR_NOT_UPTODATE', `not all copies are in sync: ${shortened(behind)}`);
    await ctx.clock.sleep(lookMs);
  }
}

const shortened = (list: readonly string[]): string =>
  list.length > 3 ? `${list.slice(0, 3).join(', ')} and ${list.length - 3} more` : list.join(', ');
