import { existsSync } from 'node:fs';
import { join } from 'node:path';

export type DriverKind = 'datastore' | 'tm' | 'vmm';

/** How a call's document reaches the driver. */
export interface DriverInput {
  readonly encoding: 'none' | 'base64' | 'raw';
  readonly text: string;
}

export interface DriverRequest {
  readonly kind: DriverKind;
  /** DS_MAD or TM_MAD; `kvm` for vmm. */
  readonly driver: string;
  readonly action: string;
  readonly argv: readonly string[];
  readonly stdin?: DriverInput;
}

/** One call as oned made it, with what came of it. */
export interface DriverCall extends DriverRequest {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface DriverOptions {
  /** Directory with `datastore/`, `tm/` and `vmm/`. */
  readonly remotes: string;
  /** Working directory of oned's drivers (VAR_LOCATION). */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** The group is ended after this long; oned itself sets no limit for tm actions. Default: 10 minutes. */
  readonly timeoutMs?: number;
  /** What the script is handed to instead of being executed itself: a program that measures it, say. */
  readonly runner?: readonly string[];
  /** Every call when it has ended. */
  readonly onCall?: (call: DriverCall) => void;
  readonly onStart?: (request: DriverRequest) => void;
}

/** `clone.ssh` falls back to `clone` when there is no file of that name (contract §1.3). */
function scriptOf(remotes: string, request: DriverRequest): string | undefined {
  const directory = join(remotes, request.kind, request.driver);
  const bare = request.action.replace(/\.[^.]*$/, '');
  return [request.action, bare].map((name) => join(directory, name)).find(existsSync);
}

const failed = (request: DriverRequest, stderr: string): DriverCall => ({
  ...request,
  exitCode: 255,
  stdout: '',
  stderr,
  ms: 0,
});

/**
 * Calls a driver as oned's middle layers do: own process group, the document on stdin or an empty closed pipe,
 * VAR_LOCATION as working directory. Never throws for what the driver does.
 */
export async function callDriver(request: DriverRequest, options: DriverOptions): Promise<DriverCall> {
  options.onStart?.(request);
  const call = await execute(request, options);
  options.onCall?.(call);
  return call;
}

async function execute(request: DriverRequest, options: DriverOptions): Promise<DriverCall> {
  const script = scriptOf(options.remotes, request);
  if (script === undefined) {
    const path = join(options.remotes, request.kind, request.driver, request.action);
    return failed(request, `Driver path '${path}' does not exists\n`);
  }
  const { encoding, text } = request.stdin ?? { encoding: 'none', text: '' };
  const input = encoding === 'base64' ? Buffer.from(text).toString('base64') : text;
  const started = performance.now();
  const child = Bun.spawn([...(options.runner ?? []), script, ...request.argv], {
    cwd: options.cwd,
    env: { ...options.env },
    stdin: Buffer.from(input),
    stdout: 'pipe',
    stderr: 'pipe',
    detached: true,
  });
  const end = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // The group has ended.
    }
  };
  const timeoutMs = options.timeoutMs ?? 600_000;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end('SIGTERM');
    setTimeout(() => end('SIGKILL'), 5000).unref();
  }, timeoutMs);
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  clearTimeout(timer);
  const ms = performance.now() - started;
  // Ended by a signal counts as 255 (contract §1.4).
  const code = late || child.signalCode !== null ? 255 : exitCode;
  return {
    ...request,
    exitCode: code,
    stdout,
    stderr: late ? `Timeout executing ${script}\n${stderr}` : stderr,
    ms,
  };
}

/**
 * The text a user would see for a failed call: 7.x glues all stderr lines that are no log lines, without a separator
 * (contract §1.5).
 */
export function userMessage(call: DriverCall): string {
  return call.stderr
    .split('\n')
    .filter((line) => !/^(?:ERROR|INFO|WARN|DEBUG):\s/.test(line))
    .join('')
    .trim();
}
