import { diskIdOf, hostPath, vmPlace } from '../../opennebula/paths.ts';
import type { XmlElement } from '../../opennebula/xml.ts';
import { parseXml } from '../../opennebula/xml.ts';
import { imageResource, sourceOf } from '../../volumes/names.ts';
import type { RecordedCall, Recording } from './recording.ts';

const roots = ['DS_DRIVER_ACTION_DATA', 'VMM_DRIVER_ACTION_DATA', 'VM'];

/** Ids for images that a recording names by their SOURCE only. */
const unknownImages = 900_000;

/** What the recorded documents tell about the OpenNebula that made the calls. */

export interface KnownDisk {
  readonly seq: number;
  readonly attributes: Readonly<Record<string, string>>;
}

export class World {
  /** SOURCE of the tracing driver → SOURCE as this driver would have given it. */
  readonly sources = new Map<string, string>();
  /** `vm/disk` → what was seen of it, in order. */
  readonly disks = new Map<string, KnownDisk[]>();
  /** Datastore documents by id. */
  readonly datastores = new Map<number, XmlElement>();
  /** Largest size seen of an image, MiB. */
  readonly imageSizes = new Map<number, number>();
  readonly drivers = new Set<string>();
  readonly hosts = new Set<string>();
  /** Names of the front-end: where SOURCE of `clone` and `ln` comes from. */
  readonly frontends = new Set<string>();

  constructor({ calls, documents }: Recording) {
    for (const call of calls) if (call.kind !== 'vmm') this.drivers.add(call.driver);
    for (const { seq, text } of documents) this.#learnDocument(seq, text);
    for (const call of calls) this.#learnArguments(call);
    for (const frontend of this.frontends) this.hosts.delete(frontend);
  }

  /** Every SOURCE of the recording in the place of which ours stands. */
  ours(text: string): string {
    return text.replaceAll(this.#sourcePattern(), (source) => this.sources.get(source) ?? source);
  }

  #pattern: RegExp | undefined;

  /** Longest first, and only as whole words: `img-1` is the beginning of `img-12`. */
  #sourcePattern(): RegExp {
    const sources = [...this.sources.keys()]
      .sort((a, b) => b.length - a.length)
      .map((source) => RegExp.escape(source));
    this.#pattern ??=
      sources.length === 0 ? /(?!)/g : new RegExp(`(?<![\\w-])(?:${sources.join('|')})(?![\\w-])`, 'g');
    return this.#pattern;
  }

  /** Attributes of a disk at the time of a call: seen before it, or else first seen after it. */
  disk(vm: number, disk: number, seq: number): Readonly<Record<string, string>> | undefined {
    const seen = this.disks.get(`${vm}/${disk}`) ?? [];
    return (seen.findLast((one) => one.seq <= seq) ?? seen[0])?.attributes;
  }

  diskIds(vm: number): number[] {
    const own = [...this.disks.keys()].filter((key) => key.startsWith(`${vm}/`));
    return own.map((key) => Number(key.split('/')[1])).sort((a, b) => a - b);
  }

  #learnDocument(seq: number, text: string): void {
    if (!roots.some((root) => text.startsWith(`<${root}>`))) return;
    const root = parseXml(text, roots);
    const within = (name: string): XmlElement[] => (root.name === name ? [root] : root.all(name));
    for (const image of within('IMAGE')) this.#learnImage(image);
    for (const datastore of within('DATASTORE'))
      this.datastores.set(Number(datastore.value('ID')), datastore);
    for (const vm of within('VM')) {
      for (const record of vm.all('HISTORY_RECORDS/HISTORY')) this.hosts.add(record.value('HOSTNAME') ?? '');
      for (const disk of vm.all('TEMPLATE/DISK')) {
        const attributes = disk.attributes();
        if (attributes['SOURCE']) this.#addSource(attributes['SOURCE'], Number(attributes['IMAGE_ID']));
        this.#addDisk(Number(vm.value('ID')), Number(attributes['DISK_ID']), seq, attributes);
      }
    }
  }

  #learnImage(image: XmlElement): void {
    const id = Number(image.value('ID') ?? Number.NaN);
    if (Number.isNaN(id)) return;
    const source = image.value('SOURCE')?.trim();
    if (source) this.#addSource(source, id);
    this.imageSizes.set(id, Math.max(this.imageSizes.get(id) ?? 1, Number(image.value('SIZE') ?? 1)));
  }

  /** Disks that no document shows are as the calls that made them say; sources are as the replies gave them. */
  #learnArguments(call: RecordedCall): void {
    if (call.kind === 'datastore' && ['cp', 'mkfs', 'clone'].includes(call.action)) {
      const source = call.reply.split(/\s/, 1)[0];
      if (source) this.#addSource(source, Number(call.argv.at(-1)));
    }
    if (call.kind !== 'tm') return;
    const [first = ''] = call.argv;
    const isSource = call.action === 'clone' || call.action === 'ln';
    if (isSource) this.frontends.add(first.slice(0, first.indexOf(':')));
    for (const argument of call.argv)
      if (/^[^:/]+:\//.test(argument)) this.hosts.add(hostPath(argument).host);
    const made = madeBy(call);
    const source = made?.attributes['SOURCE'];
    if (source) this.#addSource(source, unknownImages + this.sources.size);
    if (made) this.#addMade(call, made);
  }

  /** A disk id is used again after a detach: the call that makes a disk begins a new one. */
  #addMade(call: RecordedCall, { vm, disk, attributes }: MadeDisk): void {
    const same = (seen: KnownDisk): boolean =>
      (seen.attributes['SOURCE'] ?? '') === (attributes['SOURCE'] ?? '') &&
      (seen.attributes['CLONE'] ?? '') === (attributes['CLONE'] ?? '');
    const seen = (this.disks.get(`${vm}/${disk}`) ?? []).find(same);
    const own = { DISK_ID: String(disk), SIZE: '100', TM_MAD: call.driver, ...attributes };
    this.#addDisk(vm, disk, call.seq, seen?.attributes ?? own);
  }

  /** The first image that a source was seen with stays. */
  #addSource(source: string, image: number): void {
    if (!this.sources.has(source)) this.sources.set(source, sourceOf(imageResource('', image)));
  }

  #addDisk(vm: number, disk: number, seq: number, attributes: Readonly<Record<string, string>>): void {
    const key = `${vm}/${disk}`;
    const seen = [...(this.disks.get(key) ?? []), { seq, attributes }];
    this.disks.set(
      key,
      seen.sort((a, b) => a.seq - b.seq),
    );
  }
}

interface MadeDisk {
  readonly vm: number;
  readonly disk: number;
  readonly attributes: Readonly<Record<string, string>>;
}

function madeBy({ action, argv }: RecordedCall): MadeDisk | undefined {
  const target = argv.find((argument) => diskIdOf(argument) !== undefined);
  if (target === undefined) return undefined;
  const { vmId: vm, diskId: disk } = vmPlace(hostPath(target).path);
  if (disk === undefined) return undefined;
  const source = action === 'mvds' || action === 'cpds' ? argv[1] : argv[0]?.replace(/^[^:]*:/, '');
  const ofImage = { SOURCE: source ?? '', DATASTORE_ID: argv.at(-1) ?? '0' };
  if (action === 'clone') return { vm, disk, attributes: { ...ofImage, CLONE: 'YES', SAVE: 'NO' } };
  if (action === 'ln' || action === 'mvds')
    return { vm, disk, attributes: { ...ofImage, CLONE: 'NO', SAVE: 'YES' } };
  if (action === 'mkimage') return { vm, disk, attributes: { SIZE: argv[0] ?? '1', TYPE: 'fs' } };
  if (action === 'mkswap') return { vm, disk, attributes: { SIZE: argv[0] ?? '1', TYPE: 'swap' } };
  return undefined;
}
