import { textOfBytes } from './raw-text.ts';

/** Output beyond this is read and thrown away: a talkative command must not fill our memory. */
export const outputLimit = 1024 * 1024;
/** Between SIGTERM and SIGKILL. */
const killGraceMs = 2000;
/**
 * How long output is awaited after the process has ended: a background child (ssh's ControlPersist master of old
 * releases) may hold the pipe open for minutes.
 */
const drainGraceMs = 1000;

export interface ProcessOptions {
  readonly timeoutMs: number;
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Ends the process group when it fires; a signal that has fired before the start is ignored. */
  readonly signal?: AbortSignal;
  /**
   * `tail` keeps the end instead of the beginning of an output that is over the limit. Both are what a person
   * needs: the answer's beginning, the error's end.
   */
  readonly limit?: number;
  /** File descriptors handed on as 3, 4, … */
  readonly descriptors?: readonly number[];
  /** Every piece of stderr as it comes: progress of long transfers. */
  readonly onStderr?: (text: string) => void;
  /** Keep stdin open, without data, as long as this process lives: see pipeline.ts. */
  readonly lifeline?: boolean;
}

export interface ProcessResult {
  readonly exitCode: number;
  /** Set when the process was ended by a signal that was not ours. */
  readonly signalName?: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
  readonly ended: 'exit' | 'timeout' | 'abort';
}

/** Collects up to `limit` bytes, the first ones or (`tail`) the last ones. */
class Capture {
  readonly #limit: number;
  readonly #tail: boolean;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(limit: number, tail: boolean) {
    this.#limit = limit;
    this.#tail = tail;
  }

  add(chunk: Uint8Array): void {
    if (this.#tail) {
      this.#chunks.push(chunk);
      this.#size += chunk.length;
      while (this.#chunks.length > 1 && this.#size - (this.#chunks[0]?.length ?? 0) >= this.#limit) {
        this.#size -= this.#chunks.shift()?.length ?? 0;
      }
      return;
    }
    const rest = this.#limit - this.#size;
    if (rest <= 0) return;
    const kept = chunk.length > rest ? chunk.subarray(0, rest) : chunk;
    this.#chunks.push(kept);
    this.#size += kept.length;
  }

  text(): string {
    const all = Buffer.concat(this.#chunks);
    return textOfBytes(this.#tail && all.length > this.#limit ? all.subarray(all.length - this.#limit) : all);
  }
}

async function drain(
  stream: ReadableStream<Uint8Array>,
  capture: Capture,
  listener?: (text: string) => void,
): Promise<void> {
  try {
    for await (const chunk of stream) {
      capture.add(chunk);
      listener?.(textOfBytes(chunk));
    }
  } catch {
    // A pipe that breaks while the process is being ended: what was read stays.
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** SIGTERM to the whole group, SIGKILL to what is left of it later. */
function endGroup(pid: number): void {
  const send = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-pid, signal);
    } catch {
      // The group has ended.
    }
  };
  send('SIGTERM');
  setTimeout(() => send('SIGKILL'), killGraceMs);
}

/**
 * One process in a process group of its own, with a deadline. Never throws for what the process does; throws what
 * `Bun.spawn` throws when it cannot be started (no such program).
 */
export async function runProcess(argv: readonly string[], options: ProcessOptions): Promise<ProcessResult> {
  const started = performance.now();
  const input = options.stdin === undefined ? 'ignore' : Buffer.from(options.stdin as string);
  const child = Bun.spawn([...argv], {
    stdio: [options.lifeline ? 'pipe' : input, 'pipe', 'pipe', ...(options.descriptors ?? [])],
    env: { ...process.env, ...options.env },
    // A group of its own, so that ssh, dd and everything between can be ended together.
    detached: true,
  });
  const limit = options.limit ?? outputLimit;
  const stdout = new Capture(limit, false);
  const stderr = new Capture(Math.min(limit, 64 * 1024), true);
  const drained = Promise.all([drain(child.stdout, stdout), drain(child.stderr, stderr, options.onStderr)]);

  const state: { ended: ProcessResult['ended'] } = { ended: 'exit' };
  const stop = (why: 'timeout' | 'abort') => (): void => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    state.ended = why;
    endGroup(child.pid);
  };
  const timer = setTimeout(stop('timeout'), options.timeoutMs);
  const onAbort = stop('abort');
  const watched = options.signal?.aborted ? undefined : options.signal;
  watched?.addEventListener('abort', onAbort, { once: true });
  try {
    const exitCode = await child.exited;
    await Promise.race([drained, sleep(drainGraceMs)]);
    return {
      exitCode,
      ...(child.signalCode === null ? {} : { signalName: String(child.signalCode) }),
      stdout: stdout.text(),
      stderr: stderr.text(),
      ms: Math.round(performance.now() - started),
      ended: state.ended,
    };
  } finally {
    clearTimeout(timer);
    if (options.lifeline) void (child.stdin as Bun.FileSink).end();
    watched?.removeEventListener('abort', onAbort);
  }
}
