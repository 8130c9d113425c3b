import { resolve } from 'node:path';
import { adminPaths, handleAdmin } from './admin.ts';
import type { Fault, FaultRule } from './faults.ts';
import type { GenerationName } from './generation.ts';
import { type NodeOptions, newDisklessPool, newNode, newPool } from './model/cluster.ts';
import { type ClusterState, emptyState } from './model/state.ts';
import { toResponse } from './rest/call.ts';
import { retCode } from './rest/codes.ts';
import { createdAt } from './rest/entry.ts';
import { handle } from './rest/handle.ts';
import { encode } from './rest/json.ts';
import { loadState, Runtime, type Tuning } from './runtime.ts';
import { setConnection } from './satellite/connection.ts';
import { setInUse } from './satellite/usage.ts';
import { strikeCluster } from './strike.ts';

export interface LabOptions {
  /** Everything of this lab lies below it: state, images, device nodes. */
  readonly dir: string;
  /** Used when `dir` holds no state yet. Three nodes with a FILE_THIN pool `thin` when absent. */
  readonly nodes?: readonly NodeOptions[];
  /** 1.33 when absent; an existing state keeps its own unless given. */
  readonly generation?: GenerationName;
  /** `loop` (root only): volumes are loop devices over the image files. */
  readonly devices?: 'file' | 'loop';
  readonly tuning?: Partial<Tuning>;
}

/** A running simulated LINSTOR. */
export interface Lab {
  readonly runtime: Runtime;
  /** The REST interface. A dropped connection is a response of status 0 here; the server closes the socket. */
  fetch(request: Request): Promise<Response>;
  setFaults(rules: readonly FaultRule[]): void;
  setConnection(node: string, connection: string): Promise<void>;
  setInUse(resource: string, node: string, inUse: boolean): void;
  /** Stops its timers; its directory can go. */
  close(): void;
}

const defaultNodes: readonly NodeOptions[] = ['alpha', 'bravo', 'charlie'].map((name) => ({
  name,
  pools: [{ name: 'thin', provider: 'FILE_THIN' }],
}));

/** The answer that stands for a connection closed without one. */
export class Dropped extends Error {}

export function createLab(options: LabOptions): Lab {
  const root = resolve(options.dir);
  const state = loadState(root) ?? build(options);
  if (options.generation) state.generation = options.generation;
  const tuning = {
    cloneSeconds: 0.2,
    syncSeconds: 0,
    snapshotSeconds: 0,
    evacuateSeconds: 2,
    ...options.tuning,
  };
  const runtime = new Runtime(root, state, { devices: options.devices ?? 'file', tuning });
  runtime.save();
  return {
    runtime,
    fetch: (request) => answer(runtime, request),
    setFaults: (rules) => runtime.faults.set(rules),
    setConnection: (node, connection) => runtime.exclusively(() => setConnection(runtime, node, connection)),
    setInUse: (resource, node, inUse) => setInUse(runtime, resource, node, inUse),
    close: () => runtime.close(),
  };
}

function build(options: LabOptions): ClusterState {
  const state = emptyState(options.generation ?? '1.33');
  for (const [index, wish] of (options.nodes ?? defaultNodes).entries()) {
    state.nodes.push(
      newNode(wish.name, {
        address: `127.0.0.${11 + index}`,
        ...(wish.layers ? { layers: wish.layers } : {}),
        ...(wish.providers ? { providers: wish.providers } : {}),
        ...(wish.props ? { props: wish.props } : {}),
      }),
    );
    state.pools.push(
      newDisklessPool(wish.name),
      ...(wish.pools ?? []).map((pool) => newPool(wish.name, pool)),
    );
  }
  return state;
}

async function answer(runtime: Runtime, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const text = await request.text();
  if (adminPaths.test(url.pathname)) return handleAdmin(runtime, request.method, url, text);
  const faults = runtime.faults.strike(request.method, url.pathname);
  const before = await strikeBefore(runtime, faults);
  if (before) return before;
  const response = toResponse(await handle(runtime, request.method, url, text));
  return strikeAfter(faults, response);
}

/** Faults that come before the call is executed; the last one that answers wins. */
async function strikeBefore(runtime: Runtime, faults: readonly Fault[]): Promise<Response | undefined> {
  for (const fault of faults) {
    switch (fault.kind) {
      case 'refuse':
        throw new Dropped('controller refuses');
      case 'drop':
        if (fault.when === 'before') throw new Dropped('dropped before execution');
        break;
      case 'hang':
        await Bun.sleep(fault.seconds * 1000);
        if (fault.afterwards === 'drop') throw new Dropped('dropped after hanging');
        break;
      case 'redirect':
        return new Response(null, { status: 302, headers: { Location: fault.to } });
      case 'unauthorised':
        return failure(runtime, 401, 10001, 'Login required but no credentials provided');
      case 'code':
        return failure(runtime, fault.status ?? 500, fault.code, fault.message ?? 'Fault of the lab');
      default:
        await strikeCluster(runtime, fault);
    }
  }
  return undefined;
}

function failure(runtime: Runtime, status: number, code: number, message: string): Response {
  const entry = { ret_code: retCode('error', code), message, created_at: createdAt(runtime.now()) };
  return new Response(encode([entry]), {
    status,
    headers: {
      'Content-Type': 'application/json',
      ...(status === 401 ? { 'WWW-Authenticate': 'Basic' } : {}),
    },
  });
}

async function strikeAfter(faults: readonly Fault[], response: Response): Promise<Response> {
  for (const fault of faults) {
    if (fault.kind === 'lose' || (fault.kind === 'drop' && fault.when === 'after'))
      throw new Dropped('answer lost');
    if (fault.kind === 'truncate') {
      const text = await response.text();
      return new Response(text.slice(0, Math.floor(text.length / 2)), {
        status: response.status,
        headers: response.headers,
      });
    }
  }
  return response;
}
