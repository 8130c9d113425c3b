import { copyImage, imageExists } from '../data/files.ts';
import { type LabDefinition, mustFindDefinition } from '../model/definition.ts';
import { byName } from '../model/name.ts';
import { findNode, isOnline } from '../model/node.ts';
import { findResource, isDiskless, isTieBreaker, type LabResource } from '../model/resource.ts';
import type { LabSnapshot } from '../model/snapshot.ts';
import { done, type Handler } from '../rest/call.ts';
import { DELETED, MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { resizeVolume } from '../satellite/device.ts';
import { pass } from '../satellite/pass.ts';
import { takeSnapshots } from '../satellite/snapshot.ts';
import { deleteSnapshot } from '../satellite/snapshot-delete.ts';
import { planSnapshot, sequenceOf } from '../satellite/snapshot-plan.ts';
import { deleteResources } from './definition-delete.ts';
import { markedForDeletion } from './definitions.ts';
import { makeAvailableOn } from './make-available.ts';
import { restoreResources } from './restore.ts';
import { mustFindSnapshot } from './snapshots.ts';
import { refuseInUse } from './volume-delete.ts';

export const rollback: Handler = async (call) => {
  const { lab, params } = call;
  const [name = '', wish = ''] = [params['rd'], params['snapshot']];
  const reply = call.scope({
    operation: 'modify',
    object: 'snapshot',
    refs: { RscDfn: name, Snapshot: wish },
    subject: `Resource: ${name}, Snapshot: ${wish}`,
  });
  const definition = mustFindDefinition(lab.state, name);
  const snapshot = mustFindSnapshot(definition, wish);
  refuseOffline(lab, definition);
  refuseInUse(definition, { report: true });
  if (lab.generation.rollbackAny) await byRestore(lab, reply, definition, snapshot);
  else await inPlace(lab, reply, definition, snapshot);
  return done(reply);
};

function refuseOffline(lab: Runtime, definition: LabDefinition): void {
  const away = definition.resources.find((resource) => !isOnline(findNode(lab.state, resource.node)));
  if (!away) return;
  throw new Refusal(995, `No active connection to satellite '${away.node}'.`, {
    details: 'Snapshot rollback cannot be performed when the corresponding satellites are not connected.',
    report: true,
  });
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const safetyName = (): string =>
  `safety-snap-${[...crypto.getRandomValues(new Uint8Array(10))].map((byte) => letters[byte % letters.length]).join('')}`;

/** Since 1.31: safety snapshot, delete, restore, delete the safety snapshot, re-create the rest. */
async function byRestore(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  snapshot: LabSnapshot,
): Promise<void> {
  const before = byName(definition.resources, (resource) => resource.node).map(describe);
  const safety = planSnapshot(lab, reply, definition, safetyName(), { silent: true });
  try {
    await takeSnapshots(lab, reply, [safety]);
    reply.add(DELETED, markedForDeletion(definition));
    await deleteResources(lab, reply, definition, true);
    await restoreAll(lab, reply, definition, snapshot, before);
  } catch (error) {
    // What was there is put back, and the safety snapshot goes in any case.
    if (definition.resources.length === 0) await restoreAll(lab, reply, definition, safety.snapshot, before);
    await deleteSnapshot(lab, reply, definition, safety.snapshot);
    throw error;
  }
  await deleteSnapshot(lab, reply, definition, safety.snapshot);
  for (const item of before) await bringBack(lab, reply, definition, item);
}

async function restoreAll(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  snapshot: LabSnapshot,
  before: readonly Former[],
): Promise<void> {
  resetVolumes(definition, snapshot);
  const parts = byName(snapshot.parts, (part) => part.node).filter((part) =>
    before.some((item) => item.node === part.node),
  );
  const asResource = reply.within({
    operation: 'create',
    object: 'resource',
    subject: `Resource: ${definition.name}`,
  });
  await restoreResources(lab, asResource, { source: definition, snapshot, definition, parts }, reply);
}

interface Former {
  readonly node: string;
  readonly diskless: boolean;
  readonly tieBreaker: boolean;
}

const describe = (resource: LabResource): Former => ({
  node: resource.node,
  diskless: isDiskless(resource),
  tieBreaker: isTieBreaker(resource),
});

/** Nodes without a part of the snapshot get their replica back by sync, through make-available. */
async function bringBack(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  former: Former,
): Promise<void> {
  const nested = reply.within({
    operation: 'create',
    object: 'resource',
    refs: { ...reply.scope.refs, Node: former.node },
    subject: `Node: ${former.node}, Resource: '${definition.name}'`,
  });
  const present = findResource(definition, former.node);
  if (present) nested.add(0, 'Resource already deployed as requested');
  else if (!former.tieBreaker)
    await makeAvailableOn(lab, nested, definition, former.node, { diskful: !former.diskless });
}

/** Size and properties of the volumes are those of the snapshot again; later growth is undone. */
function resetVolumes(definition: LabDefinition, snapshot: LabSnapshot): void {
  for (const volume of definition.volumes) {
    const taken = snapshot.volumes.find((item) => item.number === volume.number);
    if (!taken) throw new Refusal(315, 'Some volumes were not captured by the snapshot. Cannot rollback.');
    volume.sizeKib = taken.sizeKib;
    volume.props = { ...taken.props };
  }
}

/** Before 1.31: the newest snapshot only; the data goes back where it is. */
async function inPlace(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  snapshot: LabSnapshot,
): Promise<void> {
  if (definition.snapshots.some((other) => sequenceOf(other) > sequenceOf(snapshot))) {
    throw new Refusal(514, 'Rollback is only allowed with the most recent snapshot');
  }
  const inline = `Snapshot '${snapshot.name}' of resource '${definition.name}'`;
  reply.add(MODIFIED, `${inline} marked down for rollback.`);
  await pass(lab, reply, definition, {
    message: (item) => `Deactivated resource '${definition.name}' on '${item.node}' for rollback`,
  });
  resetVolumes(definition, snapshot);
  for (const resource of definition.resources) {
    const part = snapshot.parts.find((item) => item.node === resource.node);
    for (const volume of resource.volumes) {
      const file = part?.volumes.find((item) => item.number === volume.number)?.file;
      if (imageExists(file) && imageExists(volume.file)) await copyImage(file, volume.file);
      await resizeVolume(lab, { definition, resource, volume });
    }
  }
  await pass(lab, reply, definition, {
    message: (item) => `Rolled resource '${definition.name}' back on '${item.node}'`,
  });
  await pass(lab, reply, definition, {
    message: (item) => `Re-activated resource '${definition.name}' on '${item.node}' after rollback`,
  });
}
