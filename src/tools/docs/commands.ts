import type { CliEnvironment } from '../../cli/command.ts';
import { runCli } from '../../cli/main.ts';

export interface CommandHelp {
  readonly name: string;
  /** As `linstor_un NAME --help` prints it. */
  readonly help: string;
}

/** What a person sees, for every command of the overview. Throws when a command has no help. */
export async function readCommands(): Promise<CommandHelp[]> {
  const overview = await helpOf([]);
  const listed = /^COMMANDS\n\n((?: {2}.+\n)+)/m.exec(overview)?.[1] ?? '';
  const names = listed.split('\n').flatMap((line) => /^ {2}(\S+)/.exec(line)?.[1] ?? []);
  if (names.length === 0) throw new Error('linstor_un --help lists no commands');
  return Promise.all(names.map(async (name) => ({ name, help: await helpOf([name]) })));
}

async function helpOf(words: readonly string[]): Promise<string> {
  const text: string[] = [];
  const messages: string[] = [];
  const code = await runCli(['help', ...words], silentEnvironment(text, messages));
  const help = text.join('').trim();
  if (words.length > 0 && (code !== 0 || help === '')) {
    throw new Error(`linstor_un help ${words.join(' ')} gives no help: ${messages.join(' ')}`);
  }
  // The screen ends lines with blanks; a page must not.
  return help.replaceAll(/[ \t]+$/gm, '').concat('\n');
}

function silentEnvironment(text: string[], messages: string[]): CliEnvironment {
  return {
    terminal: {
      interactive: false,
      color: false,
      columns: 80,
      rows: 24,
      out: (each) => void text.push(each),
      message: (_kind, each) => void messages.push(each),
      confirm: () => Promise.resolve(false),
    },
    env: {},
    executable: 'linstor_un',
    version: '',
    now: () => new Date(0),
    context: () => Promise.reject(new Error('help needs nothing from outside')),
  };
}
