import type { LabDefinition } from '../model/definition.ts';
import { doesAnswer, findNode } from '../model/node.ts';
import { isDiskless, setFlags, usedOn } from '../model/resource.ts';
import { done, type Handler } from '../rest/call.ts';
import { DELETED } from '../rest/codes.ts';
import { Refusal, type RefusalOptions } from '../rest/entry.ts';
import { removeVolume } from '../satellite/device.ts';
import { pass, volumeSays, warnOffline } from '../satellite/pass.ts';
import { find } from './volume-definitions.ts';

export const remove: Handler = async (call) => {
  const { lab } = call;
  const { definition, volume, reply } = find(call, 'delete');
  // Answered in terms of the resource definition, unlike the other refusals of this call.
  refuseInUse(definition, { report: true, scope: { operation: 'delete', object: 'definition' } });
  const what = `Volume definition with number '${volume.number}' of resource definition '${definition.name}'`;
  reply.add(DELETED, `${what} marked for deletion.`, { details: `${what} UUID is: ${volume.uuid}` });
  let away = false;
  for (const resource of definition.resources) {
    const item = resource.volumes.find((other) => other.number === volume.number);
    if (!item) continue;
    if (!doesAnswer(findNode(lab.state, resource.node))) {
      warnOffline(lab, reply, resource.node);
      setFlags(item, 'DELETE');
      away = true;
      continue;
    }
    await removeVolume(lab, { definition, resource, volume: item });
    resource.volumes = resource.volumes.filter((other) => other !== item);
    if (!isDiskless(resource)) volumeSays(reply, definition, resource, item, 'deleted');
    await pass(lab, reply, definition, {
      resources: [resource],
      message: () => `Deleted volume ${volume.number} of '${definition.name}' on '${resource.node}'`,
    });
  }
  if (away) {
    setFlags(volume, 'DELETE');
    return done(reply);
  }
  definition.volumes = definition.volumes.filter((other) => other !== volume);
  reply.add(DELETED, `${what} deleted.`, { details: `${what} UUID was: ${volume.uuid}` });
  return done(reply);
};

/** DRBD knows its users; plain storage does not and lets everything happen (linstor-behaviour §3.7). */
export function refuseInUse(definition: LabDefinition, options: RefusalOptions = {}): void {
  const used = usedOn(definition);
  if (!used) return;
  throw new Refusal(997, `Resource '${definition.name}' on node '${used.node}' is still in use.`, {
    cause: 'Resource is mounted/in use.',
    correction: `Un-mount resource '${definition.name}' on the node '${used.node}'.`,
    ...options,
  });
}
