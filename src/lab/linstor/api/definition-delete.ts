import { findDefinition, type LabDefinition } from '../model/definition.ts';
import { findNode, isOnline } from '../model/node.ts';
import { isDiskless, isDrbd, type LabResource, setFlags } from '../model/resource.ts';
import { done, type Handler } from '../rest/call.ts';
import { DELETED, MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { drbdSays, pass, warnOffline } from '../satellite/pass.ts';
import { definitionScope, forget, markedForDeletion } from './definitions.ts';
import { dismantle } from './resource-delete.ts';
import { refuseInUse } from './volume-delete.ts';

export const remove: Handler = async (call) => {
  const { lab } = call;
  const name = call.params['rd'] ?? '';
  const reply = definitionScope(call, 'delete', name);
  const definition = findDefinition(lab.state, name);
  if (!definition)
    throw new Refusal(3000, `Resource definition: ${name} not found.`, { severity: 'warning' });
  if (definition.snapshots.length > 0) {
    throw new Refusal(
      514,
      `Cannot delete resource definition '${definition.name}' because it has snapshots.`,
      { report: true },
    );
  }
  refuseInUse(definition);
  if (definition.resources.length > 0) {
    reply.add(DELETED, markedForDeletion(definition));
    setFlags(definition, 'DELETE');
    for (const volume of definition.volumes) setFlags(volume, 'DELETE');
    await deleteResources(lab, reply, definition, false);
  }
  if (definition.resources.length === 0) forget(lab, reply, definition);
  return done(reply);
};

/**
 * Diskless ones first, then those with data. A satellite that is away leaves its resource marked
 * (linstor-behaviour §3.7). `chatty`: the satellites still report sizes (rollback), or not (deletion).
 */
export async function deleteResources(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  chatty: boolean,
): Promise<void> {
  const diskless = definition.resources.filter(isDiskless);
  const rest = definition.resources.filter((resource) => !isDiskless(resource));
  if (diskless.length > 0) {
    await takeAway(lab, reply, definition, diskless);
    if (rest.length > 0) {
      const marked = (resource: LabResource) =>
        `Resource '${definition.name}' on '${resource.node}' marked for deletion`;
      const deleted = (resource: LabResource) =>
        `Resource '${definition.name}' on '${resource.node}' deleted`;
      await pass(lab, reply, definition, { resources: rest, storage: chatty, message: marked });
      await pass(lab, reply, definition, { resources: rest, storage: chatty, message: deleted });
    }
  }
  await takeAway(lab, reply, definition, rest);
}

async function takeAway(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  resources: readonly LabResource[],
): Promise<void> {
  for (const resource of resources) {
    setFlags(resource, 'DELETE');
    for (const volume of resource.volumes) setFlags(volume, 'DELETE');
    if (isOnline(findNode(lab.state, resource.node))) {
      if (isDrbd(resource) && resource.volumes.length > 0) drbdSays(reply, definition, resource, 'deleted.');
      await dismantle(lab, reply, definition, resource);
      definition.resources = definition.resources.filter((other) => other !== resource);
      reply.add(MODIFIED, `Resource '${definition.name}' on '${resource.node}' marked for deletion`);
    } else {
      warnOffline(reply, resource.node);
    }
  }
}
