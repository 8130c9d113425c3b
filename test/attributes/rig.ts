import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabRequest } from '../../src/lab/cluster.ts';
import { type LabOne, labOne } from '../../src/lab/one/lab-one.ts';
import type { Operation } from '../../src/lab/one/oned.ts';
import type { ActionRecord } from '../../src/log/record.ts';
import { startLab, type TestLab } from '../support/lab.ts';

/** One request that the driver made of LINSTOR. */
export interface Request {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

export interface Replica {
  readonly node: string;
  readonly pool: string;
  readonly diskless: boolean;
  readonly layers: readonly string[];
}

/** What an operation did. */
export interface Seen<T extends Operation> {
  readonly done: T;
  /** Of LINSTOR, through the proxy. */
  readonly requests: readonly Request[];
  /** Programs that were started on this machine, with their arguments, one a line. */
  readonly programs: readonly string[];
  readonly records: readonly ActionRecord[];
}

interface View {
  readonly node_name: string;
  readonly flags?: readonly string[];
  readonly props?: Readonly<Record<string, string>>;
  readonly layer_object?: Layer;
  readonly volumes?: readonly { readonly storage_pool_name?: string }[];
}
interface Layer {
  readonly type: string;
  readonly children?: readonly Layer[];
}

/** Programs whose use is written down. `ssh` also knows the host `kvm1`, which is node1 under another name. */
const watched = ['ssh', 'curl', 'sleep', 'linstor'] as const;

const wrapper = (real: string, log: string): string => `#!/bin/bash
printf '%q ' "\${0##*/}" "$@" >>'${log}'; echo >>'${log}'
args=()
for word in "$@"; do
  if [ "\${0##*/}" = ssh ] && [ "$word" = kvm1 ]; then word=node1; fi
  args+=("$word")
done
exec '${real}' "\${args[@]}"
`;

export class Rig {
  readonly lab: TestLab;
  readonly one: LabOne;
  readonly dir: string;
  readonly proxy: ReturnType<typeof Bun.serve>;
  readonly requests: Request[];
  #names = 0;

  private constructor(lab: TestLab, dir: string, requests: Request[], conf: string) {
    this.lab = lab;
    this.dir = dir;
    this.requests = requests;
    this.proxy = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: forwarding(lab, requests) });
    this.one = labOne({
      ...lab.one.options,
      checkpoints: true,
      env: {
        ...lab.one.options.env,
        PATH: `${join(dir, 'bin')}:${lab.one.options.env?.['PATH'] ?? ''}`,
        // What no attribute leads away from goes through the proxy.
        LS_CONTROLLERS: `http://127.0.0.1:${this.proxy.port}`,
        LINSTOR_UN_CONF: conf,
      },
    });
  }

  static async open(conf = '', request: Partial<LabRequest> = {}): Promise<Rig> {
    const dir = mkdtempSync(join(tmpdir(), 'linstor_un-attributes-'));
    const lab = await startLab({
      nodes: ['node1', 'node2', 'node3', 'node4'],
      pools: [
        { name: 'thin', provider: 'FILE_THIN' },
        { name: 'lvm', provider: 'LVM_THIN' },
      ],
      ...request,
    });
    mkdirSync(join(dir, 'bin'));
    writeFileSync(join(dir, 'programs'), '');
    for (const name of watched) {
      const own = join(lab.cluster.paths.bin, name);
      const real = existsSync(own) ? own : (Bun.which(name) ?? '/bin/false');
      writeFileSync(join(dir, 'bin', name), wrapper(real, join(dir, 'programs')), { mode: 0o755 });
    }
    const file = join(dir, 'linstor_un.conf');
    writeFileSync(file, conf);
    const rig = new Rig(lab, dir, [], file);
    await rig.#prepare();
    return rig;
  }

  async #prepare(): Promise<void> {
    const { lab } = this;
    // Two sites of two nodes; a group that leaves everything to the attributes.
    for (const [node, site] of [
      ['node1', 'a'],
      ['node2', 'b'],
      ['node3', 'a'],
      ['node4', 'b'],
    ] as const)
      await lab.linstor('PUT', `/v1/nodes/${node}`, { override_props: { 'Aux/site': site } });
    await lab.linstor('POST', '/v1/resource-groups', {
      name: 'open',
      select_filter: { place_count: 2, layer_stack: ['DRBD', 'STORAGE'] },
    });
    const scripts = join(this.dir, 'scripts/vmm/kvm');
    mkdirSync(scripts, { recursive: true });
    writeFileSync(
      join(scripts, 'save'),
      '#!/bin/bash\ncat >/dev/null\nprintf memory | dd of="$2" conv=notrunc status=none\n',
      {
        mode: 0o755,
      },
    );
    writeFileSync(join(lab.cluster.paths.var, 'config'), `SCRIPTS_REMOTE_DIR=${this.dir}/scripts\n`);
  }

  async stop(): Promise<void> {
    await this.proxy.stop(true);
    await this.lab.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  name(): string {
    this.#names += 1;
    return `n${this.#names}`;
  }

  async datastore(type: 'IMAGE' | 'SYSTEM', template: Readonly<Record<string, string>>): Promise<number> {
    return (await this.one.createDatastore({ name: this.name(), type, template })).datastore;
  }

  /** Runs an operation and tells what it did; it may fail. */
  async watch<T extends Operation>(work: () => Promise<T>): Promise<Seen<T>> {
    const before = this.lab.records().length;
    const programs = (): string[] =>
      readFileSync(join(this.dir, 'programs'), 'utf8').split('\n').filter(Boolean);
    const started = programs().length;
    this.requests.length = 0;
    const done = await work();
    return {
      done,
      requests: [...this.requests],
      programs: programs().slice(started),
      records: this.lab.records().slice(before),
    };
  }

  /** An empty image in a new datastore with these attributes, and what became of it. */
  async block(template: Readonly<Record<string, string>>, persistent = false) {
    const datastore = await this.datastore('IMAGE', template);
    const seen = await this.watch(() =>
      this.one.createDatablock({ name: this.name(), datastore, sizeMb: 8, persistent }),
    );
    const { ok, error, image } = seen.done;
    if (!ok) throw new Error(error);
    return {
      ...seen,
      datastore,
      image,
      resource: `one-image-${image}`,
      replicas: await this.replicas(`one-image-${image}`),
    };
  }

  async replicas(resource: string): Promise<Replica[]> {
    const view = (await this.lab.linstor('GET', `/v1/view/resources?resources=${resource}`)) as View[];
    return view.map(({ node_name, flags = [], props = {}, layer_object, volumes = [] }) => ({
      node: node_name,
      pool: volumes[0]?.storage_pool_name ?? props['StorPoolName'] ?? '',
      diskless: flags.some((flag) => flag.endsWith('DISKLESS')),
      layers: layersFrom(layer_object),
    }));
  }

  /** A VM with these disks, running. */
  async vm(disks: Parameters<LabOne['createVm']>[0]['disks'], host: string, datastore: number) {
    const seen = await this.watch(() =>
      this.one.instantiate({ name: this.name(), disks, context: false, memoryMb: 64 }, { host, datastore }),
    );
    if (!seen.done.ok) throw new Error(seen.done.error);
    return { ...seen, vm: seen.done.vm };
  }

  link(vm: number, disk: number, datastore: number): string {
    return join(this.lab.cluster.paths.location, String(datastore), String(vm), `disk.${disk}`);
  }

  file(name: string, content: Buffer | string): string {
    const path = join(this.dir, name);
    appendFileSync(path, content);
    return path;
  }
}

export const diskful = (replicas: readonly Replica[]): Replica[] =>
  replicas.filter(({ diskless }) => !diskless);
export const nodesOf = (replicas: readonly Replica[]): string[] =>
  diskful(replicas)
    .map(({ node }) => node)
    .sort();

function layersFrom(layer: Layer | undefined): string[] {
  return layer ? [layer.type, ...layersFrom(layer.children?.[0])] : [];
}

/** A reverse proxy that writes down what passes. */
export function forwarding(
  lab: TestLab,
  requests: Request[],
): (request: globalThis.Request) => Promise<Response> {
  return async (request) => {
    const url = new URL(request.url);
    const body = await request.text();
    requests.push({ method: request.method, path: url.pathname, body });
    const answer = await fetch(`${lab.cluster.linstorUrl}${url.pathname}${url.search}`, {
      method: request.method,
      ...(body === '' ? {} : { body }),
    });
    return new Response(await answer.text(), {
      status: answer.status,
      headers: { 'content-type': 'application/json' },
    });
  };
}
