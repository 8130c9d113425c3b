import { DriverError } from '../errors.ts';
import type { DefinitionSpec, Linstor, PropsChange, ResourceDefinition } from './linstor.ts';
import type { ResourceName } from './names.ts';

/**
 * What this process has made LINSTOR do, as far as it lasts. A controller that is killed forgets the last of what it had confirmed, and one whose
 * database is an older copy forgets more: when another has answered in between, everything is looked at again before the action says that it
 * is done. Where no controller was away, nothing is asked.
 */
export class Ledger {
  readonly #linstor: Linstor;
  /** By resource. */
  readonly #entries = new Map<string, Entry>();

  constructor(linstor: Linstor) {
    this.#linstor = linstor;
  }

  /** The client that writes down what it is told. */
  get client(): Linstor {
    return new Proxy(this.#linstor, {
      get: (target, name, receiver) => {
        const method: unknown = Reflect.get(target, name, receiver);
        const note = notes[name as keyof Linstor] as
          | ((ledger: Ledger, args: readonly unknown[]) => void)
          | undefined;
        if (typeof method !== 'function') return method;
        return async (...args: unknown[]) => {
          const outcome: unknown = await Reflect.apply(method, target, args);
          note?.(this, args);
          return outcome;
        };
      },
    });
  }

  entry(name: ResourceName): Entry {
    const key = name.toLowerCase();
    const entry = this.#entries.get(key) ?? newEntry(name);
    this.#entries.set(key, entry);
    return entry;
  }

  /** Throws LINSTOR_FORGOTTEN when a controller that took over does not know what was done. */
  async confirm(): Promise<void> {
    if (this.#entries.size === 0 || (await this.#linstor.absences()) === 0) return;
    const entries = [...this.#entries.values()];
    const names = entries.map(({ name }) => name);
    const [definitions, snapshots, replicas] = await Promise.all([
      this.#linstor.definitions({ names }),
      this.#linstor.snapshots({ names }),
      this.#linstor.replicas(names),
    ]);
    const known = new Map(definitions.map((item) => [item.name.toLowerCase(), item]));
    const forgotten = entries.flatMap((entry) => {
      const key = entry.name.toLowerCase();
      const own = <T extends { readonly name: ResourceName }>(list: readonly T[]): T[] =>
        list.filter((item) => item.name.toLowerCase() === key);
      return lacking(entry, known.get(key), {
        nodes: own(replicas)
          // A tie-breaker is nobody's disk.
          .filter(({ flags }) => !flags.includes('TIE_BREAKER'))
          .map(({ node }) => node.toLowerCase()),
        snapshots: snapshots
          .filter((item) => item.resource.toLowerCase() === key && !item.flags.includes('DELETE'))
          .map((item) => item.name.toLowerCase()),
      });
    });
    if (forgotten.length > 0)
      throw new DriverError(
        'LINSTOR_FORGOTTEN',
        'another LINSTOR controller took over meanwhile and does not know what was done',
        {
          details: forgotten,
        },
      );
  }
}

interface Entry {
  readonly name: ResourceName;
  state?: 'made' | 'deleted';
  /** It has replicas somewhere. */
  placed: boolean;
  /** Replicas here, or not (false). */
  readonly nodes: Map<string, boolean>;
  readonly snapshots: Map<string, boolean>;
  /** Values that were set; undefined: taken away. */
  readonly props: Map<string, string | undefined>;
  readonly sizes: Map<number, number>;
}

const newEntry = (name: ResourceName): Entry => ({
  name,
  placed: false,
  nodes: new Map(),
  snapshots: new Map(),
  props: new Map(),
  sizes: new Map(),
});

function lacking(
  entry: Entry,
  definition: ResourceDefinition | undefined,
  has: { readonly nodes: readonly string[]; readonly snapshots: readonly string[] },
): string[] {
  const { name, state, placed, nodes, snapshots, props, sizes } = entry;
  if (state === 'deleted')
    return definition && !definition.flags.includes('DELETE') ? [`${name} is there again`] : [];
  const wanted = state === 'made' || placed || nodes.size + snapshots.size + props.size + sizes.size > 0;
  if (!definition) return wanted && (state === 'made' || isPositive(entry)) ? [`${name} is not there`] : [];
  if (definition.flags.includes('DELETE')) return [];
  const found: string[] = [];
  if (placed && has.nodes.length === 0) found.push(`${name} has no replica`);
  for (const [node, there] of nodes)
    if (there !== has.nodes.includes(node)) found.push(`${name} is ${there ? 'not' : 'still'} on ${node}`);
  for (const [snapshot, there] of snapshots)
    if (there !== has.snapshots.includes(snapshot))
      found.push(`snapshot ${snapshot} of ${name} is ${there ? 'not there' : 'there again'}`);
  for (const [key, value] of props) {
    const plain = (text: string | undefined): string | undefined =>
      key === twoPrimaries && text?.toLowerCase() === 'no' ? undefined : text?.toLowerCase();
    if (plain(definition.props[key]) !== plain(value)) found.push(`${name} lacks a change of ${key}`);
  }
  for (const [number, kib] of sizes) {
    const volume = definition.volumes.find((each) => each.number === number);
    if (volume && volume.sizeKib < kib) found.push(`volume ${number} of ${name} has its old size`);
  }
  return found;
}

/** Something of it has to be there; what was only taken away needs nothing. */
const isPositive = ({ placed, nodes, snapshots, props, sizes }: Entry): boolean =>
  placed ||
  sizes.size > 0 ||
  [...nodes.values(), ...snapshots.values()].some(Boolean) ||
  [...props.values()].some((value) => value !== undefined);

type Notes = {
  readonly [K in keyof Linstor]?: (
    ledger: Ledger,
    args: Linstor[K] extends (...args: infer A) => unknown ? A : never,
  ) => void;
};

function noteProps(entry: Entry, change: PropsChange): void {
  for (const [key, value] of Object.entries(change.set ?? {})) if (isOurs(key)) entry.props.set(key, value);
  for (const key of change.unset ?? []) if (isOurs(key)) entry.props.set(key, undefined);
}

/** LINSTOR spells the values of its own properties its own way, changes some by itself, and lays others over them in a restore. */
const isOurs = (key: string): boolean => key.startsWith('Aux/one/') || key === twoPrimaries;
const twoPrimaries = 'DrbdOptions/Net/allow-two-primaries';

function noteMade(ledger: Ledger, name: ResourceName, props: DefinitionSpec['props'] = {}): Entry {
  const entry = ledger.entry(name);
  entry.state = 'made';
  for (const part of [entry.nodes, entry.snapshots, entry.props, entry.sizes]) part.clear();
  noteProps(entry, { set: props });
  return entry;
}

const notes: Notes = {
  createDefinition: (ledger, [{ name, props }]) => void noteMade(ledger, name, props),
  spawn: (ledger, [, name, , options]) => {
    noteMade(ledger, name, options?.props).placed = options?.definitionsOnly !== true;
  },
  clone: (ledger, [, target, spec]) => {
    noteMade(ledger, target, spec?.props?.set).placed = true;
  },
  deleteDefinition: (ledger, [name]) => {
    ledger.entry(name).state = 'deleted';
  },
  modifyDefinition: (ledger, [name, change]) => noteProps(ledger.entry(name), change),
  resizeVolume: (ledger, [name, number, kib]) => void ledger.entry(name).sizes.set(number, kib),
  place: (ledger, [name]) => {
    ledger.entry(name).placed = true;
  },
  restoreResources: (ledger, [, , name]) => {
    ledger.entry(name).placed = true;
    // The snapshot's are laid over them (linstor-behaviour §3.12).
    ledger.entry(name).props.clear();
  },
  createResource: (ledger, [name, node]) => void ledger.entry(name).nodes.set(node.toLowerCase(), true),
  makeAvailable: (ledger, [name, node]) => void ledger.entry(name).nodes.set(node.toLowerCase(), true),
  // It may stay as a tie-breaker: that it is gone is nobody's claim.
  deleteResource: (ledger, [name, node]) => void ledger.entry(name).nodes.delete(node.toLowerCase()),
  unmakeAvailable: (ledger, [name, node]) => void ledger.entry(name).nodes.delete(node.toLowerCase()),
  createSnapshot: (ledger, [name, snapshot]) =>
    void ledger.entry(name).snapshots.set(snapshot.toLowerCase(), true),
  createSnapshots: (ledger, [list]) => {
    for (const { resource, snapshot } of list)
      ledger.entry(resource).snapshots.set(snapshot.toLowerCase(), true);
  },
  deleteSnapshot: (ledger, [name, snapshot]) =>
    void ledger.entry(name).snapshots.set(snapshot.toLowerCase(), false),
};
