import { clustersOf } from '../availability/clusters.ts';
import type { Context } from '../context.ts';
import { isOurs } from '../disks/disk-call.ts';
import { DriverError, toDriverError } from '../errors.ts';
import { duration } from '../opennebula/attribute-kinds.ts';
import { datastoreType } from '../opennebula/states.ts';
import { removeFromTrash, type TrashPlace } from '../trash/empty.ts';
import { relievePools } from '../trash/pressure.ts';
import { restoreFromTrash } from '../trash/restore.ts';
import { bytes, humanSize } from '../units.ts';
import { notesByVolume, type TrashNote, trashOf } from '../volumes/trash.ts';
import { type CliEnvironment, operatorCommand, printJson } from './command.ts';
import { paintFor } from './paint.ts';
import { table } from './table.ts';

export const trash = operatorCommand({
  name: 'trash',
  summary:
    'Deleted images and disks of terminated VMs that are kept for a while (TRASH): list them, make images of them again, or remove them for good.',
  args: {
    what: { type: 'positional', required: false, description: 'list, restore or empty' },
    volume: { type: 'positional', required: false, description: 'its name, as list shows it' },
    'as-image': {
      type: 'string',
      valueHint: 'DATASTORE',
      description: 'restore: into this image datastore (id or name); default: where it came from',
    },
    name: { type: 'string', valueHint: 'NAME', description: 'restore: name of the image' },
    older: { type: 'string', valueHint: 'TIME', description: 'empty: what was deleted longer ago (“2d”)' },
    due: {
      type: 'boolean',
      description: 'empty: what has been kept for its time, and what a full pool needs; for timers',
    },
    yes: { type: 'boolean', alias: 'y', description: 'empty: do not ask' },
    json: { type: 'boolean', description: 'one JSON document' },
  },
  exitCodes: [
    [0, 'listed, restored or removed'],
    [1, 'something was kept, or was not restored; the reason is printed'],
  ],
  examples: [
    ['trash list', 'what is kept, and until when'],
    ['trash restore one-image-12', 'the image is back, under a new id'],
    ['trash restore one-vm-7-disk-0 --as-image default', 'the disk of a VM that is gone becomes an image'],
    ['trash empty one-image-12', 'remove one for good'],
    ['trash empty --older 2d', 'and what was deleted more than two days ago'],
  ],
  run: async (args, environment) => {
    const context = await environment.context();
    const words = { what: args.what ?? 'list', volume: args.volume };
    if (words.what === 'list') return list(context, environment, args.json ?? false);
    if (words.what === 'restore') return restore(context, environment, { ...args, volume: words.volume });
    if (words.what === 'empty') return empty(context, environment, { ...args, volume: words.volume });
    throw new DriverError('USAGE', `trash: “${words.what}” is neither list, restore nor empty`, {
      remedy: 'see linstor_un trash --help',
    });
  },
});

interface Kept {
  readonly place: TrashPlace;
  readonly note: TrashNote;
  readonly size: number;
  readonly snapshots: number;
}

async function contents(context: Context): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (const { settings } of clustersOf(context, await context.one.datastores())) {
    const linstor = context.linstor(settings);
    const notes = await trashOf(linstor, settings.namePrefix);
    if (notes.length === 0) continue;
    const names = notes.map(({ resource }) => resource);
    const [definitions, snapshots] = await Promise.all([
      linstor.definitions({ names }),
      linstor.snapshots({ names }),
    ]);
    const noteFor = notesByVolume(notes);
    for (const definition of definitions) {
      const note = noteFor(definition);
      if (!note) continue;
      const kib = definition.volumes.reduce((sum, volume) => sum + volume.sizeKib, 0);
      const own = snapshots.filter(({ resource }) => resource === definition.name);
      kept.push({ place: { linstor, settings }, note, size: kib * 1024, snapshots: own.length });
    }
  }
  return kept.sort((a, b) => a.note.since - b.note.since);
}

/** The year is that of now, or nearly. */
const when = (ms: number): string => new Date(ms).toISOString().slice(5, 16).replace('T', ' ');

const described = ({ kind, name, image, vm, disk }: TrashNote): string =>
  kind === 'image' ? `image ${image} “${name}”` : `disk ${disk} of VM ${vm} “${name}”`;

/** For whoever types one. */
export const namesInTrash = async (context: Context): Promise<(readonly [string, string])[]> =>
  (await contents(context)).map(({ note }) => [note.resource, described(note)] as const);

async function list(context: Context, environment: CliEnvironment, json: boolean): Promise<number> {
  const kept = await contents(context);
  if (json) {
    const volumes = kept.map(({ note, size, snapshots }) => {
      const { since, until, mark: _, ...rest } = note;
      const times = { since: new Date(since).toISOString(), until: new Date(until).toISOString() };
      return { ...rest, ...times, size, snapshots };
    });
    printJson(environment, { volumes });
    return 0;
  }
  const { terminal } = environment;
  if (kept.length === 0) {
    terminal.out('The trash is empty.\n');
    return 0;
  }
  const now = environment.now().getTime();
  const paint = paintFor(terminal.color);
  const columns = [
    { title: 'Volume' },
    { title: 'Size', align: 'right' },
    { title: 'What it was', shrink: true },
    { title: 'Why', shrink: true },
    { title: 'Deleted' },
    { title: 'Until (UTC)' },
  ] as const;
  const rows = kept.map(({ note, size }) => [
    note.resource,
    humanSize(bytes(size)),
    described(note),
    note.reason,
    when(note.since),
    note.until <= now ? paint.warn('due') : when(note.until),
  ]);
  terminal.out(`${table(columns, rows, terminal.columns).join('\n')}\n`);
  return 0;
}

function one(kept: readonly Kept[], name: string | undefined, what: string): Kept {
  if (name === undefined)
    throw new DriverError('USAGE', `trash ${what}: missing NAME`, {
      remedy: 'take it from linstor_un trash list',
    });
  const found = kept.find(({ note }) => note.resource.toLowerCase() === name.toLowerCase());
  if (found) return found;
  throw new DriverError('USAGE', `“${name}” is not in the trash`, { remedy: 'linstor_un trash list' });
}

interface RestoreWords {
  readonly volume: string | undefined;
  readonly 'as-image'?: string | undefined;
  readonly name?: string | undefined;
  readonly json?: boolean | undefined;
}

async function restore(context: Context, environment: CliEnvironment, words: RestoreWords): Promise<number> {
  const found = one(await contents(context), words.volume, 'restore');
  const datastore = await datastoreFor(context, found, words['as-image']);
  const name = words.name === undefined ? {} : { name: words.name };
  const done = await restoreFromTrash(context, found.place, found.note, { datastore, ...name });
  if (words.json) printJson(environment, done);
  else {
    environment.terminal.out(`ID: ${done.image}\n`);
    environment.terminal.message(
      'success',
      `${found.note.resource} is image ${done.image} (“${done.name}”) in datastore ${done.datastore}`,
    );
    if (done.snapshots.length > 0)
      environment.terminal.message(
        'info',
        `OpenNebula does not know its snapshots ${done.snapshots.join(', ')}: gc calls them leftovers. Make images of those that you need first: oneimage create --path linstor://${found.note.resource}@${done.snapshots[0]} …`,
      );
  }
  return 0;
}

/** An image datastore of ours, on the LINSTOR that has the volume. Throws USAGE. */
async function datastoreFor(
  context: Context,
  { place, note }: Kept,
  wanted: string | undefined,
): Promise<number> {
  const images = (await context.one.datastores()).filter(
    (each) => isOurs(each) && each.type === datastoreType.IMAGE,
  );
  const given = wanted ?? (note.datastore === undefined ? undefined : String(note.datastore));
  const found = images.find(({ id }) => String(id) === given) ?? images.find(({ name }) => name === given);
  if (!found)
    throw new DriverError(
      'USAGE',
      given === undefined
        ? `it is not known which datastore ${note.resource} was of`
        : `“${given}” is not an image datastore of this driver`,
      { remedy: `linstor_un trash restore ${note.resource} --as-image DATASTORE` },
    );
  const theirs = context.settings(found.template);
  const same = [...theirs.controllers].sort().join() === [...place.settings.controllers].sort().join();
  if (!same || theirs.namePrefix !== place.settings.namePrefix)
    throw new DriverError('USAGE', `datastore ${found.id} is on another LINSTOR than ${note.resource}`, {
      remedy: 'choose one on the same controllers',
    });
  return found.id;
}

interface EmptyWords {
  readonly volume: string | undefined;
  readonly older?: string | undefined;
  readonly due?: boolean | undefined;
  readonly yes?: boolean | undefined;
  readonly json?: boolean | undefined;
}

async function empty(context: Context, environment: CliEnvironment, words: EmptyWords): Promise<number> {
  const kept = await contents(context);
  const chosen = choose(kept, environment.now().getTime(), words);
  const { terminal } = environment;
  if (!words.yes && !words.due && words.volume === undefined && chosen.length > 0) {
    if (!terminal.interactive)
      throw new DriverError('USAGE', `${chosen.length} volumes would be removed for good`, {
        remedy: 'add --yes',
      });
    if (!(await terminal.confirm(`Remove ${chosen.length} volumes for good?`))) return 1;
  }
  const results: { readonly resource: string; readonly error?: string }[] = [];
  for (const { place, note } of chosen) {
    try {
      await removeFromTrash(context, place, note);
      results.push({ resource: note.resource });
    } catch (error) {
      results.push({ resource: note.resource, error: toDriverError(error).message });
    }
  }
  if (words.due)
    for (const { settings } of clustersOf(context, await context.one.datastores()))
      for (const { resource } of await relievePools(context, {
        linstor: context.linstor(settings),
        settings,
      }))
        results.push({ resource });
  if (words.json) printJson(environment, { results });
  else
    for (const { resource, error } of results)
      terminal.out(error === undefined ? `removed  ${resource}\n` : `left     ${resource}: ${error}\n`);
  return results.some(({ error }) => error !== undefined) ? 1 : 0;
}

function choose(kept: readonly Kept[], now: number, { volume, older, due }: EmptyWords): readonly Kept[] {
  const ways = [volume !== undefined, older !== undefined, due === true].filter(Boolean).length;
  if (ways > 1) throw new DriverError('USAGE', 'trash empty: NAME, --older and --due do not go together');
  if (volume !== undefined) return [one(kept, volume, 'empty')];
  if (due) return kept.filter(({ note }) => note.until <= now);
  if (older === undefined) return kept;
  const ms = duration.parse(older);
  if (!ms) throw new DriverError('USAGE', `--older: “${older}” is not ${duration.allowed}`);
  return kept.filter(({ note }) => now - note.since >= ms);
}
