import { maxVolumeSize, sizeInfo } from '../model/capacity.ts';
import { mergeFilter, poolsOfFilter, type SelectFilter } from '../model/filter.ts';
import { findGroup, groupJson, type LabGroup, mustFindGroup, volumeGroupJson } from '../model/group.ts';
import { byName, checkName, sameName } from '../model/name.ts';
import { poolExists } from '../model/pool.ts';
import { changeProps } from '../model/properties.ts';
import type { ClusterState } from '../model/state.ts';
import type { Body } from '../rest/body.ts';
import { type Call, done, type Handler, json, map, number, object, page, text, texts } from '../rest/call.ts';
import { CREATED, DELETED, MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply, statusOfEntries } from '../rest/entry.ts';
import { fillUp, tellMembers } from './group-members.ts';
import { namedList } from './named-list.ts';

export function propsChange(body: Body) {
  return {
    override: map(body, 'override_props'),
    remove: texts(body, 'delete_props'),
    namespaces: texts(body, 'delete_namespaces'),
  };
}

export const filterOf = (body: Body): SelectFilter | undefined =>
  object(body, 'select_filter') as SelectFilter | undefined;

function groupScope(call: Call, name: string): Reply {
  return call.scope({
    operation: 'create',
    object: 'group',
    refs: { RscGrp: name },
    subject: `Resource group: ${name}`,
  });
}

export const list: Handler = ({ lab, query }) =>
  json(namedList(query, 'resource_groups', lab.state.groups).map(groupJson));

export const get: Handler = ({ lab, params }) => {
  const name = params['group'] ?? '';
  const group = findGroup(lab.state, name);
  if (!group) throw new Refusal(317, `Resource group '${name}' not found.`, { plain: true });
  return json(groupJson(group));
};

export const create: Handler = (call) => {
  const { state } = call.lab;
  const name = text(call.body, 'name');
  const reply = groupScope(call, name ?? 'null');
  checkName('group', name);
  if (findGroup(state, name ?? '')) {
    throw new Refusal(522, `A Resource group: ${name} already exists.`, {
      cause: 'The ResourceGroup already exists',
    });
  }
  const filter = { ...filterOf(call.body) };
  checkPlaceCount(name ?? '', filter);
  const group: LabGroup = {
    name: name ?? '',
    uuid: crypto.randomUUID(),
    props: {},
    filter,
    volumes: [],
    ...(text(call.body, 'description') ? { description: text(call.body, 'description') as string } : {}),
    ...(number(call.body, 'peer_slots') === undefined
      ? {}
      : { peerSlots: number(call.body, 'peer_slots') as number }),
  };
  warnUnknownPools(state, reply, filter);
  state.groups.push(group);
  reply.add(CREATED, `New resource group '${group.name}' created.`, {
    details: `Resource group '${group.name}' UUID is: ${group.uuid}`,
    refs: { UUID: group.uuid },
  });
  return done(reply, 201);
};

function checkPlaceCount(name: string, filter: SelectFilter): void {
  if (typeof filter.place_count !== 'number' || filter.place_count >= 1) return;
  throw new Refusal(219, `Resource group: ${name}, place-count must be positive.`);
}

/** A pool that no node has is a warning without operation, object or references (recorded). */
function warnUnknownPools(state: ClusterState, reply: Reply, filter: SelectFilter): void {
  const unknown = poolsOfFilter(filter).filter((pool) => !poolExists(state, pool));
  if (unknown.length === 0) return;
  const message = `The following configured storage pools do not exist on any node:\n\t${unknown.join('\n\t')}`;
  reply.plain(3000, message, 'warning');
}

export const modify: Handler = async (call) => {
  const name = call.params['group'] ?? '';
  const reply = groupScope(call, name);
  const group = mustFindGroup(call.lab.state, name);
  const filter = filterOf(call.body);
  if (filter) checkPlaceCount(group.name, filter);
  const changed = changeProps(reply, group.props, propsChange(call.body), { owner: 'D' });
  if (filter) {
    warnUnknownPools(call.lab.state, reply, filter);
    group.filter = mergeFilter(group.filter, filter);
  }
  const description = text(call.body, 'description');
  if (description !== undefined) group.description = description;
  reply.add(MODIFIED, `Resource group '${group.name}' modified.`, {
    details: `Resource group '${group.name}' UUID is: ${group.uuid}`,
    refs: { UUID: group.uuid },
  });
  const count = filter?.place_count;
  if (typeof count === 'number') await fillUp(call.lab, reply, group, filter ?? {}, count);
  if (changed || typeof count === 'number') await tellMembers(call.lab, reply, group);
  return done(reply, statusOfEntries(reply.entries));
};

export const remove: Handler = (call) => {
  const { state } = call.lab;
  const name = call.params['group'] ?? '';
  const reply = groupScope(call, name);
  const group = findGroup(state, name);
  if (!group) throw new Refusal(3000, `Resource group: ${name} not found.`, { severity: 'warning' });
  if (state.definitions.some((definition) => sameName(definition.group, group.name))) {
    throw new Refusal(
      501,
      `Cannot delete resource group '${group.name}' because it has existing resource definitions.`,
    );
  }
  state.groups = state.groups.filter((other) => other !== group);
  reply.add(DELETED, `Resource group '${group.name}' deleted.`, {
    details: `Resource group '${group.name}' UUID was: ${group.uuid}`,
    refs: { UUID: group.uuid },
  });
  return done(reply);
};

export const querySize: Handler = ({ lab, params, body, answerIn }) => {
  const name = params['group'] ?? '';
  const group = findGroup(lab.state, name);
  // Always 200: an unknown group stands in `reports` (linstor-behaviour §3.6).
  if (!group) return json({ reports: [answerIn(() => mustFindGroup(lab.state, name, { plain: true }))] });
  const filter = mergeFilter(group.filter, filterOf(body));
  if (filter.place_count === undefined) {
    throw new Refusal(998, 'An unknown error occurred.', { plain: true, report: true });
  }
  return json({ space_info: sizeInfo(lab.state, group, filterOf(body)) });
};

export const queryAllSizes: Handler = ({ lab, body }) => {
  const groups = byName(lab.state.groups, (group) => group.name);
  return json({
    result: Object.fromEntries(
      groups.map((group) => [group.name, { space_info: sizeInfo(lab.state, group, filterOf(body)) }]),
    ),
  });
};

export const queryMaxVolume: Handler = ({ lab, params }) => {
  const group = mustFindGroup(lab.state, params['group'] ?? '', { plain: true });
  const found = maxVolumeSize(lab.state, group);
  if (!found) throw new Refusal(996, 'Not enough nodes', { plain: true });
  return json(found);
};

export const volumeGroups: Handler = ({ lab, params, query }) => {
  const group = mustFindGroup(lab.state, params['group'] ?? '', { plain: true });
  return json(page(query, group.volumes).map(volumeGroupJson));
};

export const volumeGroup: Handler = ({ lab, params }) => {
  const group = mustFindGroup(lab.state, params['group'] ?? '', { plain: true });
  const found = group.volumes.find((volume) => volume.number === Number(params['number']));
  if (!found) throw new Refusal(318, `Volume group '${params['number']}' not found.`, { plain: true });
  return json(volumeGroupJson(found));
};

export const createVolumeGroup: Handler = (call) => {
  const { state } = call.lab;
  const name = call.params['group'] ?? '';
  const reply = call.scope({
    operation: 'create',
    object: 'volume-group',
    refs: { VlmGrp: name },
    subject: `Volume groups for resource group '${name}'`,
  });
  const group = mustFindGroup(state, name);
  if (state.definitions.some((definition) => sameName(definition.group, group.name))) {
    const message =
      'Volume group cannot be created while the resource group has already resource definitions.';
    throw new Refusal(501, message, { report: true });
  }
  const wish = number(call.body, 'volume_number');
  let next = wish ?? 0;
  while (wish === undefined && group.volumes.some((volume) => volume.number === next)) next += 1;
  if (group.volumes.some((volume) => volume.number === next)) {
    throw new Refusal(
      523,
      `A volume group with the number ${next} already exists in resource group '${group.name}'.`,
    );
  }
  group.volumes.push({
    number: next,
    uuid: crypto.randomUUID(),
    props: {},
    flags: texts(call.body, 'flags') ?? [],
  });
  group.volumes.sort((a, b) => a.number - b.number);
  reply.add(CREATED, `New volume group with number '${next}' of resource group '${group.name}' created.`, {
    refs: { VlmNr: String(next), RscGrp: group.name },
  });
  return done(reply, 201);
};

export const removeVolumeGroup: Handler = (call) => {
  const name = call.params['group'] ?? '';
  const wish = Number(call.params['number']);
  const subject = `Resource group: ${name}, Volume number: ${wish}`;
  const refs = { RscGrp: name, VlmGrp: name, VlmNr: String(wish) };
  const reply = call.scope({ operation: 'delete', object: 'volume-group', refs, subject });
  const group = mustFindGroup(call.lab.state, name);
  if (!group.volumes.some((volume) => volume.number === wish)) {
    throw new Refusal(3000, `${subject} not found.`, { severity: 'warning' });
  }
  group.volumes = group.volumes.filter((volume) => volume.number !== wish);
  reply.add(DELETED, `Volume group with number '${wish}' of resource group '${group.name}' deleted.`);
  return done(reply);
};
