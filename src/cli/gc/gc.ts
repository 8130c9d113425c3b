import { clustersOf } from '../../availability/clusters.ts';
import type { Context } from '../../context.ts';
import { forgetRestore, restoreStore } from '../../disks/restore-note.ts';
import { DriverError, isDriverError, toDriverError } from '../../errors.ts';
import type { Linstor } from '../../linstor/linstor.ts';
import { lockStore } from '../../linstor/locks/entries.ts';
import { type NodeName, resourceName } from '../../linstor/names.ts';
import { dropNote, moveStore } from '../../move/note.ts';
import type { Vm } from '../../opennebula/one.ts';
import type { Settings } from '../../opennebula/settings.ts';
import { vmState } from '../../opennebula/states.ts';
import { removeFromTrash, type TrashPlace } from '../../trash/empty.ts';
import { copyStore, forgetCopy } from '../../volumes/copies.ts';
import { keptParts, keptStore } from '../../volumes/kept-parts.ts';
import { lockName, parseResource } from '../../volumes/names.ts';
import { removeResource } from '../../volumes/remove.ts';
import { sameName } from '../../volumes/replicas.ts';
import { forgetTrash, trashOf, trashStore } from '../../volumes/trash.ts';
import { forbidTwoPrimaries } from '../../volumes/two-primaries.ts';
import { wholeNumber } from '../arguments.ts';
import { type CliEnvironment, operatorCommand, printJson } from '../command.ts';
import { Index, type Inventory, pastVmIds } from '../inventory.ts';
import { paintFor } from '../paint.ts';
import { removeKeptPart } from './kept-part.ts';
import { commandFor, findLeftovers, type Leftover, sameLeftover } from './leftovers.ts';
import { type Result, renderLeftovers, renderResults } from './render.ts';
import { concerned } from './snapshot-leftovers.ts';

export const gc = operatorCommand({
  name: 'gc',
  summary:
    'Find leftovers in LINSTOR: disks of terminated VMs, temporary resources, unused helper snapshots, replicas attached without a VM, two primaries still allowed after a live migration, parts of deleted snapshots on nodes that were away, and what has been in the trash for its time. ' +
    '--apply deletes objects proven to be ours and unused, and nothing else. Stops if OpenNebula or LINSTOR does not answer.',
  args: {
    apply: { type: 'boolean', description: 'delete objects that are proven unused' },
    name: {
      type: 'string',
      valueHint: 'RESOURCE',
      description: 'with --apply: also delete RESOURCE, even if unproven (comma-separated)',
    },
    'older-than': {
      type: 'string',
      valueHint: 'HOURS',
      description: 'keep temporary objects younger than this; default 24',
    },
    json: { type: 'boolean', description: 'one JSON document' },
  },
  exitCodes: [
    [0, 'leftovers are listed, or deleted with --apply'],
    [1, 'OpenNebula or LINSTOR did not answer, or something could not be deleted'],
  ],
  examples: [
    ['gc', 'list leftovers'],
    ['gc --apply', 'delete the proven ones'],
    ['gc --apply --name one-vm-7-checkpoint', 'and one that you have checked yourself'],
  ],
  run: async (args, environment) => {
    const context = await environment.context();
    const hours = wholeNumber('--older-than', args['older-than']) ?? 24;
    const named = (args.name ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
    if (named.length > 0 && !args.apply) throw new DriverError('USAGE', '--name goes with --apply');
    const found = await collect(context, environment, hours);
    const chosen = choose(found, named);
    const results = args.apply ? await removeAll(context, chosen) : [];
    const failed = results.filter((result) => result.error !== undefined);
    if (args.json)
      printJson(environment, {
        leftovers: found.map(({ leftover }) => ({ ...leftover, command: commandFor(leftover) })),
        results,
      });
    else {
      const { terminal } = environment;
      terminal.out(
        renderLeftovers(
          found.map(({ leftover }) => leftover),
          terminal.columns,
          paintFor(terminal.color),
          args.apply ?? false,
        ),
      );
      terminal.out(renderResults(results));
    }
    return failed.length > 0 ? 1 : 0;
  },
});

interface Found {
  readonly settings: Settings;
  readonly inventory: Inventory;
  readonly leftover: Leftover;
}

/** Reads everything or throws: a list that is empty because nobody answered would make leftovers of all that lives. */
async function collect(context: Context, environment: CliEnvironment, hours: number): Promise<Found[]> {
  const all: Found[] = [];
  for (const { settings, datastores } of clustersOf(context, await context.one.datastores())) {
    const taken = await takeInventory(
      context,
      context.linstor(settings),
      settings,
      environment.now().getTime(),
      hours,
    );
    const inventory = await withOwnDocuments(context, { ...taken, datastores });
    all.push(...findLeftovers(inventory).map((leftover) => ({ settings, inventory, leftover })));
  }
  return all;
}

/**
 * Whether OpenNebula knows a snapshot is told by the VM's and the image's own document: a list of many may leave things out. What cannot
 * be read ends gc.
 */
async function withOwnDocuments(context: Pick<Context, 'one'>, inventory: Inventory): Promise<Inventory> {
  const index = new Index(inventory);
  const asked = findLeftovers(inventory).flatMap((leftover) => concerned(inventory, index, leftover) ?? []);
  return asked.length === 0 ? inventory : reread(context, inventory, asked);
}

async function reread(
  context: Pick<Context, 'one'>,
  inventory: Inventory,
  asked: readonly { readonly vms: readonly number[]; readonly images: readonly number[] }[],
): Promise<Inventory> {
  const vms = new Map(inventory.vms.map((vm) => [vm.id, vm]));
  const images = new Map(inventory.images.map((image) => [image.id, image]));
  for (const id of new Set(asked.flatMap((each) => each.vms))) {
    const vm = await ifKnown(() => context.one.vm(id));
    if (vm && vm.state !== vmState.DONE) vms.set(id, vm);
    else vms.delete(id);
  }
  for (const id of new Set(asked.flatMap((each) => each.images))) {
    const image = await ifKnown(() => context.one.image(id));
    if (image) images.set(id, image);
    else images.delete(id);
  }
  return { ...inventory, vms: [...vms.values()], images: [...images.values()] };
}

async function takeInventory(
  context: Context,
  linstor: Linstor,
  settings: Settings,
  now: number,
  hours: number,
): Promise<Inventory> {
  // LINSTOR first: what OpenNebula makes in between is then not taken for a leftover.
  const [definitions, resources, snapshots, nodes, copies, kept, trash, locks, restores, moves] =
    await Promise.all([
      linstor.definitions(),
      linstor.resources(),
      linstor.snapshots(),
      linstor.nodes(),
      linstor.keyValues(copyStore(settings.namePrefix)),
      linstor.keyValues(keptStore),
      linstor.keyValues(trashStore(settings.namePrefix)),
      linstor.keyValues(lockStore(settings.namePrefix)),
      linstor.keyValues(restoreStore(settings.namePrefix)),
      linstor.keyValues(moveStore(settings.namePrefix)),
    ]);
  const [vms, images] = await Promise.all([context.one.vms(), context.one.images()]);
  const prefix = settings.namePrefix;
  const past = new Map<number, Vm | undefined>();
  for (const id of pastVmIds({ prefix, definitions, snapshots, vms }))
    past.set(id, await ifKnown(() => context.one.vm(id)));
  return {
    prefix,
    nodeMap: settings.nodeMap,
    definitions,
    resources,
    snapshots,
    nodes,
    copies,
    kept,
    trash,
    locks,
    moves,
    restores,
    vms,
    images,
    past,
    now,
    olderThanMs: hours * 3_600_000,
  };
}

async function ifKnown<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isDriverError(error, 'ONE_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** What a name is no answer to. */
const isForHand = ({ kind }: Leftover): boolean =>
  kind === 'deleting' || kind === 'window' || kind === 'kept' || kind === 'lock';

/** The proven ones, and what was named. Throws USAGE for a name that is not a leftover. */
function choose(found: readonly Found[], named: readonly string[]): Found[] {
  for (const name of named) {
    const match = found.find(({ leftover }) => leftover.resource === name && !isForHand(leftover));
    if (!match)
      throw new DriverError('USAGE', `“${name}” is not a leftover`, {
        remedy: 'run linstor_un gc and take the name from its list',
      });
    if (/holds it open/.test(match.leftover.doubt ?? ''))
      throw new DriverError('IN_USE', `${name} is in use: ${match.leftover.doubt}`);
  }
  const byName = new Set(named);
  return found.filter(
    ({ leftover }) => leftover.proof === 'proven' || (byName.has(leftover.resource) && !isForHand(leftover)),
  );
}

/** One at a time, under the lock of its resource, after another look: it may have come into use. */
async function removeAll(context: Context, chosen: readonly Found[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const { settings, inventory, leftover } of chosen) {
    const { kind, resource, snapshot, node } = leftover;
    const result = {
      kind,
      resource,
      ...(snapshot === undefined ? {} : { snapshot }),
      ...(node === undefined ? {} : { node }),
    };
    try {
      const linstor = context.linstor(settings);
      if (kind === 'trash') {
        await removeExpired(context, { linstor, settings }, leftover);
        results.push(result);
        continue;
      }
      // An entry of a lock is in the way of that very lock, and nobody's any more.
      const locked: Context['lock'] = kind === 'lock' ? (_, work) => work() : context.lock;
      await locked(lockName(resource), async () => {
        const still = findLeftovers(await lookAgain(context, linstor, inventory, leftover)).find((item) =>
          sameLeftover(item, leftover),
        );
        if (!still || still.proof !== leftover.proof || still.doubt !== leftover.doubt)
          throw new DriverError('IN_USE', `${resource} changed meanwhile and was left`);
        await removeOne(context, linstor, settings, still);
      });
      results.push(result);
    } catch (error) {
      results.push({ ...result, error: toDriverError(error).message });
    }
  }
  return results;
}

/** Looks at everything anew itself. */
async function removeExpired(context: Context, place: TrashPlace, { resource }: Leftover): Promise<void> {
  const notes = await trashOf(place.linstor, place.settings.namePrefix);
  const note = notes.find((each) => sameName(each.resource, resource));
  if (note) await removeFromTrash(context, place, note);
}

/** The same questions for this one object; the rest of the inventory cannot have become less of a leftover. */
async function lookAgain(
  { one }: Context,
  linstor: Linstor,
  inventory: Inventory,
  leftover: Leftover,
): Promise<Inventory> {
  const { resource, snapshot, kind } = leftover;
  const { prefix } = inventory;
  // A helper snapshot is named after the resource that is made of it.
  const names = snapshot === undefined ? [resource] : [resource, resourceName(snapshot)];
  const [definitions, resources, snapshots, copies, kept, trash, locks, restores, moves] = await Promise.all([
    linstor.definitions({ names }),
    linstor.resources({ names }),
    linstor.snapshots({ names: [resource] }),
    kind === 'note' ? linstor.keyValues(copyStore(prefix)) : {},
    kind === 'kept' ? linstor.keyValues(keptStore) : {},
    linstor.keyValues(trashStore(prefix)),
    kind === 'lock' ? linstor.keyValues(lockStore(prefix)) : {},
    kind === 'note' ? linstor.keyValues(restoreStore(prefix)) : {},
    kind === 'move-note' ? linstor.keyValues(moveStore(prefix)) : {},
  ]);
  const fresh = {
    ...inventory,
    definitions,
    resources,
    snapshots,
    copies,
    kept,
    trash,
    locks,
    restores,
    moves,
  };
  if (kind === 'trash' || kind === 'trash-note') return { ...fresh, images: await one.images() };
  // Any VM may have come to use an image; a disk has only its own.
  if (kind === 'replica' || kind === 'window') return { ...fresh, vms: await one.vms() };
  if (concerned(inventory, new Index(inventory), leftover)) {
    const [vms, images] = await Promise.all([one.vms(), one.images()]);
    const now = { ...fresh, vms, images };
    return reread({ one }, now, [concerned(now, new Index(now), leftover) ?? { vms: [], images: [] }]);
  }
  const past = new Map(inventory.past);
  // A VM that ran a moment ago may be suspended by now, and its memory be in a new volume of that name: it is asked for anew.
  const own = kind === 'checkpoint' || kind === 'memory' ? parseResource(prefix, resource)?.vmId : undefined;
  const vms = inventory.vms.filter(({ id }) => id !== own);
  for (const id of pastVmIds({ ...fresh, vms })) {
    const vm = await ifKnown(() => one.vm(id));
    past.set(id, vm);
    if (vm && vm.state !== vmState.DONE) vms.push(vm);
  }
  return { ...fresh, past, vms };
}

async function removeOne(
  context: Context,
  linstor: Linstor,
  settings: Settings,
  leftover: Leftover,
): Promise<void> {
  if (leftover.kind === 'kept') {
    const notes = keptParts(await linstor.keyValues(keptStore));
    const part = notes.find(
      ({ resource, snapshot, node }) =>
        sameName(resource, leftover.resource) && snapshot === leftover.snapshot && node === leftover.node,
    );
    if (part) await removeKeptPart(context, linstor, part);
  } else if (leftover.kind === 'snapshot')
    await linstor.deleteSnapshot(leftover.resource, leftover.snapshot as string);
  else if (leftover.kind === 'replica')
    await linstor.deleteResource(leftover.resource, leftover.node as NodeName);
  else if (leftover.kind === 'window') await forbidTwoPrimaries(context, linstor, leftover.resource);
  else if (leftover.kind === 'trash-note') await forgetTrash(linstor, settings.namePrefix, leftover.resource);
  else if (leftover.kind === 'move-note') await dropNote(linstor, settings.namePrefix, leftover.resource);
  else if (leftover.kind === 'note') {
    await forgetCopy(context, linstor, settings.namePrefix, leftover.resource);
    await forgetRestore(context, [{ linstor, settings, resource: leftover.resource }]);
  } else if (leftover.kind === 'lock')
    await linstor.modifyKeyValues(lockStore(settings.namePrefix), { unset: [leftover.entry as string] });
  else await removeResource(context, linstor, leftover.resource);
}
