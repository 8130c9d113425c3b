import { DriverError } from '../../errors.ts';
import { checkArguments } from '../arguments.ts';
import { type CliEnvironment, type OperatorCommand, operatorCommand } from '../command.ts';
import { commandHelp, helpPage } from '../help.ts';
import { suggest } from '../suggest.ts';

/** The lab's own commands; each is loaded when it is called. */
interface Listed {
  readonly summary: string;
  readonly load: () => Promise<OperatorCommand>;
}

export const labCommands: Readonly<Record<string, Listed>> = {
  demo: {
    summary: 'an end-to-end demo, checked byte for byte',
    load: async () => (await import('./demo.ts')).labDemo,
  },
  up: { summary: 'create or start a lab', load: async () => (await import('./up.ts')).labUp },
  status: {
    summary: 'its components and injected faults',
    load: async () => (await import('./up.ts')).labStatus,
  },
  break: { summary: 'inject a fault', load: async () => (await import('./break.ts')).labBreak },
  mend: { summary: 'clear faults', load: async () => (await import('./break.ts')).labMend },
  shell: { summary: 'a shell in it', load: async () => (await import('./environment.ts')).labShell },
  env: {
    summary: 'print its environment for a shell',
    load: async () => (await import('./environment.ts')).labEnv,
  },
  story: {
    summary: 'failure scenarios as commands to type',
    load: async () => (await import('./story.ts')).labStory,
  },
  serve: {
    summary: 'run its servers in the foreground',
    load: async () => (await import('./up.ts')).labServe,
  },
  down: { summary: 'stop and delete the lab', load: async () => (await import('./up.ts')).labDown },
};

const overview: Parameters<typeof helpPage>[0] = {
  summary: 'A simulated LINSTOR cluster with hosts and a small oned on this machine.',
  usage: 'linstor_un lab COMMAND [options]',
  sections: [
    {
      title: 'COMMANDS',
      entries: [
        ...Object.entries(labCommands).map(([name, { summary }]) => [name, summary] as const),
        ['linstor …', 'the LINSTOR client, pointed at the lab'],
        [
          'oneimage …',
          'OpenNebula’s commands, on its small oned: onedatastore, oneimage, onetemplate, onevm, onehost',
        ],
      ],
    },
    {
      title: 'EXAMPLES',
      entries: [
        ['linstor_un lab demo', 'everything, in seconds'],
        ['linstor_un lab up --nodes 3', 'a cluster to experiment with'],
        ['linstor_un lab linstor storage-pool list', 'look at it'],
        ['linstor_un lab break node node2', 'take a satellite offline'],
        ['linstor_un lab down', 'delete the lab'],
      ],
    },
  ],
  closing: "Run 'linstor_un lab COMMAND --help' for details.",
};

export const lab = operatorCommand({
  name: 'lab',
  summary: 'A simulated LINSTOR cluster with hosts and a small oned on this machine.',
  args: {},
  examples: [
    ['lab demo', 'everything, in seconds'],
    ['lab up', 'a cluster to experiment with'],
  ],
  run: () => 0,
});

/** citty hands only parsed arguments on; the lab needs them as they were typed. */
lab.definition.run = ({ rawArgs, data }) => dispatch(rawArgs, data as CliEnvironment);

async function dispatch(argv: readonly string[], environment: CliEnvironment): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    environment.terminal.out(helpPage(overview, environment.terminal));
    return name === undefined ? 64 : 0;
  }
  if (name === 'linstor') return runLinstor(rest, environment);
  if (name === 'drbdsetup') return runKernelTool(rest, environment);
  if (/^one[a-z]+$/.test(name)) return runOneProgram(name, rest, environment);
  const listed = Object.hasOwn(labCommands, name) ? labCommands[name] : undefined;
  if (!listed) {
    const meant = suggest(name, [...Object.keys(labCommands), 'linstor']);
    throw new DriverError('USAGE', `unknown lab command “${name}”`, {
      remedy: meant ? `did you mean “linstor_un lab ${meant}”?` : 'see linstor_un lab --help',
    });
  }
  const command = await listed.load();
  if (rest.some((word) => word === '--help' || word === '-h')) {
    environment.terminal.out(commandHelp(command, environment.terminal));
    return 0;
  }
  checkArguments(`lab ${name}`, rest, command.args);
  const { runCommand } = await import('citty');
  const { result } = await runCommand(command.definition, { rawArgs: rest, data: environment });
  return typeof result === 'number' ? result : 0;
}

/** OpenNebula's commands on the lab's small oned. */
async function runOneProgram(
  name: string,
  argv: readonly string[],
  environment: CliEnvironment,
): Promise<number> {
  const [{ onePrograms, runOne }, { openLab }] = await Promise.all([
    import('../../lab/one/cli/main.ts'),
    import('./options.ts'),
  ]);
  if (!Object.hasOwn(onePrograms, name))
    throw new DriverError('USAGE', `the lab has no ${name}`, {
      remedy: `one of ${Object.keys(onePrograms).join(', ')}`,
    });
  const { exit, stdout, stderr } = await runOne(name, argv, openLab(undefined, environment.env));
  environment.terminal.data(stdout);
  process.stderr.write(stderr);
  return exit;
}

/** `drbdsetup` on a host of the lab; LAB_HOST is set by its ssh. */
async function runKernelTool(argv: readonly string[], { env, terminal }: CliEnvironment): Promise<number> {
  const [{ runDrbdsetup }, { openLab }] = await Promise.all([
    import('../../lab/drbdsetup.ts'),
    import('./options.ts'),
  ]);
  const { exit, stdout, stderr } = runDrbdsetup(
    argv,
    openLab(undefined, env).paths.linstor,
    env['LAB_HOST'] ?? '',
  );
  terminal.data(stdout);
  process.stderr.write(stderr);
  return exit;
}

/**
 * `bin/linstor` of a lab is a driver's client: LS_CONTROLLERS counts. A person who types `lab linstor` means the lab, even
 * on a machine whose environment or configuration names a real controller.
 */
async function runLinstor(argv: readonly string[], { env }: CliEnvironment): Promise<number> {
  const { main } = await import('../../lab/client/main.ts');
  if (env['LINSTOR_UN_LAB_CLIENT'] === '1' && env['LS_CONTROLLERS'] !== undefined) return main(argv, env);
  const { openLab } = await import('./options.ts');
  const [first = '', second, ...rest] = argv;
  const dir = first === '--dir' ? second : /^--dir=(.*)$/.exec(first)?.[1];
  const words = first === '--dir' ? rest : dir === undefined ? argv : argv.slice(1);
  if (words.includes('--controllers')) return main(words, env);
  return main(['--disable-config', ...words], { ...env, LS_CONTROLLERS: openLab(dir, env).linstorUrl });
}
