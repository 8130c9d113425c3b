import * as autoplace from '../api/autoplace.ts';
import * as clone from '../api/clone.ts';
import * as controller from '../api/controller.ts';
import * as definitionDelete from '../api/definition-delete.ts';
import * as definitions from '../api/definitions.ts';
import * as groups from '../api/groups.ts';
import * as keyValues from '../api/key-values.ts';
import * as available from '../api/make-available.ts';
import * as nodes from '../api/nodes.ts';
import * as pools from '../api/pools.ts';
import * as resourceCreate from '../api/resource-create.ts';
import * as resourceDelete from '../api/resource-delete.ts';
import * as resourceLists from '../api/resource-lists.ts';
import * as resources from '../api/resources.ts';
import * as restore from '../api/restore.ts';
import * as rollback from '../api/rollback.ts';
import * as snapshots from '../api/snapshots.ts';
import * as spawn from '../api/spawn.ts';
import * as toggle from '../api/toggle-disk.ts';
import * as volumeDefinitions from '../api/volume-definitions.ts';
import * as volumeDelete from '../api/volume-delete.ts';
import type { Handler } from './call.ts';
import type { SchemaName } from './schema.ts';
import * as waiting from './waiting.ts';

/** How a body is read. `list`: an array of it. `raw`: the handler reads the text. */
export interface BodyRule {
  readonly schema?: SchemaName;
  readonly list?: boolean;
  readonly raw?: boolean;
  /** An empty body is fine. */
  readonly optional?: boolean;
  /** HTTP status for a body that cannot be parsed; 500 from most handlers (linstor-behaviour §0.3). */
  readonly badStatus?: 400 | 500;
  /** The real controller never answers a body it cannot parse here (linstor-behaviour §0.4). */
  readonly hangs?: boolean;
}

export interface Route {
  readonly method: string;
  readonly path: string;
  readonly handler: Handler;
  readonly body?: BodyRule;
  /** Minor number of the REST version that has it. */
  readonly since?: number;
  /** Changes nothing: runs beside others. */
  readonly reads?: boolean;
  /** Satellites that are asked before anything is done. */
  readonly asks?: waiting.Asks;
  /** Definitions whose satellites all have to answer first. */
  readonly needs?: (asked: waiting.Asked) => readonly string[];
  /** Calls of this kind about one resource run one after the other. */
  readonly inTurn?: boolean;
}

const get = (path: string, handler: Handler, since?: number): Route => ({
  method: 'GET',
  path,
  handler,
  reads: true,
  ...(since === undefined ? {} : { since }),
});
const del = (path: string, handler: Handler): Route => ({ method: 'DELETE', path, handler });
const send = (method: string, path: string, handler: Handler, body: BodyRule, since?: number): Route => ({
  method,
  path,
  handler,
  body,
  ...(since === undefined ? {} : { since }),
});
const post = (path: string, handler: Handler, body: BodyRule, since?: number): Route =>
  send('POST', path, handler, body, since);
const put = (path: string, handler: Handler, body: BodyRule, since?: number): Route =>
  send('PUT', path, handler, body, since);
const of = (schema: SchemaName, rest: Omit<BodyRule, 'schema'> = {}): BodyRule => ({ schema, ...rest });
const none: BodyRule = { raw: true, optional: true };
const bad400 = { badStatus: 400 } as const;

const asking = (asks: waiting.Asks, route: Route): Route => ({ ...route, asks });
const still = (route: Route, more: Partial<Route> = {}): Route => ({
  needs: waiting.ofPath,
  ...route,
  ...more,
});

const N = '/v1/nodes/{node}';
const G = '/v1/resource-groups/{group}';
const RD = '/v1/resource-definitions/{rd}';
const R = `${RD}/resources/{node}`;

export const routes: readonly Route[] = [
  get('/health', controller.health),
  get('/v1/controller/version', controller.version),
  get('/v1/controller/properties', controller.properties),
  post('/v1/controller/properties', controller.setProperties, of('PropsModify')),
  get('/v1/encryption/passphrase', controller.passphraseStatus, 25),
  post('/v1/encryption/passphrase', controller.createPassphrase, of('PassPhraseCreate')),
  put('/v1/encryption/passphrase', controller.modifyPassphrase, of('PassPhraseCreate')),
  send('PATCH', '/v1/encryption/passphrase', controller.enterPassphrase, { raw: true }),
  get('/v1/error-reports', controller.reports),
  get('/v1/error-reports/{id}', controller.report),
  get('/v1/key-value-store', keyValues.list),
  get('/v1/key-value-store/{kvs}', keyValues.get),
  put('/v1/key-value-store/{kvs}', keyValues.modify, of('KeyValueStoreModify', bad400)),
  del('/v1/key-value-store/{kvs}', keyValues.remove),

  get('/v1/nodes', nodes.list),
  post('/v1/nodes', nodes.create, of('Node')),
  get(N, nodes.get),
  put(N, nodes.modify, of('NodeModify')),
  del(N, nodes.remove),
  del(`${N}/lost`, nodes.lost),
  put(`${N}/evacuate`, nodes.evacuate, of('NodeEvacuate', { optional: true })),
  put(`${N}/restore`, nodes.restore, of('NodeRestore', { optional: true })),
  put(`${N}/reconnect`, nodes.reconnect, none),
  get(`${N}/net-interfaces`, nodes.interfaces),
  asking(waiting.poolSpace, get('/v1/view/storage-pools', pools.view)),
  get('/v1/storage-pool-definitions', pools.definitions),
  asking(waiting.poolSpace, get(`${N}/storage-pools`, pools.list)),
  post(`${N}/storage-pools`, pools.create, of('StoragePool')),
  asking(waiting.poolSpace, get(`${N}/storage-pools/{pool}`, pools.get)),
  put(`${N}/storage-pools/{pool}`, pools.modify, of('PropsModify')),
  del(`${N}/storage-pools/{pool}`, pools.remove),

  get('/v1/resource-groups', groups.list),
  post('/v1/resource-groups', groups.create, of('ResourceGroup', bad400)),
  asking(
    waiting.freeSpace,
    post('/v1/resource-groups/adjustall', autoplace.adjust, of('ResourceGroupAdjust', { optional: true })),
  ),
  get(G, groups.get),
  put(G, groups.modify, of('ResourceGroupModify')),
  del(G, groups.remove),
  asking(
    waiting.freeSpace,
    post(`${G}/adjust`, autoplace.adjust, of('ResourceGroupAdjust', { optional: true })),
  ),
  asking(waiting.spawnSpace, post(`${G}/spawn`, spawn.spawn, of('ResourceGroupSpawn'))),
  {
    ...post(`${G}/query-size-info`, groups.querySize, of('QuerySizeInfoRequest', { optional: true }), 17),
    reads: true,
    asks: waiting.freeSpace,
  },
  asking(waiting.freeSpace, get(`${G}/query-max-volume-size`, groups.queryMaxVolume)),
  get(`${G}/volume-groups`, groups.volumeGroups),
  post(`${G}/volume-groups`, groups.createVolumeGroup, of('VolumeGroup')),
  get(`${G}/volume-groups/{number}`, groups.volumeGroup),
  del(`${G}/volume-groups/{number}`, groups.removeVolumeGroup),
  {
    ...post(
      '/v1/queries/resource-groups/query-all-size-info',
      groups.queryAllSizes,
      of('QuerySizeInfoRequest', { optional: true }),
      19,
    ),
    reads: true,
    asks: waiting.freeSpace,
  },

  get('/v1/resource-definitions', definitions.list),
  post('/v1/resource-definitions', definitions.create, of('ResourceDefinitionCreate', bad400)),
  get(RD, definitions.get),
  put(RD, definitions.modify, of('ResourceDefinitionModify')),
  del(RD, definitionDelete.remove),
  get(`${RD}/sync-status`, definitions.syncStatus),
  asking(waiting.freeSpace, post(`${RD}/autoplace`, autoplace.autoplace, of('AutoPlaceRequest'))),
  still(post(`${RD}/clone`, clone.clone, of('ResourceDefinitionCloneRequest', { hangs: true }))),
  get(`${RD}/clone/{target}`, clone.status),
  get(`${RD}/volume-definitions`, volumeDefinitions.list),
  post(`${RD}/volume-definitions`, volumeDefinitions.create, of('VolumeDefinitionCreate')),
  get(`${RD}/volume-definitions/{number}`, volumeDefinitions.get),
  put(`${RD}/volume-definitions/{number}`, volumeDefinitions.modify, of('VolumeDefinitionModify')),
  del(`${RD}/volume-definitions/{number}`, volumeDelete.remove),
  put(
    `${RD}/volume-definitions/{number}/encryption-passphrase`,
    volumeDefinitions.changePassphrase,
    of('VolumeDefinitionModifyPassphrase'),
    22,
  ),

  asking(waiting.volumeSizes, get('/v1/view/resources', resourceLists.view)),
  get(`${RD}/resources`, resourceLists.list),
  asking(
    waiting.freeSpaceThere,
    post(`${RD}/resources`, resourceCreate.create, of('ResourceCreate', { list: true })),
  ),
  get(R, resourceLists.get),
  asking(waiting.freeSpaceThere, post(R, resourceCreate.create, of('ResourceCreate', { list: true }))),
  put(R, resources.modify, of('ResourceModify')),
  del(R, resourceDelete.remove),
  post(`${R}/activate`, resources.activate, none),
  post(`${R}/deactivate`, resources.deactivate, none),
  asking(
    waiting.freeSpaceIfNew,
    post(`${R}/make-available`, available.makeAvailable, of('ResourceMakeAvailable')),
  ),
  post(
    `${R}/unmake-available`,
    available.unmakeAvailable,
    of('ResourceUnmakeAvailable', { optional: true }),
    29,
  ),
  asking(waiting.freeSpaceThere, put(`${R}/toggle-disk`, toggle.toggle, of('ToggleDisk'), 28)),
  asking(
    waiting.freeSpaceThere,
    put(`${R}/toggle-disk/diskful`, toggle.toDiskful, of('ToggleDiskDiskful', { optional: true })),
  ),
  asking(
    waiting.freeSpaceThere,
    put(`${R}/toggle-disk/diskful/{pool}`, toggle.toDiskful, of('ToggleDiskDiskful', { optional: true })),
  ),
  still(put(`${R}/toggle-disk/diskless`, toggle.toDiskless, none)),
  still(put(`${R}/toggle-disk/diskless/{pool}`, toggle.toDiskless, none)),
  put(`${R}/migrate-disk/{from}`, toggle.migrate, of('ToggleDiskDiskful', { optional: true })),
  put(`${R}/migrate-disk/{from}/{pool}`, toggle.migrate, of('ToggleDiskDiskful', { optional: true })),
  asking(waiting.volumeSizes, get(`${R}/volumes`, resourceLists.volumes)),
  asking(waiting.volumeSizes, get(`${R}/volumes/{number}`, resourceLists.volume)),

  get('/v1/view/snapshots', snapshots.view),
  get(`${RD}/snapshots`, snapshots.list),
  still(post(`${RD}/snapshots`, snapshots.create, of('Snapshot')), { inTurn: true }),
  get(`${RD}/snapshots/{snapshot}`, snapshots.get),
  put(`${RD}/snapshots/{snapshot}`, snapshots.modify, of('SnapshotModify'), 26),
  del(`${RD}/snapshots/{snapshot}`, snapshots.remove),
  still(post('/v1/actions/snapshot/multi', snapshots.createMany, of('CreateMultiSnapshotRequest'), 18), {
    needs: waiting.ofList,
    inTurn: true,
  }),
  still(
    post(`${RD}/snapshot-rollback/{snapshot}`, rollback.rollback, of('SnapshotRollback', { optional: true })),
  ),
  post(
    `${RD}/snapshot-restore-volume-definition/{snapshot}`,
    restore.volumeDefinitions,
    of('SnapshotRestore', bad400),
  ),
  still(post(`${RD}/snapshot-restore-resource/{snapshot}`, restore.resources, of('SnapshotRestore'))),
];

interface Match {
  readonly route: Route;
  readonly params: Record<string, string>;
}

/** The route, or which methods the path knows, or nothing. */
export function findRoute(method: string, path: string, rest: number): Match | 'method' | undefined {
  const parts = path.split('/').slice(1);
  let otherMethod = false;
  for (const route of routes) {
    if ((route.since ?? 0) > rest) continue;
    const params = matchPath(route.path, parts);
    if (!params) continue;
    if (route.method === method || (method === 'HEAD' && route.method === 'GET')) return { route, params };
    otherMethod = true;
  }
  return otherMethod ? 'method' : undefined;
}

function matchPath(pattern: string, parts: readonly string[]): Record<string, string> | undefined {
  const wanted = pattern.split('/').slice(1);
  if (wanted.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    const part = decoded(parts[index] ?? '');
    if (segment.startsWith('{')) params[segment.slice(1, -1)] = part;
    else if (segment !== part) return undefined;
  }
  return params;
}

/** A malformed escape is a name like any other, and found nowhere. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
