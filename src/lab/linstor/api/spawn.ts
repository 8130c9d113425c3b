import type { LabDefinition } from '../model/definition.ts';
import { mergeFilter } from '../model/filter.ts';
import { type LabGroup, mustFindGroup } from '../model/group.ts';
import { checkName } from '../model/name.ts';
import { changeProps } from '../model/properties.ts';
import { type Call, done, flag, type Handler, map, number, text, texts } from '../rest/call.ts';
import { CREATED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import { newDefinition, refuseExisting } from './definitions.ts';
import { filterOf } from './groups.ts';
import { completeStack, fixDrbd, layersFrom, warnLockedLuks } from './layers.ts';
import { choosePools, deployPlaces, registerPlaces, shownFilter, stackFor } from './placing.ts';
import { newVolumeDefinition, refuseLockedLuks } from './volume-definitions.ts';

/** Definition, volumes and placement in one transaction (linstor-behaviour §3.5). */
export const spawn: Handler = async (call) => {
  const { lab, body } = call;
  const { state } = lab;
  const groupName = call.params['group'] ?? '';
  const name = text(body, 'resource_definition_name') ?? null;
  const reply = call.scope({
    operation: 'create',
    object: 'group',
    refs: { RscDfn: name, RscGrp: groupName },
    subject: `Resource group: ${groupName}`,
  });
  const group = mustFindGroup(state, groupName);
  if (name === null) {
    const text = `Registration of resource group '${group.name}' failed due to an unhandled exception of type ApiException. com.linbit.ImplementationError: Resource name must not be null!`;
    throw new Refusal(998, text, { report: true });
  }
  checkName('definition', name);
  const sizes = (body['volume_sizes'] as number[] | undefined) ?? [];
  if (group.volumes.length === 0) {
    reply.add(0, "Resource-group doesn't have any volume-groups, automatically assume partial mode.", {
      severity: 'info',
    });
  } else if (sizes.length !== group.volumes.length && flag(body, 'partial') !== true) {
    throw wrongSizes(group, sizes.length);
  }
  refuseExisting(state, name);
  const definition = build(call, reply, group, name, sizes);
  const filter = mergeFilter(group.filter, filterOf(body));
  const layers = stackFor(reply, definition, filter);
  const only = flag(body, 'definitions_only') === true;
  const count = filter.place_count ?? 0;
  const shown = shownFilter(definition, filter, count, layers, count);
  // Nothing remains when there is no room: choose before anything is kept.
  const pools = only || count === 0 ? undefined : choosePools(lab, definition, filter, layers, count, shown);
  state.definitions.push(definition);
  if (!pools) {
    const reasons = [
      ...(count === 0
        ? ['No autoplace configuration in the given resource group (at least place-count required)']
        : []),
      ...(only ? ['--definitions-only was set'] : []),
    ];
    reply.add(
      10000,
      `Resource definition ${definition.name} and ${definition.volumes.length} created but no resources deployed`,
      {
        severity: 'info',
        cause: reasons.join(' and '),
      },
    );
    return done(reply, 201);
  }
  const placed = registerPlaces(lab, reply, definition, pools, layers, filter.diskless_on_remaining === true);
  await deployPlaces(lab, reply, definition, placed);
  return done(reply, 201);
};

function wrongSizes(group: LabGroup, count: number): Refusal {
  return new Refusal(228, `Invalid count of volume sizes to spawn resource group '${group.name}'`, {
    details: `The resource group '${group.name}' has ${group.volumes.length} Volume groups, but only ${count} sizes were provided.`,
    correction: "Either provide the correct count of volume sizes or use the 'partial' option",
  });
}

/** The definition with its volumes, not yet part of the cluster; every refusal comes before it is. */
function build(
  call: Call,
  reply: Reply,
  group: LabGroup,
  name: string,
  sizes: readonly number[],
): LabDefinition {
  const { lab, body } = call;
  const definition = newDefinition(name, group.name);
  changeProps(reply, definition.props, { override: map(body, 'resource_definition_props') }, { owner: 'D' });
  const slots = number(body, 'peer_slots') ?? group.peerSlots;
  if (slots !== undefined) definition.peerSlots = slots;
  const filter = mergeFilter(group.filter, filterOf(body));
  definition.layers = completeStack(reply, layersFrom(filter.layer_stack ?? ['DRBD', 'STORAGE']));
  const external = text(body, 'resource_definition_external_name');
  if (external) definition.externalName = external;
  const secrets = texts(body, 'volume_passphrases');
  if (secrets && secrets.length > 0 && secrets.length !== sizes.length) {
    throw new Refusal(234, "Volume passphrase count doesn't match specified volume count.", {
      correction: 'Please provide the same amount of volume passphrases as volumes for this resource-group',
    });
  }
  warnLockedLuks(lab, reply, definition.layers);
  for (const [index, size] of sizes.entries()) {
    const wish = group.volumes[index]?.number ?? index;
    const volume = newVolumeDefinition(definition, wish, size);
    const secret = secrets?.[index];
    if (secret) volume.passphrase = secret;
    definition.volumes.push(volume);
  }
  if (sizes.length > 0) refuseLockedLuks(lab, definition);
  fixDrbd(definition);
  announceDefinition(reply, definition);
  return definition;
}

function announceDefinition(reply: Reply, definition: LabDefinition): void {
  for (const volume of definition.volumes) {
    // Two blanks: so it stands in the real answer.
    reply.add(
      CREATED,
      `Volume definition with number '${volume.number}' successfully  created in resource definition '${definition.name}'.`,
      {
        object: 'volume-definition',
        refs: { VlmNr: String(volume.number) },
      },
    );
  }
  reply.add(CREATED, `New resource definition '${definition.name}' created.`, {
    object: 'definition',
    details: `Resource definition '${definition.name}' UUID is: ${definition.uuid}`,
    refs: { UUID: definition.uuid },
  });
}
