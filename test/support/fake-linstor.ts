import { LinstorError } from '../../src/linstor/error.ts';
import type {
  Capabilities,
  CloneStatus,
  DefinitionSpec,
  LayerKind,
  Linstor,
  Node,
  PlacementFilter,
  PropsChange,
  Resource,
  ResourceDefinition,
  ResourceGroup,
  SizeInfo,
  Snapshot,
  StoragePool,
} from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { type ApiEntry, Outcome } from '../../src/linstor/outcome.ts';
import { type KiB, kib } from '../../src/units.ts';

/**
 * A small LINSTOR in memory, for tests of what moves VMs: attaching, detaching, tie-breakers, the migration window. It refuses
 * what the real one refuses (linstor-behaviour §3.11), and like the real one it makes a new, empty volume of plain storage
 * where none should be – `inventedVolumes` must stay empty.
 */

interface Replica {
  readonly node: string;
  flags: string[];
  inUse: boolean;
  readonly disk: boolean;
}

interface Definition {
  name: string;
  group: string;
  flags: string[];
  props: Record<string, string>;
  layers: readonly LayerKind[];
  sizeKib: number;
  replicas: Replica[];
  /** Internal marks of a prepared migration. */
  window?: { source: string; target: string };
}

export interface FakeLinstorOptions {
  readonly nodes: readonly string[];
  readonly managedDualPrimary?: boolean;
  readonly provider?: string;
  readonly freeKib?: number;
  readonly groups?: readonly ResourceGroup[];
  /** Told of every device node that appears or goes. */
  readonly onDevice?: (node: string, path: string, present: boolean, layers: readonly LayerKind[]) => void;
  /** Where device nodes are; default the usual. */
  readonly devicePath?: (definition: string, node: string) => string;
}

const ok = (): Outcome => new Outcome([]);
const warning = (code: number): Outcome => new Outcome([entry(2n, code)]);

function entry(severity: bigint, code: number, message = `code ${code}`): ApiEntry {
  return { retCode: BigInt.asIntN(64, (severity << 62n) | BigInt(code)), message, reportIds: [], refs: {} };
}

export function refusal(what: string, code: number, status = 500): LinstorError {
  return new LinstorError(what, [entry(3n, code)], status);
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

export class FakeLinstor implements Linstor {
  readonly transport = 'rest';
  /** Every writing call: `makeAvailable one-image-1 host2`. */
  readonly writes: string[] = [];
  reads = 0;
  readonly inventedVolumes: string[] = [];
  /** Called with each write before it is carried out; what it throws, the write throws. */
  onWrite: (write: string) => void = () => undefined;
  readonly offline = new Set<string>();
  /** False: LINSTOR says that it is done, but no device node comes. */
  devicesAppear = true;
  /** Calls that fail, by `method resource node` or `method`; each is used once. */
  readonly failures = new Map<string, Error>();
  /** Methods that always fail, until they are taken out again; a write has then changed nothing. */
  readonly down = new Map<string, Error>();
  readonly #definitions: Definition[] = [];
  readonly #options: FakeLinstorOptions;

  constructor(options: FakeLinstorOptions) {
    this.#options = options;
  }

  // ---- set up and look

  add(
    name: string,
    on: readonly string[],
    options: {
      layers?: readonly LayerKind[];
      diskless?: readonly string[];
      tieBreaker?: string;
      sizeKib?: number;
      props?: Record<string, string>;
    } = {},
  ): void {
    const replicas: Replica[] = on.map((node) => ({ node, flags: [], inUse: false, disk: true }));
    for (const node of options.diskless ?? [])
      replicas.push({ node, flags: ['DISKLESS', 'DRBD_DISKLESS'], inUse: false, disk: false });
    if (options.tieBreaker)
      replicas.push({
        node: options.tieBreaker,
        flags: ['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'],
        inUse: false,
        disk: false,
      });
    const definition = {
      name,
      group: 'DfltRscGrp',
      flags: [],
      props: { ...options.props },
      layers: options.layers ?? (['DRBD', 'STORAGE'] as const),
      sizeKib: options.sizeKib ?? 65536,
      replicas,
    };
    this.#definitions.push(definition);
    for (const replica of replicas) this.#device(definition, replica, true);
  }

  setInUse(name: string, node: string, inUse: boolean): void {
    const replica = this.#find(name)?.replicas.find((each) => same(each.node, node));
    if (!replica) throw new Error(`${name} is not on ${node}`);
    replica.inUse = inUse;
  }

  /** `host1`, `host2:diskless`, `host3:tie-breaker`, sorted. */
  where(name: string): string[] {
    const kind = (replica: Replica): string =>
      replica.flags.includes('DELETE')
        ? ':deleting'
        : replica.flags.includes('TIE_BREAKER')
          ? ':tie-breaker'
          : replica.disk
            ? ''
            : ':diskless';
    return (this.#find(name)?.replicas ?? []).map((replica) => `${replica.node}${kind(replica)}`).sort();
  }

  props(name: string): Record<string, string> {
    return this.#find(name)?.props ?? {};
  }

  forgetProp(name: string, key: string): void {
    delete this.#find(name)?.props[key];
  }

  window(name: string): { source: string; target: string } | undefined {
    return this.#find(name)?.window;
  }

  setWindow(name: string, source: string, target: string): void {
    const definition = this.#find(name);
    if (definition) definition.window = { source, target };
  }

  names(): string[] {
    return this.#definitions.map((definition) => definition.name).sort();
  }

  sizeKib(name: string): number {
    return this.#find(name)?.sizeKib ?? 0;
  }

  // ---- Linstor

  async absences(): Promise<number> {
    return 0;
  }
  capabilities(): Promise<Capabilities> {
    const managed = this.#options.managedDualPrimary ?? false;
    return Promise.resolve({
      serverVersion: managed ? '1.35.0' : '1.33.3',
      restVersion: managed ? '1.29.0' : '1.27.0',
      clone: true,
      cloneTarget: true,
      cloneProps: true,
      sizeInfo: true,
      multiSnapshot: true,
      restorePoolRename: true,
      spawnProps: true,
      passphraseStatus: true,
      rollbackAny: true,
      deleteSnapshotWithClones: true,
      managedDualPrimary: managed,
      balanceProperty: true,
      balanceAfterRestore: false,
    });
  }

  async nodes(): Promise<Node[]> {
    this.#read('nodes');
    return this.#options.nodes.map((name) => ({
      name: nodeName(name),
      type: 'SATELLITE',
      status: this.offline.has(name) ? 'OFFLINE' : 'ONLINE',
      flags: [],
      props: {},
      providers: [],
      layers: [],
      addresses: [],
    }));
  }

  async storagePools(): Promise<StoragePool[]> {
    this.#read('storagePools');
    const free = kib(this.#options.freeKib ?? 1024 * 1024 * 1024);
    return this.#options.nodes.map((node) => ({
      name: 'thin',
      node: nodeName(node),
      provider: this.#options.provider ?? 'LVM_THIN',
      freeKib: free,
      totalKib: free,
      freeSpaceManager: `${node};thin`,
      supportsSnapshots: true,
      props: {},
      reports: [],
    }));
  }

  async resourceGroup(name: string): Promise<ResourceGroup | undefined> {
    return (await this.resourceGroups()).find((group) => same(group.name, name));
  }

  async resourceGroups(): Promise<ResourceGroup[]> {
    this.#read('resourceGroups');
    return [{ name: 'DfltRscGrp', props: {}, filter: { placeCount: 2 } }, ...(this.#options.groups ?? [])];
  }

  async definitions(
    query: { names?: readonly string[]; props?: readonly string[] } = {},
  ): Promise<ResourceDefinition[]> {
    this.#read('definitions');
    return this.#definitions
      .filter((definition) => !query.names || query.names.some((name) => same(name, definition.name)))
      .map(({ name, group, flags, props, layers, sizeKib }) => ({
        name: resourceName(name),
        group,
        flags: [...flags],
        props: { ...props },
        layers,
        volumes: [{ number: 0, sizeKib: kib(sizeKib), flags: [], props: {} }],
      }));
  }

  allocations(): Promise<Resource[]> {
    return this.resources();
  }

  /** Counts, and fails, apart from the view. */
  async replicas(names: readonly string[]): Promise<Resource[]> {
    this.#read('replicas');
    return this.#definitions
      .filter((definition) => names.some((name) => same(name, definition.name)))
      .flatMap((definition) => definition.replicas.map((replica) => this.#view(definition, replica)));
  }

  async resources(query: { names?: readonly string[]; nodes?: readonly string[] } = {}): Promise<Resource[]> {
    this.#read('resources');
    return this.#definitions
      .filter((definition) => !query.names || query.names.some((name) => same(name, definition.name)))
      .flatMap((definition) =>
        definition.replicas
          .filter((replica) => !query.nodes || query.nodes.includes(replica.node))
          .map((replica) => this.#view(definition, replica)),
      );
  }

  async snapshots(): Promise<Snapshot[]> {
    this.#read('snapshots');
    return [];
  }

  async createDefinition(spec: DefinitionSpec): Promise<Outcome> {
    this.#write('createDefinition', spec.name);
    if (this.#find(spec.name)) throw refusal(`create ${spec.name}`, 501);
    const group = (await this.resourceGroups()).find((each) => same(each.name, spec.group ?? 'DfltRscGrp'));
    if (!group) throw refusal(`group ${spec.group}`, 317, 404);
    this.#definitions.push({
      name: spec.name,
      group: group.name,
      flags: [],
      props: { ...spec.props },
      layers: spec.layers ?? group.filter.layers ?? ['DRBD', 'STORAGE'],
      sizeKib: 0,
      replicas: [],
    });
    return ok();
  }

  async modifyDefinition(name: string, change: PropsChange & { group?: string }): Promise<Outcome> {
    const what = [
      ...Object.entries(change.set ?? {}).map(([key, value]) => `${key}=${value}`),
      ...(change.unset ?? []).map((key) => `-${key}`),
    ].join(' ');
    this.#write('modifyDefinition', name, what);
    const definition = this.#require(name);
    Object.assign(definition.props, change.set);
    for (const key of change.unset ?? []) delete definition.props[key];
    return this.offline.size > 0 && definition.replicas.some((replica) => this.offline.has(replica.node))
      ? warning(1002)
      : ok();
  }

  async deleteDefinition(name: string): Promise<Outcome> {
    this.#write('deleteDefinition', name);
    const definition = this.#find(name);
    if (!definition) return warning(3000);
    if (definition.layers.includes('DRBD') && definition.replicas.some((replica) => replica.inUse))
      throw refusal(`delete ${name}`, 997);
    for (const replica of definition.replicas) this.#device(definition, replica, false);
    this.#definitions.splice(this.#definitions.indexOf(definition), 1);
    return ok();
  }

  async createVolume(name: string, number: number, sizeKib: KiB): Promise<Outcome> {
    this.#write('createVolume', name, String(number), String(sizeKib));
    this.#require(name).sizeKib = sizeKib;
    return ok();
  }

  async spawn(
    group: string,
    name: string,
    [sizeKib = kib(0)]: readonly KiB[],
    options: Parameters<Linstor['spawn']>[3] = {},
  ): Promise<Outcome> {
    const { filter = {}, props = {} } = options;
    this.#write('spawn', name);
    await this.createDefinition({
      name: resourceName(name),
      group,
      props,
      ...(filter.layers ? { layers: filter.layers } : {}),
    });
    try {
      await this.createVolume(name, 0, sizeKib);
      return options.definitionsOnly ? ok() : await this.place(name, filter);
    } catch (error) {
      // All or nothing.
      this.#definitions.pop();
      throw error;
    }
  }

  async place(name: string, filter: PlacementFilter): Promise<Outcome> {
    this.#write('place', name, JSON.stringify(filter));
    const definition = this.#require(name);
    const candidates = (filter.nodes ?? this.#options.nodes).filter((node) => !this.offline.has(node));
    const group = [
      { name: 'DfltRscGrp', props: {}, filter: { placeCount: 2 } },
      ...(this.#options.groups ?? []),
    ].find((each) => same(each.name, definition.group));
    const missing =
      (filter.placeCount ?? group?.filter.placeCount ?? 1) -
      definition.replicas.filter((replica) => replica.disk).length;
    const free = candidates.filter(
      (node) => !definition.replicas.some((replica) => same(replica.node, node)),
    );
    if (missing <= 0) return warning(1006);
    if (free.length < missing) throw refusal(`place ${name}`, 996);
    for (const node of free.slice(0, missing))
      this.#addReplica(definition, { node, flags: [], inUse: false, disk: true });
    this.#addTieBreaker(definition);
    return ok();
  }

  async createResource(
    name: string,
    node: string,
    options: { pool?: string; diskless?: boolean } = {},
  ): Promise<Outcome> {
    this.#write('createResource', name, node, options.pool ?? '');
    const definition = this.#require(name);
    this.#requireNode(node);
    const diskless = options.diskless ?? false;
    if (diskless && !definition.layers.includes('DRBD')) throw refusal(`create ${name} on ${node}`, 225);
    // "Already exists", which is an info.
    if (definition.replicas.some((replica) => same(replica.node, node)))
      return new Outcome([entry(1n, 10008)]);
    this.#addReplica(definition, {
      node,
      flags: diskless ? ['DISKLESS', 'DRBD_DISKLESS'] : [],
      inUse: false,
      disk: !diskless,
    });
    return this.offline.has(node) ? warning(1002) : ok();
  }

  async makeAvailable(
    name: string,
    node: string,
    options: { diskful?: boolean; manageDualPrimary?: boolean } = {},
  ): Promise<Outcome> {
    this.#write('makeAvailable', name, node, options.manageDualPrimary ? 'dual' : '');
    const definition = this.#require(name);
    this.#requireNode(node);
    if (options.manageDualPrimary) this.#prepareWindow(definition, node);
    const present = definition.replicas.find((replica) => same(replica.node, node));
    if (present) {
      present.flags = present.flags.filter((flag) => flag !== 'TIE_BREAKER' && flag !== 'DELETE');
      return ok();
    }
    if (!definition.layers.includes('DRBD')) {
      this.inventedVolumes.push(`${name} on ${node}`);
      this.#addReplica(definition, { node, flags: [], inUse: false, disk: true });
      return ok();
    }
    this.#addReplica(definition, { node, flags: ['DISKLESS', 'DRBD_DISKLESS'], inUse: false, disk: false });
    return this.offline.has(node) ? warning(1002) : ok();
  }

  #prepareWindow(definition: Definition, target: string): void {
    if (!(this.#options.managedDualPrimary ?? false))
      throw new Error('auto_manage_dual_primary is unknown before REST 1.29');
    if (!definition.layers.includes('DRBD')) throw refusal(`window of ${definition.name}`, 225);
    const users = definition.replicas.filter((replica) => replica.inUse);
    if (users.length > 1) throw refusal(`window of ${definition.name}`, 530);
    const source = users[0]?.node;
    if (source === undefined || same(source, target)) return;
    const { window } = definition;
    if (window && !(same(window.source, source) && same(window.target, target)))
      throw refusal(`window of ${definition.name}`, 530);
    definition.window = { source, target };
  }

  async unmakeAvailable(name: string, node: string): Promise<Outcome> {
    this.#write('unmakeAvailable', name, node);
    if (!(this.#options.managedDualPrimary ?? false))
      throw new Error('unmake-available is unknown before REST 1.29');
    const definition = this.#find(name);
    if (!definition) return warning(3000);
    this.#requireNode(node);
    const replica = definition.replicas.find((each) => same(each.node, node));
    if (replica?.inUse) throw refusal(`unmake ${name} on ${node}`, 997);
    if (replica && !replica.disk && !replica.flags.includes('TIE_BREAKER'))
      this.#removeDiskless(definition, replica);
    delete definition.window;
    delete definition.props['DrbdOptions/Net/allow-two-primaries'];
    return ok();
  }

  async deleteResource(name: string, node: string): Promise<Outcome> {
    this.#write('deleteResource', name, node);
    const definition = this.#find(name);
    const replica = definition?.replicas.find((each) => same(each.node, node));
    if (!definition || !replica) return warning(3000);
    if (replica.inUse) throw refusal(`delete ${name} on ${node}`, 997);
    if (replica.disk) throw new Error(`the driver deletes a replica with a disk: ${name} on ${node}`);
    if (this.offline.has(node)) {
      replica.flags.push('DELETE');
      return warning(1002);
    }
    this.#removeDiskless(definition, replica);
    return ok();
  }

  /** An even number of disks and no other diskless replica: LINSTOR keeps it as tie-breaker (recordings drbd-01, 34). */
  #removeDiskless(definition: Definition, replica: Replica): void {
    const disks = definition.replicas.filter((each) => each.disk).length;
    const otherDiskless = definition.replicas.some((each) => !each.disk && each !== replica);
    if (disks >= 2 && disks % 2 === 0 && !otherDiskless) {
      if (!replica.flags.includes('TIE_BREAKER')) replica.flags.push('TIE_BREAKER');
      return;
    }
    definition.replicas.splice(definition.replicas.indexOf(replica), 1);
    this.#device(definition, replica, false);
  }

  /** Two disks, four, … and nobody else: the first node that is free (CtrlRscAutoTieBreakerHelper). */
  #addTieBreaker(definition: Definition): void {
    const disks = definition.replicas.filter((each) => each.disk).length;
    const others = definition.replicas.some((each) => !each.disk);
    if (!definition.layers.includes('DRBD') || disks < 2 || disks % 2 !== 0 || others) return;
    const node = [...this.#options.nodes]
      .sort()
      .find((name) => !this.offline.has(name) && !definition.replicas.some((each) => same(each.node, name)));
    if (node === undefined) return;
    const flags = ['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'];
    this.#addReplica(definition, { node, flags, inUse: false, disk: false });
  }

  async synced(): Promise<boolean> {
    return true;
  }

  async encryption(): Promise<'unlocked'> {
    return 'unlocked';
  }

  async controllerProperties(): Promise<Readonly<Record<string, string>>> {
    return {};
  }

  async errorReports(): Promise<[]> {
    return [];
  }

  async errorReport(): Promise<undefined> {
    return undefined;
  }

  readonly #stores = new Map<string, Record<string, string>>();

  async keyValues(store: string): Promise<Readonly<Record<string, string>>> {
    this.reads += 1;
    return { ...this.#stores.get(store) };
  }

  async modifyKeyValues(store: string, change: Pick<PropsChange, 'set' | 'unset'>): Promise<Outcome> {
    this.writes.push(`modifyKeyValues ${store}`);
    const props = { ...this.#stores.get(store), ...change.set };
    for (const key of change.unset ?? []) delete props[key];
    this.#stores.set(store, props);
    return ok();
  }

  sizeInfo(): Promise<SizeInfo | undefined> {
    return this.#unexpected('sizeInfo');
  }
  resizeVolume(): Promise<Outcome> {
    return this.#unexpected('resizeVolume');
  }
  modifyVolume(): Promise<Outcome> {
    return this.#unexpected('modifyVolume');
  }
  toggleDisk(): Promise<Outcome> {
    return this.#unexpected('toggleDisk');
  }
  evacuateNode(): Promise<Outcome> {
    return this.#unexpected('evacuateNode');
  }
  restoreNode(): Promise<Outcome> {
    return this.#unexpected('restoreNode');
  }
  createSnapshot(): Promise<Outcome> {
    return this.#unexpected('createSnapshot');
  }
  createSnapshots(): Promise<Outcome> {
    return this.#unexpected('createSnapshots');
  }
  deleteSnapshot(): Promise<Outcome> {
    return this.#unexpected('deleteSnapshot');
  }
  rollback(): Promise<Outcome> {
    return this.#unexpected('rollback');
  }
  restoreVolumes(): Promise<Outcome> {
    return this.#unexpected('restoreVolumes');
  }
  restoreResources(): Promise<Outcome> {
    return this.#unexpected('restoreResources');
  }
  clone(): Promise<Outcome> {
    return this.#unexpected('clone');
  }
  cloneStatus(): Promise<CloneStatus | undefined> {
    return this.#unexpected('cloneStatus');
  }

  // ---- inside

  #unexpected(method: string): never {
    throw new Error(`${method} is not expected here`);
  }

  #read(method: string): void {
    this.reads += 1;
    this.#fail(method);
  }

  #write(...words: string[]): void {
    const write = words.filter((word) => word !== '').join(' ');
    this.writes.push(write);
    this.onWrite(write);
    this.#fail(words.slice(0, 3).join(' '));
    this.#fail(words.slice(0, 2).join(' '));
    this.#fail(words[0] ?? '');
  }

  #fail(key: string): void {
    const lasting = this.down.get(key);
    if (lasting) throw lasting;
    const failure = this.failures.get(key);
    if (!failure) return;
    this.failures.delete(key);
    throw failure;
  }

  #find(name: string): Definition | undefined {
    return this.#definitions.find((definition) => same(definition.name, name));
  }

  #require(name: string): Definition {
    const definition = this.#find(name);
    if (!definition) throw refusal(`find ${name}`, 301, 404);
    return definition;
  }

  #requireNode(node: string): void {
    if (!this.#options.nodes.some((each) => same(each, node))) throw refusal(`find node ${node}`, 300, 404);
  }

  #addReplica(definition: Definition, replica: Replica): void {
    definition.replicas.push(replica);
    this.#device(definition, replica, true);
  }

  #device(definition: Definition, replica: Replica, present: boolean): void {
    if (present && !this.devicesAppear) return;
    this.#options.onDevice?.(replica.node, this.#path(definition, replica.node), present, definition.layers);
  }

  #path(definition: Definition, node: string): string {
    return this.#options.devicePath?.(definition.name, node) ?? `/dev/drbd-fake-${definition.name}`;
  }

  #view(definition: Definition, replica: Replica): Resource {
    const drbd = definition.layers.includes('DRBD');
    const known = !this.offline.has(replica.node);
    return {
      name: resourceName(definition.name),
      node: nodeName(replica.node),
      flags: [...replica.flags],
      props: {},
      layers: definition.layers,
      stateKnown: known,
      ...(drbd && known ? { inUse: replica.inUse } : {}),
      volumes: [
        {
          number: 0,
          pool: replica.disk ? 'thin' : 'DfltDisklessStorPool',
          provider: replica.disk ? (this.#options.provider ?? 'LVM_THIN') : 'DISKLESS',
          devicePath: this.#path(definition, replica.node),
          ...(drbd ? { diskState: replica.disk ? 'UpToDate' : 'Diskless' } : {}),
        },
      ],
      connections: {},
    };
  }
}
