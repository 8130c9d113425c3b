import { mustFindDefinition } from '../model/definition.ts';
import { mustFindNode } from '../model/node.ts';
import { changeProps } from '../model/properties.ts';
import {
  clearFlags,
  hasFlag,
  isDiskless,
  isDrbd,
  isTieBreaker,
  mustFindResource,
} from '../model/resource.ts';
import { type Call, done, type Handler } from '../rest/call.ts';
import { MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import { pass } from '../satellite/pass.ts';
import { propsChange } from './groups.ts';

export function resourceScope(call: Call, operation: 'create' | 'modify' | 'delete', quoted = false): Reply {
  const [name = '', node = ''] = [call.params['rd'], call.params['node']];
  const subject = quoted ? `Node: ${node}, Resource: '${name}'` : `Node: ${node}, Resource: ${name}`;
  return call.scope({ operation, object: 'resource', refs: { RscDfn: name, Node: node }, subject });
}

export const modify: Handler = async (call) => {
  const { lab } = call;
  const reply = resourceScope(call, 'modify');
  mustFindNode(lab.state, call.params['node'] ?? '');
  const definition = mustFindDefinition(lab.state, call.params['rd'] ?? '');
  const resource = mustFindResource(definition, call.params['node'] ?? '');
  const changed = changeProps(reply, resource.props, propsChange(call.body), {
    owner: 'R',
    object: 'resource',
  });
  if (call.body['drbd_tiebreaker'] === true && isDiskless(resource) && !isTieBreaker(resource))
    resource.flags.push('TIE_BREAKER');
  const what = `Node: ${resource.node}, Resource: ${definition.name}`;
  reply.add(MODIFIED, `${what} updated.`, {
    details: `${what} UUID is: ${resource.uuid}`,
    refs: { UUID: resource.uuid },
  });
  if (changed) await pass(lab, reply, definition);
  return done(reply);
};

export const activate: Handler = async (call) => setActive(call, true);

export const deactivate: Handler = async (call) => setActive(call, false);

async function setActive(call: Call, active: boolean) {
  const { lab } = call;
  const reply = resourceScope(call, 'modify');
  mustFindNode(lab.state, call.params['node'] ?? '');
  const definition = mustFindDefinition(lab.state, call.params['rd'] ?? '');
  const resource = mustFindResource(definition, call.params['node'] ?? '');
  const isActive = !hasFlag(resource, 'INACTIVE');
  if (isActive === active) {
    reply.add(10007, `Resource is already ${active ? 'activated' : 'deactivated'}. Noop`, {
      severity: 'info',
    });
    return done(reply);
  }
  if (!active && resource.drbd?.inUse) {
    throw new Refusal(997, 'Cannot deactivate a resource while being in use!', { report: true });
  }
  if (active && hasFlag(resource, 'INACTIVE_PERMANENTLY')) {
    throw new Refusal(225, 'This DRDB-resource cannot be re-activated!', { report: true });
  }
  const [own, others] = active
    ? [
        ['Reactivating resource', 'Resource activated'],
        ['Resource updated', 'Resource activated'],
      ]
    : [
        ['Resource deactivated', 'Finished deactivation of resource'],
        ['Resource marked inactivate', 'Finished deactivation of resource'],
      ];
  if (active) clearFlags(resource, 'INACTIVE');
  else resource.flags.push('INACTIVE', ...(isDrbd(resource) ? ['INACTIVE_PERMANENTLY'] : []));
  for (const step of [0, 1]) {
    await pass(lab, reply, definition, {
      message: (other) => `${(other === resource ? own : others)?.[step]} on '${other.node}'`,
    });
  }
  return done(reply);
}
