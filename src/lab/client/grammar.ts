import { type OptionSpec, UsageError } from './arguments.ts';
import { type CommandSpec, flag, integer, value } from './command.ts';
import { controllerCommands } from './commands-controller.ts';
import { definitionCommands } from './commands-definitions.ts';
import { groupCommands } from './commands-groups.ts';
import { nodeCommands } from './commands-nodes.ts';
import { otherCommands } from './commands-others.ts';
import { poolCommands } from './commands-pools.ts';
import { resourceCommands } from './commands-resources.ts';
import { snapshotCommands } from './commands-snapshots.ts';
import { volumeDefinitionCommands } from './commands-volumes.ts';

export const commands: readonly CommandSpec[] = [
  ...controllerCommands,
  ...nodeCommands,
  ...poolCommands,
  ...groupCommands,
  ...definitionCommands,
  ...resourceCommands,
  ...volumeDefinitionCommands,
  ...snapshotCommands,
  ...otherCommands,
];

export const globalOptions: readonly OptionSpec[] = [
  flag('--version', '-v'),
  flag('--no-color'),
  flag('--no-utf8'),
  flag('--warn-as-error'),
  flag('--curl'),
  value('--controllers'),
  flag('-m', '--machine-readable'),
  { ...value('--output-version'), choices: ['v0', 'v1'] },
  flag('--verbose', '-V'),
  integer('-t', '--timeout'),
  flag('--disable-config'),
  value('--user', '-u'),
  value('--password', '-P'),
  value('--certfile'),
  value('--keyfile'),
  value('--cafile'),
  flag('--allow-insecure-auth'),
];

const names = [...new Set(commands.map((command) => command.words[0]?.[0] ?? ''))].sort();

/** The real client's usage names all its commands, also those that the lab has not. */
const allNames = [
  ...[
    'advise',
    'backup',
    'controller',
    'drbd-proxy',
    'encryption',
    'error-reports',
    'file',
    'help',
    'interactive',
  ],
  ...[
    'key-value-store',
    'list-commands',
    'node',
    'node-connection',
    'physical-storage',
    'remote',
    'resource',
  ],
  ...['resource-connection', 'resource-definition', 'resource-group', 'schedule', 'snapshot', 'sos-report'],
  ...['space-reporting', 'storage-pool', 'volume', 'volume-definition', 'volume-group'],
];

export const topLevel = {
  usage: `usage: linstor [-h] [--version] [--no-color] [--no-utf8] [--warn-as-error]
               [--curl] [--controllers CONTROLLERS] [-m]
               [--output-version {v0,v1}] [--verbose] [-t TIMEOUT]
               [--disable-config] [--user USER] [--password PASSWORD]
               [--certfile CERTFILE] [--keyfile KEYFILE] [--cafile CAFILE]
               [--allow-insecure-auth]
               {advise, backup, controller, drbd-proxy, encryption,
               error-reports, file, help, interactive, key-value-store,
               list-commands, node, node-connection, physical-storage, remote,
               resource, resource-connection, resource-definition,
               resource-group, schedule, snapshot, sos-report,
               space-reporting, storage-pool, volume, volume-definition,
               volume-group} ...
`,
} as const;

/** The command that the words name, by name or alias, and what is left for it. */
export function findCommand(argv: readonly string[]): { command: CommandSpec; argv: readonly string[] } {
  let candidates = commands;
  for (let depth = 0; ; depth += 1) {
    const complete = candidates.find((command) => command.words.length === depth);
    if (complete && candidates.length === 1) return { command: complete, argv: argv.slice(depth) };
    const word = argv[depth];
    const program = ['linstor', ...(candidates[0]?.words.slice(0, depth).map(([name]) => name) ?? [])].join(
      ' ',
    );
    const usage =
      depth === 0
        ? topLevel.usage
        : `usage: ${program} [-h] {${choices(candidates, depth).join(', ')}} ...\n`;
    if (word === undefined) throw new UsageError(`${usage}${program}: error: too few arguments\n`);
    const next = candidates.filter((command) => command.words[depth]?.includes(word));
    if (next.length === 0) {
      const shown = depth === 0 ? allNames : choices(candidates, depth);
      throw new UsageError(
        `${usage}${program}: error: argument {${shown.join(', ')}}: invalid choice: '${word}' (choose from ${aliases(
          candidates,
          depth,
        )
          .map((name) => `'${name}'`)
          .join(', ')})\n`,
      );
    }
    candidates = next;
  }
}

const choices = (list: readonly CommandSpec[], depth: number): string[] =>
  [...new Set(list.map((command) => command.words[depth]?.[0] ?? ''))].sort();
const aliases = (list: readonly CommandSpec[], depth: number): string[] => [
  ...new Set(list.flatMap((command) => command.words[depth] ?? [])),
];

export function helpText(): string {
  const lines = commands.map((command) => {
    const name = command.words.map((words) => words[0]).join(' ');
    const short = command.words.map((words) => words.at(-1)).join(' ');
    return `  ${name.padEnd(40)} ${short.padEnd(12)} ${command.summary}`;
  });
  return `${topLevel.usage}\nThe lab’s client knows ${commands.length} commands of ${names.length} kinds:\n\n${lines.join('\n')}\n`;
}
