import { allDone } from '../../all-done.ts';
import { isDriverError } from '../../errors.ts';
import type { KiB } from '../../units.ts';
import { codes } from '../codes.ts';
import type { ControllerSettings } from '../controller-settings.ts';
import { isLinstorError, LinstorError } from '../error.ts';
import { isObject, type Json } from '../json.ts';
import type * as L from '../linstor.ts';
import { Outcome } from '../outcome.ts';
import { isReplyLost } from '../reply-lost.ts';
import { byNode, requireCapability, requireClone, requireKeyValues } from '../require.ts';
import type { ResourceOptions, SpawnOptions } from '../rest/bodies.ts';
import type { LinstorHooks } from '../rest/hooks.ts';
import type { Patience } from '../rest/http.ts';
import {
  cannot,
  filterOptions,
  layerOption,
  nodesToCreate,
  resourceOptions,
  setProperty,
  size,
} from './args.ts';
import { CliClient } from './client.ts';
import { cloneStatusOf, hasProp, inSync, isClone, keyValueTable } from './derive.ts';

const cluster = () => import('../decode-cluster.ts');
const objects = () => import('../decode-resources.ts');

/** What LINBIT's client has no word for, whatever the controller can. */
const lackingInClient: Partial<L.Capabilities> = {
  cloneProps: false,
  passphraseStatus: false,
  // spawn() sets them right after, one call each.
  spawnProps: false,
};

/** Severity error, code 301: as the controller says it where it is asked directly. */
const definitionNotFound = BigInt.asIntN(64, 0xc000_0000_0000_0000n | BigInt(codes.FAIL_NOT_FOUND_RSC_DFN));

/** LINSTOR through LINBIT's `linstor -m`, for sites that reach the controller only that way. Slow: 0.1–0.5 s a call. */
export class CliLinstor implements L.Linstor {
  readonly transport = 'cli';
  readonly #client: CliClient;
  #capabilities: Promise<L.Capabilities> | undefined;

  constructor(settings: ControllerSettings, hooks: LinstorHooks = {}) {
    this.#client = new CliClient(settings, hooks);
  }

  capabilities(): Promise<L.Capabilities> {
    this.#capabilities ??= this.#readCapabilities().catch((error) => {
      this.#capabilities = undefined;
      throw error;
    });
    return this.#capabilities;
  }

  async absences(): Promise<number> {
    return this.#client.absences;
  }

  async #readCapabilities(): Promise<L.Capabilities> {
    const [raw, decode] = await Promise.all([this.#client.read(['controller', 'version']), cluster()]);
    return { ...decode.decodeVersion(raw, 'linstor controller version'), ...lackingInClient };
  }

  nodes(): Promise<L.Node[]> {
    return this.#read(['node', 'list'], cluster, (d) => d.decodeNodes);
  }

  async storagePools(query: Parameters<L.Linstor['storagePools']>[0] = {}): Promise<L.StoragePool[]> {
    if (query.nodes?.length === 0 || query.pools?.length === 0) return [];
    const pools = query.pools ? ['--storage-pools', ...query.pools] : [];
    const read = (nodes: readonly string[] | undefined) =>
      this.#read(
        ['storage-pool', 'list', ...pools, ...(nodes ? ['--nodes', ...nodes] : [])],
        cluster,
        (d) => d.decodePools,
        'view',
      );
    return byNode(query.nodes, read, (pool) => pool.node);
  }

  async resourceGroup(name: string): Promise<L.ResourceGroup | undefined> {
    const [group] = await this.#read(
      ['resource-group', 'list', '--resource-groups', name],
      cluster,
      (d) => d.decodeGroups,
    );
    return group;
  }

  resourceGroups(): Promise<L.ResourceGroup[]> {
    return this.#read(['resource-group', 'list'], cluster, (d) => d.decodeGroups);
  }

  async sizeInfo(group: string, filter?: L.PlacementFilter): Promise<L.SizeInfo | undefined> {
    if (filter && Object.values(filter).some((value) => value !== undefined))
      throw cannot('ask for free space with a placement of its own');
    const args = ['resource-group', 'query-size-info', group];
    try {
      return await this.#read(args, cluster, (d) => d.decodeSizeInfo, 'view');
    } catch (error) {
      if (isLinstorError(error, 'FAIL_NOT_FOUND_RSC_GRP')) return undefined;
      throw error;
    }
  }

  async definitions(query: Parameters<L.Linstor['definitions']>[0] = {}): Promise<L.ResourceDefinition[]> {
    if (query.names?.length === 0) return [];
    // `resource-definition list` has no volumes; `volume-definition list` is the same list with them.
    const names = query.names ? ['--resource-definitions', ...query.names] : [];
    const all = await this.#read(
      ['volume-definition', 'list', ...names],
      objects,
      (d) => d.decodeDefinitions,
    );
    return all.filter((definition) =>
      (query.props ?? []).every((wanted) => hasProp(definition.props, wanted)),
    );
  }

  /** The client's own document is in memory as a whole in any case. */
  allocations(): Promise<L.Allocation[]> {
    return this.#read(['resource', 'list'], objects, (d) => d.decodeAllocations, 'usage');
  }

  /** `resource list` is the view; the client has no other list of them. */
  async replicas(names: readonly string[]): Promise<L.Replica[]> {
    if (names.length === 0) return [];
    return this.#read(
      ['resource', 'list', '--resources', ...new Set(names)],
      objects,
      (d) => d.decodeReplicas,
      'view',
    );
  }

  async resources(query: Parameters<L.Linstor['resources']>[0] = {}): Promise<L.Resource[]> {
    if (query.names?.length === 0 || query.nodes?.length === 0) return [];
    const names = query.names ? ['--resources', ...query.names] : [];
    const read = (nodes: readonly string[] | undefined) =>
      this.#read(
        ['resource', 'list', ...names, ...(nodes ? ['--nodes', ...nodes] : [])],
        objects,
        (d) => d.decodeResources,
        'view',
      );
    return byNode(query.nodes, read, (resource) => resource.node);
  }

  async snapshots(query: Parameters<L.Linstor['snapshots']>[0] = {}): Promise<L.Snapshot[]> {
    if (query.names?.length === 0) return [];
    const names = query.names ? ['--resources', ...query.names] : [];
    return this.#read(['snapshot', 'list', ...names], objects, (d) => d.decodeSnapshots);
  }

  async createDefinition(spec: L.DefinitionSpec): Promise<Outcome> {
    // The properties must be possible before anything exists.
    const properties = Object.entries(spec.props ?? {}).map(([key, value]) =>
      setProperty(spec.name, key, value),
    );
    const group = spec.group ? ['--resource-group', spec.group] : [];
    const create = ['resource-definition', 'create', spec.name, ...group, ...layerOption(spec.layers)];
    // A definition without the first of them would be nobody's: its maker's own undo could not tell that it is his.
    const [first, ...others] = properties;
    const made = await this.#client.writeWhole([create, ...(first ? [first] : [])], async (done) => {
      if (done === 1) await this.#removeBare(spec.name);
    });
    return new Outcome([...made.entries, ...(await this.#atOnce(others)).entries]);
  }

  /** Takes back what was just made here and could not be marked, if it still is as it was made. Never fails: what failed before is told. */
  async #removeBare(name: L.ResourceName): Promise<void> {
    try {
      const [[definition], resources] = await Promise.all([
        this.definitions({ names: [name] }),
        this.resources({ names: [name] }),
      ]);
      const isBare =
        definition?.volumes.length === 0 &&
        resources.length === 0 &&
        !Object.keys(definition.props).some((key) => key.startsWith('Aux/'));
      if (isBare) await this.deleteDefinition(name);
    } catch {
      // It holds nothing, and its name is free to be taken again (volumes/reclaim.ts).
    }
  }

  async modifyDefinition(name: L.ResourceName, change: L.PropsChange & { group?: string }): Promise<Outcome> {
    const unset = [...(change.unset ?? []), ...(await this.#keysBelow(name, change.unsetNamespaces ?? []))];
    const set = await this.#atOnce(
      Object.entries(change.set ?? {}).map(([key, value]) => setProperty(name, key, value)),
    );
    const calls = [
      ...(change.group ? [['resource-definition', 'modify', name, '--resource-group', change.group]] : []),
      // Last: what is taken away may be the mark of something unfinished.
      ...unset.map((key) => setProperty(name, key, undefined)),
    ];
    return this.#then(set, calls);
  }

  deleteDefinition(name: string): Promise<Outcome> {
    return this.#write(['resource-definition', 'delete', name]);
  }

  createVolume(name: string, number: number, sizeKib: KiB): Promise<Outcome> {
    return this.#write(['volume-definition', 'create', name, size(sizeKib), '--vlmnr', String(number)]);
  }

  resizeVolume(name: string, number: number, sizeKib: KiB): Promise<Outcome> {
    return this.#write(['volume-definition', 'set-size', name, String(number), size(sizeKib)]);
  }

  modifyVolume(name: string, number: number, props: Readonly<Record<string, string>>): Promise<Outcome> {
    return this.#then(
      new Outcome([]),
      Object.entries(props).map(([key, value]) => [
        'volume-definition',
        'set-property',
        name,
        String(number),
        key,
        value,
      ]),
    );
  }

  async spawn(
    group: string,
    name: string,
    sizesKib: readonly KiB[],
    options: SpawnOptions = {},
  ): Promise<Outcome> {
    const { filter = {}, definitionsOnly = false } = options;
    if (options.marked) throw cannot('spawn with properties');
    const properties = Object.entries(options.props ?? {}).map(([key, value]) =>
      setProperty(name, key, value),
    );
    const nodes = definitionsOnly ? undefined : nodesToCreate(filter);
    if (!nodes && filter.additionalPlaceCount !== undefined)
      throw cannot('spawn with a number of additional replicas');
    const spawned = await this.#write([
      ...['resource-group', 'spawn-resources', group, name, ...sizesKib.map(size)],
      ...(definitionsOnly || nodes ? ['--definition-only'] : []),
      ...filterOptions(nodes ? withoutCount(filter) : filter),
    ]);
    const placed = nodes ? await this.#createOn(nodes, name, filter) : new Outcome([]);
    return this.#then(new Outcome([...spawned.entries, ...placed.entries]), properties);
  }

  place(name: string, filter: L.PlacementFilter): Promise<Outcome> {
    const nodes = nodesToCreate(filter);
    if (nodes) return this.#createOn(nodes, name, filter);
    return this.#write(['resource-definition', 'auto-place', name, ...filterOptions(filter)]);
  }

  createResource(name: string, node: string, options: ResourceOptions = {}): Promise<Outcome> {
    return this.#write(['resource', 'create', node, name, ...resourceOptions(options)]);
  }

  async makeAvailable(
    name: string,
    node: string,
    options: { diskful?: boolean; manageDualPrimary?: boolean } = {},
  ): Promise<Outcome> {
    const diskful = options.diskful ? ['--diskful'] : [];
    if (!options.manageDualPrimary)
      return this.#write(['resource', 'make-available', node, name, ...diskful]);
    requireCapability(await this.capabilities(), 'managedDualPrimary', 'preparing a live migration');
    const args = ['resource', 'make-available', node, name, ...diskful, '--auto-manage-dual-primary'];
    return this.#client.write(args, { newOption: 'live migration' });
  }

  async unmakeAvailable(name: string, node: string): Promise<Outcome> {
    requireCapability(await this.capabilities(), 'managedDualPrimary', 'undoing make-available');
    return this.#client.write(['resource', 'unmake-available', node, name], {
      newOption: 'unmake-available',
    });
  }

  async deleteResource(name: string, node: string): Promise<Outcome> {
    const args = ['resource', 'delete', node, name];
    try {
      return await this.#client.write([...args, '--keep-tiebreaker'], { newOption: 'keeping tie-breakers' });
    } catch (error) {
      // Cheaper than asking for versions before every detach: an old client or controller refuses without doing anything.
      if (!isDriverError(error, 'LINSTOR_UNSUPPORTED') || isLinstorError(error)) throw error;
      return this.#write(args);
    }
  }

  toggleDisk(name: string, node: string, options: { pool?: string; diskless?: boolean }): Promise<Outcome> {
    const args = ['resource', 'toggle-disk', node, name];
    const diskless = options.diskless ?? !options.pool;
    // Which diskless pool is left to LINSTOR: the client has no word for it.
    if (diskless) return this.#write([...args, '--diskless']);
    return this.#write(
      options.pool ? [...args, '--storage-pool', options.pool] : [...args, '--default-storage-pool'],
    );
  }

  async createSnapshot(
    name: string,
    snapshot: string,
    options: { nodes?: readonly string[]; props?: Readonly<Record<string, string>> } = {},
  ): Promise<Outcome> {
    if (options.props) throw cannot('give a snapshot properties');
    return this.#write(['snapshot', 'create', ...(options.nodes ?? []), name, snapshot]);
  }

  async createSnapshots(list: readonly { resource: string; snapshot: string }[]): Promise<Outcome> {
    const snapshot = list[0]?.snapshot;
    if (snapshot === undefined) return new Outcome([]);
    if (list.some((item) => item.snapshot !== snapshot))
      throw cannot('snapshot several resources under different names at once');
    const resources = list.map((item) => item.resource);
    return this.#client.write(['snapshot', 'create-multiple', snapshot, '--resource_names', ...resources], {
      newOption: 'snapshots of several resources at once',
    });
  }

  evacuateNode(node: string): Promise<Outcome> {
    return this.#write(['node', 'evacuate', node]);
  }

  restoreNode(node: string): Promise<Outcome> {
    return this.#write(['node', 'restore', node]);
  }

  deleteSnapshot(name: string, snapshot: string): Promise<Outcome> {
    return this.#write(['snapshot', 'delete', name, snapshot]);
  }

  rollback(name: string, snapshot: string): Promise<Outcome> {
    return this.#write(['snapshot', 'rollback', name, snapshot]);
  }

  restoreVolumes(from: string, snapshot: string, to: string): Promise<Outcome> {
    return this.#write(['snapshot', 'volume-definition', 'restore', ...restoreOptions(from, snapshot, to)]);
  }

  restoreResources(
    from: string,
    snapshot: string,
    to: string,
    options: { nodes?: readonly string[]; poolRename?: Readonly<Record<string, string>> } = {},
  ): Promise<Outcome> {
    const pairs = Object.entries(options.poolRename ?? {}).map(([old, renamed]) => `${old}=${renamed}`);
    const rename = pairs.length > 0 ? ['--storpool-rename', ...pairs] : [];
    const args = [
      'snapshot',
      'resource',
      'restore',
      ...(options.nodes ?? []),
      ...restoreOptions(from, snapshot, to),
      ...rename,
    ];
    return this.#client.write(
      args,
      rename.length > 0 ? { newOption: 'restoring into another storage pool' } : {},
    );
  }

  async clone(source: L.ResourceName, target: string, spec: L.CloneSpec = {}): Promise<Outcome> {
    const can = await this.capabilities();
    if (spec.props) throw cannot('clone with other properties');
    requireClone(can, spec);
    const args = [
      ...['resource-definition', 'clone', source, target, '--no-wait'],
      ...(spec.useZfsClone ? ['--use-zfs-clone'] : []),
      ...(spec.group ? ['--resource-group', spec.group] : []),
      ...layerOption(spec.layers),
    ];
    try {
      return await this.#client.write(args, { newOption: 'cloning with these options' });
    } catch (error) {
      // A missing source is answered in another shape, on which the client dies with a traceback (linstor-behaviour §3.13).
      if (isReplyLost(error) && error.code === 'LINSTOR_REPLY')
        await this.#mustExist(source, `clone of ${source}`);
      throw error;
    }
  }

  /** The client has no command for it. */
  async cloneStatus(_source: string, target: L.ResourceName): Promise<L.CloneStatus | undefined> {
    const [definition] = await this.definitions({ names: [target] });
    if (!definition || !isClone(definition)) return undefined;
    return cloneStatusOf(definition, await this.resources({ names: [target] }));
  }

  async synced(name: L.ResourceName): Promise<boolean> {
    const resources = await this.resources({ names: [name] });
    if (resources.length === 0) await this.#mustExist(name, `sync state of ${name}`);
    return inSync(resources);
  }

  async encryption(): Promise<undefined> {
    return undefined;
  }

  async controllerProperties(): Promise<Readonly<Record<string, string>>> {
    const raw = await this.#client.read(['controller', 'list-properties']);
    const pairs = Array.isArray(raw) ? raw.filter(isObject) : [];
    return Object.fromEntries(pairs.map((pair) => [String(pair['key']), String(pair['value'] ?? '')]));
  }

  async errorReports(since: number): Promise<L.ErrorReport[]> {
    const args = ['error-reports', 'list'];
    const [raw, { decodeErrorReports }] = await Promise.all([this.#client.readFlat(args), cluster()]);
    return decodeErrorReports(raw, `linstor ${args.join(' ')}`).filter(({ time }) => time >= since);
  }

  async errorReport(id: string): Promise<string | undefined> {
    const text = await this.#client.readText(['error-reports', 'show', id]);
    return text.trim() === '' ? undefined : text;
  }

  /** With -m the client dies of a store that holds something (linstor-behaviour §10 no. 14): its table is read. */
  async keyValues(store: string): Promise<Readonly<Record<string, string>>> {
    const args = ['key-value-store', 'show', store];
    return keyValueTable(await this.#client.readText(args), `linstor ${args.join(' ')}`);
  }

  async modifyKeyValues(store: string, change: Pick<L.PropsChange, 'set' | 'unset'>): Promise<Outcome> {
    const { set = {}, unset = [] } = change;
    requireKeyValues(store, set);
    const modify = ['key-value-store', 'modify', store];
    return this.#then(new Outcome([]), [
      ...Object.entries(set).map((pair) => [...modify, ...pair]),
      ...unset.map((key) => [...modify, key]),
    ]);
  }

  async #mustExist(name: L.ResourceName, what: string): Promise<void> {
    if ((await this.definitions({ names: [name] })).length > 0) return;
    const message = `Resource definition '${name}' not found.`;
    throw new LinstorError(what, [
      { retCode: definitionNotFound, message, reportIds: [], refs: { RscDfn: name } },
    ]);
  }

  async #keysBelow(name: L.ResourceName, namespaces: readonly string[]): Promise<string[]> {
    if (namespaces.length === 0) return [];
    const [definition] = await this.definitions({ names: [name] });
    const below = (key: string) => namespaces.some((space) => key.startsWith(`${space.replace(/\/$/, '')}/`));
    return Object.keys(definition?.props ?? {}).filter(below);
  }

  /**
   * Without a pool, creating a resource on a named node looks for a default pool and not for the group's. Making it
   * available with a disk is automatic placement restricted to that node: it takes the group's pools.
   */
  #createOn(nodes: readonly string[], name: string, filter: L.PlacementFilter): Promise<Outcome> {
    const pool = filter.storagePools?.[0];
    const layers = layerOption(filter.layers);
    if (pool) return this.#write(['resource', 'create', ...nodes, name, '--storage-pool', pool, ...layers]);
    const calls = nodes.map((node) => ['resource', 'make-available', node, name, '--diskful', ...layers]);
    return this.#then(new Outcome([]), calls);
  }

  /** Calls of which none needs another; all have ended when the first refusal is thrown. */
  async #atOnce(calls: readonly (readonly string[])[]): Promise<Outcome> {
    const outcomes = await allDone(calls.map((args) => this.#write(args)));
    return new Outcome(outcomes.flatMap((outcome) => outcome.entries));
  }

  /** One call after the other; the first that is refused ends it. */
  async #then(first: Outcome, calls: readonly (readonly string[])[]): Promise<Outcome> {
    const entries = [...first.entries];
    for (const args of calls) entries.push(...(await this.#write(args)).entries);
    return new Outcome(entries);
  }

  async #read<M, T>(
    args: readonly string[],
    module: () => Promise<M>,
    pick: (m: M) => (raw: Json, what: string) => T,
    patience: Patience = 'read',
  ): Promise<T> {
    const [raw, decoders] = await Promise.all([this.#client.read(args, patience), module()]);
    return pick(decoders)(raw, `linstor ${args.join(' ')}`);
  }

  #write(args: readonly string[]): Promise<Outcome> {
    return this.#client.write(args);
  }
}

function restoreOptions(from: string, snapshot: string, to: string): readonly string[] {
  return ['--from-resource', from, '--from-snapshot', snapshot, '--to-resource', to];
}

function withoutCount(filter: L.PlacementFilter): L.PlacementFilter {
  const { placeCount: _count, additionalPlaceCount: _more, nodes: _nodes, ...rest } = filter;
  return rest;
}
