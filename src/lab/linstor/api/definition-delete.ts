import { findDefinition, type LabDefinition } from '../model/definition.ts';
import { doesAnswer, findNode } from '../model/node.ts';
import { hasFlag, isDiskless, isDrbd, type LabResource, setFlags } from '../model/resource.ts';
import { done, type Handler } from '../rest/call.ts';
import { DELETED, MODIFIED } from '../rest/codes.ts';
import { Refusal, Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { beginRound, drbdSays, pass, warnOffline } from '../satellite/pass.ts';
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
 * Diskless ones first, then those with data; each step needs every satellite of the definition (CtrlRscDfnTruncateApiCallHandler,
 * LINSTOR 1.33.3). With one away nothing goes from the list: where a diskless replica is left the data of the others is not even
 * touched, and the definition keeps its name until all are there, or the node is given up (linstor-behaviour §3.7).
 * `chatty`: the satellites still report sizes (rollback), or not (deletion).
 */
export async function deleteResources(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  chatty: boolean,
): Promise<void> {
  const diskless = definition.resources.filter(isDiskless);
  const rest = definition.resources.filter((resource) => !isDiskless(resource));
  if (diskless.length > 0 && !(await takeAway(lab, reply, definition, diskless, rest, chatty))) return;
  await takeAway(lab, reply, definition, rest, [], chatty);
}

/** Two steps: marked, then deleted. False: a satellite is away, and it stops here. */
async function takeAway(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  resources: readonly LabResource[],
  others: readonly LabResource[],
  chatty: boolean,
): Promise<boolean> {
  if (resources.length === 0) return true;
  const answers = (resource: LabResource): boolean => doesAnswer(findNode(lab.state, resource.node));
  const marked = (resource: LabResource) =>
    `Resource '${definition.name}' on '${resource.node}' marked for deletion`;
  beginRound(lab, definition.resources);
  for (const resource of resources) {
    setFlags(resource, 'DELETE');
    for (const volume of resource.volumes) setFlags(volume, 'DELETE');
    if (!answers(resource)) continue;
    if (isDrbd(resource) && resource.volumes.length > 0) drbdSays(reply, definition, resource, 'deleted.');
    await dismantle(lab, reply, definition, resource);
    reply.add(MODIFIED, marked(resource));
  }
  const told = { resources: others.filter(answers), storage: chatty };
  await pass(lab, reply, definition, { ...told, counted: true, message: marked });
  const away = [...resources, ...others].filter((resource) => !answers(resource));
  for (const { node } of away) warnOffline(lab, reply, node);
  if (away.length > 0) return false;
  definition.resources = definition.resources.filter((other) => !resources.includes(other));
  await pass(lab, reply, definition, {
    ...told,
    message: (resource) => `Resource '${definition.name}' on '${resource.node}' deleted`,
  });
  return true;
}

/** Deletions that waited for a satellite go on once all of a definition's are there (`resourceDefinitionConnected`). */
export async function finishDeletions(lab: Runtime, waiting: readonly LabDefinition[]): Promise<void> {
  for (const definition of waiting.filter((item) => hasFlag(item, 'DELETE'))) {
    if (definition.resources.some((resource) => !doesAnswer(findNode(lab.state, resource.node)))) continue;
    const unheard = new Reply({ operation: 'delete', object: 'definition', refs: {}, subject: '' }, () =>
      lab.now(),
    );
    await deleteResources(lab, unheard, definition, false);
    if (definition.resources.length === 0 && definition.snapshots.length === 0)
      lab.state.definitions = lab.state.definitions.filter((other) => other !== definition);
  }
}
