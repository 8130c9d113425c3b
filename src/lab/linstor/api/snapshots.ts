import {
  findDefinition,
  type LabDefinition,
  lookupDefinition,
  mustFindDefinition,
} from '../model/definition.ts';
import { byName, checkName, sameName } from '../model/name.ts';
import { mustFindNode } from '../model/node.ts';
import { changeProps } from '../model/properties.ts';
import { findSnapshot, type LabSnapshot, snapshotJson } from '../model/snapshot.ts';
import type { Body } from '../rest/body.ts';
import { type Call, done, type Handler, json, map, page, text, texts, wanted } from '../rest/call.ts';
import { MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { takeSnapshots } from '../satellite/snapshot.ts';
import { deleteSnapshot } from '../satellite/snapshot-delete.ts';
import { planSnapshot, type SnapshotPlan } from '../satellite/snapshot-plan.ts';
import { propsChange } from './groups.ts';

const splits = (lab: Runtime): boolean => lab.generation.rest >= 24;

export const list: Handler = ({ lab, params, query }) => {
  const definition = lookupDefinition(lab.state, params['rd'] ?? '');
  return json(
    page(
      query,
      byName(definition.snapshots, (item) => item.name),
    ).map((item) => snapshotJson(definition, item, splits(lab))),
  );
};

export const get: Handler = ({ lab, params }) => {
  const definition = lookupDefinition(lab.state, params['rd'] ?? '');
  const snapshot = findSnapshot(definition, params['snapshot'] ?? '');
  if (!snapshot) throw new Refusal(315, `Snapshot '${params['snapshot']}' not found.`, { plain: true });
  return json(snapshotJson(definition, snapshot, splits(lab)));
};

/** Knows `resources` and `nodes`; `snapshots=` is ignored (recorded). */
export const view: Handler = ({ lab, query }) => {
  const [names, nodes] = [wanted(query, 'resources'), wanted(query, 'nodes')];
  for (const node of nodes) mustFindNode(lab.state, node, { plain: true });
  const found = byName(lab.state.definitions, (item) => item.name)
    .filter((item) => names.length === 0 || names.some((name) => sameName(name, item.name)))
    .flatMap((definition) =>
      byName(definition.snapshots, (item) => item.name).map((snapshot) => ({ definition, snapshot })),
    )
    .filter(
      ({ snapshot }) =>
        nodes.length === 0 || snapshot.parts.some((part) => nodes.some((node) => sameName(node, part.node))),
    );
  return json(
    page(query, found).map(({ definition, snapshot }) => snapshotJson(definition, snapshot, splits(lab))),
  );
};

function scope(
  call: Call,
  operation: 'create' | 'modify' | 'delete',
  snapshot: string | null,
  nodes: readonly string[] = [],
): Reply {
  const name = call.params['rd'] ?? '';
  const where = nodes.length > 0 ? `Nodes: ${nodes.join(', ')}; ` : '';
  return call.scope({
    operation,
    object: 'snapshot',
    refs: { RscDfn: name, Snapshot: snapshot },
    subject: `${where}Resource: ${name}, Snapshot: ${snapshot}`,
  });
}

export const create: Handler = async (call) => {
  const { lab, body } = call;
  const name = text(body, 'name') ?? null;
  const nodes = texts(body, 'nodes') ?? [];
  const reply = scope(call, 'create', name, nodes);
  const definition = mustFindDefinition(lab.state, call.params['rd'] ?? '');
  checkName('snapshot', name);
  const plan = planSnapshot(lab, reply, definition, name ?? '', {
    nodes,
    props: map(body, 'snapshot_definition_props'),
  });
  await takeSnapshots(lab, reply, [plan]);
  return done(reply, 201);
};

/** One consistency point over several definitions (REST 1.18). */
export const createMany: Handler = async (call) => {
  const { lab } = call;
  const wishes = (call.body['snapshots'] as Body[] | undefined) ?? [];
  const listed = wishes
    .map((wish) => `Resource: ${text(wish, 'resource_name')}, Snapshot: ${text(wish, 'name')}`)
    .join(', ');
  lab.state.multiSnapshots += 1;
  const reply = call.scope({
    operation: 'create',
    object: 'snapshot',
    refs: {},
    subject: `MultiSnapshot ${lab.state.multiSnapshots} [${listed}]`,
  });
  const checked = wishes.map((wish) => {
    const definition = mustFindDefinition(lab.state, text(wish, 'resource_name') ?? '');
    return { wish, definition };
  });
  for (const { wish } of checked) checkName('snapshot', text(wish, 'name'));
  const plans: SnapshotPlan[] = [];
  try {
    for (const { wish, definition } of checked) {
      plans.push(
        planSnapshot(lab, reply, definition, text(wish, 'name') ?? '', {
          nodes: texts(wish, 'nodes') ?? [],
          props: map(wish, 'snapshot_definition_props'),
        }),
      );
    }
  } catch (error) {
    for (const { definition, snapshot } of plans)
      definition.snapshots = definition.snapshots.filter((item) => item !== snapshot);
    throw error;
  }
  await takeSnapshots(lab, reply, plans);
  return done(reply, 201);
};

export const modify: Handler = (call) => {
  const reply = scope(call, 'modify', call.params['snapshot'] ?? '');
  const definition = mustFindDefinition(call.lab.state, call.params['rd'] ?? '');
  const snapshot = mustFindSnapshot(definition, call.params['snapshot'] ?? '');
  changeProps(reply, snapshot.definitionProps, propsChange(call.body), { owner: 'D', object: 'snapshot' });
  const what = `Snapshot '${snapshot.name}' of resource '${definition.name}'`;
  reply.add(MODIFIED, `${what} modified.`, {
    details: `${what} UUID is: ${snapshot.uuid}`,
    refs: { UUID: snapshot.uuid },
  });
  return done(reply);
};

/** A malformed name is refused as such, also where it only names a source (linstor-behaviour §1.2). */
export function mustFindSnapshot(definition: LabDefinition, name: string): LabSnapshot {
  checkName('snapshot', name);
  const snapshot = findSnapshot(definition, name);
  if (!snapshot) throw new Refusal(313, `Snapshot '${name}' of resource '${definition.name}' not found.`);
  return snapshot;
}

export const remove: Handler = async (call) => {
  const { lab, params } = call;
  const name = params['snapshot'] ?? '';
  const reply = scope(call, 'delete', name);
  const definition = findDefinition(lab.state, params['rd'] ?? '');
  const snapshot = definition && findSnapshot(definition, name);
  if (!definition || !snapshot) {
    throw new Refusal(3000, `Snapshot definition ${name} of resource ${params['rd']} not found.`, {
      severity: 'warning',
    });
  }
  await deleteSnapshot(lab, reply, definition, snapshot, wanted(call.query, 'nodes'));
  return done(reply);
};
