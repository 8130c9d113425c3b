import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupOperation } from '../../src/lab/one/backups.ts';
import type { Operation } from '../../src/lab/one/oned.ts';
import { startLab, type TestLab } from '../support/lab.ts';

export const MiB = 1024 * 1024;

export function ok<T extends Operation>(operation: T): T {
  if (!operation.ok) {
    const trace = operation.calls.map(
      (call) => `${call.kind}/${call.action} ${call.argv.join(' ')} → ${call.exitCode} ${call.stderr}`,
    );
    throw new Error(`${operation.command}: ${operation.error}\n${trace.join('\n')}`);
  }
  return operation;
}

/** A lab with a backup datastore and a running VM of two disks. */
export class BackupWorld {
  readonly lab: TestLab;
  system = -1;
  store = -1;
  image = -1;
  host = '';
  vm = -1;

  private constructor(lab: TestLab) {
    this.lab = lab;
  }

  static async open(
    group: 'drbd' | 'plain',
    env: Readonly<Record<string, string>> = {},
    more: Readonly<Record<string, string>> = {},
    at: 'near' | 'far' = 'near',
  ): Promise<BackupWorld> {
    const world = new BackupWorld(await startLab({}, env));
    const { lab } = world;
    const template = {
      RESOURCE_GROUP: group,
      CLONE_MODE: 'snapshot',
      SAFE_DIRS: lab.cluster.paths.images,
      ...more,
    };
    const { one } = lab;
    const images = ok(await one.createDatastore({ name: 'images', type: 'IMAGE', template })).datastore;
    world.system = ok(await one.createDatastore({ name: 'system', type: 'SYSTEM', template })).datastore;
    const store = { name: 'store', type: 'BACKUP', driver: 'rsync' } as const;
    world.store = ok(await one.createDatastore(store)).datastore;
    const path = join(lab.cluster.paths.images, 'image.raw');
    writeFileSync(path, Buffer.concat([randomBytes(3 * MiB), Buffer.alloc(5 * MiB)]));
    world.image = ok(await one.createImage({ name: 'image', datastore: images, path })).image;
    const [replica] = (await lab.linstor('GET', `/v1/view/resources?resources=one-image-${world.image}`)) as {
      node_name: string;
    }[];
    world.host = replica?.node_name ?? '';
    if (at === 'far') world.host = (await world.nodesWithout(`one-image-${world.image}`))[0] ?? '';
    const { image, host, system } = world;
    const disks = [{ image, sizeMb: 16 }, { image }];
    // A quote in a name must not break what is handed from driver to driver.
    world.vm = ok(await one.instantiate({ name: "o'vm", disks }, { host, datastore: system })).vm;
    return world;
  }

  /** Nodes that hold no data of a resource. */
  async nodesWithout(resource: string): Promise<string[]> {
    const view = (await this.lab.linstor('GET', `/v1/view/resources?resources=${resource}`)) as {
      node_name: string;
      flags?: string[];
    }[];
    const holding = view
      .filter(({ flags = [] }) => !flags.includes('DISKLESS'))
      .map(({ node_name }) => node_name);
    return this.lab.cluster.description.nodes.filter((node) => !holding.includes(node));
  }

  link(disk: number): string {
    return join(this.lab.cluster.paths.location, String(this.system), String(this.vm), `disk.${disk}`);
  }

  get directory(): string {
    return join(this.lab.cluster.paths.location, String(this.system), String(this.vm), 'backup');
  }

  /** SHA-256 of the first MiB (all of the device where no size is given): a device may have grown since. */
  digest(disk: number, mib?: number): string {
    const read = mib === undefined ? 'cat' : `head -c ${mib * MiB}`;
    return this.lab.on(this.host, `${read} '${this.link(disk)}' | sha256sum | cut -c1-64`).trim();
  }

  write(disk: number, offset: number, text: string): void {
    this.lab.write(this.host, this.link(disk), offset, text);
  }

  zero(disk: number, cluster: number, count: number): void {
    this.lab.on(
      this.host,
      `dd if=/dev/zero of='${this.link(disk)}' bs=64K seek=${cluster} count=${count} conv=notrunc,nocreat status=none`,
    );
  }

  backup(
    how: { readonly unrecorded?: boolean; readonly disks?: readonly number[] } = {},
  ): Promise<BackupOperation> {
    return this.lab.one.backup(this.vm, { datastore: this.store, ...how });
  }

  /** Backup snapshots of a disk. */
  async points(disk = 0): Promise<string[]> {
    const prefix = `one-vm-${this.vm}-disk-${disk}/`;
    return (await this.lab.snapshots())
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length));
  }
}
