import { type LabDefinition, layersOf, mustFindDefinition } from '../model/definition.ts';
import { mustFindNode } from '../model/node.ts';
import { choose } from '../model/placement.ts';
import { DISKLESS_POOL, findPool, type LabPool } from '../model/pool.ts';
import {
  clearFlags,
  diskful,
  findResource,
  isDeleting,
  isDiskless,
  isTieBreaker,
  type LabResource,
} from '../model/resource.ts';
import { type Call, done, flag, type Handler, texts } from '../rest/call.ts';
import { CREATED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { announce, deploy, register } from '../satellite/deploy.ts';
import { pass } from '../satellite/pass.ts';
import { tieBreakerOf, wantsTieBreaker } from '../satellite/quorum.ts';
import { layersFrom } from './layers.ts';
import { effectiveFilter, settle, sizeOf, stackFor } from './placing.ts';
import { deleteResource } from './resource-delete.ts';
import { resourceScope } from './resources.ts';
import { addDisk } from './toggle-disk.ts';

const DUAL = 'DrbdOptions/Net/allow-two-primaries';

export const makeAvailable: Handler = async (call) => {
  const { lab } = call;
  const { reply, definition, node } = start(call);
  const layers = layersFrom(texts(call.body, 'layer_list') ?? []);
  await makeAvailableOn(lab, reply, definition, node, {
    diskful: flag(call.body, 'diskful') === true,
    layers,
  });
  if (flag(call.body, 'auto_manage_dual_primary') === true)
    await allowDualPrimary(lab, reply, definition, node);
  return done(reply);
};

function start(call: Call): { reply: Reply; definition: LabDefinition; node: string } {
  const reply = resourceScope(call, 'create', true);
  const node = mustFindNode(call.lab.state, call.params['node'] ?? '');
  return { reply, definition: mustFindDefinition(call.lab.state, call.params['rd'] ?? ''), node: node.name };
}

export interface Wish {
  readonly diskful: boolean;
  readonly layers?: readonly string[];
}

/** Makes the resource usable on the node, with the least that is needed (linstor-behaviour §3.11). */
export async function makeAvailableOn(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  node: string,
  wish: Wish,
): Promise<void> {
  const present = findResource(definition, node);
  if (present) await fit(lab, reply, definition, present, wish);
  else await join(lab, reply, definition, node, wish);
}

async function fit(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  present: LabResource,
  wish: Wish,
): Promise<void> {
  if (wish.layers && wish.layers.length > 0 && wish.layers.join() !== present.layers.join()) {
    throw new Refusal(225, 'Layerstack of deployed resource does not match', { report: true });
  }
  if (isDeleting(present)) {
    clearFlags(present, 'DELETE', 'DRBD_DELETE');
    for (const volume of present.volumes) clearFlags(volume, 'DELETE', 'DRBD_DELETE');
    await pass(lab, reply, definition);
  }
  if (present.flags.includes('INACTIVE')) {
    clearFlags(present, 'INACTIVE');
    await pass(lab, reply, definition, { message: (other) => `Resource activated on '${other.node}'` });
    return;
  }
  if (wish.diskful && isDiskless(present)) {
    const pool = poolOn(lab, definition, present.node, present.layers);
    reply.add(CREATED, 'Successfully set property key(s): StorPoolName');
    present.props['DiskfulBy'] = 'make-available';
    await addDisk(lab, reply, definition, present, pool.name);
    return;
  }
  clearFlags(present, 'TIE_BREAKER');
  reply.add(0, 'Resource already deployed as requested');
}

function poolOn(
  lab: Runtime,
  definition: LabDefinition,
  node: string,
  layers: readonly LabResource['layers'][number][],
): LabPool {
  const filter = effectiveFilter(lab, definition, { node_name_list: [node] });
  const others = { ...definition, resources: definition.resources.filter((other) => other.node !== node) };
  const found = choose(lab.state, {
    filter,
    layers,
    sizeKib: sizeOf(definition),
    count: 1,
    definition: others,
  });
  if (found?.[0]) return found[0];
  throw new Refusal(
    310,
    `Autoplacer could not find diskful stor pool on node ${node} matching resource-groups autoplace-settings`,
  );
}

/** Not there yet: diskless where DRBD can reach a disk elsewhere; otherwise a new disk, and an empty one. */
async function join(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  node: string,
  wish: Wish,
): Promise<void> {
  const wanted =
    wish.layers && wish.layers.length > 0 ? layersFrom(wish.layers) : stackFor(reply, definition, {});
  const layers = definition.resources.length > 0 ? wanted : layersOf({ ...definition, layers: wanted });
  const reachable = layers.includes('DRBD') && diskful(definition).length > 0;
  const diskless = reachable && !wish.diskful;
  const pool = diskless ? findPool(lab.state, node, DISKLESS_POOL) : poolOn(lab, definition, node, layers);
  if (!pool)
    throw new Refusal(
      310,
      `Autoplacer could not find diskless stor pool on node ${node} matching resource-groups autoplace-settings`,
    );
  const flags = diskless ? ['DISKLESS', 'DRBD_DISKLESS'] : [];
  const resource = register(lab, definition, { node, pool, layers, flags });
  reply.add(CREATED, 'Successfully set property key(s): StorPoolName');
  announce(reply, definition, resource);
  const superfluous = tieBreakerOf(definition);
  const tieBreaker = settle(lab, reply, definition);
  const ready = reply.within({ subject: `Node(s): '${node}', Resource: '${definition.name}'` });
  await deploy(lab, definition, [resource], { reply, ready });
  if (tieBreaker) await deploy(lab, definition, [tieBreaker], { reply, ready });
  if (superfluous && !wantsTieBreaker(lab, definition)) {
    await deleteResource(lab, reply, definition, superfluous, { managed: true });
  }
}

/** Live migration opens both ends for a while; the controller keeps book of it (REST 1.29). */
async function allowDualPrimary(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  node: string,
): Promise<void> {
  const elsewhere = definition.resources.some((resource) => resource.drbd?.inUse && resource.node !== node);
  if (!elsewhere || definition.props[DUAL] === 'yes') return;
  definition.props[DUAL] = 'yes';
  reply.within({ object: 'definition' }).add(CREATED, `Successfully set property key(s): ${DUAL}`);
  await pass(lab, reply, definition);
}

/** Undo of make-available: takes a diskless resource away unless it is needed or in use (REST 1.29). */
export const unmakeAvailable: Handler = async (call) => {
  const { lab } = call;
  const { definition, node } = start(call);
  const reply = resourceScope(call, 'delete');
  const present = findResource(definition, node);
  if (definition.props[DUAL] === 'yes' && flag(call.body, 'auto_manage_dual_primary') === true) {
    delete definition.props[DUAL];
    reply.within({ object: 'definition' }).add(2, `Successfully deleted property key(s): ${DUAL}`);
    await pass(lab, reply, definition);
  }
  if (!present || !isDiskless(present) || isTieBreaker(present)) {
    reply.add(10007, 'Resource is not a diskless one of its own. Noop', { severity: 'info' });
    return done(reply);
  }
  if (present.drbd?.inUse) {
    throw new Refusal(997, `Resource '${definition.name}' is still in use.`, {
      cause: 'Resource is mounted/in use.',
      correction: `Un-mount resource '${definition.name}' on the node '${node}'.`,
    });
  }
  await deleteResource(lab, reply, definition, present, { keepTieBreaker: true });
  return done(reply);
};
