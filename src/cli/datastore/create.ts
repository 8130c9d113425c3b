import type { Context } from '../../context.ts';
import { DriverError, isDriverError } from '../../errors.ts';
import type { Attributes } from '../../opennebula/one.ts';
import { wholeNumber } from '../arguments.ts';
import { type CliEnvironment, operatorCommand, printJson } from '../command.ts';
import { agreed } from '../install.ts';
import { table } from '../table.ts';
import { type Compared, compare, type LinstorView, planDatastores, type Wishes } from './plan.ts';

const usualName = 'linstor';
const usualGroup = 'opennebula';

export const datastore = operatorCommand({
  name: 'datastore',
  summary:
    'Create an image and a system datastore on LINSTOR, with safe defaults. Checks first that LINSTOR can make volumes in them. Safe to repeat: existing datastores are left as they are.',
  args: {
    what: { type: 'positional', description: 'create' },
    name: {
      type: 'string',
      valueHint: 'NAME',
      description: `they are called NAME-images and NAME-system; default ${usualName}`,
    },
    group: {
      type: 'string',
      valueHint: 'GROUP',
      description: `LINSTOR resource group; default ${usualGroup}`,
    },
    replicas: {
      type: 'string',
      valueHint: 'N',
      description: 'replicas of a volume; default: what the group says',
    },
    pool: { type: 'string', valueHint: 'POOL', description: 'storage pool; default: what the group says' },
    'clone-mode': {
      type: 'string',
      valueHint: 'MODE',
      description: 'snapshot, copy or clone; default: snapshot where the pools have snapshots',
    },
    encryption: { type: 'boolean', description: 'encrypt volumes (LUKS)' },
    controllers: {
      type: 'string',
      valueHint: 'ADDRESSES',
      description: 'LINSTOR controllers; default: linstor-client.conf, else this machine',
    },
    cluster: {
      type: 'string',
      valueHint: 'ID',
      description: 'OpenNebula cluster; default: the default cluster',
    },
    'dry-run': { type: 'boolean', description: 'show what would be created; create nothing' },
    yes: { type: 'boolean', alias: 'y', description: 'do not ask' },
    json: { type: 'boolean', description: 'one JSON document' },
  },
  exitCodes: [
    [0, 'both exist'],
    [1, 'refused, not confirmed, or one exists and differs'],
  ],
  examples: [
    ['datastore create', 'asks for what is not given'],
    ['datastore create --yes', `${usualName}-images and ${usualName}-system in the group ${usualGroup}`],
    ['datastore create --name fast --group nvme --replicas 3 --dry-run', 'show it first'],
  ],
  run: async (args, environment) => {
    if (args.what !== 'create')
      throw new DriverError('USAGE', `datastore: “${args.what}” is not create`, {
        remedy: 'linstor_un datastore create',
      });
    const cluster = wholeNumber('--cluster', args.cluster);
    const given = {
      ...(args.name === undefined ? {} : { name: args.name }),
      ...(args.group === undefined ? {} : { group: args.group }),
      ...(args.pool === undefined ? {} : { pool: args.pool }),
      ...(args.controllers === undefined ? {} : { controllers: args.controllers }),
      ...(args['clone-mode'] === undefined ? {} : { cloneMode: args['clone-mode'] }),
      ...numberOf('replicas', wholeNumber('--replicas', args.replicas)),
      encryption: args.encryption ?? false,
    };
    const context = await environment.context();
    const view = await viewOf(context, given.controllers);
    const asks = environment.terminal.interactive && !args.yes && !args['dry-run'] && !args.json;
    const wishes = asks ? await askFor(environment, given, view) : withDefaults(given);
    const wanted = planDatastores(wishes, view);
    for (const { template } of wanted) mustBeRead(context, template);
    const compared = compare(wanted, await context.one.datastores());
    const { terminal } = environment;
    if (!args.json) terminal.out(planText(compared, terminal.columns));
    throwIfDifferent(compared);
    const missing = compared.filter(({ id }) => id === undefined);
    const dryRun = args['dry-run'] ?? false;
    if (missing.length > 0 && !dryRun && !args.yes && !(await agreed(environment, 'Create?'))) return 1;
    const made = dryRun ? compared : await createAll(context, compared, cluster ?? -1);
    if (args.json) printJson(environment, document(made, missing, dryRun));
    else terminal.out(closing(made, missing, dryRun));
    return 0;
  },
});

/** Throws USAGE for a value that no action would take. */
function mustBeRead(context: Context, template: Attributes): void {
  try {
    context.settings(template);
  } catch (error) {
    if (!isDriverError(error, 'BAD_ATTRIBUTE')) throw error;
    throw new DriverError('USAGE', error.message, {
      remedy: 'see linstor_un datastore --help',
      cause: error,
    });
  }
}

type Given = Partial<Wishes> & Pick<Wishes, 'encryption'>;

const numberOf = (key: string, value: number | undefined): Record<string, number> =>
  value === undefined ? {} : { [key]: value };

const withDefaults = (given: Given): Wishes => ({
  ...given,
  name: given.name ?? usualName,
  group: given.group ?? usualGroup,
});

/** Only for what is not given; an empty answer takes what is proposed. */
async function askFor({ terminal }: CliEnvironment, given: Given, view: LinstorView): Promise<Wishes> {
  const groups = view.groups.map(({ name }) => name);
  const proposed =
    groups.find((name) => name === usualGroup) ?? groups.find((name) => name !== 'DfltRscGrp') ?? usualGroup;
  const name =
    given.name ?? (await terminal.ask('Name of the datastores (NAME-images, NAME-system)', usualName));
  const group =
    given.group ?? (await terminal.ask(`LINSTOR resource group (${groups.join(', ')})`, proposed));
  return { ...given, name, group };
}

async function viewOf(context: Context, controllers: string | undefined): Promise<LinstorView> {
  const settings = context.settings(controllers === undefined ? {} : { LS_CONTROLLERS: controllers });
  const linstor = context.linstor(settings);
  const [groups, pools, nodes, encryption, properties] = await Promise.all([
    linstor.resourceGroups(),
    linstor.storagePools(),
    linstor.nodes(),
    linstor.encryption(),
    linstor.controllerProperties(),
  ]);
  return { groups, pools, nodes, encryption, properties };
}

function throwIfDifferent(compared: readonly Compared[]): void {
  const different = compared.filter(({ differs }) => differs.length > 0);
  const [first] = different;
  if (!first) return;
  throw new DriverError(
    'BAD_ARGUMENT',
    `datastore ${first.id} “${first.name}” exists with other attributes`,
    {
      details: different.flatMap(({ name, differs }) => differs.map((text) => `${name}: ${text}`)),
      remedy: `give another --name, or change it: onedatastore update ${first.id}`,
    },
  );
}

async function createAll(
  context: Context,
  compared: readonly Compared[],
  cluster: number,
): Promise<Compared[]> {
  const made: Compared[] = [];
  // One after the other: when the first is refused, the second would be too.
  for (const each of compared)
    made.push(each.id === undefined ? { ...each, id: await create(context, each, cluster) } : each);
  return made;
}

async function create(context: Context, { name, template }: Compared, cluster: number): Promise<number> {
  try {
    return await context.one.allocateDatastore(template, cluster);
  } catch (error) {
    if (!isDriverError(error, 'ONE_REFUSED')) throw error;
    throw new DriverError('ONE_REFUSED', `datastore “${name}” was not created: ${error.message}`, {
      remedy:
        'if the driver is unknown there: linstor_un install, then systemctl restart opennebula (both as root)',
      cause: error,
    });
  }
}

function planText(compared: readonly Compared[], width: number): string {
  const blocks = compared.map(({ id, name, type, template }) => {
    const title = `${id === undefined ? 'create' : `exists as ${id}`}: ${type} datastore ${name}`;
    const rows = Object.entries(template)
      .filter(([key]) => key !== 'NAME')
      .map(([key, value]) => [key, value]);
    return [
      title,
      ...table([{ title: '' }, { title: '', shrink: true }], rows, width - 2).map((line) => `  ${line}`),
    ];
  });
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function closing(made: readonly Compared[], missing: readonly Compared[], dryRun: boolean): string {
  if (dryRun) return '\nNothing was created (--dry-run).\n';
  if (missing.length === 0) return '\nBoth exist already; nothing was changed.\n';
  const created = made.filter(({ name }) => missing.some((each) => each.name === name));
  return `\n${created.map(({ id, name, type }) => `${type} datastore ${id} “${name}” created\n`).join('')}onedatastore list shows their capacity after a minute.\n`;
}

function document(made: readonly Compared[], missing: readonly Compared[], dryRun: boolean): unknown {
  return {
    changed: missing.length > 0 && !dryRun,
    dryRun,
    datastores: made.map(({ id, name, type, template }) => ({
      id: id ?? null,
      name,
      type,
      action: missing.some((each) => each.name === name) ? 'create' : 'none',
      template,
    })),
  };
}
