import { type LabDefinition, type LayerKind, mustFindDefinition } from '../model/definition.ts';
import { findGroup } from '../model/group.ts';
import { isOnline, mustFindNode } from '../model/node.ts';
import { DISKLESS_POOL } from '../model/pool.ts';
import { changeProps } from '../model/properties.ts';
import {
  clearFlags,
  findResource,
  isDeleting,
  isDiskless,
  isTieBreaker,
  type LabResource,
} from '../model/resource.ts';
import type { Body } from '../rest/body.ts';
import { done, type Handler, map, object, text, texts } from '../rest/call.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { announce, deploy, register } from '../satellite/deploy.ts';
import { pass } from '../satellite/pass.ts';
import { completeStack, layersFrom } from './layers.ts';
import { settle, stackFor } from './placing.ts';
import { checkFit, poolFor, poolNameFor, refuseFullSlots } from './resource-pool.ts';
import { addDisk } from './toggle-disk.ts';
import { refuseLockedLuks } from './volume-definitions.ts';

/** `POST …/resources` takes a list, `POST …/resources/{node}` one object. */
export const create: Handler = async (call) => {
  const { lab, params } = call;
  const name = params['rd'] ?? '';
  if (call.list.length === 0) {
    throw new Refusal(998, 'An unknown error occurred.', {
      plain: true,
      details: 'Index 0 out of bounds for length 0',
      report: true,
    });
  }
  const wishes = call.list.map((item) => ({ ...item, resource: { ...object(item, 'resource') } as Body }));
  for (const wish of wishes) if (params['node']) wish.resource['node_name'] = params['node'];
  const nodes = wishes.map((wish) => text(wish.resource, 'node_name') ?? '');
  // Unknown nodes are found before the call has any scope (recorded).
  for (const node of nodes) mustFindNode(lab.state, node, { plain: true });
  const subject = `Node(s): ${nodes.map((node) => `'${node}'`).join(', ')}, Resource: '${name}'`;
  const reply = call.scope({ operation: 'create', object: 'resource', refs: { RscDfn: name }, subject });
  const definition = mustFindDefinition(lab.state, name);
  const fresh: LabResource[] = [];
  for (const wish of wishes) {
    const resource = await createOne(lab, reply, definition, wish);
    if (resource) fresh.push(resource);
  }
  if (fresh.length > 0) await place(lab, reply, definition, fresh);
  return done(reply, 201);
};

async function place(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  fresh: LabResource[],
): Promise<void> {
  const tieBreaker = settle(lab, reply, definition);
  await deploy(lab, definition, fresh, { reply, ready: reply });
  if (tieBreaker) await deploy(lab, definition, [tieBreaker], { reply, ready: reply });
  if (definition.resources.every(isDiskless)) {
    reply.add(1009, `Resource '${definition.name}' is unusable because it is diskless on all its nodes`, {
      severity: 'warning',
    });
  }
}

async function createOne(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  wish: Body & { resource: Body },
): Promise<LabResource | undefined> {
  const node = mustFindNode(lab.state, text(wish.resource, 'node_name') ?? '');
  const props = map(wish.resource, 'props') ?? {};
  const given = (texts(wish.resource, 'flags') ?? []).map((item) => item.toUpperCase());
  const filter = findGroup(lab.state, definition.group)?.filter ?? {};
  const list = texts(wish, 'layer_list') ?? [];
  // The group's stack does not count here: without a fixed one it is DRBD, STORAGE (recorded).
  const layers =
    list.length > 0
      ? completeStack(reply, layersFrom(list))
      : stackFor(reply, definition, { ...filter, layer_stack: [] });
  const poolName = poolNameFor(lab, definition, node.name, props);
  const wantsDiskless =
    given.some((item) => item.endsWith('DISKLESS') || item === 'NVME_INITIATOR') ||
    poolName === DISKLESS_POOL;
  // A pool named in the call is looked for first, the default one only when it is needed (recorded).
  if (props['StorPoolName'] && poolName !== DISKLESS_POOL) poolFor(lab, definition, node.name, poolName);
  if (isOnline(node)) refuseUnsupported(node.name, node.layers, layers);
  if (wantsDiskless && !layers.includes('DRBD') && !layers.includes('NVME')) throw noDisklessLayer(given);
  if (layers.includes('LUKS')) refuseLockedLuks(lab, { ...definition, layers });
  if (node.flags.includes('EVACUATE')) {
    throw new Refusal(975, `node '${node.name} is being evacuated. No new resources allowed on this node.`, {
      report: true,
    });
  }
  const present = findResource(definition, node.name);
  if (present && !isDeleting(present)) return existing(lab, reply, definition, present, wantsDiskless, props);
  if (present) return revive(reply, definition, present);
  refuseFullSlots(definition, layers);
  const pool = poolFor(lab, definition, node.name, wantsDiskless ? DISKLESS_POOL : poolName);
  if (!wantsDiskless) checkFit(lab, definition, pool);
  if (Object.keys(props).length > 0) {
    changeProps(reply, {}, { override: props }, { owner: 'R', object: 'resource' });
  }
  const flags = wantsDiskless
    ? given.includes('NVME_INITIATOR')
      ? ['NVME_INITIATOR']
      : ['DISKLESS', 'DRBD_DISKLESS']
    : [];
  const resource = register(lab, definition, { node: node.name, pool, layers, flags, props });
  announce(reply, definition, resource);
  return resource;
}

export function refuseUnsupported(
  node: string,
  supported: readonly string[],
  layers: readonly LayerKind[],
): void {
  const unsupported = layers.filter((layer) => !supported.includes(layer));
  if (unsupported.length === 0) return;
  const message = `Satellite '${node}' does not support the following layers: [${unsupported.join(', ')}]`;
  throw new Refusal(988, message, { report: true });
}

function noDisklessLayer(flags: readonly string[]): Refusal {
  const flagged = flags.includes('DRBD_DISKLESS') || flags.includes('NVME_INITIATOR');
  const message = flagged
    ? 'Diskless volume is only supported in combination with DRBD and/or NVME'
    : 'The given storage pool is a diskless storage pool, but no layer from the given layer-list supports diskless storage pools';
  return new Refusal(225, message, { report: true });
}

async function existing(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  present: LabResource,
  diskless: boolean,
  props: Readonly<Record<string, string>>,
): Promise<LabResource | undefined> {
  if (isDiskless(present)) {
    // Asked again, it is announced and deployed again (recorded); a tie-breaker becomes an ordinary one.
    const wasTieBreaker = isTieBreaker(present);
    clearFlags(present, 'TIE_BREAKER');
    announce(reply, definition, present);
    if (!diskless) await addDisk(lab, reply, definition, present, props['StorPoolName']);
    else if (wasTieBreaker) await tellTieBreakerGone(lab, reply, definition, present);
    return present;
  }
  reply.add(10008, `A resource '${definition.name}' on node '${present.node}' already exists.`, {
    severity: 'info',
    withSubject: true,
  });
  return undefined;
}

function tellTieBreakerGone(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  present: LabResource,
): Promise<void> {
  const { name } = definition;
  return pass(lab, reply, definition, {
    message: (other) =>
      other === present
        ? `Removed TIE_BREAKER flag from resource '${name}' on '${other.node}'`
        : `Update of resource '${name}' on '${present.node}' applied on node '${other.node}'`,
  });
}

function revive(reply: Reply, definition: LabDefinition, present: LabResource): LabResource {
  clearFlags(present, 'DELETE', 'DRBD_DELETE');
  for (const item of present.volumes) clearFlags(item, 'DELETE', 'DRBD_DELETE');
  announce(reply, definition, present);
  return present;
}
