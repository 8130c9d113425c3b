import type { CliEnvironment, ExitCode } from '../../cli/command.ts';
import { labCommands } from '../../cli/lab/lab.ts';
import { commands, runCli } from '../../cli/main.ts';

export interface CommandHelp {
  readonly name: string;
  /** As `linstor_un NAME --help` prints it. */
  readonly help: string;
  readonly exitCodes: readonly ExitCode[];
}

/** What a person sees, for every command and its subcommands, in the order of the overviews. Throws when one has no help. */
export async function readCommands(columns = 100): Promise<CommandHelp[]> {
  const names = namesIn(await helpOf([], columns));
  if (names.length === 0) throw new Error('linstor_un --help lists no commands');
  return (await Promise.all(names.map((name) => withSubcommands([name], columns)))).flat();
}

async function withSubcommands(words: readonly string[], columns: number): Promise<CommandHelp[]> {
  const help = await helpOf(words, columns);
  const below = await Promise.all(namesIn(help).map((name) => withSubcommands([...words, name], columns)));
  return [{ name: words.join(' '), help, exitCodes: await exitCodesOf(words) }, ...below.flat()];
}

async function exitCodesOf([first = '', second]: readonly string[]): Promise<readonly ExitCode[]> {
  const listed = second === undefined ? commands[first] : labCommands[second];
  if (!listed) throw new Error(`there is no command ${first} ${second}`);
  return (await listed.load()).exitCodes;
}

/** The lines below COMMANDS: name, blanks, what it does. */
function namesIn(overview: string): string[] {
  const listed = /^COMMANDS\n\n((?: {2}.+\n)+)/m.exec(overview)?.[1] ?? '';
  return listed.split('\n').flatMap((line) => /^ {2}([a-z]+(?:-[a-z]+)*) {2,}/.exec(line)?.[1] ?? []);
}

async function helpOf(words: readonly string[], columns: number): Promise<string> {
  const text: string[] = [];
  const messages: string[] = [];
  const code = await runCli([...words, '--help'], silentEnvironment(text, messages, columns));
  const help = text.join('').trim();
  if (code !== 0 || help === '') {
    throw new Error(`linstor_un ${words.join(' ')} --help gives no help: ${messages.join(' ')}`);
  }
  // The screen ends lines with blanks; a page must not.
  return help.replaceAll(/[ \t]+$/gm, '').concat('\n');
}

function silentEnvironment(text: string[], messages: string[], columns: number): CliEnvironment {
  return {
    terminal: {
      interactive: false,
      color: false,
      columns,
      rows: 24,
      out: (each) => void text.push(each),
      data: (each) => void text.push(each),
      message: (_kind, each) => void messages.push(each),
      confirm: () => Promise.resolve(false),
      ask: () => Promise.resolve(''),
    },
    env: {},
    executable: 'linstor_un',
    version: '',
    now: () => new Date(0),
    context: () => Promise.reject(new Error('help needs nothing from outside')),
  };
}
