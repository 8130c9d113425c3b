import { DriverError } from '../../errors.ts';

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
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr, timedOut: deadline.aborted };
};

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
