import { sorted } from '../model/group.ts';
import { checkName, sameName } from '../model/name.ts';
import type { Props } from '../model/node.ts';
import type { ClusterState } from '../model/state.ts';
import { done, type Handler, json, map, texts } from '../rest/call.ts';
import { DELETED, MODIFIED } from '../rest/codes.ts';
import { Refusal } from '../rest/entry.ts';

/** Key-value stores: created by the first property, gone with the last (linstor-behaviour §3.15). */

function find(state: ClusterState, name: string): [string, Props] | undefined {
  return Object.entries(state.keyValues).find(([key]) => sameName(key, name));
}

const asJson = (name: string, props: Props) => ({ name, props: sorted(props) });

export const list: Handler = ({ lab }) =>
  json(
    Object.entries(lab.state.keyValues)
      .sort()
      .map(([name, props]) => asJson(name, props)),
  );

export const get: Handler = ({ lab, params }) => {
  const name = params['kvs'] ?? '';
  const found = find(lab.state, name);
  if (!found) throw new Refusal(316, `Could not find key value store instance '${name}'.`, { plain: true });
  return json([asJson(...found)]);
};

export const modify: Handler = (call) => {
  const { state } = call.lab;
  const given = call.params['kvs'] ?? '';
  const reply = call.scope({ operation: 'modify', object: 'controller', refs: {}, subject: '' });
  checkName('kvs', given);
  const [name, before] = find(state, given) ?? [given, {}];
  const props: Props = { ...before, ...map(call.body, 'override_props') };
  for (const key of texts(call.body, 'delete_props') ?? []) delete props[key];
  for (const space of texts(call.body, 'delete_namespaces') ?? []) {
    for (const key of Object.keys(props))
      if (key.startsWith(`${space.replace(/\/$/, '')}/`)) delete props[key];
  }
  if (Object.keys(props).length > 0) state.keyValues[name] = props;
  else delete state.keyValues[name];
  reply.add(MODIFIED, 'Successfully updated properties');
  return done(reply);
};

export const remove: Handler = (call) => {
  const name = call.params['kvs'] ?? '';
  const found = find(call.lab.state, name);
  if (!found) {
    throw new Refusal(3000, `Deletion of kvs '${name}' had no effect.`, {
      severity: 'warning',
      cause: `Kvs '${name}' does not exist.`,
      plain: true,
    });
  }
  delete call.lab.state.keyValues[found[0]];
  const reply = call.scope({ operation: 'delete', object: 'key-value', refs: {}, subject: '' });
  reply.plain(DELETED, `Kvs '${found[0]}' deleted.`, 'success', {
    details: `Kvs '${found[0]}' UUID was: ${crypto.randomUUID()}`,
  });
  return done(reply);
};
