import { openSync, readFileSync } from 'node:fs';
import { type Cluster, type LabDescription, readDescription, writeDescription } from './cluster.ts';
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
  if (known.pid !== undefined && known.pid !== process.pid && isRunning(known.pid)) {
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
    serveOne({ store: new FileStore(cluster.paths.store), location: cluster.paths.location, port }),
  );
  update(cluster.dir, { linstorPort: linstor.port, onePort: one.port, pid: process.pid });
  return {
    cluster,
    linstor,
    one,
    stop: async () => {
      await Promise.all([linstor.stop(), one.stop()]);
      const { pid: _, ...rest } = readDescription(cluster.dir);
      writeDescription(cluster.dir, rest);
    },
  };
}

/** Is it our server? A process id may have been given to something else since. */
export function isRunning(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return commandLine.includes('serve') || pid === process.pid;
  } catch {
    return false;
  }
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

/** Starts `lab serve` as a process of its own and waits until it answers. */
export async function startCluster(
  cluster: Cluster,
  target: DriverTarget = underItsName(ownTarget(), cluster.paths.one),
  timeoutMs = 20_000,
): Promise<void> {
  const before = cluster.description;
  if (isRunning(before.pid) && (await answers(cluster))) return;
  const log = openSync(cluster.paths.log, 'a');
  const child = Bun.spawn(targetArgv(target, 'lab', 'serve', '--dir', cluster.dir), {
    stdin: 'ignore',
    stdout: log,
    stderr: log,
    detached: true,
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
  const { pid } = cluster.description;
  if (pid === undefined || !isRunning(pid)) return false;
  process.kill(pid, 'SIGTERM');
  for (let tries = 0; tries < 100 && isRunning(pid); tries += 1) await Bun.sleep(30);
  if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  return true;
}
