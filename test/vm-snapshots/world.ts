import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installVirsh } from '../../src/lab/hosts/virsh.ts';
import { ok } from '../backup/world.ts';
import { driverTarget, startLab, type TestLab } from '../support/lab.ts';

export { ok };
export const MiB = 1024 * 1024;

/** A lab whose hosts have a virsh, with a running VM of a clone, a persistent image and a volatile disk. */
export class SnapshotWorld {
  readonly lab: TestLab;
  images = -1;
  system = -1;
  image = -1;
  persistent = -1;
  host = '';
  vm = -1;

  private constructor(lab: TestLab) {
    this.lab = lab;
  }

  static async open(
    group: 'drbd' | 'plain',
    more: Readonly<Record<string, string>> = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<SnapshotWorld> {
    const world = new SnapshotWorld(await startLab({}, env));
    const { lab } = world;
    const { one, cluster } = lab;
    installVirsh(cluster.dir, cluster.description.nodes);
    const template = {
      RESOURCE_GROUP: group,
      CLONE_MODE: 'snapshot',
      SAFE_DIRS: cluster.paths.images,
      ...more,
    };
    world.images = ok(await one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
    world.system = ok(await one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
    const path = join(cluster.paths.images, 'image.raw');
    writeFileSync(path, Buffer.concat([randomBytes(MiB), Buffer.alloc(7 * MiB)]));
    world.image = ok(await one.createImage({ name: 'image', datastore: world.images, path })).image;
    world.persistent = ok(
      await one.createImage({ name: 'kept', datastore: world.images, path, persistent: true }),
    ).image;
    const nodes = await world.#nodesOf(`one-image-${world.image}`, `one-image-${world.persistent}`);
    world.host = nodes[0] ?? '';
    world.vm = ok(
      await one.instantiate(
        {
          name: 'vm',
          context: {},
          disks: [{ image: world.image }, { image: world.persistent }, { volatile: 'fs', sizeMb: 8 }],
        },
        { host: world.host, datastore: world.system },
      ),
    ).vm;
    return world;
  }

  /** On plain storage a disk is usable where it lies: the one node that has both images, if there is one. */
  async #nodesOf(...resources: readonly string[]): Promise<string[]> {
    const view = (await this.lab.linstor('GET', '/v1/view/resources')) as {
      name: string;
      node_name: string;
    }[];
    const nodes = this.lab.cluster.description.nodes;
    return nodes.filter((node) =>
      resources.every((name) => view.some((each) => each.name === name && each.node_name === node)),
    );
  }

  get directory(): string {
    return join(this.lab.cluster.paths.location, String(this.system), String(this.vm));
  }

  link(disk: number): string {
    return join(this.directory, `disk.${disk}`);
  }

  resource(disk: number): string {
    return disk === 1 ? `one-image-${this.persistent}` : `one-vm-${this.vm}-disk-${disk}`;
  }

  write(disk: number, text: string): void {
    this.lab.write(this.host, this.link(disk), 4096, text);
  }

  read(disk: number, length = 8): string {
    return this.lab.read(this.host, this.link(disk), 4096, length);
  }

  readAll(length = 8): string[] {
    return [0, 1, 2].map((disk) => this.read(disk, length));
  }

  writeAll(text: string): void {
    for (const disk of [0, 1, 2]) this.write(disk, text);
  }

  /** A person's command with the compiled program: what it said, by its exit code. */
  async cli(
    ...args: readonly string[]
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
    const child = Bun.spawn([(driverTarget as { binary: string }).binary, ...args], {
      env: { ...this.lab.one.options.env },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, out, err };
  }

  /** Names of snapshots, by disk. */
  async snapshots(disk: number): Promise<string[]> {
    const prefix = `${this.resource(disk)}/`;
    return (await this.lab.snapshots())
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length));
  }

  #domains(...more: readonly string[]): string {
    const dir = join(this.lab.cluster.dir, 'hosts', this.host, 'domains');
    mkdirSync(dir, { recursive: true });
    return join(dir, ...more);
  }

  /** What virsh was told to do since the last time. */
  journal(): string[] {
    const file = this.#domains('journal');
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    rmSync(file, { force: true });
    return text.trim() === '' ? [] : text.trim().split('\n');
  }

  /** Makes a command of virsh fail, or no more. */
  fail(command: string, does = true): void {
    if (does) writeFileSync(this.#domains(`fail-${command}`), '');
    else rmSync(this.#domains(`fail-${command}`), { force: true });
  }

  get runs(): boolean {
    const file = this.#domains(`one-${this.vm}`);
    return !existsSync(file) || readFileSync(file, 'utf8').trim() === 'running';
  }

  /** What ended the domain is over: the next start is by oned. */
  started(): void {
    rmSync(this.#domains(`one-${this.vm}`), { force: true });
  }
}
