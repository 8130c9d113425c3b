import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DriverCall } from '../../lab/one/driver.ts';
import type { LabOne } from '../../lab/one/lab-one.ts';
import { OneRefusal } from '../../lab/one/model.ts';
import type { Operation } from '../../lab/one/oned.ts';
import { type Usage, UsageMeter } from './cost.ts';
import { attributesOf, type Candidate, callingOf } from './drivers.ts';
import { type BenchLab, resourceGroup } from './lab.ts';
import type { Waits } from './weights.ts';

/** One driver call with what it cost. */
export interface ActionCost extends Waits {
  /** `tm/clone` */
  readonly action: string;
  /** Tells cases of one action apart. */
  readonly mode: string;
  readonly ms: number;
  readonly exitCode: number;
  /** Absent where nothing can measure it. */
  readonly usage?: Usage;
}

const imageMb = 16;

/** The life of images and VMs: every kind of call that oned makes of it is measured. Image bytes are few: see `copy`. */
export class Scenario {
  readonly costs: ActionCost[] = [];
  readonly one: LabOne;
  readonly #lab: BenchLab;
  readonly #candidate: Candidate;
  readonly #attributes: Readonly<Record<string, string>>;
  readonly #told = new Set<string>();
  #mode = '';

  /** `metered`: what calls use is measured; they must then follow one another. */
  constructor(lab: BenchLab, candidate: Candidate, { metered = true }: { readonly metered?: boolean } = {}) {
    this.#lab = lab;
    this.#candidate = candidate;
    const meter = metered ? new UsageMeter(lab.cluster.dir) : undefined;
    this.one = lab.cluster.one({
      ...callingOf(candidate, {
        env: lab.cluster.driverEnv(),
        scratch: join(lab.cluster.dir, 'drivers'),
        context: join(lab.cluster.paths.remotes, 'tm/common/context'),
      }),
      runner: meter?.runner ?? [],
      onStart: () => void lab.takeCounts(),
      onCall: (call) => this.#record(call, meter?.take()),
    });
    this.#attributes = attributesOf(candidate, {
      LS_CONTROLLERS: lab.cluster.linstorUrl,
      SAFE_DIRS: lab.cluster.paths.images,
      RESOURCE_GROUP: resourceGroup,
      BRIDGE_LIST: lab.cluster.description.nodes.join(' '),
    });
  }

  #record({ kind, driver, action, argv, ms, exitCode, stderr }: DriverCall, usage: Usage | undefined): void {
    if (driver !== this.#candidate.name && kind !== 'vmm') return;
    const mode = this.#modeOf(action, argv);
    if (exitCode !== 0) this.#tell(`${kind}/${action} failed with exit code ${exitCode}`, lastLines(stderr));
    const counts = this.#lab.takeCounts();
    this.costs.push({
      action: `${kind}/${action}`,
      mode,
      ms,
      exitCode,
      ...counts,
      ...(usage === undefined ? {} : { usage }),
    });
  }

  /** Once: a crowd fails as one. */
  #tell(text: string, detail = ''): void {
    if (this.#told.has(text)) return;
    this.#told.add(text);
    console.error(`${this.#candidate.label}: ${text}${detail === '' ? '' : `: ${detail}`}`);
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
    if (!done.ok) this.#tell(`${done.command} failed`, done.error);
    return done;
  }

  /** A step that oned refuses because the driver failed in one before: there is nothing to measure. */
  async #step(mode: string, work: () => Promise<Operation> | Operation): Promise<void> {
    try {
      await this.#as(mode, work);
    } catch (error) {
      if (!(error instanceof OneRefusal)) throw error;
      this.#tell(`not measured: ${error.message}`);
    }
  }

  datastore(
    name: string,
    type: 'IMAGE' | 'SYSTEM',
    more: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const template = { ...this.#attributes, ...more };
    return this.#as('', () =>
      this.one.createDatastore({
        name: `${name}-${this.#candidate.label}`,
        type,
        driver: this.#candidate.name,
        template,
      }),
    ).then((done) => done.datastore);
  }

  async image(name: string, datastore: number): Promise<number> {
    const path = join(this.#lab.cluster.paths.images, `${name}.raw`);
    if (!existsSync(path)) writeFileSync(path, Buffer.alloc(imageMb * 2 ** 20, name));
    return (await this.#as('raw file', () => this.one.createImage({ name, datastore, path }))).image;
  }

  async run(): Promise<void> {
    try {
      await this.#life();
    } catch (error) {
      if (!(error instanceof OneRefusal)) throw error;
      this.#tell(`goes no further: ${error.message}`);
    }
  }

  async #life(): Promise<void> {
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
    await this.#step('', () => one.monitor(shared));
    await this.#step('running', () => one.resize(vm, 0, imageMb * 2));
    await this.#step('running', () => one.snapshotCreate(vm, 0, 'live'));
    await this.#step('live', () => one.liveMigrate(vm, { host: second, datastore: shared }));
    await this.#step('save-as', () => one.saveAs(vm, 0, { name: 'saved' }));
    await this.#step('', () => one.poweroff(vm));
    await this.#step('powered off', () => one.snapshotCreate(vm, 0, 'cold'));
    await this.#step('older snapshot', () => one.snapshotRevert(vm, 0, 0));
    await this.#step('powered off', () => one.snapshotDelete(vm, 0, 1));
    await this.#step('cold', () => one.migrate(vm, { host: first, datastore: shared }));
    await this.#step('', () => one.terminate(vm));
    await this.#step('', () => one.terminate(other));
    await this.#step('image', () => one.deleteImage(clone));
  }

  /** Milliseconds until all of `count` VMs have their disk, and how many have not got it. */
  async together(count: number, image: number, datastore: number): Promise<{ ms: number; failed: number }> {
    const hosts = this.#lab.cluster.description.nodes;
    const start = performance.now();
    const clone = async (index: number): Promise<Operation> => {
      const host = hosts[index % hosts.length] ?? '';
      const spec = { name: `many-${count}-${index}`, disks: [{ image }], context: false } as const;
      try {
        return await this.one.instantiate(spec, { host, datastore });
      } catch (error) {
        if (!(error instanceof OneRefusal)) throw error;
        return { command: spec.name, calls: [], ok: false, error: error.message };
      }
    };
    const done = await Promise.all(Array.from({ length: count }, (_, index) => clone(index)));
    const ms = performance.now() - start;
    return { ms, failed: done.filter(({ ok }) => !ok).length };
  }
}

const lastLines = (text: string): string => text.trim().split('\n').slice(-3).join(' | ');
