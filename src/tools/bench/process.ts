import { existsSync, readFileSync } from 'node:fs';

export interface Run {
  readonly argv: readonly string[];
  readonly stdin?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface Measured {
  readonly ms: number;
  /** User and system time of the process and of those that it waited for. */
  readonly cpuMs: number;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Waits without blocking: a server in this process may be what the program talks to. */
export async function runMeasured({ argv, stdin = '', env, cwd }: Run): Promise<Measured> {
  const start = performance.now();
  const child = Bun.spawn([...argv], {
    stdin: Buffer.from(stdin),
    stdout: 'pipe',
    stderr: 'pipe',
    env,
    ...(cwd === undefined ? {} : { cwd }),
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  const ms = performance.now() - start;
  const cpuMs = Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000;
  return { ms, cpuMs, exitCode, stdout, stderr };
}

export const timeProgram = '/usr/bin/time';

/**
 * Peak memory in MiB, by GNU time; undefined where it is not installed. Not by `resourceUsage`: a child's maximum starts
 * with what its parent had in memory when it was made, and this process has much.
 */
export async function peakMemory(run: Run, scratch: string): Promise<number | undefined> {
  if (!existsSync(timeProgram)) return undefined;
  const file = `${scratch}/peak`;
  await runMeasured({ ...run, argv: [timeProgram, '-q', '-f', '%M', '-o', file, ...run.argv] });
  return Number(readFileSync(file, 'utf8').trim()) / 1024;
}

export function requireSuccess(what: string, { exitCode, stderr }: Measured): void {
  if (exitCode !== 0) throw new Error(`${what} failed with exit code ${exitCode}: ${stderr.trim()}`);
}
