import { createInterface } from 'node:readline/promises';
import { printableLines, printableScreen } from '../printable.ts';
import { writeTo } from '../standard-io.ts';

/** Where an operator's command reads and writes. stdout carries the result alone; messages go to stderr. */
export interface Terminal {
  /** A person can be asked. */
  readonly interactive: boolean;
  readonly color: boolean;
  /** Width of the screen; 80 where there is none. */
  readonly columns: number;
  readonly rows: number;
  out(text: string): void;
  message(kind: MessageKind, text: string): void;
  confirm(question: string): Promise<boolean>;
}

export type MessageKind = 'info' | 'success' | 'warn' | 'error';

export async function openTerminal(env: Readonly<Record<string, string | undefined>>): Promise<Terminal> {
  const { createConsola } = await import('consola/basic');
  const colorful = (stream: { isTTY?: boolean }): boolean =>
    Boolean(stream.isTTY) && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  const stderr = drained(2);
  const messages = createConsola({ stdout: stderr, stderr, formatOptions: { date: false } });
  return {
    interactive: Boolean(process.stdin.isTTY && process.stderr.isTTY),
    color: colorful(process.stdout),
    columns: process.stdout.columns || Number(env['COLUMNS']) || 80,
    rows: process.stdout.rows || 24,
    out: (text) => writeTo(1, printableScreen(text)),
    message: (kind, text) => messages[kind](printableLines(text)),
    confirm: async (question) => {
      const reader = createInterface({ input: process.stdin, output: process.stderr });
      try {
        return /^y(?:es)?$/i.test((await reader.question(`${question} [y/N] `)).trim());
      } finally {
        reader.close();
      }
    },
  };
}

/**
 * A stream whose writes have reached the reader when they return: Node's own keep what a full pipe does not take (64 KiB), and
 * lose it when the process ends. A reader that has gone (`| head`) is no error: the work goes on and what it says is dropped.
 */
function drained(fd: 1 | 2): NodeJS.WriteStream {
  const write = (text: string | Uint8Array): boolean => {
    writeTo(fd, typeof text === 'string' ? text : new TextDecoder().decode(text));
    return true;
  };
  return { write } as unknown as NodeJS.WriteStream;
}
