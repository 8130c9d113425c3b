import {
  type LabDefinition,
  layersOf,
  lookupDefinition,
  mustFindDefinition,
  type VolumeDefinition,
  volumeDefinitionJson,
} from '../model/definition.ts';
import { randomGeneration } from '../model/drbd.ts';
import { findPool } from '../model/pool.ts';
import { changeProps } from '../model/properties.ts';
import { isDrbd } from '../model/resource.ts';
import type { Body } from '../rest/body.ts';
import { type Call, done, type Handler, json, number, object, page, text, texts } from '../rest/call.ts';
import { CREATED, MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { assignMinors, markVolumes, newVolume } from '../satellite/deploy.ts';
import { pass } from '../satellite/pass.ts';
import { propsChange } from './groups.ts';
import { applyResize, checkResize, MAX_KIB } from './volume-resize.ts';

export const list: Handler = ({ lab, params, query }) => {
  const definition = lookupDefinition(lab.state, params['rd'] ?? '');
  return json(page(query, definition.volumes).map((volume) => volumeDefinitionJson(definition, volume)));
};

export const get: Handler = ({ lab, params }) => {
  const definition = lookupDefinition(lab.state, params['rd'] ?? '');
  const volume = definition.volumes.find((item) => item.number === Number(params['number']));
  if (!volume) throw new Refusal(303, `Volume definition '${params['number']}' not found.`, { plain: true });
  return json(volumeDefinitionJson(definition, volume));
};

/** New volume definition, checked; not yet part of `definition`. */
export function newVolumeDefinition(
  definition: LabDefinition,
  wish: number,
  sizeKib: number,
  flags: string[] = [],
): VolumeDefinition {
  const drbd = layersOf(definition).includes('DRBD') && definition.layers.length > 0;
  const [min, max] = drbd ? [4, MAX_KIB] : [1, Number.MAX_SAFE_INTEGER];
  if (sizeKib < min || sizeKib > max) {
    const range = drbd
      ? `${sizeKib} is out of range [${min} - ${max}]`
      : `Volume size value ${sizeKib} is out of range [1 - 9223372036854775807] for non-DRBD`;
    throw new Refusal(
      206,
      `The volume definition with number '${wish}' of resource definition '${definition.name}' has an invalid size of '${sizeKib}'. Valid sizes range from 4 to ${MAX_KIB}.`,
      { cause: drbd ? `Volume size value ${range} for DRBD` : range },
    );
  }
  return {
    number: wish,
    uuid: crypto.randomUUID(),
    sizeKib,
    props: { DrbdCurrentGi: randomGeneration() },
    flags,
  };
}

/** Lowest number that neither a volume nor a snapshot uses. */
export function nextNumber(definition: LabDefinition): number {
  const taken = new Set([
    ...definition.volumes.map((volume) => volume.number),
    ...definition.snapshots.flatMap((snapshot) => snapshot.volumes.map((volume) => volume.number)),
  ]);
  let next = 0;
  while (taken.has(next)) next += 1;
  return next;
}

export function refuseLockedLuks(lab: Runtime, definition: LabDefinition): void {
  const { passphrase, locked } = lab.state.encryption;
  if (!definition.layers.includes('LUKS') || (passphrase !== undefined && !locked)) return;
  throw new Refusal(312, 'Unable to create encrypt key without having a master key', {
    cause: 'The masterkey was not initialized yet',
    correction: 'Create or enter the master passphrase',
    report: true,
  });
}

export const create: Handler = async (call) => {
  const { lab } = call;
  const name = call.params['rd'] ?? '';
  const given = object(call.body, 'volume_definition') ?? {};
  const subject = `Volume definitions for resource definition '${name}'`;
  const scope = { operation: 'create', object: 'volume-definition' } as const;
  call.scope({ ...scope, refs: { RscDfn: name }, subject });
  const definition = mustFindDefinition(lab.state, name);
  const wish = number(given, 'volume_number') ?? nextNumber(definition);
  const refs = { RscDfn: definition.name, VlmNr: String(wish) };
  call.scope({
    ...scope,
    refs,
    subject: `Resource definition: ${definition.name}, Volume number: ${wish}\n${subject}`,
  });
  if (wish < 0 || wish > 65534) {
    throw new Refusal(
      205,
      `The specified volume number '${wish}' is invalid. Volume numbers have to be in range of 0 - 65534.`,
      { cause: `Volume number ${wish} is out of range [0 - 65534]`, report: true },
    );
  }
  if (definition.volumes.some((volume) => volume.number === wish)) {
    throw new Refusal(
      503,
      `A volume definition with the number ${wish} already exists in resource definition '${definition.name}'.`,
      {
        cause: 'The VolumeDefinition already exists',
      },
    );
  }
  const volume = newVolumeDefinition(
    definition,
    wish,
    number(given, 'size_kib') ?? 0,
    texts(given, 'flags') ?? [],
  );
  refuseLockedLuks(lab, definition);
  const reply = call.scope({ ...scope, refs: { RscDfn: definition.name }, subject });
  changeProps(
    reply,
    volume.props,
    { override: given['props'] as Record<string, string> | undefined },
    { owner: 'V', object: 'volume-definition' },
  );
  add(lab, call.body, definition, volume);
  reply.add(
    CREATED,
    `New volume definition with number '${wish}' of resource definition '${definition.name}' created.`,
    {
      refs: { VlmNr: String(wish) },
    },
  );
  if (definition.resources.length > 0) {
    await pass(lab, reply, definition, {
      message: (resource) => `Created volume for resource '${definition.name}' on '${resource.node}'`,
    });
  }
  return done(reply);
};

function add(lab: Runtime, body: Body, definition: LabDefinition, volume: VolumeDefinition): void {
  const passphrase = text(body, 'passphrase');
  if (passphrase) volume.passphrase = passphrase;
  const minor = number(body, 'drbd_minor_number');
  if (minor !== undefined) volume.minor = minor;
  definition.volumes.push(volume);
  definition.volumes.sort((a, b) => a.number - b.number);
  for (const resource of definition.resources) {
    const like = resource.volumes[0];
    const pool = findPool(lab.state, resource.node, like?.pool ?? resource.props['StorPoolName'] ?? '');
    if (!pool) continue;
    resource.volumes.push(newVolume(volume.number, pool, volume.sizeKib));
    resource.volumes.sort((a, b) => a.number - b.number);
    if (isDrbd(resource)) assignMinors(lab, definition);
    // A volume added later gets no block size of its own (recorded).
    markVolumes({ ...definition, volumes: [volume] }, pool, resource.layers, false);
  }
}

interface Found {
  readonly definition: LabDefinition;
  readonly volume: VolumeDefinition;
  readonly reply: Reply;
}

export function find(call: Call, operation: 'modify' | 'delete'): Found {
  const [name = '', wish = ''] = [call.params['rd'], call.params['number']];
  const refs = { RscDfn: name, VlmNr: wish };
  const subject = `Resource definition: ${name}, Volume number: ${wish}`;
  const reply = call.scope({ operation, object: 'volume-definition', refs, subject });
  if (operation === 'delete') {
    const definition = call.lab.state.definitions.find(
      (item) => item.name.toUpperCase() === name.toUpperCase(),
    );
    const volume = definition?.volumes.find((item) => item.number === Number(wish));
    if (!definition || !volume) throw new Refusal(3000, `${subject} not found.`, { severity: 'warning' });
    return { definition, volume, reply };
  }
  const definition = mustFindDefinition(call.lab.state, name);
  const volume = definition.volumes.find((item) => item.number === Number(wish));
  if (!volume) {
    const what = `Volume definition '${name}' with volume number '${wish}'`;
    throw new Refusal(303, `${what} not found.`, {
      cause: `The specified ${what.replace('Volume', 'volume')} could not be found in the database`,
      correction: `Create a volume definition with the name '${name}' first.`,
    });
  }
  return { definition, volume, reply };
}

export const modify: Handler = async (call) => {
  const { lab, body } = call;
  const { definition, volume, reply } = find(call, 'modify');
  const size = number(body, 'size_kib');
  const resize = size !== undefined && size !== volume.sizeKib;
  if (size !== undefined) checkResize(lab, definition, volume, size);
  const change = propsChange(body);
  // `delete_namespaces` is ignored here (linstor-behaviour §3.8).
  const changed = changeProps(
    reply,
    volume.props,
    { ...change, namespaces: [] },
    { owner: 'V', object: 'volume-definition' },
  );
  if (size === volume.sizeKib && lab.generation.warnsSameSize) {
    reply.add(
      1023,
      'VolumeDefinition already has the expected size, no satellite update will be triggered.',
      { severity: 'warning' },
    );
  }
  if (resize) volume.sizeKib = size;
  const what = `Volume definition with number '${volume.number}' of resource definition '${definition.name}'`;
  reply.add(MODIFIED, `${what} modified.`, {
    details: `${what} UUID is: ${volume.uuid}`,
    refs: { UUID: volume.uuid },
  });
  if (definition.resources.length > 0) {
    if (resize) await applyResize(lab, reply, definition, volume);
    else if (changed) {
      await pass(lab, reply, definition, {
        message: (resource) =>
          `Updated volume ${volume.number} of '${definition.name}' on '${resource.node}'`,
      });
    }
  }
  return done(reply);
};

export const changePassphrase: Handler = (call) => {
  const { definition, volume, reply } = find(call, 'modify');
  const fresh = text(call.body, 'new_passphrase');
  if (!definition.layers.includes('LUKS')) {
    throw new Refusal(3000, 'No resources have any luks layer, no passphrase has been changed.', {
      severity: 'warning',
    });
  }
  refuseLockedLuks(call.lab, definition);
  if (fresh) volume.passphrase = fresh;
  reply.add(
    MODIFIED,
    `Volume definition with number '${volume.number}' of resource definition '${definition.name}' modified.`,
  );
  return done(reply);
};
