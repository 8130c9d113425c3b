import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, createCluster } from '../../lab/cluster.ts';
import type { DriverTarget } from '../../lab/cluster-remotes.ts';
import { type ServedCluster, serveCluster } from '../../lab/cluster-serve.ts';
import type { DriverCall } from '../../lab/one/driver.ts';
import type { LabOne } from '../../lab/one/lab-one.ts';
import { isBase } from '../../volumes/base.ts';
import type { Model, Site } from './model.ts';

const groups = {
  drbd: { place_count: 2, storage_pool_list: ['thin'], layer_stack: ['DRBD', 'STORAGE'] },
  plain: { place_count: 1, storage_pool_list: ['thin'], layer_stack: ['STORAGE'] },
} as const;

interface View {
  readonly name: string;
  readonly node_name: string;
  readonly flags?: readonly string[];
  readonly volumes?: readonly { readonly device_path?: string }[];
}

/** A lab, and a look at what is really there. */
export class SoakWorld {
  readonly cluster: Cluster;
  readonly one: LabOne;
  readonly calls: DriverCall[] = [];
  readonly #served: ServedCluster;

  private constructor(cluster: Cluster, served: ServedCluster) {
    this.cluster = cluster;
    this.#served = served;
    const env = { ...cluster.driverEnv(), LINSTOR_UN_LOCKS: mkdtempSync(join(cluster.dir, 'locks-')) };
    this.one = cluster.one({ env, onCall: (call) => this.calls.push(call) });
  }

  static async open(target: DriverTarget): Promise<SoakWorld> {
    const dir = mkdtempSync(join(tmpdir(), 'linstor_un-soak-'));
    const cluster = createCluster({ target, dir, nodes: ['node1', 'node2', 'node3'] });
    const world = new SoakWorld(cluster, await serveCluster(cluster));
    for (const [name, filter] of Object.entries(groups))
      await world.#linstor('POST', '/v1/resource-groups', { name, select_filter: filter });
    return world;
  }

  async #linstor(method: string, path: string, body?: unknown): Promise<unknown> {
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(`${this.cluster.linstorUrl}${path}`, { method, ...init });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async site(group: Site['group'], transport: 'rest' | 'cli'): Promise<Site> {
    const template = { RESOURCE_GROUP: group, TRANSPORT: transport, SAFE_DIRS: this.cluster.paths.images };
    const images = await this.one.createDatastore({ name: `images-${group}`, type: 'IMAGE', template });
    const systems: number[] = [];
    for (const mode of ['snapshot', 'copy']) {
      const name = `system-${group}-${mode}`;
      const system = { ...template, CLONE_MODE: mode };
      systems.push((await this.one.createDatastore({ name, type: 'SYSTEM', template: system })).datastore);
    }
    return { group, images: images.datastore, systems };
  }

  async #replicas(): Promise<View[]> {
    return (await this.#linstor('GET', '/v1/view/resources')) as View[];
  }

  /** Node and device of the replicas that have the data. */
  async replicasOf(resource: string): Promise<{ node: string; path: string }[]> {
    return diskful((await this.#replicas()).filter((each) => each.name === resource));
  }

  /** All that is not as the model has it. */
  async differences(model: Model): Promise<string[]> {
    const [definitions, snapshots, replicas] = (await Promise.all([
      this.#linstor('GET', '/v1/resource-definitions'),
      this.#linstor('GET', '/v1/view/snapshots'),
      this.#replicas(),
    ])) as [{ name: string }[], { resource_name: string; name: string }[], View[]];
    const wanted = model.resources();
    const wrong = [
      ...compare(
        'resource',
        [...wanted.keys()],
        definitions.map(({ name }) => name),
      ),
      ...compare(
        'snapshot',
        model.snapshots(),
        // The snapshot of which an image's clones are made is nobody's.
        snapshots.filter((each) => !isBase(each)).map((each) => `${each.resource_name}/${each.name}`),
      ),
    ];
    for (const [name, content] of wanted) {
      const found = diskful(replicas.filter((each) => each.name === name));
      if (found.length === 0 && definitions.some((each) => each.name === name))
        wrong.push(`${name} has no replica`);
      for (const { node, path } of found) {
        const difference = content.difference(path);
        if (difference) wrong.push(`${name} on ${node} ${difference}`);
      }
    }
    return [...wrong, ...this.#links(model)];
  }

  /** A VM's links must lead to something on its host. */
  #links(model: Model): string[] {
    const wrong: string[] = [];
    for (const vm of model.vms.values()) {
      if (vm.state === 'parked') continue;
      for (const disk of vm.disks.keys()) {
        const path = join(this.cluster.paths.location, String(vm.system), String(vm.id), `disk.${disk}`);
        try {
          const leads = Bun.file(this.cluster.fileOnHost(vm.host, path)).size;
          if (leads === 0) wrong.push(`disk ${disk} of VM ${vm.id} is not to be seen on ${vm.host}`);
        } catch (error) {
          wrong.push(`disk ${disk} of VM ${vm.id} on ${vm.host}: ${String(error)}`);
        }
      }
    }
    return wrong;
  }

  async close(): Promise<void> {
    await this.#served.stop();
    rmSync(this.cluster.dir, { recursive: true, force: true });
  }
}

const diskless = ['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'];
const diskful = (views: readonly View[]): { node: string; path: string }[] =>
  views
    .filter(({ flags = [] }) => !flags.some((flag) => diskless.includes(flag)))
    .map((view) => ({ node: view.node_name, path: view.volumes?.[0]?.device_path ?? '' }));

function compare(kind: string, wanted: readonly string[], found: readonly string[]): string[] {
  return [
    ...wanted.filter((name) => !found.includes(name)).map((name) => `${kind} ${name} is gone`),
    ...found.filter((name) => !wanted.includes(name)).map((name) => `${kind} ${name} is left`),
  ];
}
