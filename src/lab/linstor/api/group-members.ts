import type { LabDefinition } from '../model/definition.ts';
import type { SelectFilter } from '../model/filter.ts';
import type { LabGroup } from '../model/group.ts';
import { byName, sameName } from '../model/name.ts';
import { isTieBreaker } from '../model/resource.ts';
import type { ClusterState } from '../model/state.ts';
import { Refusal, type Reply, refusalEntry } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { pass } from '../satellite/pass.ts';
import { place } from './autoplace.ts';

/** What a change of a group does to the definitions that belong to it. */

const membersOf = (state: ClusterState, group: LabGroup): LabDefinition[] =>
  byName(
    state.definitions.filter((definition) => sameName(definition.group, group.name)),
    (definition) => definition.name,
  );

/** A higher place count is reached at once for every definition that has fewer resources. */
export async function fillUp(
  lab: Runtime,
  reply: Reply,
  group: LabGroup,
  filter: SelectFilter,
  count: number,
): Promise<void> {
  for (const definition of membersOf(lab.state, group)) {
    if (definition.resources.filter((resource) => !isTieBreaker(resource)).length >= count) continue;
    const nested = reply.within({
      operation: 'create',
      object: 'resource',
      refs: { RscDfn: definition.name },
      subject: `Auto-placing resource: ${definition.name}`,
    });
    try {
      await place(lab, nested, definition, filter);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      reply.entries.push(refusalEntry(error, nested.scope, lab.now()));
    }
  }
}

export async function tellMembers(lab: Runtime, reply: Reply, group: LabGroup): Promise<void> {
  for (const definition of membersOf(lab.state, group)) {
    await pass(lab, reply, definition, {
      message: (resource) => `Updated Resource definition '${definition.name}' on '${resource.node}'`,
    });
  }
}
