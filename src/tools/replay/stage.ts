import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GenerationName, generationNames, generationOf } from '../../lab/linstor/generation.ts';
import { createLab, type Lab } from '../../lab/linstor/lab.ts';
import type { LabNode } from '../../lab/linstor/model/node.ts';
import type { LabPool, Provider } from '../../lab/linstor/model/pool.ts';
import type { Exchange, JsonObject, Scene, Setup } from './recording.ts';

/** A lab that looks like the cluster of the recording, and the hand that moves it as the notes say. */
export interface Stage {
  readonly lab: Lab;
  dispose(): void;
}

export function openStage(scene: Scene): Stage {
  const dir = mkdtempSync(join(tmpdir(), `linstor-replay-${process.pid}-`));
  const lab = createLab({
    dir,
    nodes: [],
    generation: generationFor(scene.setup),
    tuning: { cloneSeconds: 1 },
  });
  const { state } = lab.runtime;
  state.nodes = scene.setup.nodes.map(nodeFrom);
  state.pools = scene.setup.storage_pools.map(poolFrom);
  // The recorded satellites accepted clones on FILE_THIN where the recording shows one that began.
  const patched = scene.exchanges.some(
    (exchange) => /\/clone$/.test(exchange.rest?.path ?? '') && exchange.rest?.status === 201,
  );
  for (const pool of state.pools) if (patched) pool.clonePatched = true;
  const dispose = () => {
    lab.close();
    rmSync(dir, { recursive: true, force: true });
  };
  return { lab, dispose };
}

function generationFor(setup: Setup): GenerationName {
  const rest = Number(setup.controller.rest_api_version.split('.')[1]);
  const fitting = generationNames.filter((name) => generationOf(name).rest <= rest);
  return fitting.at(-1) ?? '1.20';
}

function nodeFrom(node: JsonObject): LabNode {
  return {
    name: String(node['name']),
    uuid: String(node['uuid']),
    type: String(node['type']),
    props: { ...(node['props'] as Record<string, string>) },
    flags: (node['flags'] as string[] | undefined) ?? [],
    interfaces: node['net_interfaces'] as LabNode['interfaces'],
    connection: String(node['connection_status']),
    providers: node['storage_providers'] as string[],
    layers: node['resource_layers'] as string[],
    unsupportedProviders: (node['unsupported_providers'] as Record<string, string[]> | undefined) ?? {},
    unsupportedLayers: (node['unsupported_layers'] as Record<string, string[]> | undefined) ?? {},
  };
}

function poolFrom(pool: JsonObject): LabPool {
  const props = (pool['props'] as Record<string, string> | undefined) ?? {};
  const total = Number(pool['total_capacity'] ?? 0);
  return {
    name: String(pool['storage_pool_name']),
    node: String(pool['node_name']),
    provider: String(pool['provider_kind']) as Provider,
    uuid: String(pool['uuid']),
    props: { ...props },
    totalKib: total,
    emptyFreeKib: Number(pool['free_capacity'] ?? total),
    granularityKib: Number(props['StorDriver/internal/AllocationGranularity'] ?? 1),
  };
}

/**
 * What happened around the recorded calls and is no call itself: time that passed, satellites that were
 * stopped and started, devices that were opened. Notes say it, or an answer shows it as a fact of the cluster.
 */
export async function prepare(lab: Lab, exchange: Exchange, next: Exchange | undefined): Promise<void> {
  const { note = '', rest } = exchange;
  const waited = /^(\d+) s later/.exec(note);
  if (waited) lab.runtime.advance(Number(waited[1]) * 1000);
  const stopped = /(\w+) is stopped before/.exec(note);
  if (stopped?.[1]) await lab.setConnection(stopped[1], 'OFFLINE');
  if (rest?.method === 'GET' && rest.path.startsWith('/v1/nodes') && Array.isArray(rest.answer)) {
    for (const node of rest.answer as JsonObject[]) {
      const known = lab.runtime.state.nodes.find((item) => item.name === node['name']);
      const seen = String(node['connection_status']);
      if (known && known.connection !== seen) await lab.setConnection(known.name, seen);
    }
  }
  showUsers(lab, rest?.answer);
  if (rest?.path.endsWith('/clone')) lab.runtime.tuning.cloneSeconds = clonedAtOnce(next) ? 0 : 1;
}

const clonedAtOnce = (next: Exchange | undefined): boolean =>
  next?.note === undefined && (next?.rest?.answer as JsonObject | undefined)?.['status'] === 'COMPLETE';

/** Devices in use are shown by the resource view and named by refusals (997). */
function showUsers(lab: Lab, answer: unknown): void {
  if (!Array.isArray(answer)) return;
  for (const item of answer as JsonObject[]) {
    const inUse = (item['state'] as JsonObject | undefined)?.['in_use'];
    if (typeof inUse === 'boolean') tryUse(lab, String(item['name']), String(item['node_name']), inUse);
    const named = /Un-mount resource '([^']+)' on the node '([^']+)'/.exec(String(item['correction'] ?? ''));
    if (named?.[1] && named[2]) tryUse(lab, named[1], named[2], true);
  }
}

function tryUse(lab: Lab, resource: string, node: string, inUse: boolean): void {
  try {
    lab.setInUse(resource, node, inUse);
  } catch {
    // The recording shows a resource the lab does not have: the comparison will say so.
  }
}

/** Things that happen after an exchange, by its note. */
export async function afterwards(lab: Lab, exchange: Exchange): Promise<void> {
  const started = /(\w+) is started again after/.exec(exchange.note ?? '');
  if (started?.[1]) await lab.setConnection(started[1], 'ONLINE');
  const stopped = /(\w+) is stopped after/.exec(exchange.note ?? '');
  if (stopped?.[1]) await lab.setConnection(stopped[1], 'OFFLINE');
}
