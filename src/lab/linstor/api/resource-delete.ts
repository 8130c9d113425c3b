import { findDefinition, type LabDefinition } from '../model/definition.ts';
import { doesAnswer, findNode } from '../model/node.ts';
import {
  diskful,
  findResource,
  isDeleting,
  isDiskless,
  isDrbd,
  type LabResource,
  setFlags,
} from '../model/resource.ts';
import { done, type Handler } from '../rest/call.ts';
import { DELETED, MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { deploy } from '../satellite/deploy.ts';
import { removeVolume } from '../satellite/device.ts';
import { forgetInitialized } from '../satellite/first-replica.ts';
import { drbdSays, pass, volumeSays, warnOffline } from '../satellite/pass.ts';
import { type Decision, markDeleted, settleDeletion, settleQuorum } from '../satellite/quorum.ts';
import { removeDisk } from './remove-disk.ts';
import { resourceScope } from './resources.ts';

export const remove: Handler = async (call) => {
  const { lab, params } = call;
  const reply = resourceScope(call, 'delete');
  const definition = findDefinition(lab.state, params['rd'] ?? '');
  const resource = definition && findResource(definition, params['node'] ?? '');
  if (!definition || !resource) {
    throw new Refusal(3000, `Node: ${params['node']}, Resource: ${params['rd']} not found.`, {
      severity: 'warning',
    });
  }
  refuse(definition, resource);
  await deleteResource(lab, reply, definition, resource, {
    keepTieBreaker: call.query.get('keep_tiebreaker') === 'true',
  });
  return done(reply);
};

function refuse(definition: LabDefinition, resource: LabResource): void {
  if (resource.drbd?.inUse) {
    throw new Refusal(997, `Resource '${definition.name}' is still in use.`, {
      cause: 'Resource is mounted/in use.',
      correction: `Un-mount resource '${definition.name}' on the node '${resource.node}'.`,
    });
  }
  const others = diskful(definition).filter((other) => other !== resource);
  const users = definition.resources.some(
    (other) => other !== resource && isDiskless(other) && !isDeleting(other),
  );
  if (isDiskless(resource) || others.length > 0 || !users) return;
  throw new Refusal(
    997,
    `Last resource of '${definition.name}' with disk still has diskless resources attached.`,
    {
      cause: 'Resource still has diskless users.',
      correction: 'Before deleting this resource, delete the diskless resources attached to it.',
    },
  );
}

export interface DeleteOptions {
  readonly keepTieBreaker?: boolean;
  /** LINSTOR itself takes a tie-breaker away. */
  readonly managed?: boolean;
}

export async function deleteResource(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  resource: LabResource,
  options: DeleteOptions,
): Promise<void> {
  if (options.managed) {
    markDeleted(resource);
    reply.add(10004, 'Tie breaker marked for deletion', { severity: 'info' });
    settleQuorum(lab, reply, definition);
    await cleanUp(lab, reply, definition, resource, true);
    return;
  }
  let first: Decision = {};
  if (isDrbd(resource)) {
    for (const item of [resource, ...resource.volumes]) setFlags(item, 'DRBD_DELETE');
    first = settleDeletion(lab, reply, definition, options.keepTieBreaker === true);
    if (first.takenOver) return becomeTieBreaker(lab, reply, definition, first.takenOver);
    await prepare(lab, reply, definition, resource);
  }
  markDeleted(resource);
  const second = isDrbd(resource) ? settleDeletion(lab, reply, definition, false) : {};
  await cleanUp(lab, reply, definition, resource, false);
  for (const decision of [second, first]) await carryOut(lab, reply, definition, decision);
}

/** What was decided beside the deletion. A tie-breaker may have been marked twice, or be what was deleted. */
async function carryOut(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  { superfluous, fresh }: Decision,
): Promise<void> {
  if (superfluous && definition.resources.includes(superfluous))
    await cleanUp(lab, reply, definition, superfluous, true);
  if (fresh) await deploy(lab, definition, [fresh], { reply, ready: reply });
}

/** Without a disk it only gets the flag; with one it loses the disk first (linstor-behaviour §3.11). */
async function becomeTieBreaker(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  resource: LabResource,
): Promise<void> {
  if (isDiskless(resource)) {
    setFlags(resource, 'TIE_BREAKER');
    await pass(lab, reply, definition, {
      message: (item) => `Resource '${definition.name}' updated on node '${item.node}'`,
    });
    return;
  }
  await removeDisk(lab, reply.within({ operation: 'modify' }), definition, resource, true);
}

/** First round of DRBD resources: the peers let go. */
async function prepare(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  resource: LabResource,
): Promise<void> {
  const what = `Node: ${resource.node}, Resource: ${definition.name}`;
  reply.add(DELETED, `${what} preparing for deletion.`, { details: `${what} UUID is: ${resource.uuid}` });
  await pass(lab, reply, definition, {
    resources: definition.resources.filter((other) => other !== resource),
    message: (other) => `Preparing deletion of resource on '${other.node}'`,
  });
  if (doesAnswer(findNode(lab.state, resource.node))) drbdSays(reply, definition, resource, 'deleted.');
  else warnOffline(lab, reply, resource.node);
  reply.add(MODIFIED, `Preparing deletion of resource on '${resource.node}'`);
}

async function cleanUp(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  resource: LabResource,
  managed: boolean,
): Promise<void> {
  const { name } = definition;
  const what = `Node: ${resource.node}, Resource: ${name}`;
  const online = doesAnswer(findNode(lab.state, resource.node));
  if (!managed)
    reply.add(DELETED, `${what} marked for deletion.`, { details: `${what} UUID is: ${resource.uuid}` });
  if (online) await dismantle(lab, reply, definition, resource);
  else warnOffline(lab, reply, resource.node);
  reply.add(MODIFIED, `Cleaning up '${name}' on '${resource.node}'`);
  await pass(lab, reply, definition, {
    resources: definition.resources.filter((other) => other !== resource),
    message: (other) =>
      `Notified '${other.node}' that '${name}' is being cleaned up on Node(s): [${resource.node}]`,
  });
  if (!online) return;
  definition.resources = definition.resources.filter((other) => other !== resource);
  reply.add(DELETED, `${what} deletion complete.`, { details: `${what} UUID was: ${resource.uuid}` });
  if (definition.resources.length === 0) forgetFirstGeneration(definition);
}

/** The last replica takes its block size and first generation with it. */
function forgetFirstGeneration(definition: LabDefinition): void {
  for (const volume of definition.volumes) delete volume.props['DrbdOptions/Disk/block-size'];
  forgetInitialized(definition);
}

/** Takes the volumes away on the satellite and says so for those with a disk. */
export async function dismantle(
  lab: Runtime,
  reply: Reply | undefined,
  definition: LabDefinition,
  resource: LabResource,
): Promise<void> {
  for (const volume of resource.volumes) {
    const made = volume.made;
    await removeVolume(lab, { definition, resource, volume });
    if (reply && made && volume.provider !== 'DISKLESS')
      volumeSays(reply, definition, resource, volume, 'deleted');
  }
}
