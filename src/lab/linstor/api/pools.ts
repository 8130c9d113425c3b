import { newPool } from '../model/cluster.ts';
import { byName, checkName, sameName } from '../model/name.ts';
import { findNode, isOnline, missing, mustFindNode } from '../model/node.ts';
import { DISKLESS_POOL, findPool, isProvider, type LabPool, poolJson, poolsOf } from '../model/pool.ts';
import { changeProps } from '../model/properties.ts';
import { type Call, done, type Handler, json, map, matchesProps, page, text, wanted } from '../rest/call.ts';
import { CREATED, DELETED, MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import { propsChange } from './groups.ts';

const order = (pools: readonly LabPool[]): LabPool[] => byName(pools, (pool) => `${pool.name} ${pool.node}`);

export const view: Handler = ({ lab, query }) => {
  const [nodes, names] = [wanted(query, 'nodes'), wanted(query, 'storage_pools')];
  for (const node of nodes) mustFindNode(lab.state, node, { plain: true });
  const any = (list: readonly string[], name: string) =>
    list.length === 0 || list.some((item) => sameName(item, name));
  const found = order(lab.state.pools)
    .filter((pool) => any(nodes, pool.node) && any(names, pool.name))
    .filter((pool) => matchesProps(query, pool.props));
  return json(page(query, found).map((pool) => poolJson(lab.state, pool, lab.now())));
};

export const list: Handler = ({ lab, params, query }) => {
  const node = mustFindNode(lab.state, params['node'] ?? '', { plain: true });
  return json(
    page(query, order(poolsOf(lab.state, node.name))).map((pool) => poolJson(lab.state, pool, lab.now())),
  );
};

export const get: Handler = ({ lab, params }) => {
  const [node = '', name = ''] = [params['node'], params['pool']];
  const pool = findPool(lab.state, mustFindNode(lab.state, node, { plain: true }).name, name);
  if (!pool) throw new Refusal(310, `Storage pool '${name}' on node '${node}' not found.`, { plain: true });
  return json(poolJson(lab.state, pool, lab.now()));
};

export const definitions: Handler = ({ lab }) => {
  const names = [...new Set(order(lab.state.pools).map((pool) => pool.name))];
  return json(names.map((name) => ({ storage_pool_name: name })));
};

function scope(call: Call, operation: 'create' | 'modify' | 'delete', node: string, pool: string): Reply {
  const subject = `Node: ${node}, Storage pool name: ${pool}`;
  return call.scope({ operation, object: 'pool', refs: { Node: node, StorPoolDfn: pool }, subject });
}

export const create: Handler = (call) => {
  const { lab, body } = call;
  const [node = '', name = ''] = [call.params['node'], text(body, 'storage_pool_name') ?? ''];
  const reply = scope(call, 'create', node, name);
  const host = mustFindNode(lab.state, node);
  checkName('pool', name);
  const kind = (text(body, 'provider_kind') ?? '').toUpperCase();
  if (!isProvider(kind)) {
    const given = text(body, 'provider_kind');
    const message =
      given === undefined ? 'Given provider kind is null.' : `Given provider kind '${given}' is invalid`;
    throw new Refusal(224, message, { plain: true });
  }
  if (findPool(lab.state, host.name, name)) {
    throw new Refusal(510, `Node: ${node}, Storage pool name: ${name} already exists.`, {
      cause: 'The StorPool already exists',
    });
  }
  if (isOnline(host) && !host.providers.includes(kind)) {
    throw new Refusal(989, `Node '${host.name}' does not support the storage provider '${kind}'.`, {
      report: true,
    });
  }
  const pool = newPool(host.name, { name, provider: kind });
  changeProps(reply, pool.props, { override: map(body, 'props') }, { owner: 'P', object: 'pool' });
  const shared = text(body, 'shared_space');
  if (shared) pool.sharedSpace = shared;
  lab.state.pools.push(pool);
  const what = `storage pool '${name}' on node '${host.name}'`;
  reply.add(CREATED, `New ${what} registered.`, {
    details: `Storage pool '${name}' on node '${host.name}' UUID is: ${pool.uuid}`,
    refs: { UUID: pool.uuid },
  });
  reply.plain(
    MODIFIED,
    `(${host.name}) Changes applied to storage pool '${name}' of node '${host.name}'`,
    'success',
  );
  return done(reply, 201);
};

export const modify: Handler = (call) => {
  const [node = '', name = ''] = [call.params['node'], call.params['pool']];
  const reply = scope(call, 'modify', node, name);
  const pool = mustFind(call, node, name);
  changeProps(reply, pool.props, propsChange(call.body), { owner: 'P', object: 'pool' });
  const what = `Storage pool '${pool.name}' on node '${pool.node}'`;
  reply.add(MODIFIED, `${what} updated.`, {
    details: `${what} UUID is: ${pool.uuid}`,
    refs: { UUID: pool.uuid },
  });
  return done(reply);
};

function mustFind(call: Call, node: string, name: string): LabPool {
  const pool = findPool(call.lab.state, mustFindNode(call.lab.state, node).name, name);
  if (!pool) throw missing('storage pool', 310, name, { where: ` on node '${node}'` });
  return pool;
}

export const remove: Handler = (call) => {
  const { state } = call.lab;
  const [node = '', name = ''] = [call.params['node'], call.params['pool']];
  const reply = scope(call, 'delete', node, name);
  mustFindNode(state, node);
  if (sameName(name, DISKLESS_POOL))
    throw new Refusal(208, 'The default diskless storage pool cannot be deleted!', { report: true });
  const pool = findPool(state, node, name);
  if (!pool) {
    const inline = `storage pool '${name}' on node '${node}'`;
    throw new Refusal(3000, `Deletion of ${inline} had no effect.`, {
      severity: 'warning',
      cause: `Storage pool '${name}' on node '${node}' does not exist.`,
    });
  }
  const users = state.definitions.flatMap((definition) =>
    definition.resources
      .filter((resource) => sameName(resource.node, node))
      .flatMap((resource) =>
        resource.volumes
          .filter((volume) => sameName(volume.pool, name))
          .map((volume) => ({ definition, resource, volume })),
      ),
  );
  if (users.length > 0) {
    const lines = users.map(
      ({ definition, resource, volume }) =>
        `\n   Node name: '${resource.node}', resource name: '${definition.name}', volume number: ${volume.number}`,
    );
    throw new Refusal(
      997,
      `The specified storage pool '${name}' on node '${node}' can not be deleted as volumes / snapshot-volumes are still using it.`,
      {
        details: `Volumes / snapshot-volumes that are still using the storage pool: ${lines.join('')}`,
        correction: 'Delete the listed volumes and snapshot-volumes first.',
        report: true,
      },
    );
  }
  state.pools = state.pools.filter((other) => other !== pool);
  const what = `Storage pool '${pool.name}' on node '${findNode(state, node)?.name}'`;
  reply.add(DELETED, `${what} deleted.`, { details: `${what} UUID was: ${pool.uuid}` });
  return done(reply);
};
