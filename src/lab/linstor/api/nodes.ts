import { newDisklessPool, newNode } from '../model/cluster.ts';
import type { LabDefinition } from '../model/definition.ts';
import { findGroup } from '../model/group.ts';
import { byName, checkNodeName } from '../model/name.ts';
import {
  findNode,
  isOnline,
  type LabNode,
  mustFindNode,
  type NetInterface,
  nodeJson,
} from '../model/node.ts';
import { changeProps } from '../model/properties.ts';
import {
  clearFlags,
  diskful,
  isDeleting,
  isDiskless,
  isDrbd,
  type LabResource,
  setFlags,
} from '../model/resource.ts';
import type { Body } from '../rest/body.ts';
import { type Call, done, flag, type Handler, json, map, number, text } from '../rest/call.ts';
import { CREATED, DELETED, MODIFIED } from '../rest/codes.ts';
import { type CallScope, Refusal, Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { place } from './autoplace.ts';
import { finishDeletions } from './definition-delete.ts';
import { propsChange } from './groups.ts';
import { namedList } from './named-list.ts';
import { deleteResource, dismantle } from './resource-delete.ts';

/** A filter with an unknown name finds nothing here, unlike in the views (recorded). */
export const list: Handler = ({ lab, query }) =>
  json(namedList(query, 'nodes', lab.state.nodes).map(nodeJson));

export const get: Handler = ({ lab, params }) => {
  const name = params['node'] ?? '';
  const node = findNode(lab.state, name);
  if (!node) throw new Refusal(300, `Node '${name}' not found.`, { plain: true });
  return json(nodeJson(node));
};

function scope(call: Call, operation: 'create' | 'modify' | 'delete', name: string): Reply {
  return call.scope({ operation, object: 'node', refs: { Node: name }, subject: `Node: ${name}` });
}

export const create: Handler = (call) => {
  const { lab, body } = call;
  const name = text(body, 'name') ?? '';
  const reply = scope(call, 'create', name);
  checkNodeName(name);
  const interfaces = ((body['net_interfaces'] as Body[] | undefined) ?? []).map(readInterface);
  if (interfaces.length === 0) {
    throw new Refusal(600, `Registration of node '${name}' failed.`, {
      cause: 'No network interfaces were given.',
      correction:
        'At least one network interface has to be given and be marked to be used for controller-satellite communitaction.',
      report: true,
    });
  }
  if (findNode(lab.state, name)) {
    throw new Refusal(500, `Registration of node '${name}' failed.`, {
      cause: `A node with the specified name '${name}' already exists.`,
      correction:
        '- Specify another name for the new node\nor\n- Delete the existing node before creating a new node with the same name',
    });
  }
  const node = newNode(name, { type: (text(body, 'type') ?? 'SATELLITE').toUpperCase(), interfaces });
  changeProps(reply, node.props, { override: map(body, 'props') }, { owner: 'N', object: 'node' });
  lab.state.nodes.push(node);
  lab.state.pools.push(newDisklessPool(node.name));
  reply.add(CREATED, `New node '${node.name}' registered.`, {
    details: `Node '${node.name}' UUID is: ${node.uuid}`,
    refs: { UUID: node.uuid },
  });
  reply.plain(9, `Node '${node.name}' authenticated`, 'success');
  return done(reply, 201);
};

function readInterface(body: Body): NetInterface {
  return {
    name: text(body, 'name') ?? 'default',
    address: text(body, 'address') ?? '127.0.0.1',
    satellite_port: number(body, 'satellite_port') ?? 3366,
    satellite_encryption_type: (text(body, 'satellite_encryption_type') ?? 'PLAIN').toUpperCase(),
    is_active: flag(body, 'is_active') ?? true,
    uuid: crypto.randomUUID(),
  };
}

function modified(reply: Reply, node: LabNode): void {
  reply.add(MODIFIED, `Node '${node.name}' modified.`, {
    details: `Node '${node.name}' UUID is: ${node.uuid}`,
    refs: { UUID: node.uuid },
  });
}

export const modify: Handler = (call) => {
  const name = call.params['node'] ?? '';
  const reply = scope(call, 'modify', name);
  const node = mustFindNode(call.lab.state, name);
  changeProps(reply, node.props, propsChange(call.body), { owner: 'N', object: 'node' });
  const type = text(call.body, 'node_type');
  if (type) node.type = type.toUpperCase();
  modified(reply, node);
  return done(reply);
};

const hadNoEffect = (name: string): Refusal =>
  new Refusal(3000, `Deletion of node '${name}' had no effect.`, {
    severity: 'warning',
    cause: `Node '${name}' does not exist.`,
  });

export const remove: Handler = async (call) => {
  const { lab } = call;
  const name = call.params['node'] ?? '';
  const reply = scope(call, 'delete', name);
  const node = findNode(lab.state, name);
  if (!node) throw hadNoEffect(name);
  const held = lab.state.definitions.some((definition) => {
    const own = definition.resources.find((resource) => resource.node === node.name);
    return own?.drbd?.inUse || (own && !isDiskless(own) && diskful(definition).length === 1);
  });
  if (held) {
    throw new Refusal(997, 'Cannot delete node, because it has in use or last diskful resources.', {
      cause: `Node '${name}' cannot be deleted.`,
    });
  }
  await forget(lab, node);
  reply.add(DELETED, `Node '${node.name}' deleted.`, {
    details: `Node '${node.name}' UUID was: ${node.uuid}`,
  });
  return done(reply);
};

/** Forgets a node that is away, with all it held. */
export const lost: Handler = async (call) => {
  const { lab } = call;
  const name = call.params['node'] ?? '';
  const reply = scope(call, 'delete', name);
  const node = findNode(lab.state, name);
  if (!node) throw hadNoEffect(name);
  if (isOnline(node))
    throw new Refusal(519, `Node '${node.name}' still connected, please use the 'node delete' api.`, {
      report: true,
    });
  await forget(lab, node);
  reply.add(DELETED, `Node '${node.name}' deleted.`, {
    details: `Node '${node.name}' UUID was: ${node.uuid}`,
  });
  for (const other of lab.state.nodes)
    reply.add(MODIFIED, `Notified '${other.name}' that '${node.name}' has been lost`);
  return done(reply);
};

async function forget(lab: Runtime, node: LabNode): Promise<void> {
  const { state } = lab;
  const concerned = state.definitions.filter(({ resources }) =>
    resources.some((item) => item.node === node.name),
  );
  for (const definition of state.definitions) {
    for (const resource of definition.resources.filter((item) => item.node === node.name)) {
      await dismantle(lab, undefined, definition, resource);
    }
    definition.resources = definition.resources.filter((item) => item.node !== node.name);
    for (const snapshot of definition.snapshots)
      snapshot.parts = snapshot.parts.filter((part) => part.node !== node.name);
    definition.snapshots = definition.snapshots.filter((snapshot) => snapshot.parts.length > 0);
  }
  state.pools = state.pools.filter((pool) => pool.node !== node.name);
  state.nodes = state.nodes.filter((other) => other !== node);
  await finishDeletions(lab, concerned);
}

/**
 * Moves replicas away; the node takes no new ones (linstor-behaviour §7.8). DRBD resources only. What holds no data, and what there are
 * enough copies of, goes at once; the rest when its successor is in sync (`CtrlNodeApiCallHandler`, LINSTOR 1.34).
 */
export const evacuate: Handler = async (call) => {
  const { lab } = call;
  const name = call.params['node'] ?? '';
  const reply = scope(call, 'modify', name);
  const node = mustFindNode(lab.state, name);
  setFlags(node, 'EVACUATE');
  reply.add(MODIFIED, `Node '${node.name}' marked for evacuation.`);
  for (const definition of byName(lab.state.definitions, (item) => item.name)) {
    const own = definition.resources.find((resource) => resource.node === node.name);
    if (!own || isDeleting(own)) continue;
    if (!isDrbd(own)) {
      reply.add(0, `Resource '${definition.name}' cannot be evacuated as it is not a DRBD resource`, {
        severity: 'warning',
      });
      continue;
    }
    const nested = reply.within({
      refs: { RscDfn: definition.name },
      object: 'resource',
      subject: `Auto-placing resource: ${definition.name}`,
    });
    try {
      const others = inSyncWithout(lab, definition, own);
      const enough = findGroup(lab.state, definition.group)?.filter.place_count ?? 2;
      if (!isDiskless(own) && others < enough)
        await place(lab, nested, definition, { additional_place_count: 1 });
      setFlags(own, 'EVACUATE');
      leaveLater(lab, definition, own, isDiskless(own) ? 0 : Math.min(enough, others + 1));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      reply.add(
        0,
        `Resource '${definition.name}' cannot be evacuated as no available storage pool was found`,
        { severity: 'warning' },
      );
    }
  }
  return done(reply);
};

const isInSync = (lab: Runtime, resource: LabResource): boolean =>
  resource.volumes.every((volume) => (volume.syncedAt ?? 0) <= lab.now() && volume.diskState === undefined);

function inSyncWithout(lab: Runtime, definition: LabDefinition, own: LabResource): number {
  return diskful(definition).filter(
    (other) => other !== own && !other.flags.includes('EVACUATE') && isInSync(lab, other),
  ).length;
}

/** When so many others are in sync. */
function leaveLater(lab: Runtime, definition: LabDefinition, own: LabResource, others: number): void {
  lab.later(lab.tuning.evacuateSeconds * 1000, () =>
    lab.exclusively(async () => {
      const still = definition.resources.includes(own) && own.flags.includes('EVACUATE');
      if (!still || isDeleting(own)) return;
      if (own.drbd?.inUse || inSyncWithout(lab, definition, own) < others) {
        leaveLater(lab, definition, own, others);
        return;
      }
      const nobody: CallScope = { operation: 'delete', object: 'resource', refs: {}, subject: own.node };
      await deleteResource(lab, new Reply(nobody, () => lab.now()), definition, own, {});
    }),
  );
}

export const restore: Handler = (call) => {
  const name = call.params['node'] ?? '';
  const reply = scope(call, 'modify', name);
  const node = mustFindNode(call.lab.state, name);
  const marks = ['EVICTED', 'EVACUATE', 'DELETE'];
  if (!node.flags.some((mark) => marks.includes(mark))) {
    reply.add(3001, `Node '${node.name}' is neither evicted nor evacuated.`, { severity: 'warning' });
    return done(reply);
  }
  node.flags = node.flags.filter((mark) => !marks.includes(mark));
  for (const { resources } of call.lab.state.definitions)
    for (const resource of resources) if (resource.node === node.name) clearFlags(resource, 'EVACUATE');
  reply.add(MODIFIED, `Node '${node.name}' restored.`);
  return done(reply);
};

export const reconnect: Handler = (call) => {
  const name = call.params['node'] ?? '';
  const reply = call.scope({ operation: 'modify', object: 'node', refs: {}, subject: `Nodes: [${name}]` });
  const node = mustFindNode(call.lab.state, name);
  reply.add(MODIFIED, `Nodes [${node.name}] will be reconnected.`);
  return done(reply);
};

export const interfaces: Handler = ({ lab, params }) =>
  json(mustFindNode(lab.state, params['node'] ?? '', { plain: true }).interfaces);
