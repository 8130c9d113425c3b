import { DriverError } from '../../errors.ts';
import { tooLarge } from '../rest/http.ts';

export interface ClientResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Ended by us because `timeoutMs` had passed. */
  readonly timedOut: boolean;
}

export interface ClientOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export type RunClient = (argv: readonly string[], options: ClientOptions) => Promise<ClientResult>;

/** @throws LINSTOR_CLIENT when the executable cannot be started */
export const runClient: RunClient = async (argv, options) => {
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const child = start(argv, options, options.signal ? AbortSignal.any([deadline, options.signal]) : deadline);
  let full = false;
  const atMost = async (stream: ReadableStream<Uint8Array>, limit: number): Promise<string> => {
    const { text, cut } = await readAtMost(stream, limit);
    if (!cut) return text;
    // It would go on writing, into nothing.
    full = true;
    child.kill('SIGKILL');
    return text;
  };
  const [stdout, stderr, exitCode] = await Promise.all([
    atMost(child.stdout, mostOutput),
    atMost(child.stderr, mostComplaint),
    child.exited,
  ]);
  if (full) throw tooLarge(argv.join(' '), mostOutput);
  return { exitCode, stdout, stderr, timedOut: deadline.aborted };
};

/** The client prints a list as one document, which is in memory as a whole. */
const mostOutput = 256 * 1024 * 1024;
const mostComplaint = 4 * 1024 * 1024;

async function readAtMost(
  stream: ReadableStream<Uint8Array>,
  limit: number,
): Promise<{ readonly text: string; readonly cut: boolean }> {
  const decoder = new TextDecoder();
  const texts: string[] = [];
  let size = 0;
  for await (const bytes of stream) {
    size += bytes.byteLength;
    if (size > limit) return { text: '', cut: true };
    texts.push(decoder.decode(bytes, { stream: true }));
  }
  texts.push(decoder.decode());
  return { text: texts.join(''), cut: false };
}

function start(argv: readonly string[], options: ClientOptions, signal: AbortSignal) {
  try {
    return Bun.spawn([...argv], {
      env: { ...options.env },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      signal,
    });
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new DriverError('LINSTOR_CLIENT', `the LINSTOR client ${argv[0]} cannot be started (${why})`, {
      cause,
    });
  }
}
