import { cpSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, createCluster } from '../src/lab/cluster.ts';
import type { DriverTarget } from '../src/lab/cluster-remotes.ts';
import { type ServedCluster, serveCluster } from '../src/lab/cluster-serve.ts';
import { setHostFaults } from '../src/lab/hosts/faults.ts';
import { traceCommands, tracedCommands } from '../src/lab/hosts/hosts.ts';

/**
 * What each call waits besides the work itself: a controller under some load, and an ssh session without
 * multiplexing. Fixed, so that the figures show how calls are arranged and not how fast the lab is.
 */
export interface Latency {
  readonly linstorMs: number;
  readonly sshMs: number;
}

export const usualLatency: Latency = { linstorMs: 50, sshMs: 200 };
export const noLatency: Latency = { linstorMs: 0, sshMs: 0 };

export interface LabRequest {
  readonly target: DriverTarget;
  readonly latency: Latency;
  /** A directory as OpenNebula's `remotes`, with another driver. */
  readonly otherDriver?: string;
}

export interface BenchLab {
  readonly cluster: Cluster;
  readonly driver: string;
  /** Calls to LINSTOR and ssh sessions since it was last asked. */
  takeCounts(): { linstor: number; ssh: number };
  stop(): Promise<void>;
}

export async function openBenchLab(
  directory: string,
  { target, latency, otherDriver }: LabRequest,
): Promise<BenchLab> {
  const cluster = createCluster({ dir: directory, target });
  const driver = otherDriver === undefined ? 'linstor_un' : overlay(cluster, otherDriver);
  const served = await serveCluster(cluster);
  await makeResourceGroup(cluster);
  served.linstor.lab.setFaults([{ fault: { kind: 'hang', seconds: latency.linstorMs / 1000 } }]);
  for (const host of cluster.description.nodes) {
    if (latency.sshMs > 0)
      setHostFaults(cluster.dir, host, [{ mode: 'slow', seconds: latency.sshMs / 1000 }]);
    traceCommands(cluster.dir, host);
  }
  let before = 0;
  return {
    cluster,
    driver,
    takeCounts: () => {
      const seen = linstorCalls(served);
      const counts = { linstor: seen - before, ssh: takeSessions(cluster) };
      before = seen;
      return counts;
    },
    stop: () => served.stop(),
  };
}

export const resourceGroup = 'bench';

/** Replicas on the first two nodes, so that every run costs the same: the third uses disks without having them. */
async function makeResourceGroup(cluster: Cluster): Promise<void> {
  const filter = {
    place_count: 2,
    storage_pool_list: ['thin'],
    node_name_list: cluster.description.nodes.slice(0, 2),
    layer_stack: ['DRBD', 'STORAGE'],
  };
  await post(cluster, '/v1/resource-groups', { name: resourceGroup, select_filter: filter });
  await post(cluster, `/v1/resource-groups/${resourceGroup}/volume-groups`, {});
}

async function post(cluster: Cluster, path: string, body: unknown): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${cluster.linstorUrl}${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status} ${await answer.text()}`);
}

const linstorCalls = ({ linstor }: ServedCluster): number => linstor.lab.runtime.faults.list()[0]?.seen ?? 0;

function takeSessions(cluster: Cluster): number {
  let sessions = 0;
  for (const host of cluster.description.nodes) {
    sessions += tracedCommands(cluster.dir, host).length;
    traceCommands(cluster.dir, host);
  }
  return sessions;
}

const stock = new Set(['ssh', 'shared', 'common', 'qcow2', 'dummy', 'linstor_un']);

/**
 * A directory as OpenNebula's `remotes` – `datastore/NAME/…`, `tm/NAME/…`, and what its scripts include – laid over the lab's. Returns
 * the driver's name: the one that is not stock.
 */
function overlay(cluster: Cluster, directory: string): string {
  const tm = join(directory, 'tm');
  const names = existsSync(tm) ? readdirSync(tm).filter((name) => existsSync(join(tm, name, 'clone'))) : [];
  const name = names.find((each) => !stock.has(each)) ?? names.find((each) => each === 'linstor_un');
  if (name === undefined) throw new Error(`${directory} has no tm/<driver>/clone`);
  cpSync(directory, cluster.paths.remotes, { recursive: true, force: true });
  return name;
}
