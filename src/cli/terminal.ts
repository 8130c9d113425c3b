import { createInterface } from 'node:readline/promises';

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
  const [stdout, stderr] = [untilClosed(process.stdout), untilClosed(process.stderr)];
  const messages = createConsola({
    stdout: process.stderr,
    stderr: process.stderr,
    formatOptions: { date: false },
  });
  return {
    interactive: Boolean(process.stdin.isTTY && process.stderr.isTTY),
    color: colorful(process.stdout),
    columns: process.stdout.columns || Number(env['COLUMNS']) || 80,
    rows: process.stdout.rows || 24,
    out: (text) => stdout(() => process.stdout.write(text)),
    message: (kind, text) => stderr(() => messages[kind](text)),
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

/** The reader may go before we are done (`| head`): the work goes on and what it says is dropped. */
export function untilClosed(stream: NodeJS.WriteStream): (write: () => unknown) => void {
  let closed = false;
  const trouble = (error: unknown): void => {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
    closed = true;
  };
  stream.on('error', trouble);
  return (write) => {
    if (closed) return;
    try {
      write();
    } catch (error) {
      trouble(error);
    }
  };
}
