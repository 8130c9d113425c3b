import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DriverRequest } from '../../lab/one/driver.ts';
import type { FaultWorld } from './world.ts';

export interface Attempt {
  readonly exitCode: number;
  /** The reply line. */
  readonly reply: string;
  readonly stderr: string;
}

export interface RunningAction {
  readonly done: Promise<Attempt>;
  /** To the program alone: what it has started lives on, as a command on a host does. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
  /** Ends what the program has left behind on this machine. */
  sweep(): void;
}

/** Longer than any wait of the driver's for what an earlier call has begun: two minutes for a revert. */
const deadlineMs = 150_000;

/** The driver call as oned makes it, in a process group of its own. */
export function startAction(world: FaultWorld, request: DriverRequest): RunningAction {
  const script = join(world.cluster.paths.remotes, request.kind, request.driver, request.action);
  const { encoding, text } = request.stdin ?? { encoding: 'none', text: '' };
  // A file that is there is written over and keeps its end.
  for (const name of ['stdout', 'stderr']) rmSync(join(world.cluster.dir, name), { force: true });
  const child = Bun.spawn([script, ...request.argv], {
    cwd: world.cluster.paths.var,
    env: world.env,
    stdin: Buffer.from(encoding === 'base64' ? Buffer.from(text).toString('base64') : text),
    stdout: Bun.file(join(world.cluster.dir, 'stdout')),
    stderr: Bun.file(join(world.cluster.dir, 'stderr')),
    detached: true,
  });
  const group = (name: NodeJS.Signals): void => {
    try {
      process.kill(-child.pid, name);
    } catch {
      // Nothing is left of it.
    }
  };
  const late = setTimeout(() => group('SIGKILL'), deadlineMs);
  const read = (name: string): Promise<string> => Bun.file(join(world.cluster.dir, name)).text();
  return {
    done: (async () => {
      const exitCode = await child.exited;
      clearTimeout(late);
      return {
        exitCode,
        reply: (await read('stdout')).split('\n', 1)[0]?.trim() ?? '',
        stderr: await read('stderr'),
      };
    })(),
    signal: (name) => void child.kill(name),
    sweep: () => group('SIGKILL'),
  };
}
