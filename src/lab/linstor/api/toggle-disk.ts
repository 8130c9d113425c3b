import { type LabDefinition, mustFindDefinition } from '../model/definition.ts';
import { missing, mustFindNode } from '../model/node.ts';
import { choose, largestKib } from '../model/placement.ts';
import { findPool, type LabPool } from '../model/pool.ts';
import { isDiskless, type LabResource, mustFindResource } from '../model/resource.ts';
import { type Call, done, type Handler, text } from '../rest/call.ts';
import { CREATED, MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { deploy, markVolumes } from '../satellite/deploy.ts';
import { pass } from '../satellite/pass.ts';
import { addTieBreaker, settleQuorum, tieBreakerOf, wantsTieBreaker } from '../satellite/quorum.ts';
import { effectiveFilter, sizeOf } from './placing.ts';
import { needDrbd, removeDisk } from './remove-disk.ts';
import { deleteResource } from './resource-delete.ts';

/** A replica gets or loses its disk (linstor-behaviour §3.11). */

function start(call: Call): { reply: Reply; definition: LabDefinition; resource: LabResource } {
  const { lab, params } = call;
  const [name = '', node = ''] = [params['rd'], params['node']];
  const reply = call.scope({
    operation: 'modify',
    object: 'resource',
    refs: { RscDfn: name, Node: node },
    subject: `Node: ${node}, Resource: ${name}`,
  });
  mustFindNode(lab.state, node);
  const definition = mustFindDefinition(lab.state, name);
  return { reply, definition, resource: mustFindResource(definition, node) };
}

export const toDiskful: Handler = async (call) => {
  const { reply, definition, resource } = start(call);
  if (!isDiskless(resource)) return already(call, reply, 1007, 'Resource already has disk');
  await addDisk(call.lab, reply, definition, resource, call.params['pool']);
  return done(reply);
};

export const toDiskless: Handler = async (call) => {
  const { reply, definition, resource } = start(call);
  if (isDiskless(resource)) return already(call, reply, 1008, 'Resource already diskless');
  await removeDisk(call.lab, reply, definition, resource);
  await afterwards(call.lab, reply, definition);
  return done(reply);
};

/** From 1.34 a state that is reached already is only an info (linstor-behaviour §3.11). */
function already(call: Call, reply: Reply, code: number, message: string) {
  const modern = call.lab.generation.rest >= 28;
  reply.add(modern ? 10007 : code, message, { severity: modern ? 'info' : 'warning', withSubject: true });
  return done(reply);
}

/** One call for all directions (REST 1.28). */
export const toggle: Handler = async (call) => {
  const { reply, definition, resource } = start(call);
  const operation = (text(call.body, 'operation') ?? 'INTO_DRBD_DISKFUL').toUpperCase();
  const full = operation === 'INTO_DRBD_DISKFUL';
  if (full === !isDiskless(resource))
    return already(
      call,
      reply,
      full ? 1007 : 1008,
      full ? 'Resource already has disk' : 'Resource already diskless',
    );
  if (full) await addDisk(call.lab, reply, definition, resource, text(call.body, 'storage_pool'));
  else {
    await removeDisk(call.lab, reply, definition, resource);
    await afterwards(call.lab, reply, definition);
  }
  const source = text(call.body, 'migrate_from');
  if (full && source) await dropSource(call.lab, reply, definition, source);
  return done(reply);
};

export const migrate: Handler = async (call) => {
  const { reply, definition, resource } = start(call);
  const source = call.params['from'] ?? '';
  mustFindResource(definition, source);
  await addDisk(call.lab, reply, definition, resource, call.params['pool']);
  await dropSource(call.lab, reply, definition, source);
  return done(reply);
};

/** The source goes away by itself once the new replica is in sync. */
async function dropSource(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  source: string,
): Promise<void> {
  const nested = reply.within({
    operation: 'delete',
    refs: { RscDfn: definition.name, Node: source },
    subject: `Node: ${source}, Resource: ${definition.name}`,
  });
  await deleteResource(lab, nested, definition, mustFindResource(definition, source), {
    keepTieBreaker: true,
  });
}

function poolForDisk(
  lab: Runtime,
  definition: LabDefinition,
  resource: LabResource,
  name: string | undefined,
): LabPool {
  if (name !== undefined) {
    const pool = findPool(lab.state, resource.node, name);
    if (!pool) throw missing('storage pool', 310, name, { where: ` on node '${resource.node}'` });
    return pool;
  }
  const filter = effectiveFilter(lab, definition, { node_name_list: [resource.node] });
  const others = { ...definition, resources: definition.resources.filter((other) => other !== resource) };
  const found = choose(lab.state, {
    filter,
    layers: resource.layers,
    sizeKib: sizeOf(definition),
    count: 1,
    definition: others,
  });
  if (found?.[0]) return found[0];
  throw new Refusal(
    311,
    `The storage pool 'DfltStorPool' for resource '${definition.name}' for volume number '0' is not deployed on node '${resource.node}'.`,
    { cause: 'Dependency not found', report: true },
  );
}

export async function addDisk(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  resource: LabResource,
  poolName: string | undefined,
): Promise<void> {
  needDrbd(resource);
  const pool = poolForDisk(lab, definition, resource, poolName);
  const tooBig = definition.volumes.find((volume) => volume.sizeKib > largestKib(lab.state, pool));
  if (tooBig) {
    throw new Refusal(
      206,
      `Not enough free space available for volume ${tooBig.number} of resource '${definition.name}'.`,
    );
  }
  const { name } = definition;
  const modify = reply.within({ operation: 'modify' });
  reply
    .within({ operation: 'create', object: 'resource' })
    .add(CREATED, 'Successfully set property key(s): StorPoolName');
  resource.props['StorPoolName'] = pool.name;
  resource.flags = resource.flags.filter(
    (flag) => !['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'].includes(flag),
  );
  if (resource.drbd) resource.drbd.initialized = false;
  modify.add(MODIFIED, `Addition of disk to resource '${name}' on node '${resource.node}' registered`);
  await pass(lab, modify, definition, {
    message: (other) =>
      other === resource ? undefined : `Prepared '${other.node}' to expect disk on '${resource.node}'`,
  });
  settleQuorum(lab, modify, definition);
  for (const volume of resource.volumes) {
    volume.pool = pool.name;
    volume.provider = pool.provider;
    volume.made = false;
    if (lab.tuning.syncSeconds > 0) volume.syncedAt = lab.now() + lab.tuning.syncSeconds * 1000;
  }
  markVolumes(definition, pool, resource.layers);
  await pass(lab, modify, definition, {
    message: (other) => (other === resource ? `Added disk on '${resource.node}'` : undefined),
  });
  await afterwards(lab, modify, definition);
}

/** A tie-breaker may have become needed or superfluous. */
async function afterwards(lab: Runtime, reply: Reply, definition: LabDefinition): Promise<void> {
  const present = tieBreakerOf(definition);
  if (present && !wantsTieBreaker(lab, definition)) {
    await deleteResource(lab, reply.within({ operation: 'delete' }), definition, present, { managed: true });
    return;
  }
  const fresh = addTieBreaker(lab, reply, definition);
  if (fresh) await deploy(lab, definition, [fresh], { reply, ready: reply });
}
