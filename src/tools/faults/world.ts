import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, createCluster, readDescription, writeDescription } from '../../lab/cluster.ts';
import type { DriverTarget } from '../../lab/cluster-remotes.ts';
import { traceCommands, tracedCommands } from '../../lab/hosts/hosts.ts';
import { createLab, type Lab } from '../../lab/linstor/lab.ts';
import { restartController } from '../../lab/linstor/satellite/connection.ts';
import type { DriverRequest } from '../../lab/one/driver.ts';
import type { LabOne } from '../../lab/one/lab-one.ts';
import { serveOne } from '../../lab/one/serve.ts';
import { FileStore } from '../../lab/one/store.ts';
import { FaultProxy } from './proxy.ts';

export const nodes = ['node1', 'node2', 'node3'] as const;

export const groups = {
  drbd: { place_count: 2, storage_pool_list: ['thin'], layer_stack: ['DRBD', 'STORAGE'] },
  plain: { place_count: 1, storage_pool_list: ['thin'], layer_stack: ['STORAGE'] },
} as const;
export type GroupName = keyof typeof groups;

/** Names with a part made at random (scratch resources, temporary snapshots) are one name. */
const random = /-[0-9a-f]{8}\b/g;

/** Thrown where the call under test would begin. */
class Reached extends Error {}

/**
 * A lab whose whole state – LINSTOR, hosts, oned – can be put aside and brought back in some milliseconds, so that every
 * case begins from the same state. LINSTOR and oned stand behind proxies that can break single calls.
 */
export class FaultWorld {
  readonly cluster: Cluster;
  readonly linstorProxy: FaultProxy;
  /** The second controller's address; nobody listens there until the first one has died. */
  readonly standby: FaultProxy;
  readonly oneProxy: FaultProxy;
  readonly staging: string;
  readonly logFile: string;
  readonly env: Record<string, string>;
  readonly #kept: string;
  readonly #oneServer: ReturnType<typeof serveOne>;
  #lab: Lab;

  constructor(target: DriverTarget) {
    const dir = mkdtempSync(join(tmpdir(), 'linstor_un-faults-'));
    this.cluster = createCluster({ target, dir, nodes });
    const { paths } = this.cluster;
    this.#kept = join(dir, 'kept');
    this.staging = join(dir, 'staging');
    mkdirSync(this.staging);
    this.#lab = this.#open();
    this.#oneServer = serveOne({ store: new FileStore(paths.store), location: paths.location });
    this.linstorProxy = new FaultProxy({
      name: (method, path) => `${method} ${decodeURIComponent(path).replaceAll(random, '-*')}`,
      backend: (request) => this.#lab.fetch(request),
    });
    this.standby = new FaultProxy({
      name: (method, path) => `${method} ${path}`,
      backend: (request) => this.#lab.fetch(request),
    });
    this.standby.down();
    this.oneProxy = new FaultProxy({
      name: (_method, _path, body) => {
        const [, method = '?'] = /<methodName>([^<]*)/.exec(body) ?? [];
        const [, id] = /<(?:int|i4)>(\d+)</.exec(body) ?? [];
        return id === undefined ? method : `${method} ${id}`;
      },
      backend: async (request) => fetch(this.#oneServer.url, { method: 'POST', body: await request.text() }),
    });
    writeDescription(dir, {
      ...readDescription(dir),
      linstorPort: this.linstorProxy.port,
      onePort: this.oneProxy.port,
    });
    this.logFile = join(dir, 'actions.jsonl');
    this.env = {
      ...this.cluster.driverEnv(),
      LS_CONTROLLERS: [this.linstorProxy, this.standby]
        .map(({ port }) => `http://127.0.0.1:${port}`)
        .join(','),
      LINSTOR_UN_LOG: this.logFile,
      LINSTOR_UN_LOCKS: mkdtempSync(join(dir, 'locks-')),
    };
  }

  #open(): Lab {
    const { description, paths } = this.cluster;
    return createLab({
      dir: paths.linstor,
      nodes: description.nodes.map((name) => ({
        name,
        layers: description.layers,
        pools: description.pools,
      })),
      generation: description.generation,
      devices: description.devices,
      tuning: { cloneSeconds: 0.05 },
    });
  }

  get lab(): Lab {
    return this.#lab;
  }

  /** oned without any fault. */
  get one(): LabOne {
    return this.cluster.one({ env: this.env });
  }

  /** LINSTOR's own answer, past the proxy. */
  async linstor(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.#lab.fetch(
      new Request(`http://lab${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** Runs an operator's command up to a driver call, which is returned and not made. */
  async upTo(
    wanted: (request: DriverRequest) => boolean,
    work: (one: LabOne) => Promise<unknown>,
  ): Promise<DriverRequest> {
    let found: DriverRequest | undefined;
    const one = this.cluster.one({
      env: this.env,
      onStart: (request) => {
        if (!wanted(request)) return;
        found = request;
        throw new Reached();
      },
    });
    try {
      const done = await work(one);
      throw new Error(`the call under test was never made: ${JSON.stringify(done).slice(0, 2000)}`);
    } catch (error) {
      if (error instanceof Reached && found) return found;
      throw error;
    }
  }

  #copied(): [string, string][] {
    const { paths } = this.cluster;
    return [
      [paths.linstor, 'linstor'],
      [join(paths.root, 'hosts'), 'hosts'],
      [paths.location, 'datastores'],
      [paths.store, 'objects.json'],
    ];
  }

  save(name: string): void {
    const to = join(this.#kept, name);
    rmSync(to, { recursive: true, force: true });
    mkdirSync(to, { recursive: true });
    for (const [from, kept] of this.#copied()) copy(from, join(to, kept));
  }

  restore(name: string): void {
    this.#lab.close();
    for (const [to, kept] of this.#copied()) {
      rmSync(to, { recursive: true, force: true });
      copy(join(this.#kept, name, kept), to);
    }
    rmSync(this.staging, { recursive: true, force: true });
    mkdirSync(this.staging);
    rmSync(this.logFile, { force: true });
    this.#lab = this.#open();
    this.mend();
  }

  /** The controller's database as it is now. */
  database(): string {
    return JSON.stringify(this.#lab.runtime.state);
  }

  /**
   * Another controller takes over, with this database: what the satellites have made or removed since stays as it is. They connect to
   * it within a second.
   */
  takeOver(database: string): void {
    this.#lab.close();
    writeFileSync(join(this.cluster.paths.linstor, 'state.json'), database);
    this.#lab = this.#open();
    restartController(this.#lab.runtime, 0.5);
    this.standby.up();
  }

  /** No faults any more; calls are counted from here. */
  mend(): void {
    this.linstorProxy.mend();
    this.standby.down();
    this.oneProxy.mend();
    this.#lab.runtime.faults.clear();
    for (const node of nodes) {
      rmSync(join(this.cluster.paths.root, 'hosts', node, 'fault'), { force: true });
      traceCommands(this.cluster.dir, node);
    }
  }

  /** Texts of the commands since `mend`, by host. */
  sshCalls(): Record<string, string[]> {
    return Object.fromEntries(nodes.map((node) => [node, tracedCommands(this.cluster.dir, node)]));
  }

  async close(): Promise<void> {
    this.#lab.close();
    await Promise.all([
      this.linstorProxy.stop(),
      this.standby.stop(),
      this.oneProxy.stop(),
      this.#oneServer.stop(),
    ]);
    rmSync(this.cluster.dir, { recursive: true, force: true });
  }

  writeImage(name: string, content: Uint8Array): string {
    const path = join(this.cluster.paths.images, name);
    if (!existsSync(path) || !Buffer.from(content).equals(readFileSync(path))) writeFileSync(path, content);
    return path;
  }
}

/** `cp` keeps holes, links and times; the runtime's own copy fills holes. */
function copy(from: string, to: string): void {
  const done = Bun.spawnSync(['cp', '-a', '--sparse=always', '--reflink=auto', from, to], {
    stdin: 'ignore',
  });
  if (!done.success) cpSync(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
}
