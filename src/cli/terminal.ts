import { createInterface } from 'node:readline/promises';
import { printableLines, printableScreen } from '../printable.ts';
import { writeTo } from '../standard-io.ts';
import { hasUtf8, plain } from './glyphs.ts';
import { cut } from './table.ts';

/** Where an operator's command reads and writes. stdout carries the result alone; messages go to stderr. */
export interface Terminal {
  /** A person can be asked. */
  readonly interactive: boolean;
  readonly color: boolean;
  /** Width of the screen; 80 where there is none. */
  readonly columns: number;
  readonly rows: number;
  /** For a person: a screen, in the signs that the locale has. */
  out(text: string): void;
  /** For programs: as it is. */
  data(text: string): void;
  message(kind: MessageKind, text: string): void;
  confirm(question: string): Promise<boolean>;
  /** An empty answer is the proposed one. */
  ask(question: string, proposed: string): Promise<string>;
  /** Empties the screen. Only where stdout is a terminal. */
  readonly clear?: () => void;
  /** A line on stderr that the next one replaces; '' removes it. Only where stderr is a terminal. */
  readonly transient?: (text: string) => void;
}

export type MessageKind = 'info' | 'success' | 'warn' | 'error';

const prefixes: Readonly<Record<MessageKind, string>> = {
  info: '',
  success: '',
  warn: 'linstor_un: warning: ',
  error: 'linstor_un: ',
};

async function answerTo(question: string): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await reader.question(question)).trim();
  } finally {
    reader.close();
  }
}

/**
 * What is written has reached the reader when these return: Node's own streams keep what a full pipe does not take (64 KiB), and
 * lose it when the process ends. A reader that has gone (`| head`) is no error: the work goes on and what it says is dropped.
 */
export async function openTerminal(env: Readonly<Record<string, string | undefined>>): Promise<Terminal> {
  const colorful = (stream: { isTTY?: boolean }): boolean =>
    Boolean(stream.isTTY) && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  const inSigns = hasUtf8(env) ? (text: string): string => text : plain;
  const messages = await openMessages((text) => writeTo(2, inSigns(text)));
  return {
    interactive: Boolean(process.stdin.isTTY && process.stderr.isTTY),
    color: colorful(process.stdout),
    columns: process.stdout.columns || Number(env['COLUMNS']) || 80,
    rows: process.stdout.rows || 24,
    out: (text) => writeTo(1, inSigns(printableScreen(text))),
    data: (text) => writeTo(1, printableScreen(text)),
    message: (kind, text) => messages[kind](printableLines(text)),
    ...(process.stdout.isTTY ? { clear: () => writeTo(1, '\u001b[H\u001b[2J\u001b[3J') } : {}),
    ...(process.stderr.isTTY
      ? {
          transient: (text: string) =>
            writeTo(2, `\r\u001b[K${cut(inSigns(printableLines(text)), (process.stderr.columns || 80) - 1)}`),
        }
      : {}),
    confirm: async (question) => /^y(?:es)?$/i.test(await answerTo(inSigns(`${question} [y/N] `))),
    ask: async (question, proposed) => (await answerTo(inSigns(`${question} [${proposed}] `))) || proposed,
  };
}

/** One line a message, in the words of this program: nothing of the environment (`CONSOLA_LEVEL`) hides one. */
async function openMessages(
  write: (text: string) => void,
): Promise<Record<MessageKind, (text: string) => void>> {
  const { createConsola } = await import('consola/core');
  return createConsola({
    level: 3,
    throttle: 0,
    reporters: [
      {
        log: ({ type, args }) =>
          write(`${prefixes[type as MessageKind] ?? ''}${args.map(String).join(' ')}\n`),
      },
    ],
  });
}
