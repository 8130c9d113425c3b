import { DriverError, isDriverError } from '../../errors.ts';
import type { KiB } from '../../units.ts';
import type { LinstorCode } from '../codes.ts';
import type { ControllerSettings } from '../controller-settings.ts';
import { refusal, toEntries, toOutcome } from '../entries.ts';
import { isLinstorError } from '../error.ts';
import { describeText, isObject, type Json, parseReply } from '../json.ts';
import { JsonParts } from '../json-parts.ts';
import type * as L from '../linstor.ts';
import { Outcome } from '../outcome.ts';
import { ReplyLost } from '../reply-lost.ts';
import { byNode, filterByName, requireCapability, requireClone, requireKeyValues } from '../require.ts';
import { awaitSatellites } from '../satellites.ts';
import * as body from './bodies.ts';
import { type LinstorHooks, sleepOf } from './hooks.ts';
import { ControllerHttp, type HttpRequest, type Patience } from './http.ts';
import { pathOf, withQuery } from './paths.ts';

type Decoder<T> = (raw: Json, what: string) => T;
const cluster = () => import('../decode-cluster.ts');
const objects = () => import('../decode-resources.ts');

/** LINSTOR over its REST API. One instance keeps its controller, its connections and its capabilities. */
export class RestLinstor implements L.Linstor {
  readonly transport = 'rest';
  readonly #http: ControllerHttp;
  #capabilities: Promise<L.Capabilities> | undefined;

  constructor(settings: ControllerSettings, hooks: LinstorHooks = {}) {
    this.#http = new ControllerHttp(settings, hooks, () => awaitSatellites(this, sleepOf(hooks)));
  }

  capabilities(): Promise<L.Capabilities> {
    this.#capabilities ??= this.#read('/v1/controller/version', cluster, (d) => d.decodeVersion).catch(
      (error) => {
        // Not remembered: the next question may find a controller.
        this.#capabilities = undefined;
        throw error;
      },
    );
    return this.#capabilities;
  }

  async absences(): Promise<number> {
    return this.#http.absences;
  }

  nodes(): Promise<L.Node[]> {
    return this.#read('/v1/nodes', cluster, (d) => d.decodeNodes);
  }

  async storagePools(query: Parameters<L.Linstor['storagePools']>[0] = {}): Promise<L.StoragePool[]> {
    if (query.nodes?.length === 0 || query.pools?.length === 0) return [];
    // Servers that do not know `cached` ignore it, as they do every query key.
    const read = (cached: boolean) => (nodes: readonly string[] | undefined) => {
      const filter = { nodes, storage_pools: query.pools, cached: cached ? 'true' : undefined };
      const path = withQuery('/v1/view/storage-pools', filter);
      return this.#read(path, cluster, (d) => d.decodePools, cached ? 'read' : 'fresh');
    };
    const nodeOf = (pool: L.StoragePool) => pool.node;
    if (query.fresh) {
      try {
        return await byNode(query.nodes, read(false), nodeOf);
      } catch (error) {
        if (isDriverError(error, 'INTERRUPTED')) throw error;
      }
    }
    return byNode(query.nodes, read(true), nodeOf);
  }

  resourceGroup(name: string): Promise<L.ResourceGroup | undefined> {
    return this.#readOptional(
      pathOf('resource-groups', name),
      'FAIL_NOT_FOUND_RSC_GRP',
      cluster,
      (d) => d.decodeGroup,
    );
  }

  resourceGroups(): Promise<L.ResourceGroup[]> {
    return this.#read('/v1/resource-groups', cluster, (d) => d.decodeGroups);
  }

  sizeInfo(group: string, filter?: L.PlacementFilter): Promise<L.SizeInfo | undefined> {
    const select = body.selectFilter(filter ?? {});
    return this.#ask(
      {
        method: 'POST',
        query: true,
        patience: 'view',
        path: pathOf('resource-groups', group, 'query-size-info'),
        body: Object.keys(select).length > 0 ? { select_filter: select } : {},
      },
      cluster,
      (d) => d.decodeSizeInfo,
    );
  }

  async definitions(query: Parameters<L.Linstor['definitions']>[0] = {}): Promise<L.ResourceDefinition[]> {
    if (query.names?.length === 0) return [];
    const path = withQuery('/v1/resource-definitions', {
      with_volume_definitions: 'true',
      resource_definitions: query.names,
      props: query.props,
    });
    if (query.names) {
      const found = await this.#read(path, objects, (d) => d.decodeDefinitions);
      return filterByName(found, (definition) => definition.name, query.names);
    }
    const { decodeDefinitions } = await objects();
    return this.#readParts(path, decodeDefinitions);
  }

  async replicas(names: readonly string[]): Promise<L.Replica[]> {
    const read = async (name: string): Promise<L.Replica[]> =>
      (await this.#readOptional(
        pathOf('resource-definitions', name, 'resources'),
        'FAIL_NOT_FOUND_RSC_DFN',
        objects,
        (d) => d.decodeReplicas,
      )) ?? [];
    const found = (await Promise.all([...new Set(names)].map(read))).flat();
    return filterByName(found, (replica) => replica.name, names);
  }

  async resources(query: Parameters<L.Linstor['resources']>[0] = {}): Promise<L.Resource[]> {
    if (query.names?.length === 0 || query.nodes?.length === 0) return [];
    const path = (nodes: readonly string[] | undefined) =>
      withQuery('/v1/view/resources', { resources: query.names, nodes });
    const read = (nodes: readonly string[] | undefined) =>
      this.#read(path(nodes), objects, (d) => d.decodeResources, 'view');
    const found = await byNode(query.nodes, read, (resource) => resource.node);
    return filterByName(found, (resource) => resource.name, query.names);
  }

  async allocations(): Promise<L.Allocation[]> {
    const path = '/v1/view/resources';
    const { decodeAllocations } = await objects();
    return this.#readParts(path, decodeAllocations, 'usage');
  }

  async snapshots(query: Parameters<L.Linstor['snapshots']>[0] = {}): Promise<L.Snapshot[]> {
    if (query.names?.length === 0) return [];
    const path = withQuery('/v1/view/snapshots', { resources: query.names });
    const found = await this.#read(path, objects, (d) => d.decodeSnapshots);
    return filterByName(found, (snapshot) => snapshot.resource, query.names);
  }

  createDefinition(spec: L.DefinitionSpec): Promise<Outcome> {
    return this.#write('POST', '/v1/resource-definitions', body.definitionBody(spec));
  }

  modifyDefinition(name: string, change: L.PropsChange & { group?: string }): Promise<Outcome> {
    const group = change.group ? { resource_group: change.group } : {};
    return this.#write('PUT', pathOf('resource-definitions', name), { ...body.propsBody(change), ...group });
  }

  deleteDefinition(name: string): Promise<Outcome> {
    return this.#write('DELETE', pathOf('resource-definitions', name));
  }

  createVolume(name: string, number: number, sizeKib: KiB): Promise<Outcome> {
    return this.#write('POST', pathOf('resource-definitions', name, 'volume-definitions'), {
      volume_definition: { volume_number: number, size_kib: sizeKib },
    });
  }

  resizeVolume(name: string, number: number, sizeKib: KiB): Promise<Outcome> {
    return this.#write('PUT', pathOf('resource-definitions', name, 'volume-definitions', number), {
      size_kib: sizeKib,
    });
  }

  modifyVolume(name: string, number: number, props: Readonly<Record<string, string>>): Promise<Outcome> {
    const path = pathOf('resource-definitions', name, 'volume-definitions', number);
    return this.#write('PUT', path, body.propsBody({ set: props }));
  }

  async spawn(
    group: string,
    name: string,
    sizesKib: readonly KiB[],
    options: body.SpawnOptions = {},
  ): Promise<Outcome> {
    const path = pathOf('resource-groups', group, 'spawn');
    const props = Object.keys(options.props ?? {}).length > 0 ? options.props : undefined;
    if (options.marked) return this.#writeNew('POST', path, body.spawnBody(name, sizesKib, options));
    if (!props || (await this.capabilities()).spawnProps) {
      return this.#write('POST', path, body.spawnBody(name, sizesKib, options));
    }
    const { props: _later, ...without } = options;
    const spawned = await this.#write('POST', path, body.spawnBody(name, sizesKib, without));
    const marked = await this.modifyDefinition(name, { set: props });
    return new Outcome([...spawned.entries, ...marked.entries]);
  }

  place(name: string, filter: L.PlacementFilter): Promise<Outcome> {
    return this.#write('POST', pathOf('resource-definitions', name, 'autoplace'), body.autoplaceBody(filter));
  }

  createResource(name: string, node: string, options: body.ResourceOptions = {}): Promise<Outcome> {
    return this.#write(
      'POST',
      pathOf('resource-definitions', name, 'resources'),
      body.resourceBody(node, options),
    );
  }

  async makeAvailable(
    name: string,
    node: string,
    options: { diskful?: boolean; manageDualPrimary?: boolean } = {},
  ): Promise<Outcome> {
    if (options.manageDualPrimary) {
      requireCapability(await this.capabilities(), 'managedDualPrimary', 'preparing a live migration');
    }
    return this.#write('POST', pathOf('resource-definitions', name, 'resources', node, 'make-available'), {
      ...(options.diskful ? { diskful: true } : {}),
      ...(options.manageDualPrimary ? { auto_manage_dual_primary: true } : {}),
    });
  }

  async unmakeAvailable(name: string, node: string): Promise<Outcome> {
    requireCapability(await this.capabilities(), 'managedDualPrimary', 'undoing make-available');
    return this.#write(
      'POST',
      pathOf('resource-definitions', name, 'resources', node, 'unmake-available'),
      {},
    );
  }

  deleteResource(name: string, node: string): Promise<Outcome> {
    const path = pathOf('resource-definitions', name, 'resources', node);
    return this.#write('DELETE', withQuery(path, { keep_tiebreaker: 'true' }));
  }

  toggleDisk(name: string, node: string, options: { pool?: string; diskless?: boolean }): Promise<Outcome> {
    // The paths of all versions; the single one of 1.34 takes the same and is not needed.
    const diskless = options.diskless ?? !options.pool;
    const parts = [
      'resource-definitions',
      name,
      'resources',
      node,
      'toggle-disk',
      diskless ? 'diskless' : 'diskful',
    ];
    return this.#write('PUT', pathOf(...parts, ...(options.pool ? [options.pool] : [])));
  }

  evacuateNode(node: string): Promise<Outcome> {
    return this.#write('PUT', pathOf('nodes', node, 'evacuate'), {});
  }

  restoreNode(node: string): Promise<Outcome> {
    return this.#write('PUT', pathOf('nodes', node, 'restore'), {});
  }

  createSnapshot(
    name: string,
    snapshot: string,
    options: { nodes?: readonly string[]; props?: Readonly<Record<string, string>> } = {},
  ): Promise<Outcome> {
    const nodes = options.nodes?.length ? { nodes: options.nodes } : {};
    const path = pathOf('resource-definitions', name, 'snapshots');
    const content = { name: snapshot, ...nodes };
    return options.props
      ? this.#writeNew('POST', path, { ...content, snapshot_definition_props: options.props })
      : this.#write('POST', path, content);
  }

  createSnapshots(list: readonly { resource: string; snapshot: string }[]): Promise<Outcome> {
    const snapshots = list.map((item) => ({ resource_name: item.resource, name: item.snapshot }));
    return this.#write('POST', '/v1/actions/snapshot/multi', { snapshots });
  }

  deleteSnapshot(name: string, snapshot: string): Promise<Outcome> {
    return this.#write('DELETE', pathOf('resource-definitions', name, 'snapshots', snapshot));
  }

  rollback(name: string, snapshot: string): Promise<Outcome> {
    // Without a body: before REST 1.26 the call takes none.
    return this.#write('POST', pathOf('resource-definitions', name, 'snapshot-rollback', snapshot));
  }

  restoreVolumes(from: string, snapshot: string, to: string): Promise<Outcome> {
    const path = pathOf('resource-definitions', from, 'snapshot-restore-volume-definition', snapshot);
    return this.#write('POST', path, body.restoreBody(to, {}));
  }

  async restoreResources(
    from: string,
    snapshot: string,
    to: string,
    options: { nodes?: readonly string[]; poolRename?: Readonly<Record<string, string>> } = {},
  ): Promise<Outcome> {
    if (Object.keys(options.poolRename ?? {}).length > 0) {
      requireCapability(
        await this.capabilities(),
        'restorePoolRename',
        'restoring into another storage pool',
      );
    }
    const path = pathOf('resource-definitions', from, 'snapshot-restore-resource', snapshot);
    return this.#write('POST', path, body.restoreBody(to, options));
  }

  async clone(source: string, target: string, spec: L.CloneSpec = {}): Promise<Outcome> {
    requireClone(await this.capabilities(), spec);
    return this.#write('POST', pathOf('resource-definitions', source, 'clone'), body.cloneBody(target, spec));
  }

  cloneStatus(source: string, target: string): Promise<L.CloneStatus | undefined> {
    const path = pathOf('resource-definitions', source, 'clone', target);
    return this.#readOptional(path, 'FAIL_NOT_FOUND_RSC_DFN', objects, (d) => d.decodeCloneStatus);
  }

  synced(name: string): Promise<boolean> {
    return this.#read(pathOf('resource-definitions', name, 'sync-status'), objects, (d) => d.decodeSync);
  }

  async encryption(): Promise<'unset' | 'locked' | 'unlocked' | undefined> {
    if (!(await this.capabilities()).passphraseStatus) return undefined;
    return this.#read('/v1/encryption/passphrase', cluster, (d) => d.decodePassphrase);
  }

  controllerProperties(): Promise<Readonly<Record<string, string>>> {
    return this.#read('/v1/controller/properties', cluster, (d) => d.decodeProperties);
  }

  errorReports(since: number): Promise<L.ErrorReport[]> {
    const path = withQuery('/v1/error-reports', { since: String(since) });
    return this.#read(path, cluster, (d) => d.decodeErrorReports);
  }

  errorReport(id: string): Promise<string | undefined> {
    return this.#read(
      withQuery(pathOf('error-reports', id), { withContent: 'true' }),
      cluster,
      (d) => d.decodeErrorText,
    );
  }

  async keyValues(store: string): Promise<Readonly<Record<string, string>>> {
    const path = pathOf('key-value-store', store);
    return (await this.#readOptional(path, 'FAIL_NOT_FOUND_KVS', cluster, (d) => d.decodeKeyValues)) ?? {};
  }

  async modifyKeyValues(store: string, change: Pick<L.PropsChange, 'set' | 'unset'>): Promise<Outcome> {
    const { set = {}, unset = [] } = change;
    if (Object.keys(set).length + unset.length === 0) return new Outcome([]);
    requireKeyValues(store, set);
    return this.#write('PUT', pathOf('key-value-store', store), body.propsBody({ set, unset }));
  }

  async #readOptional<M, T>(
    path: string,
    missing: LinstorCode,
    module: () => Promise<M>,
    pick: (m: M) => Decoder<T>,
  ): Promise<T | undefined> {
    try {
      return await this.#read(path, module, pick);
    } catch (error) {
      if (isLinstorError(error, missing)) return undefined;
      throw error;
    }
  }

  #read<M, T>(
    path: string,
    module: () => Promise<M>,
    pick: (m: M) => Decoder<T>,
    patience: Patience = 'read',
  ): Promise<T> {
    return this.#ask({ method: 'GET', path, patience }, module, pick);
  }

  /** A list of any length, of which only the decoded elements stay in memory. */
  async #readParts<T>(path: string, decode: Decoder<T[]>, patience: Patience = 'read'): Promise<T[]> {
    const what = `GET ${path}`;
    let list: T[] = [];
    let parts: JsonParts | undefined;
    const into = (): JsonParts => {
      list = [];
      parts = new JsonParts(what, (part) => {
        for (const item of decode(part, what)) list.push(item);
      });
      return parts;
    };
    const answer = await this.#http.send({ method: 'GET', path, into, patience });
    if (answer.status !== 200)
      throw readRefusal(parseAnswer(answer.text, answer.status, what), answer.status, what);
    parts?.end();
    return list;
  }

  /** The decoder is loaded while the answer is on its way: zod then costs no time of its own. */
  async #ask<M, T>(request: HttpRequest, module: () => Promise<M>, pick: (m: M) => Decoder<T>): Promise<T> {
    const what = `${request.method} ${request.path}`;
    const [answer, decoders] = await Promise.all([this.#http.send(request), module()]);
    const raw = parseAnswer(answer.text, answer.status, what);
    if (answer.status >= 400) throw readRefusal(raw, answer.status, what);
    return pick(decoders)(raw, what);
  }

  /** With fields that an old controller does not know ("Unable to parse input json"): it refuses them before it does anything, which spares a look at its version. */
  async #writeNew(method: 'POST', path: string, content: unknown): Promise<Outcome> {
    try {
      return await this.#write(method, path, content);
    } catch (error) {
      if (!isLinstorError(error, 'API_CALL_PARSE_ERROR')) throw error;
      throw new DriverError('LINSTOR_UNSUPPORTED', error.message, { cause: error });
    }
  }

  async #write(method: 'POST' | 'PUT' | 'DELETE', path: string, content?: unknown): Promise<Outcome> {
    const what = `${method} ${path}`;
    const answer = await this.#http.send({
      method,
      path,
      ...(content === undefined ? {} : { body: content }),
    });
    let raw: Json;
    try {
      raw = parseAnswer(answer.text, answer.status, what);
    } catch (cause) {
      // It was carried out, or not: nobody can tell from half an answer.
      if (answer.status === 401 || answer.status === 403) throw cause;
      throw new ReplyLost(what, `HTTP ${answer.status} with ${describeText(answer.text)}`, {
        code: 'LINSTOR_REPLY',
        cause,
      });
    }
    // A clone puts its entries into an object of its own, also when it failed (linstor-behaviour §3.13).
    return toOutcome(what, isObject(raw) && 'messages' in raw ? (raw['messages'] ?? []) : raw, answer.status);
  }
}

function authError(what: string, status: number): DriverError {
  const why = status === 401 ? 'credentials are missing or not accepted' : 'the credentials do not allow it';
  return new DriverError('LINSTOR_AUTH', `${what}: HTTP ${status}: ${why}`);
}

function parseAnswer(text: string, status: number, what: string): Json {
  let raw: Json;
  try {
    raw = parseReply(text, what);
  } catch (error) {
    if (status === 401 || status === 403) throw authError(what, status);
    throw error;
  }
  if ((status === 401 || status === 403) && toEntries(raw) === undefined) throw authError(what, status);
  return raw;
}

function readRefusal(raw: Json, status: number, what: string): DriverError {
  const entries = toEntries(raw);
  if (entries !== undefined && entries.length > 0) return refusal(what, entries, status);
  return new DriverError('LINSTOR_REPLY', `${what} was answered with HTTP ${status} and no reason`);
}
