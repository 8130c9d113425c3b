import { closeSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { runClient } from './client/client.ts';
import type { Cluster } from './cluster.ts';
import { type DemoImage, difference, makeImage, wrongFile } from './demo-image.ts';
import type { DriverCall } from './one/driver.ts';
import type { LabOne } from './one/lab-one.ts';
import type { Operation } from './one/oned.ts';

/** One line of the demonstration: a driver call as OpenNebula made it, or a check of what came of it. */
export interface DemoStep {
  readonly kind: 'call' | 'check';
  readonly call: string;
  /** Milliseconds. */
  readonly ms: number;
  readonly ok: boolean;
  /** The driver's reply, or what a check found. */
  readonly detail: string;
}

export interface DemoObserver {
  /** What an operator does; its calls follow. */
  operation(command: string): void;
  step(step: DemoStep): void;
}

export interface DemoResult {
  readonly steps: readonly DemoStep[];
  readonly ok: boolean;
}

const imageMb = 48;
const grownMb = 80;

/** Stops the demonstration: what follows would only repeat the failure. */
class Stop extends Error {}

/** Arguments as on a command line; documents on stdin are named, not shown. */
export function callLine(call: DriverCall): string {
  const input = { none: '', raw: ' <document', base64: ' <document' }[call.stdin?.encoding ?? 'none'];
  return `${call.kind}/${call.driver}/${call.action} ${call.argv.map((word) => (word.length > 200 ? `${word.slice(0, 20)}…` : word)).join(' ')}${input}`;
}

/** The lines of a reply that say something; log lines of a failure too. */
const said = (call: DriverCall): string =>
  (call.exitCode === 0 ? call.stdout : call.stderr)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' · ');

/**
 * The main job, on real data: an image is registered, cloned by snapshot and by copy to two hosts, compared byte for byte, grown,
 * measured and removed without a trace. Every step that OpenNebula makes is a call of this program.
 */
export class Demo {
  readonly #cluster: Cluster;
  readonly #observer: DemoObserver;
  readonly #steps: DemoStep[] = [];
  readonly #one: LabOne;

  constructor(cluster: Cluster, observer: DemoObserver) {
    this.#cluster = cluster;
    this.#observer = observer;
    this.#one = cluster.one({
      onCall: (call) =>
        this.#record({
          kind: 'call',
          call: callLine(call),
          ms: call.ms,
          ok: call.exitCode === 0,
          detail: said(call),
        }),
    });
  }

  async run(): Promise<DemoResult> {
    try {
      await this.#play();
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
    }
    return { steps: this.#steps, ok: this.#steps.length > 0 && this.#steps.every(({ ok }) => ok) };
  }

  #record(step: DemoStep): void {
    const rounded = { ...step, ms: Math.round(step.ms) };
    this.#steps.push(rounded);
    this.#observer.step(rounded);
  }

  async #operate<T extends Operation>(command: string, work: () => Promise<T>): Promise<T> {
    this.#observer.operation(command);
    const done = await work();
    if (!done.ok) {
      // A failure that no call of its own shows: what oned made of a reply.
      if (done.calls.every(({ exitCode }) => exitCode === 0))
        this.#record({ kind: 'check', call: command, ms: 0, ok: false, detail: done.error ?? '' });
      throw new Stop(done.error);
    }
    return done;
  }

  /** `look` resolves with what is wrong, or nothing. */
  async #check(what: string, look: () => Promise<string | undefined>): Promise<void> {
    const started = performance.now();
    const wrong = await look();
    this.#record({
      kind: 'check',
      call: what,
      ms: performance.now() - started,
      ok: wrong === undefined,
      detail: wrong ?? '',
    });
    if (wrong !== undefined) throw new Stop(wrong);
  }

  /** What `disk.N` of a VM leads to on its host. */
  #device(host: string, system: number, vm: number, disk: number): string {
    return this.#cluster.fileOnHost(host, `${this.#cluster.paths.location}/${system}/${vm}/disk.${disk}`);
  }

  async #play(): Promise<void> {
    const { paths, description } = this.#cluster;
    const [first = '', second = first] = description.nodes;
    const one = this.#one;
    this.#observer.operation('mke2fs -d … | qemu-img convert -O qcow2: an image with known files');
    const image = await makeImage(paths.images, imageMb);

    const place = {
      BRIDGE_LIST: description.nodes.join(' '),
      STORAGE_POOL: description.pools.map(({ name }) => name).join(' '),
      LAYER_LIST: 'drbd storage',
      SAFE_DIRS: paths.images,
    };
    const replicas = String(Math.min(2, description.nodes.length));
    const images = (
      await this.#operate('onedatastore create images', () =>
        one.createDatastore({
          name: 'images',
          type: 'IMAGE',
          template: { ...place, REPLICA_COUNT: replicas },
        }),
      )
    ).datastore;
    const bySnapshot = (
      await this.#operate('onedatastore create system-snapshot', () =>
        one.createDatastore({
          name: 'system-snapshot',
          type: 'SYSTEM',
          template: { ...place, REPLICA_COUNT: replicas, CLONE_MODE: 'snapshot' },
        }),
      )
    ).datastore;
    const byCopy = (
      await this.#operate('onedatastore create system-copy', () =>
        one.createDatastore({
          name: 'system-copy',
          type: 'SYSTEM',
          template: { ...place, REPLICA_COUNT: replicas, CLONE_MODE: 'copy' },
        }),
      )
    ).datastore;

    const registered = await this.#operate('oneimage create --name demo --path image.qcow2', () =>
      one.createImage({ name: 'demo', datastore: images, path: image.qcow2 }),
    );
    const snapshotVm = await this.#operate(`onevm deploy demo-1 ${first} system-snapshot`, () =>
      one.instantiate(
        { name: 'demo-1', disks: [{ image: registered.image }, { volatile: 'swap', sizeMb: 16 }] },
        { host: first, datastore: bySnapshot },
      ),
    );
    const copyVm = await this.#operate(`onevm deploy demo-2 ${second} system-copy`, () =>
      one.instantiate(
        { name: 'demo-2', disks: [{ image: registered.image, sizeMb: imageMb + 16 }] },
        { host: second, datastore: byCopy },
      ),
    );
    const snapshotDisk = (): string => this.#device(first, bySnapshot, snapshotVm.vm, 0);
    const copyDisk = (): string => this.#device(second, byCopy, copyVm.vm, 0);

    await this.#holds(image, `disk of demo-1 on ${first}, cloned by snapshot`, snapshotDisk);
    await this.#holds(image, `disk of demo-2 on ${second}, cloned by copy and grown`, copyDisk);
    await this.#check('the disks are independent: a write into one is not seen in the other', async () => {
      scribble(snapshotDisk(), imageMb);
      const wrong = await difference(image, copyDisk());
      return (
        wrong ??
        ((await difference(image, snapshotDisk())) === undefined ? 'the write has not arrived' : undefined)
      );
    });

    await this.#operate(`onevm disk-resize demo-2 0 ${grownMb}`, () => one.resize(copyVm.vm, 0, grownMb));
    await this.#check(`the disk of demo-2 has ${grownMb} MiB and its content`, async () => {
      const size = statSync(copyDisk()).size;
      if (size !== 0 && size < grownMb * 1024 * 1024) return `the device has ${size} bytes`;
      return difference(image, copyDisk());
    });

    for (const [name, id] of [
      ['images', images],
      ['system-snapshot', bySnapshot],
      ['system-copy', byCopy],
    ] as const) {
      await this.#operate(`(monitoring of ${name})`, () => one.monitor(id));
    }
    await this.#operate('onevm terminate demo-1', () => one.terminate(snapshotVm.vm));
    await this.#operate('onevm terminate demo-2', () => one.terminate(copyVm.vm));
    await this.#operate('oneimage delete demo', () => one.deleteImage(registered.image));
    await this.#check('LINSTOR is empty: no resource, no snapshot, no bytes left', () => this.#emptiness());
  }

  async #holds(image: DemoImage, what: string, device: () => string): Promise<void> {
    await this.#check(`${what}: equal to the image, byte for byte`, () => difference(image, device()));
    await this.#check(`${what}: its file system holds the known files`, () =>
      wrongFile(image, device(), this.#cluster.paths.images),
    );
  }

  async #emptiness(): Promise<string | undefined> {
    for (const list of ['resource-definition', 'resource', 'snapshot']) {
      const { exit, stdout } = await runClient(['-m', list, 'list'], { env: this.#cluster.driverEnv() });
      if (exit !== 0 || stdout.replaceAll(/\s/g, '') !== '[[]]')
        return `linstor ${list} list: ${stdout.trim()}`;
    }
    const left = readdirSync(this.#cluster.paths.linstor, { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile() && !/^state\.json/.test(entry.name),
    );
    if (left.length > 0)
      return `left behind: ${left.map((entry) => join(entry.parentPath, entry.name)).join(', ')}`;
    return undefined;
  }
}

/** A sector of other bytes in the middle of the image's range. */
function scribble(device: string, sizeMb: number): void {
  const file = openSync(device, 'r+');
  try {
    writeSync(file, Buffer.alloc(512, 0xa5), 0, 512, (sizeMb / 2) * 1024 * 1024);
  } finally {
    closeSync(file);
  }
}
