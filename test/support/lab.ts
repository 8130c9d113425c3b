import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, createCluster, type LabRequest } from '../../src/lab/cluster.ts';
import type { DriverTarget } from '../../src/lab/cluster-remotes.ts';
import { type ServedCluster, serveCluster } from '../../src/lab/cluster-serve.ts';
import type { DriverCall } from '../../src/lab/one/driver.ts';
import type { LabOne } from '../../src/lab/one/lab-one.ts';
import type { LabOnedOptions } from '../../src/lab/one/oned.ts';
import { FileStore } from '../../src/lab/one/store.ts';
import type { ActionRecord } from '../../src/log/record.ts';
import { ownBinary } from '../../src/tools/own-binary.ts';
import { isBase } from '../../src/volumes/base.ts';

/** The compiled binary, made of the sources as they are now: a test proves nothing about a program of yesterday. */
export const driverTarget: DriverTarget = { binary: ownBinary() };

export interface TestLab {
  readonly cluster: Cluster;
  readonly served: ServedCluster;
  readonly one: LabOne;
  /** Every driver call so far. */
  readonly calls: DriverCall[];
  /** What each of `calls` cost LINSTOR's satellites. */
  readonly work: { readonly passes: number; readonly asks: number }[];
  /** Plain call of LINSTOR's API. */
  linstor(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Names of resource definitions, sorted. */
  definitions(): Promise<string[]>;
  /** `resource/snapshot`, without those of which an image's clones are made. */
  snapshots(): Promise<string[]>;
  /** Runs a command on a host of the lab. */
  on(host: string, command: string): string;
  /** Content of a path on a host, up to `length` bytes, as SHA-256. */
  digest(host: string, path: string, length: number): string;
  write(host: string, path: string, offset: number, text: string): void;
  read(host: string, path: string, offset: number, length: number): string;
  /** What the driver recorded about its last call. */
  lastRecord(): ActionRecord;
  /** What the driver recorded about all its calls so far, oldest first. */
  records(): ActionRecord[];
  /** From now on OpenNebula, and ssh, know the hosts by these names. Returns them, in the order of the nodes. */
  renameHosts(name: (node: string, index: number) => string): string[];
  stop(): Promise<void>;
}

export const groups = {
  plain: { place_count: 1, storage_pool_list: ['thin'], layer_stack: ['STORAGE'] },
  drbd: { place_count: 2, storage_pool_list: ['thin'], layer_stack: ['DRBD', 'STORAGE'] },
} as const;

/** A lab of its own, with the resource groups `plain` and `drbd`. Stop it in `afterAll`. */
export async function startLab(
  request: Partial<LabRequest> = {},
  env: Readonly<Record<string, string>> = {},
  oned: Partial<LabOnedOptions> = {},
): Promise<TestLab> {
  const dir = mkdtempSync(join(tmpdir(), 'linstor_un-test-'));
  const cluster = createCluster({ target: driverTarget, ...request, dir });
  const served = await serveCluster(cluster);
  const calls: DriverCall[] = [];
  const logFile = join(dir, 'actions.jsonl');
  const driverEnv = {
    ...cluster.driverEnv(),
    LINSTOR_UN_LOG: logFile,
    LINSTOR_UN_LOCKS: mkdtempSync(join(dir, 'locks-')),
    ...env,
  };
  const work: { passes: number; asks: number }[] = [];
  const satellites = served.linstor.lab.runtime.work;
  let before = satellites.totals();
  const one = cluster.one({
    ...oned,
    env: driverEnv,
    onStart: () => {
      before = satellites.totals();
    },
    onCall: (call) => {
      const { passes, asks } = satellites.totals();
      calls.push(call);
      work.push({ passes: passes - before.passes, asks: asks - before.asks });
    },
  });
  const linstor = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${cluster.linstorUrl}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  for (const [name, filter] of Object.entries(groups))
    await linstor('POST', '/v1/resource-groups', { name, select_filter: filter });
  const on = (host: string, command: string): string => {
    const result = Bun.spawnSync([join(cluster.paths.bin, 'ssh'), host, command], {
      stdin: 'ignore',
      env: driverEnv,
    });
    if (!result.success) throw new Error(`${host}: ${command}: ${result.stderr}`);
    return result.stdout.toString();
  };
  const names = async (path: string, pick: (entry: Record<string, string>) => string): Promise<string[]> =>
    ((await linstor('GET', path)) as Record<string, string>[]).map(pick).sort();
  const records = (): ActionRecord[] =>
    existsSync(logFile)
      ? readFileSync(logFile, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as ActionRecord)
      : [];
  return {
    cluster,
    served,
    one,
    calls,
    work,
    linstor,
    definitions: () => names('/v1/resource-definitions', (entry) => entry['name'] ?? ''),
    snapshots: async () =>
      (await names('/v1/view/snapshots', (entry) => `${entry['resource_name']}/${entry['name']}`)).filter(
        (each) => !isBase({ name: each.split('/')[1] ?? '' }),
      ),
    on,
    digest: (host, path, length) => on(host, `head -c ${length} '${path}' | sha256sum | cut -c1-64`).trim(),
    write: (host, path, offset, text) => {
      on(
        host,
        `printf %s '${text}' | dd of='${path}' bs=1 seek=${offset} conv=notrunc,nocreat,fsync status=none`,
      );
    },
    read: (host, path, offset, length) =>
      on(host, `dd if='${path}' bs=1 skip=${offset} count=${length} status=none`),
    lastRecord: () => records().at(-1) ?? ({} as ActionRecord),
    records,
    renameHosts: (name) => {
      const renamed = new Map(cluster.description.nodes.map((node, index) => [node, name(node, index)]));
      for (const [node, host] of renamed)
        if (node !== host) symlinkSync(node, join(cluster.dir, 'hosts', host));
      new FileStore(cluster.paths.store).update((state) => {
        state.hosts = state.hosts.map((host) => ({ ...host, name: renamed.get(host.name) ?? host.name }));
      });
      return [...renamed.values()];
    },
    stop: async () => {
      await served.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
