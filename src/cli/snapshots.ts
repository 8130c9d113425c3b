import type { Context } from '../context.ts';
import { isOurs } from '../disks/disk-call.ts';
import { DriverError } from '../errors.ts';
import type { Datastore, Vm } from '../opennebula/one.ts';
import { datastoreType, vmState } from '../opennebula/states.ts';
import { imageOfSnapshot } from '../vm-snapshots/image.ts';
import { type PolicyRun, policyOf, runPolicies } from '../vm-snapshots/policies.ts';
import { revertPoweredOff } from '../vm-snapshots/powered-off.ts';
import { disksOfVm, openSnapshotVm, type SnapshotVm } from '../vm-snapshots/vm-disks.ts';
import { placeOfVm } from '../vm-snapshots/vm-place.ts';
import { parsePolicySnapshot, parseVmSnapshot } from '../volumes/names.ts';
import { isUsable } from '../volumes/snapshot.ts';
import { wholeNumber } from './arguments.ts';
import { type CliEnvironment, operatorCommand, printJson } from './command.ts';
import { table } from './table.ts';

export const snapshots = operatorCommand({
  name: 'snapshots',
  summary:
    'Snapshots of whole VMs: take and drop what the policies say (LINSTOR_SNAPSHOTS), list them, revert a powered-off VM, or make images of them.',
  args: {
    what: { type: 'positional', required: false, description: 'run, list, revert or image' },
    kind: { type: 'positional', required: false, description: 'vm' },
    id: { type: 'positional', required: false, description: 'its id' },
    snapshot: { type: 'positional', required: false, description: 'name, as list shows it' },
    disk: { type: 'string', valueHint: 'DISK', description: 'image: of this disk; default: of all' },
    datastore: {
      type: 'string',
      valueHint: 'DATASTORE',
      description: 'image: into this image datastore (id or name); default: where the disk comes from',
    },
    name: { type: 'string', valueHint: 'NAME', description: 'image: its name; with --disk' },
    json: { type: 'boolean', description: 'one JSON document' },
  },
  examples: [
    ['snapshots list', 'of all VMs, with their policies'],
    ['snapshots list vm 7', 'of VM 7'],
    ['snapshots run', 'what the timer does every hour'],
    ['snapshots revert vm 7 one-policy-7-20261130T150000Z', 'all disks of the powered-off VM'],
    ['snapshots image vm 7 one-policy-7-20261130T150000Z --disk 0', 'a new image of one disk as it was'],
  ],
  run: async (args, environment) => {
    const context = await environment.context();
    const what = args.what ?? 'list';
    if (what === 'run') return run(context, environment, args.json ?? false);
    if (what === 'list')
      return list(
        context,
        environment,
        args.kind === undefined ? undefined : vmId(args, what),
        args.json ?? false,
      );
    if (what !== 'revert' && what !== 'image')
      throw new DriverError('USAGE', `snapshots: “${what}” is neither run, list, revert nor image`, {
        remedy: 'see linstor_un snapshots --help',
      });
    const id = vmId(args, what);
    const { snapshot } = args;
    if (snapshot === undefined)
      throw new DriverError('USAGE', `snapshots ${what}: missing SNAPSHOT`, {
        remedy: `take it from linstor_un snapshots list vm ${id}`,
      });
    if (what === 'image') return image(context, environment, { ...args, id, snapshot });
    const target = await openVm(context, id);
    await revertPoweredOff(context, id, requireSnapshot(target, snapshot));
    if (args.json)
      printJson(environment, { vm: id, snapshot, disks: target.disks.map(({ disk }) => disk.id) });
    else
      environment.terminal.message(
        'success',
        `VM ${id} is as in ${snapshot} (disks ${target.disks.map(({ disk }) => disk.id).join(', ')}); start it with onevm resume ${id}`,
      );
    return 0;
  },
});

function vmId(
  args: { readonly kind?: string | undefined; readonly id?: string | undefined },
  what: string,
): number {
  if (args.kind !== 'vm')
    throw new DriverError('USAGE', `snapshots ${what}: “${args.kind ?? ''}” is not vm`, {
      remedy: `linstor_un snapshots ${what} vm 7`,
    });
  const number = wholeNumber(`snapshots ${what} vm`, args.id);
  if (number === undefined)
    throw new DriverError('USAGE', `snapshots ${what} vm: missing ID`, {
      remedy: `linstor_un snapshots ${what} vm 7`,
    });
  return number;
}

async function run(context: Context, environment: CliEnvironment, json: boolean): Promise<number> {
  const runs = await runPolicies(context, environment.now().getTime());
  const failed = runs.some(({ errors }) => errors.length > 0);
  if (json) {
    printJson(environment, {
      runs: runs.map(({ errors, ...rest }) => ({
        ...rest,
        errors: errors.map(({ code, message }) => ({ code, message })),
      })),
    });
    return failed ? 1 : 0;
  }
  const { terminal } = environment;
  for (const each of runs) for (const line of described(each)) terminal.out(`${line}\n`);
  if (runs.length === 0) terminal.out('No VM has a policy (LINSTOR_SNAPSHOTS).\n');
  return failed ? 1 : 0;
}

function described({ vm, taken, dropped, deferred, errors }: PolicyRun): string[] {
  return [
    ...(taken === undefined ? [] : [`VM ${vm}: taken ${taken}`]),
    ...dropped.map((name) => `VM ${vm}: dropped ${name}`),
    ...(deferred === undefined ? [] : [`VM ${vm}: ${deferred}; next time`]),
    ...errors.map(({ code, message }) => `VM ${vm}: ${message} [${code}]`),
  ];
}

async function openVm(context: Context, id: number): Promise<SnapshotVm> {
  const [vm, datastores] = await Promise.all([context.one.vm(id), context.one.datastores()]);
  const place = placeOfVm(vm, datastores);
  return openSnapshotVm(vm, place, await disksOfVm(context, vm, place));
}

interface Point {
  readonly name: string;
  readonly of: 'policy' | 'onevm';
  /** Epoch milliseconds. */
  readonly at?: number;
  readonly disks: readonly number[];
  /** Of all disks of the VM. */
  readonly whole: boolean;
}

/** Oldest first. */
function pointsOf({ vm, disks }: SnapshotVm): Point[] {
  const points = new Map<string, Point>();
  for (const { disk, snapshots: all } of disks)
    for (const snapshot of all.filter(isUsable)) {
      const policy = parsePolicySnapshot(snapshot.name);
      if ((policy ?? parseVmSnapshot(snapshot.name))?.vmId !== vm.id) continue;
      const key = snapshot.name.toLowerCase();
      const known = points.get(key);
      const at = policy?.at ?? snapshot.createdAt;
      const held = [...(known?.disks ?? []), disk.id];
      points.set(key, {
        name: snapshot.name,
        of: policy ? 'policy' : 'onevm',
        ...(at === undefined ? {} : { at }),
        disks: held,
        whole: held.length === disks.length,
      });
    }
  return [...points.values()].sort((a, b) => (a.at ?? 0) - (b.at ?? 0));
}

/** For whoever types one. */
export const namesOfSnapshots = async (
  context: Context,
  id: number,
): Promise<(readonly [string, string])[]> =>
  pointsOf(await openVm(context, id)).map(
    ({ name, at, whole, disks }) =>
      [name, `${when(at)}, ${whole ? 'all disks' : `disks ${disks.join(', ')}`}`] as const,
  );

/** Its proper spelling. Throws SNAPSHOT. */
function requireSnapshot(target: SnapshotVm, name: string): string {
  const found = pointsOf(target).find((point) => point.name.toLowerCase() === name.toLowerCase());
  if (found) return found.name;
  throw new DriverError('SNAPSHOT', `VM ${target.vm.id} has no snapshot “${name}”`, {
    remedy: `linstor_un snapshots list vm ${target.vm.id}`,
  });
}

const when = (ms: number | undefined): string =>
  ms === undefined ? '-' : new Date(ms).toISOString().slice(0, 19).replace('T', ' ');

async function list(
  context: Context,
  environment: CliEnvironment,
  id: number | undefined,
  json: boolean,
): Promise<number> {
  const [all, datastores] = await Promise.all([
    id === undefined ? context.one.vms() : Promise.all([context.one.vm(id)]),
    context.one.datastores(),
  ]);
  const rows: { vm: Vm; policy: string; points: readonly Point[]; error?: string }[] = [];
  for (const vm of all.filter((each) => each.state !== vmState.DONE && each.history.length > 0)) {
    try {
      const place = placeOfVm(vm, datastores);
      const found = await disksOfVm(context, vm, place);
      if (found.ours.length === 0) continue;
      const target = await openSnapshotVm(vm, place, { ...found, foreign: [] });
      rows.push({ vm, policy: policyText(context, vm, datastores), points: pointsOf(target) });
    } catch (error) {
      if (id !== undefined) throw error;
      rows.push({
        vm,
        policy: '',
        points: [],
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }
  const failed = rows.some(({ error }) => error !== undefined);
  if (json) {
    printJson(environment, {
      vms: rows.map(({ vm, policy, points, error }) => ({
        vm: vm.id,
        policy,
        snapshots: points.map(({ at, ...rest }) => ({
          ...rest,
          ...(at === undefined ? {} : { at: new Date(at).toISOString() }),
        })),
        ...(error === undefined ? {} : { error }),
      })),
    });
    return failed ? 1 : 0;
  }
  const { terminal } = environment;
  const columns = [
    { title: 'VM', align: 'right' },
    { title: 'Policy', shrink: true },
    { title: 'Snapshot', shrink: true },
    { title: 'Taken (UTC)' },
    { title: 'By' },
    { title: 'Disks', shrink: true },
  ] as const;
  const cells = rows.flatMap(({ vm, policy, points, error }) => {
    if (error !== undefined) return [[String(vm.id), '', error, '', '', '']];
    if (points.length === 0)
      return policy === '' && id === undefined ? [] : [[String(vm.id), policy || '-', '-', '', '', '']];
    return points.map((point, index) => [
      index === 0 ? String(vm.id) : '',
      index === 0 ? policy || '-' : '',
      point.name,
      when(point.at),
      point.of,
      point.whole ? 'all' : point.disks.join(', '),
    ]);
  });
  terminal.out(
    cells.length === 0
      ? 'No VM has a snapshot or a policy.\n'
      : `${table(columns, cells, terminal.columns).join('\n')}\n`,
  );
  return failed ? 1 : 0;
}

function policyText(context: Context, vm: Vm, datastores: readonly Datastore[]): string {
  const policy = policyOf(context, vm, datastores);
  if (!policy) return '';
  const { hours, days, weeks } = policy;
  const parts = [
    [hours, 'h'],
    [days, 'd'],
    [weeks, 'w'],
  ].flatMap(([count, unit]) => (count === 0 ? [] : [`${count}${unit}`]));
  return parts.length === 0 ? 'none' : parts.join(' ');
}

interface ImageWords {
  readonly id: number;
  readonly snapshot: string;
  readonly disk?: string | undefined;
  readonly datastore?: string | undefined;
  readonly name?: string | undefined;
  readonly json?: boolean | undefined;
}

async function image(context: Context, environment: CliEnvironment, words: ImageWords): Promise<number> {
  const target = await openVm(context, words.id);
  const snapshot = requireSnapshot(target, words.snapshot);
  const wanted = wholeNumber('--disk', words.disk);
  const chosen = target.disks.filter(
    ({ disk, snapshots: all }) =>
      (wanted === undefined || disk.id === wanted) && all.some(({ name }) => name === snapshot),
  );
  if (chosen.length === 0)
    throw new DriverError('USAGE', `${snapshot} of VM ${words.id} does not hold disk ${wanted}`);
  if (words.name !== undefined && chosen.length > 1)
    throw new DriverError('USAGE', '--name goes with --disk: images need names of their own');
  const made: { disk: number; image: number; name: string }[] = [];
  const datastores = await context.one.datastores();
  for (const disk of chosen) {
    const name = words.name ?? `${target.vm.name}-disk-${disk.disk.id}-${suffixOf(snapshot)}`;
    const datastore = datastoreFor(datastores, words.datastore, disk.disk.datastoreId);
    const { id } = await imageOfSnapshot(context, { vm: target.vm, disk, snapshot, datastore, name });
    context.undo.commit();
    made.push({ disk: disk.disk.id, image: id, name });
    if (!words.json) environment.terminal.out(`ID: ${id}\n`);
  }
  if (words.json) printJson(environment, { images: made });
  else
    for (const each of made)
      environment.terminal.message(
        'success',
        `disk ${each.disk} of VM ${words.id} as in ${snapshot} is image ${each.image} (“${each.name}”), a data block; to boot from it: oneimage chtype ${each.image} OS`,
      );
  return 0;
}

const suffixOf = (snapshot: string): string => {
  const policy = parsePolicySnapshot(snapshot);
  return policy ? new Date(policy.at).toISOString().slice(0, 19) : snapshot;
};

function datastoreFor(
  datastores: readonly Datastore[],
  wanted: string | undefined,
  own: number | undefined,
): number {
  const images = datastores.filter((each) => isOurs(each) && each.type === datastoreType.IMAGE);
  const given = wanted ?? String(own ?? '');
  const found = images.find(({ id }) => String(id) === given) ?? images.find(({ name }) => name === given);
  if (found) return found.id;
  throw new DriverError(
    'USAGE',
    wanted === undefined
      ? 'a volatile disk comes from no image datastore'
      : `“${wanted}” is not an image datastore of this driver`,
    { remedy: 'name one with --datastore' },
  );
}
