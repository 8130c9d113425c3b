import type { RootCommand } from '@bomb.sh/tab';
import type { ArgsDef } from 'citty';
import type { Context } from '../context.ts';
import { isOurs } from '../disks/disk-call.ts';
import { DriverError } from '../errors.ts';
import { type CliEnvironment, type OperatorCommand, operatorCommand } from './command.ts';

const shells = ['bash', 'zsh', 'fish'] as const;

export const completion = operatorCommand({
  name: 'completion',
  summary: 'Print the completion script of a shell. Packages install all three.',
  args: { shell: { type: 'positional', required: true, description: shells.join(', ') } },
  examples: [
    ['completion bash > /etc/bash_completion.d/linstor_un', 'for every user of this machine'],
    ['completion fish > ~/.config/fish/completions/linstor_un.fish', 'for one user'],
  ],
  run: async ({ shell }, environment) => {
    if (!shells.some((each) => each === shell))
      throw new DriverError('USAGE', `completion: unknown shell “${shell}”`, {
        remedy: `one of ${shells.join(', ')}`,
      });
    const { script } = await import('@bomb.sh/tab');
    environment.terminal.data(await printed(() => script(shell as string, 'linstor_un', 'linstor_un')));
    return 0;
  },
});

/** Commands by name, as the overview has them, with those below `lab`. */
export type CommandTree = ReadonlyMap<string, { readonly summary: string; readonly args: ArgsDef }>;

/** How long a person who has pressed Tab is kept waiting for names from OpenNebula. */
const liveMs = 1500;

/**
 * What may follow these words, one candidate a line, as the scripts of `completion` ask for it. Never fails: whoever presses Tab
 * wants no message.
 */
export async function complete(
  words: readonly string[],
  tree: CommandTree,
  environment: CliEnvironment,
): Promise<number> {
  const { RootCommand } = await import('@bomb.sh/tab');
  const root = new RootCommand();
  const live = await liveValues(words, environment);
  for (const [name, { summary, args }] of tree) describe(root, name, summary, args, live);
  environment.terminal.data(await printed(() => root.parse([...words])));
  return 0;
}

type Values = readonly (readonly [value: string, description: string])[];
type Offer = (complete: (value: string, description: string) => void) => void;

function describe(root: RootCommand, name: string, summary: string, args: ArgsDef, live: Values): void {
  const offer =
    (values: Values): Offer =>
    (add) => {
      for (const [value, description] of values) add(value, description);
    };
  const command = root.command(name, summary);
  for (const [key, def] of Object.entries(args)) {
    const description = def.description ?? '';
    const alias = [('alias' in def ? def.alias : undefined) ?? []].flat()[0];
    if (def.type === 'positional') command.argument(key, offer(choices(description, live)));
    else if (def.type === 'boolean') command.option(key, description, ...(alias ? [alias] : []));
    else command.option(key, description, offer(live), alias);
  }
}

/** `vm or image`, `bash, zsh, fish`: the words of a closed set are its description. */
function choices(description: string, live: Values): Values {
  const words = description.split(/,\s*|\s+or\s+/);
  const closed = words.length > 1 && words.every((word) => /^[a-z]+$/.test(word));
  return closed ? words.map((word) => [word, ''] as const) : live;
}

type Kind = 'vms' | 'images' | 'hosts' | 'nodes' | 'datastores' | 'trash' | 'snapshots';

/** What the word that is being typed names, by those before it. */
function kindOf(words: readonly string[]): Kind | undefined {
  const [command, what] = words;
  const before = words.at(-2);
  const third = words.at(-3);
  if (command === 'snapshots' && third === 'vm' && (what === 'revert' || what === 'image'))
    return 'snapshots';
  if (before === 'vm' || before === '--vm') return 'vms';
  if (before === 'image' && command !== 'snapshots') return 'images';
  if (before === '--image') return 'images';
  if (before === 'host' || before === 'fence' || before === 'what-if' || before === 'evacuate')
    return 'hosts';
  if (third === 'trash' && (before === 'restore' || before === 'empty')) return 'trash';
  if (command === 'status' && before === 'node') return 'nodes';
  // `datastore` alone is a command.
  if ((command === 'status' && before === 'datastore') || before === '--datastore') return 'datastores';
  return undefined;
}

/** Ids and names for the word that is being typed; nothing where nobody answers at once. */
async function liveValues(words: readonly string[], environment: CliEnvironment): Promise<Values> {
  const kind = kindOf(words);
  if (kind === undefined) return [];
  const late = new Promise<Values>((resolve) => setTimeout(() => resolve([]), liveMs).unref());
  return Promise.race([read(kind, words, environment).catch((): Values => []), late]);
}

async function read(kind: Kind, words: readonly string[], environment: CliEnvironment): Promise<Values> {
  if (kind === 'trash') return (await import('./trash.ts')).namesInTrash(await environment.context());
  if (kind === 'snapshots')
    return (await import('./snapshots.ts')).namesOfSnapshots(
      await environment.context(),
      Number(words.at(-2)),
    );
  if (kind === 'nodes') return nodeNames(await environment.context());
  const { one } = await environment.context({ withoutConfig: true });
  if (kind === 'hosts') return (await one.hosts()).map((host) => [host.name, ''] as const);
  const all = kind === 'datastores' ? (await one.datastores()).filter(isOurs) : await one[kind]();
  return all.map(({ id, name }) => [String(id), name] as const);
}

async function nodeNames(context: Context): Promise<Values> {
  const { clustersOf } = await import('../availability/clusters.ts');
  const clusters = clustersOf(context, await context.one.datastores());
  const nodes = await Promise.all(clusters.map(({ settings }) => context.linstor(settings).nodes()));
  return [...new Set(nodes.flat().map(({ name }) => name))].map((name) => [name, ''] as const);
}

/** tab prints by console.log; the program's output goes one way only. */
async function printed(work: () => void): Promise<string> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (...values: unknown[]) => void lines.push(values.join(' '));
  try {
    work();
  } finally {
    console.log = log;
  }
  return `${lines.join('\n')}\n`;
}

export type Commands = Readonly<
  Record<string, { readonly summary: string; readonly load: () => Promise<OperatorCommand> }>
>;

/** Every command of the table, loaded. */
export async function commandTree(
  commands: Commands,
  below: string,
): Promise<[string, { summary: string; args: ArgsDef }][]> {
  return Promise.all(
    Object.entries(commands).map(async ([name, { summary, load }]) => [
      `${below}${name}`,
      { summary, args: (await load()).args },
    ]),
  );
}
