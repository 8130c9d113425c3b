import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { LabRequest } from '../../src/lab/cluster.ts';
import { setHostFaults } from '../../src/lab/hosts/faults.ts';
import { startLab, type TestLab } from '../support/lab.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A lab with an image, VMs on its hosts, and the operator's commands on it. */
export class World {
  readonly lab: TestLab;
  readonly system: number;
  readonly image: number;

  private constructor(lab: TestLab, system: number, image: number) {
    this.lab = lab;
    this.system = system;
    this.image = image;
  }

  static async open(
    request: Partial<LabRequest> = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<World> {
    const lab = await startLab(request, env);
    const template = { RESOURCE_GROUP: 'drbd', CLONE_MODE: 'snapshot', ON_NO_QUORUM: 'suspend-io' };
    const images = (await lab.one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
    const system = (await lab.one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
    const { image, error } = await lab.one.createDatablock({ name: 'image', datastore: images, sizeMb: 8 });
    if (error !== undefined) throw new Error(error);
    return new World(lab, system, image);
  }

  /** Running. */
  async vm(host: string, datastore = this.system): Promise<number> {
    const done = await this.lab.one.instantiate(
      { name: `on-${host}`, disks: [{ image: this.image }], context: false, memoryMb: 64 },
      { host, datastore },
    );
    if (!done.ok) throw new Error(done.error);
    return done.vm;
  }

  conf(text: string): void {
    const path = join(this.lab.cluster.paths.remotes, 'etc/datastore/linstor_un/linstor_un.conf');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  /** The lab's servers are in this process: it must not stand still meanwhile. */
  async run(argv: readonly string[], stdin?: string): Promise<Ran> {
    const { paths } = this.lab.cluster;
    const child = Bun.spawn([join(paths.bin, 'linstor_un'), ...argv], {
      env: { ...this.lab.one.options.env, COLUMNS: '200' },
      stdin: stdin === undefined ? 'ignore' : new TextEncoder().encode(stdin),
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { code: await child.exited, stdout, stderr };
  }

  async strike(kind: string, node: string, more: Record<string, unknown> = {}): Promise<void> {
    await this.lab.linstor('POST', '/lab/strike', { kind, node, ...more });
    setHostFaults(this.lab.cluster.dir, node, [{ mode: 'refused' }]);
  }

  async mend(): Promise<void> {
    for (const name of this.lab.cluster.description.nodes) setHostFaults(this.lab.cluster.dir, name, []);
    await this.lab.linstor('POST', '/lab/mend', {});
  }
}
