import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DriverCall } from '../src/lab/one/driver.ts';
import type { LabOne } from '../src/lab/one/lab-one.ts';
import type { Operation } from '../src/lab/one/oned.ts';
import { type BenchLab, resourceGroup } from './lab.ts';

/** One driver call with what it cost. */
export interface ActionCost {
  /** `tm/clone` */
  readonly action: string;
  /** Tells cases of one action apart. */
  readonly mode: string;
  readonly ms: number;
  readonly exitCode: number;
  readonly linstor: number;
  readonly ssh: number;
}

const imageMb = 16;

/** The life of images and VMs: every kind of call that oned makes of it is measured. Image bytes are few: see `copy`. */
export class Scenario {
  readonly costs: ActionCost[] = [];
  readonly one: LabOne;
  readonly #lab: BenchLab;
  readonly #attributes: Readonly<Record<string, string>>;
  #mode = '';

  constructor(lab: BenchLab, transport: 'rest' | 'cli') {
    this.#lab = lab;
    this.one = lab.cluster.one({
      onStart: () => void lab.takeCounts(),
      onCall: (call) => this.#record(call),
    });
    this.#attributes = {
      TRANSPORT: transport,
      SAFE_DIRS: lab.cluster.paths.images,
      RESOURCE_GROUP: resourceGroup,
      BRIDGE_LIST: lab.cluster.description.nodes.join(' '),
    };
  }

  #record({ kind, driver, action, argv, ms, exitCode }: DriverCall): void {
    if (driver !== this.#lab.driver && kind !== 'vmm') return;
    const mode = this.#modeOf(action, argv);
    this.costs.push({ action: `${kind}/${action}`, mode, ms, exitCode, ...this.#lab.takeCounts() });
  }

  /** What an operation's calls are told apart by, as far as it means something for the action. */
  #modeOf(action: string, argv: readonly string[]): string {
    if (/^(mv|delete)$/.test(action) && !argv.some((word) => /\/disk\.\d+$/.test(word)))
      return 'VM directory';
    return /^(monitor|ln|mkimage|mkswap|context|stat|mvds)$/.test(action) ? '' : this.#mode;
  }

  async #as<T extends Operation>(mode: string, work: () => Promise<T> | T): Promise<T> {
    this.#mode = mode;
    const done = await work();
    // Another driver may fail where ours does not: its exit code is then a row.
    if (!done.ok && this.#lab.driver === 'linstor_un')
      throw new Error(`${done.command} failed: ${done.error}`);
    return done;
  }

  datastore(
    name: string,
    type: 'IMAGE' | 'SYSTEM',
    more: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const template = { ...this.#attributes, ...more };
    return this.#as('', () =>
      this.one.createDatastore({ name, type, driver: this.#lab.driver, template }),
    ).then((done) => done.datastore);
  }

  async image(name: string, datastore: number): Promise<number> {
    const path = join(this.#lab.cluster.paths.images, `${name}.raw`);
    writeFileSync(path, Buffer.alloc(imageMb * 2 ** 20, name));
    return (await this.#as('raw file', () => this.one.createImage({ name, datastore, path }))).image;
  }

  async run(): Promise<void> {
    const { one } = this;
    // The second has no replicas: disks are used there over the network.
    const [first = '', , second = ''] = this.#lab.cluster.description.nodes;
    const images = await this.datastore('images', 'IMAGE');
    const shared = await this.datastore('by-snapshot', 'SYSTEM', { CLONE_MODE: 'snapshot' });
    const copied = await this.datastore('by-copy', 'SYSTEM', { CLONE_MODE: 'copy' });
    const image = await this.image('base', images);
    const block = { name: 'block', datastore: images, sizeMb: imageMb, persistent: true };
    const persistent = (await this.#as('empty', () => one.createDatablock(block))).image;
    const clone = (await this.#as('image', () => one.cloneImage(image, 'clone'))).image;

    const disks = [
      { image },
      { image: persistent },
      { volatile: 'fs', sizeMb: 8 },
      { volatile: 'swap', sizeMb: 8 },
    ] as const;
    const vm = (
      await this.#as('by snapshot', () =>
        one.instantiate({ name: 'vm', disks }, { host: first, datastore: shared }),
      )
    ).vm;
    const other = (
      await this.#as('by copy', () =>
        one.instantiate({ name: 'other', disks: [{ image }] }, { host: second, datastore: copied }),
      )
    ).vm;
    await this.#as('', () => one.monitor(shared));
    await this.#as('running', () => one.resize(vm, 0, imageMb * 2));
    await this.#as('running', () => one.snapshotCreate(vm, 0, 'live'));
    await this.#as('live', () => one.liveMigrate(vm, { host: second, datastore: shared }));
    await this.#as('save-as', () => one.saveAs(vm, 0, { name: 'saved' }));
    await this.#as('', () => one.poweroff(vm));
    await this.#as('powered off', () => one.snapshotCreate(vm, 0, 'cold'));
    await this.#as('older snapshot', () => one.snapshotRevert(vm, 0, 0));
    await this.#as('powered off', () => one.snapshotDelete(vm, 0, 1));
    await this.#as('cold', () => one.migrate(vm, { host: first, datastore: shared }));
    await this.#as('', () => one.terminate(vm));
    await this.#as('', () => one.terminate(other));
    await this.#as('image', () => one.deleteImage(clone));
  }

  /** Milliseconds until all of `count` VMs have their disk. */
  async together(count: number, image: number, datastore: number): Promise<number> {
    const hosts = this.#lab.cluster.description.nodes;
    const start = performance.now();
    const done = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        this.one.instantiate(
          { name: `many-${count}-${index}`, disks: [{ image }], context: false },
          { host: hosts[index % hosts.length] ?? '', datastore },
        ),
      ),
    );
    const ms = performance.now() - start;
    const failed = done.filter(({ ok }) => !ok);
    if (failed.length > 0)
      throw new Error(`${failed.length} of ${count} instantiations failed: ${failed[0]?.error}`);
    return ms;
  }
}
