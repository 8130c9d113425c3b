import {
  definitionJson,
  findDefinition,
  type LabDefinition,
  lookupDefinition,
  mustFindDefinition,
} from '../model/definition.ts';
import { DEFAULT_GROUP, findGroup, mustFindGroup } from '../model/group.ts';
import { checkName, sameName } from '../model/name.ts';
import { changeProps, QUORUM } from '../model/properties.ts';
import { isDrbd } from '../model/resource.ts';
import type { ClusterState } from '../model/state.ts';
import type { Body } from '../rest/body.ts';
import { type Call, done, type Handler, json, map, number, object, text, texts } from '../rest/call.ts';
import { CREATED, DELETED, MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { pass } from '../satellite/pass.ts';
import { propsChange } from './groups.ts';
import { completeStack, fixDrbd, layersFrom, warnLockedLuks } from './layers.ts';
import { namedList } from './named-list.ts';

export const list: Handler = ({ lab, query }) => {
  const withVolumes = query.get('with_volume_definitions') === 'true';
  const found = namedList(query, 'resource_definitions', lab.state.definitions);
  return json(found.map((item) => definitionJson(item, withVolumes)));
};

export const get: Handler = ({ lab, params }) =>
  json(definitionJson(lookupDefinition(lab.state, params['rd'] ?? ''), false));

/** Registers a definition; the caller has checked everything. */
export function newDefinition(name: string, group: string): LabDefinition {
  return {
    name,
    uuid: crypto.randomUUID(),
    group,
    props: {},
    flags: [],
    layers: [],
    volumes: [],
    resources: [],
    snapshots: [],
  };
}

export function refuseExisting(state: ClusterState, name: string): void {
  if (!findDefinition(state, name)) return;
  throw new Refusal(501, `A resource definition with the name '${name}' already exists`, {
    cause: 'The ResourceDefinition already exists',
  });
}

/** From an external name: what is not allowed becomes `_`. */
function generatedName(state: ClusterState, external: string): string {
  const base = external
    .replace(/[^A-Za-z0-9_-]/g, '_')
    .replace(/^([^A-Za-z_])/, '_$1')
    .slice(0, 40)
    .padEnd(2, '_');
  let name = base;
  for (let suffix = 1; findDefinition(state, name); suffix += 1) name = `${base}_${suffix}`;
  return name;
}

const noName = {
  cause:
    'Name generation was selected by specifying a zero-length resource name,\n' +
    'but the external name field required for name generation is not present\nin the API call data',
  correction:
    'For name generation from an external name\n' +
    '- Specify a non-zero-length external name to induce resource name generation\n' +
    '  based on the specified external name' +
    '- Specify a zero-length external name to induce generation of a random\n  resource name (Prefix + UUID)\nor\n' +
    '- Specify a non-zero-length resource name to avoid resource name generation',
  report: true,
} as const;

export const create: Handler = (call) => {
  const { state } = call.lab;
  const given = object(call.body, 'resource_definition') ?? {};
  const asked = text(given, 'name') ?? '';
  const external = text(given, 'external_name');
  const reply = definitionScope(call, 'create', asked);
  if (asked === '' && !external) {
    throw new Refusal(
      606,
      'The resource name generation for the creation of a new resource definition failed',
      noName,
    );
  }
  if (external && state.definitions.some((other) => other.externalName === external)) {
    throw new Refusal(517, `The external resource name '${external}' is already in use.`, { report: true });
  }
  const name = asked === '' ? generatedName(state, external ?? '') : checkName('definition', asked);
  const group = findGroup(state, text(given, 'resource_group_name') ?? DEFAULT_GROUP);
  if (!group) {
    throw new Refusal(317, `Resource group '${text(given, 'resource_group_name')}' could not be found.`, {
      report: true,
    });
  }
  const layers = layersFrom(
    ((given['layer_data'] as Body[] | undefined) ?? []).map((layer) => text(layer, 'type') ?? ''),
  );
  refuseExisting(state, name);
  const definition = newDefinition(name, group.name);
  // The first line has no references yet: they are known once the definition is (recorded).
  changeProps(reply, definition.props, { override: map(given, 'props') }, { owner: 'D', bare: true });
  definition.layers = completeStack(reply, layers);
  warnLockedLuks(call.lab, reply, definition.layers);
  if (external) definition.externalName = external;
  const slots = number(call.body, 'drbd_peer_slots') ?? group.peerSlots;
  if (slots !== undefined) definition.peerSlots = slots;
  fixDrbd(definition, text(call.body, 'drbd_secret'));
  state.definitions.push(definition);
  reply.within({ refs: { RscDfn: name } }).add(CREATED, `New resource definition '${name}' created.`, {
    details: `Resource definition '${name}' UUID is: ${definition.uuid}`,
    refs: { UUID: definition.uuid },
  });
  return done(reply, 201);
};

export function definitionScope(call: Call, operation: 'create' | 'modify' | 'delete', name: string): Reply {
  return call.scope({
    operation,
    object: 'definition',
    refs: { RscDfn: name },
    subject: `Resource definition: ${name}`,
  });
}

const AUTO_QUORUM = 'DrbdOptions/auto-quorum';

export const modify: Handler = async (call) => {
  const { lab, body } = call;
  const name = call.params['rd'] ?? '';
  const reply = definitionScope(call, 'modify', name);
  const definition = mustFindDefinition(lab.state, name);
  const group = text(body, 'resource_group');
  const joined = group === undefined ? definition.group : mustFindGroup(lab.state, group).name;
  const moved = !sameName(joined, definition.group);
  definition.group = joined;
  changeLayers(reply, definition, texts(body, 'layer_stack'));
  const change = propsChange(body);
  if (change.override?.[AUTO_QUORUM] !== undefined) warnAutoQuorum(reply, lab, change.override);
  const changed = changeProps(reply, definition.props, change, { owner: 'D' });
  const slots = number(body, 'drbd_peer_slots');
  if (slots !== undefined) definition.peerSlots = slots;
  reply.add(MODIFIED, `Resource definition '${definition.name}' modified.`, {
    details: `Resource definition '${definition.name}' UUID is: ${definition.uuid}`,
    refs: { UUID: definition.uuid },
  });
  if (changed || moved) await pass(lab, reply, definition);
  return done(reply);
};

/** Deprecated since 1.31, still accepted (linstor-behaviour §3.16). The value is checked first. */
function warnAutoQuorum(reply: Reply, lab: Runtime, override: Readonly<Record<string, string>>): void {
  changeProps(undefined, {}, { override }, { owner: 'D' });
  if (lab.generation.rest < 25) return;
  reply.add(4000, `${AUTO_QUORUM} is deprecated, please use ${QUORUM}`, { severity: 'warning' });
}

function changeLayers(reply: Reply, definition: LabDefinition, stack: readonly string[] | undefined): void {
  if (!stack || stack.length === 0) return;
  if (definition.resources.length > 0) {
    throw new Refusal(502, 'Changing the layer stack with already deployed resource is not supported', {
      report: true,
    });
  }
  definition.layers = completeStack(reply, layersFrom(stack));
  fixDrbd(definition);
}

export const syncStatus: Handler = ({ lab, params }) => {
  const definition = mustFindDefinition(lab.state, params['rd'] ?? '', { plain: true });
  const now = lab.now();
  const synced = definition.resources
    .filter(isDrbd)
    .flatMap((resource) => resource.volumes)
    .every((volume) => (volume.syncedAt ?? 0) <= now && volume.diskState === undefined);
  return json({ synced_on_all: synced });
};

export const markedForDeletion = (definition: LabDefinition): string =>
  `Resource definition '${definition.name}' marked for deletion.`;

export function forget(lab: Runtime, reply: Reply, definition: LabDefinition): void {
  lab.state.definitions = lab.state.definitions.filter((other) => other !== definition);
  reply.add(DELETED, `Resource definition '${definition.name}' deleted.`, {
    details: `Resource definition '${definition.name}' UUID was: ${definition.uuid}`,
  });
}
