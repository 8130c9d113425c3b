import { type LabDefinition, type LayerKind, mustFindDefinition } from '../model/definition.ts';
import type { SelectFilter } from '../model/filter.ts';
import { mustFindGroup } from '../model/group.ts';
import { byName, sameName } from '../model/name.ts';
import { disklessNodes, notEnoughNodes } from '../model/placement.ts';
import { isDeleting, isDiskless } from '../model/resource.ts';
import { type Call, done, flag, type Handler, texts } from '../rest/call.ts';
import { Refusal, type Reply, refusalEntry, statusOfEntries } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { filterOf } from './groups.ts';
import {
  choosePools,
  countingReplicas,
  deployPlaces,
  effectiveFilter,
  registerPlaces,
  shownFilter,
  stackFor,
} from './placing.ts';

export const autoplace: Handler = async (call) => {
  const { lab, body } = call;
  const name = call.params['rd'] ?? '';
  const reply = call.scope({
    operation: 'create',
    object: 'resource',
    refs: { RscDfn: name },
    subject: `Auto-placing resource: ${name}`,
  });
  const definition = mustFindDefinition(lab.state, name);
  // Fields outside the filter replace the same ones inside it (linstor-behaviour §3.9).
  const over: SelectFilter = { ...filterOf(body) };
  const diskless = flag(body, 'diskless_on_remaining');
  const layers = texts(body, 'layer_list');
  if (diskless !== undefined) over.diskless_on_remaining = diskless;
  if (layers && layers.length > 0) over.layer_stack = layers;
  await place(lab, reply, definition, over);
  return done(reply, 201);
};

/** Brings the definition to its place count; enough already is a warning (1006). */
export async function place(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  over: SelectFilter,
): Promise<void> {
  const filter = { diskless_on_remaining: false, ...effectiveFilter(lab, definition, over) };
  const present = countingReplicas(lab, definition);
  const wanted = over.additional_place_count
    ? present.length + over.additional_place_count
    : (filter.place_count ?? 0);
  const layers = stackFor(reply, definition, filter);
  if (filter.diskless_type) {
    await placeDiskless(
      lab,
      reply,
      definition,
      {
        ...filter,
        place_count: over.additional_place_count ? null : wanted,
        additional_place_count: over.additional_place_count ?? null,
      },
      layers,
    );
    return;
  }
  const missing = wanted - present.length;
  if (missing < 0) {
    const nodes = present.map((resource) => `'${resource.node}'`).join(', ');
    const text = `The resource '${definition.name}' was already deployed on ${present.length} nodes: ${nodes}. The resource would have to be deleted from nodes to reach the placement count.`;
    reply.add(1006, text, { severity: 'warning', withSubject: true });
    return;
  }
  if (missing === 0) {
    const nodes = present.map((resource) => `'${resource.node}'`).join(', ');
    reply.add(
      1006,
      `Resource '${definition.name}' was already deployed on ${present.length} nodes. Skipping.`,
      {
        severity: 'warning',
        details: `Used nodes: ${nodes}`,
        withSubject: true,
      },
    );
    return;
  }
  const shown = shownFilter(
    definition,
    filter,
    missing,
    layers,
    over.additional_place_count ? (filter.place_count ?? wanted) : wanted,
  );
  const pools = choosePools(lab, definition, filter, layers, missing, shown);
  const placed = registerPlaces(lab, reply, definition, pools, layers, filter.diskless_on_remaining === true);
  await deployPlaces(lab, reply, definition, placed);
}

/** `diskless_type`: the count is that of diskless replicas, on nodes that have none of this definition. */
async function placeDiskless(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  filter: SelectFilter,
  layers: LayerKind[],
): Promise<void> {
  const present = definition.resources.filter((resource) => isDiskless(resource) && !isDeleting(resource));
  const missing = filter.additional_place_count ?? (filter.place_count ?? 0) - present.length;
  const free = disklessNodes(lab.state, definition, filter, layers);
  if (missing <= 0) {
    const nodes = present.map((resource) => `'${resource.node}'`).join(', ');
    const text = `Resource '${definition.name}' was already deployed on ${present.length} nodes. Skipping.`;
    reply.add(1006, text, { severity: 'warning', details: `Used nodes: ${nodes}`, withSubject: true });
    return;
  }
  if (free.length < missing) {
    const request = { filter, layers, sizeKib: 0, count: missing, definition };
    throw notEnoughNodes(
      request,
      shownFilter(definition, filter, missing, layers, filter.place_count ?? missing),
    );
  }
  const flags =
    filter.diskless_type === 'NVME_INITIATOR' ? ['NVME_INITIATOR'] : ['DISKLESS', 'DRBD_DISKLESS'];
  const placed = registerPlaces(lab, reply, definition, free.slice(0, missing), layers, false, flags);
  await deployPlaces(lab, reply, definition, placed);
}

/** Places every definition of a group up to its place count (linstor-behaviour §3.4). */
export const adjust: Handler = async (call) => {
  const name = call.params['group'];
  const subject = name === undefined ? 'All resource groups' : `Resource group: ${name}`;
  const reply = call.scope({
    operation: 'modify',
    object: 'group',
    refs: name === undefined ? {} : { RscGrp: name },
    subject,
  });
  if (name !== undefined) mustFindGroup(call.lab.state, name);
  await adjustGroups(call, reply, name);
  return done(reply, statusOfEntries(reply.entries));
};

async function adjustGroups(call: Call, reply: Reply, name: string | undefined): Promise<void> {
  const { lab } = call;
  const definitions = byName(lab.state.definitions, (item) => item.name).filter(
    (item) => name === undefined || sameName(item.group, name),
  );
  for (const definition of definitions) {
    const filter = effectiveFilter(lab, definition, filterOf(call.body));
    if (!filter.place_count || definition.volumes.length === 0) continue;
    const nested = reply.within({
      operation: 'create',
      object: 'resource',
      refs: { RscDfn: definition.name },
      subject: `Auto-placing resource: ${definition.name}`,
    });
    try {
      await place(lab, nested, definition, filterOf(call.body) ?? {});
    } catch (error) {
      // One definition that finds no room does not keep the others from theirs.
      if (!(error instanceof Refusal)) throw error;
      reply.entries.push(refusalEntry(error, nested.scope, lab.now()));
    }
  }
}
