import { DriverError, toDriverError } from '../errors.ts';
import { printable } from '../printable.ts';
import { checkArguments } from './arguments.ts';
import type { CliEnvironment, OperatorCommand } from './command.ts';
import { suggest } from './suggest.ts';

/** The operator's commands, in the order of the help text. Each is loaded when it is called. */
interface Listed {
  readonly summary: string;
  readonly load: () => Promise<OperatorCommand>;
}

export const commands: Readonly<Record<string, Listed>> = {
  install: {
    summary: 'install the driver on this front-end',
    load: async () => (await import('./install.ts')).install,
  },
  upgrade: {
    summary: 'replace an installed version, or the bash driver',
    load: async () => (await import('./install.ts')).upgrade,
  },
  uninstall: {
    summary: 'remove the driver and restore the previous configuration',
    load: async () => (await import('./uninstall.ts')).uninstall,
  },
  datastore: {
    summary: 'create an image and a system datastore on LINSTOR',
    load: async () => (await import('./datastore/create.ts')).datastore,
  },
  doctor: {
    summary: 'check everything the driver depends on',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  status: {
    summary: 'show cluster, datastores, VM disks and images',
    load: async () => (await import('./status/status.ts')).status,
  },
  gc: {
    summary: 'find leftovers and delete those proven to be unused',
    load: async () => (await import('./gc/gc.ts')).gc,
  },
  snapshots: {
    summary: 'snapshots of whole VMs: policies, list, revert, images of them',
    load: async () => (await import('./snapshots.ts')).snapshots,
  },
  trash: {
    summary: 'deleted images and disks that are kept for a while',
    load: async () => (await import('./trash.ts')).trash,
  },
  'what-if': {
    summary: 'what is lost if a host goes now',
    load: async () => (await import('./what-if.ts')).whatIfCommand,
  },
  evacuate: {
    summary: 'empty a host, until it is safe to switch off',
    load: async () => (await import('./evacuate.ts')).evacuateCommand,
  },
  fence: {
    summary: 'confirm that a dead host can no longer write, for fence_host.sh',
    load: async () => (await import('./fence.ts')).fence,
  },
  move: {
    summary: 'move disks into another pool while their VM runs',
    load: async () => (await import('./move.ts')).moveCommand,
  },
  adopt: {
    summary: 'move an installation of LINBIT’s driver',
    load: async () => (await import('./adopt.ts')).adopt,
  },
  export: {
    summary: 'write an image or a disk to a file',
    load: async () => (await import('./export.ts')).exportCommand,
  },
  trace: {
    summary: 'actions of the driver, as a timeline',
    load: async () => (await import('./trace.ts')).trace,
  },
  report: {
    summary: 'one archive for support, without secrets',
    load: async () => (await import('./report/report.ts')).report,
  },
  metrics: {
    summary: 'export metrics for Prometheus',
    load: async () => (await import('./metrics/metrics.ts')).metrics,
  },
  lab: {
    summary: 'simulate a cluster to try the driver',
    load: async () => (await import('./lab/lab.ts')).lab,
  },
  leader: {
    summary: 'whether this front-end leads its zone, for timers',
    load: async () => (await import('./leader.ts')).leader,
  },
  place: {
    summary: 'where the data of VMs are, for the scheduler of OpenNebula 7',
    load: async () => (await import('./place.ts')).place,
  },
  completion: {
    summary: 'print completion scripts for bash, zsh and fish',
    load: async () => (await import('./completion.ts')).completion,
  },
  actions: {
    summary: 'list the actions that OpenNebula can call',
    load: async () => (await import('./actions.ts')).actionsCommand,
  },
  version: {
    summary: 'print the version',
    load: async () => (await import('./print-version.ts')).versionCommand,
  },
};

const overviewExamples: readonly (readonly [string, string])[] = [
  ['linstor_un install --dry-run', 'show what an installation would change'],
  ['linstor_un doctor', 'check LINSTOR, OpenNebula and the hosts'],
  ['linstor_un status vm 7', 'where the disks of VM 7 are'],
  ['linstor_un lab demo', 'try it here without a cluster'],
];

/** Runs one command line; resolves with the exit code. Never throws. */
export async function runCli(argv: string[], given?: CliEnvironment): Promise<number> {
  const environment = given ?? (await (await import('./environment.ts')).openEnvironment());
  try {
    return await dispatch(argv, environment);
  } catch (thrown) {
    return report(environment, thrown).code === 'USAGE' ? 64 : 1;
  }
}

async function dispatch(argv: readonly string[], environment: CliEnvironment): Promise<number> {
  const [first, ...rest] = argv;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help')
    return help(rest, environment, first !== undefined);
  if (first === '--version' || first === '-V') return dispatch(['version'], environment);
  if (first === 'complete') return completeWords(rest, environment);
  const command = await load(first);
  // The lab takes what it is given: its own commands have options of their own.
  if (first === 'lab') return run(command, rest, environment);
  if (rest.some((word) => word === '--help' || word === '-h')) return showHelp(command, environment);
  checkArguments(first, rest, command.args);
  return run(command, rest, environment);
}

/** What the completion scripts call; not in the overview. */
async function completeWords(words: readonly string[], environment: CliEnvironment): Promise<number> {
  const { commandTree, complete } = await import('./completion.ts');
  const { labCommands } = await import('./lab/lab.ts');
  const tree = new Map([...(await commandTree(commands, '')), ...(await commandTree(labCommands, 'lab '))]);
  return complete(words[0] === '--' ? words.slice(1) : words, tree, environment);
}

async function run(
  command: OperatorCommand,
  rawArgs: string[],
  environment: CliEnvironment,
): Promise<number> {
  const { runCommand } = await import('citty');
  const { result } = await runCommand(command.definition, { rawArgs, data: environment });
  return typeof result === 'number' ? result : 0;
}

async function load(name: string): Promise<OperatorCommand> {
  const listed = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (listed) return listed.load();
  const meant = suggest(name, Object.keys(commands));
  throw new DriverError('USAGE', `unknown command “${name}”`, {
    remedy: meant ? `did you mean “linstor_un ${meant}”?` : 'see linstor_un --help',
  });
}

async function help(words: readonly string[], environment: CliEnvironment, asked: boolean): Promise<number> {
  const name = words.find((word) => !word.startsWith('-'));
  if (name !== undefined) return showHelp(await load(name), environment);
  const { helpPage } = await import('./help.ts');
  const page = {
    summary: `linstor_un ${environment.version} – OpenNebula's images and disks on LINSTOR`,
    usage: 'linstor_un COMMAND [options]',
    sections: [
      {
        title: 'COMMANDS',
        entries: Object.entries(commands).map(([each, { summary }]) => [each, summary] as const),
      },
      { title: 'EXAMPLES', entries: overviewExamples },
    ],
    closing: "Run 'linstor_un COMMAND --help' for details.",
  };
  environment.terminal.out(helpPage(page, environment.terminal));
  return asked ? 0 : 64;
}

async function showHelp(command: OperatorCommand, { terminal }: CliEnvironment): Promise<number> {
  const { commandHelp } = await import('./help.ts');
  terminal.out(commandHelp(command, terminal));
  return 0;
}

function report({ terminal }: CliEnvironment, thrown: unknown): DriverError {
  // citty's own errors are about arguments and carry a code of their own.
  const usage = thrown instanceof Error && thrown.name === 'CLIError';
  const error = usage ? new DriverError('USAGE', Bun.stripANSI(thrown.message)) : toDriverError(thrown);
  const more = error.details.map((line) => `\n  ${printable(line)}`).join('');
  const reports = error.reports.length > 0 ? `\n  error reports: ${error.reports.join(', ')}` : '';
  terminal.message(
    'error',
    `${printable(error.message)}${more}${reports}\n  ${error.remedy} [${error.code}]`,
  );
  return error;
}
