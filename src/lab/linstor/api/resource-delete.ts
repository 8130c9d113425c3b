import { findDefinition, type LabDefinition } from '../model/definition.ts';
import { doesAnswer, findNode } from '../model/node.ts';
import { DISKLESS_POOL } from '../model/pool.ts';
import {
  clearFlags,
  diskful,
  findResource,
  isDeleting,
  isDiskless,
  isDrbd,
  isTieBreaker,
  type LabResource,
  setFlags,
} from '../model/resource.ts';
import { done, type Handler } from '../rest/call.ts';
import { DELETED, MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { dropDisk, removeVolume } from '../satellite/device.ts';
import { forgetInitialized } from '../satellite/first-replica.ts';
import { drbdSays, pass, volumeSays, warnOffline } from '../satellite/pass.ts';
import { disableTieBreaker, enableTieBreaker, settleQuorum, wantsTieBreaker } from '../satellite/quorum.ts';
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
  if (isDrbd(resource) && !options.managed) {
    if (await takenOver(lab, reply, definition, resource, options)) return;
    await prepare(lab, reply, definition, resource);
  }
  const wasTieBreaker = isTieBreaker(resource);
  setFlags(resource, 'DELETE');
  for (const volume of resource.volumes) setFlags(volume, 'DELETE');
  if (wasTieBreaker) reply.add(10004, 'Tie breaker marked for deletion', { severity: 'info' });
  if (isDrbd(resource)) settleQuorum(reply, definition);
  await cleanUp(lab, reply, definition, resource, options.managed === true);
  const superfluous = definition.resources.find((other) => isTieBreaker(other) && !isDeleting(other));
  if (!options.managed && superfluous && !wantsTieBreaker(lab, definition)) {
    await deleteResource(lab, reply, definition, superfluous, { managed: true });
  }
}

/**
 * Where a tie-breaker is due and none is there, the resource that was to be deleted becomes it
 * (linstor-behaviour §3.11). Deleting the tie-breaker itself switches the automatism off, unless told not to.
 */
async function takenOver(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  resource: LabResource,
  options: DeleteOptions,
): Promise<boolean> {
  if (options.keepTieBreaker && !wantsTieBreaker(lab, definition, resource))
    tryEnable(lab, definition, resource);
  const wanted = wantsTieBreaker(lab, definition, resource);
  const other = definition.resources.some(
    (item) => item !== resource && isTieBreaker(item) && !isDeleting(item),
  );
  if (!wanted || other) return false;
  if (isTieBreaker(resource) && !options.keepTieBreaker) {
    disableTieBreaker(definition);
    const text = `Disabling auto-tiebreaker on resource-definition '${definition.name}' as tiebreaker resource was manually deleted`;
    reply.add(10002, text, { severity: 'info' });
    return false;
  }
  const message =
    'The given resource will not be deleted but will be taken over as a linstor managed tiebreaker resource.';
  reply.add(10006, message, { severity: 'info' });
  becomeTieBreaker(lab, definition, resource);
  await pass(lab, reply, definition, {
    message: (item) => `Resource '${definition.name}' updated on node '${item.node}'`,
  });
  return true;
}

function tryEnable(lab: Runtime, definition: LabDefinition, resource: LabResource): void {
  const before = { ...definition.props };
  enableTieBreaker(definition);
  if (!wantsTieBreaker(lab, definition, resource)) definition.props = before;
}

function becomeTieBreaker(lab: Runtime, definition: LabDefinition, resource: LabResource): void {
  clearFlags(resource, 'DELETE', 'DRBD_DELETE');
  if (!isDiskless(resource)) {
    for (const volume of resource.volumes) {
      dropDisk(lab, { definition, resource, volume });
      volume.pool = DISKLESS_POOL;
      volume.provider = 'DISKLESS';
    }
    resource.props['StorPoolName'] = DISKLESS_POOL;
  }
  setFlags(resource, 'DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER');
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
