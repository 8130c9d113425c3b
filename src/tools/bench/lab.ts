import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, createCluster } from '../../lab/cluster.ts';
import type { DriverTarget } from '../../lab/cluster-remotes.ts';
import { type ServedCluster, serveCluster } from '../../lab/cluster-serve.ts';
import { setHostFaults } from '../../lab/hosts/faults.ts';
import { detectIsolation, hostPath, traceCommands, tracedCommands } from '../../lab/hosts/hosts.ts';
import type { Waits } from './weights.ts';

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
}

export interface BenchLab {
  readonly cluster: Cluster;
  /** Calls to LINSTOR and ssh sessions since it was last asked. */
  takeCounts(): Waits;
  /** Resource definitions that LINSTOR has. */
  definitions(): number;
  stop(): Promise<void>;
}

export async function openBenchLab(directory: string, { target, latency }: LabRequest): Promise<BenchLab> {
  // Other drivers find devices nowhere else; ours then takes them from there too.
  const byRes = detectIsolation() === 'root';
  const cluster = createCluster({
    dir: directory,
    target,
    byRes,
    // The pool of most sites, and one that every way of cloning works on.
    pools: [{ name: 'thin', provider: 'LVM_THIN' }],
  });
  const served = await serveCluster(cluster);
  await makeResourceGroup(cluster);
  served.linstor.lab.setFaults([{ fault: { kind: 'hang', seconds: latency.linstorMs / 1000 } }]);
  for (const host of cluster.description.nodes) {
    installVirsh(hostPath(cluster.dir, host, 'bin'));
    if (latency.sshMs > 0)
      setHostFaults(cluster.dir, host, [{ mode: 'slow', seconds: latency.sshMs / 1000 }]);
    traceCommands(cluster.dir, host);
  }
  let before = 0;
  let earlier = { passes: 0, asks: 0 };
  return {
    cluster,
    takeCounts: () => {
      const seen = linstorCalls(served);
      const { passes, asks } = served.linstor.lab.runtime.work.totals();
      const counts = {
        linstor: seen - before,
        passes: passes - earlier.passes,
        asks: asks - earlier.asks,
        ssh: takeSessions(cluster),
      };
      earlier = { passes, asks };
      before = seen;
      return counts;
    },
    definitions: () => served.linstor.lab.runtime.state.definitions.length,
    stop: () => served.stop(),
  };
}

/** A hypervisor that agrees to everything, except to copy a disk itself: there is no domain here that could. */
function installVirsh(bin: string): void {
  const path = join(bin, 'virsh');
  writeFileSync(path, '#!/bin/sh\ncase " $* " in *" blockcopy "*) exit 1 ;; esac\nexit 0\n');
  chmodSync(path, 0o755);
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
