import { openSync, readFileSync } from 'node:fs';
import { Locks } from '../hosts/lock.ts';
import { type Cluster, type LabDescription, labLock, readDescription, writeDescription } from './cluster.ts';
import { type DriverTarget, ownTarget, targetArgv, underItsName } from './cluster-remotes.ts';
import { type ServedLab, serveLinstor } from './linstor/serve.ts';
import { type OneServer, serveOne } from './one/serve.ts';
import { FileStore } from './one/store.ts';

export interface ServedCluster {
  readonly cluster: Cluster;
  readonly linstor: ServedLab;
  readonly one: OneServer;
  stop(): Promise<void>;
}

/** The port of last time, if it is free: clients that know it stay connected over a restart. */
async function onPort<T>(wanted: number | undefined, serve: (port: number) => T | Promise<T>): Promise<T> {
  if (wanted === undefined) return serve(0);
  try {
    return await serve(wanted);
  } catch {
    return serve(0);
  }
}

const update = (dir: string, change: Partial<LabDescription>): void =>
  writeDescription(dir, { ...readDescription(dir), ...change });

/** Both servers, in this process. Their ports are kept in the lab's description. */
export async function serveCluster(cluster: Cluster): Promise<ServedCluster> {
  const known = cluster.description;
  if (known.pid !== process.pid && isRunning(known)) {
    throw new Error(`the lab in ${cluster.dir} is running already (process ${known.pid})`);
  }
  const nodes = known.nodes.map((name) => ({ name, layers: known.layers, pools: known.pools }));
  const linstor = await onPort(known.linstorPort, (port) =>
    serveLinstor({
      dir: cluster.paths.linstor,
      nodes,
      generation: known.generation,
      devices: known.devices,
      port,
    }),
  );
  const one = await onPort(known.onePort, (port) =>
    serveOne({
      store: new FileStore(cluster.paths.store),
      location: cluster.paths.location,
      port,
      changes: () => cluster.onedOptions(),
    }),
  );
  update(cluster.dir, { linstorPort: linstor.port, onePort: one.port, ...ownProcess() });
  return {
    cluster,
    linstor,
    one,
    stop: async () => {
      await Promise.all([linstor.stop(), one.stop()]);
      const { pid: _pid, started: _started, ...rest } = readDescription(cluster.dir);
      writeDescription(cluster.dir, rest);
    },
  };
}

/** Ticks since the machine's start at which a process began; undefined when there is none. */
function beginning(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program, in brackets, may hold anything; the 20th word after it is the time (proc(5)).
    const [state, ...words] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? undefined : words[18];
  } catch {
    return undefined;
  }
}

/** How a lab's description names the process that serves it. */
export function ownProcess(pid = process.pid): { pid: number; started?: string } {
  const started = beginning(pid);
  return { pid, ...(started === undefined ? {} : { started }) };
}

/** Is it the lab's server? A process id may have been given to something else since, another lab's server too. */
export function isRunning({ pid, started }: Pick<LabDescription, 'pid' | 'started'>): boolean {
  if (pid === undefined) return false;
  const began = beginning(pid);
  return began !== undefined && began === started;
}

async function answers(cluster: Cluster): Promise<boolean> {
  try {
    const response = await fetch(`${cluster.linstorUrl}/v1/controller/version`, {
      signal: AbortSignal.timeout(2000),
    });
    return response.ok;
  } catch {
    return false;
  }
}

/** One at a time: two that start or remove a lab at once would undo each other's work. */
export async function withLab<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const clock = { now: () => Date.now(), sleep: (ms: number) => Bun.sleep(ms) };
  return new Locks({ clock, directory: dir, action: 'lab' }).run(labLock, work);
}

/** Starts `lab serve` as a process of its own and waits until it answers. */
export async function startCluster(
  cluster: Cluster,
  target: DriverTarget = underItsName(ownTarget(), cluster.paths.one),
  timeoutMs = 20_000,
): Promise<void> {
  const before = cluster.description;
  if (isRunning(before) && (await answers(cluster))) return;
  const log = openSync(cluster.paths.log, 'a');
  const child = Bun.spawn(targetArgv(target, 'lab', 'serve', '--dir', cluster.dir), {
    stdin: 'ignore',
    stdout: log,
    stderr: log,
    detached: true,
    // Not the directory of whoever starts it: that may have to be unmounted.
    cwd: cluster.dir,
  });
  child.unref();
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) break;
    if (cluster.description.pid === child.pid && (await answers(cluster))) return;
    await Bun.sleep(30);
  }
  const said = readFileSync(cluster.paths.log, 'utf8').trim().split('\n').slice(-3).join('\n');
  throw new Error(`the lab's servers did not start: ${said === '' ? 'no output' : said}`);
}

/** Ends the servers; the lab's state stays. Resolves when they are gone. */
export async function stopCluster(cluster: Cluster): Promise<boolean> {
  const server = cluster.description;
  const { pid } = server;
  if (pid === undefined || !isRunning(server)) return false;
  process.kill(pid, 'SIGTERM');
  for (let tries = 0; tries < 100 && isRunning(server); tries += 1) await Bun.sleep(30);
  if (isRunning(server)) process.kill(pid, 'SIGKILL');
  return true;
}
