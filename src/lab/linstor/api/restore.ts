import { imageExists } from '../data/files.ts';
import { type LabDefinition, mustFindDefinition } from '../model/definition.ts';
import { byName, sameName } from '../model/name.ts';
import { missing, mustFindNode } from '../model/node.ts';
import { findPool } from '../model/pool.ts';
import type { LabResource } from '../model/resource.ts';
import type { LabSnapshot, SnapshotPart } from '../model/snapshot.ts';
import { done, type Handler, map, text, texts } from '../rest/call.ts';
import { CREATED, DELETED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { deploy, register } from '../satellite/deploy.ts';
import { addTieBreaker, settleQuorum } from '../satellite/quorum.ts';
import { mustFindSnapshot } from './snapshots.ts';
import { newVolumeDefinition } from './volume-definitions.ts';

/** Restoring a snapshot into another definition, in two steps (linstor-behaviour §3.12). */

export const volumeDefinitions: Handler = (call) => {
  const { lab, params } = call;
  const target = text(call.body, 'to_resource') ?? '';
  const reply = call.scope({
    operation: 'create',
    object: 'snapshot',
    refs: {},
    subject: `Volume definitions of resource: ${target}`,
  });
  const source = mustFindDefinition(lab.state, params['rd'] ?? '');
  const definition = mustFindDefinition(lab.state, target);
  const snapshot = mustFindSnapshot(source, params['snapshot'] ?? '');
  for (const volume of snapshot.volumes) {
    if (definition.volumes.some((item) => item.number === volume.number)) {
      throw new Refusal(
        503,
        `A volume definition with the number ${volume.number} already exists in resource definition '${definition.name}'.`,
        {
          cause: 'The VolumeDefinition already exists',
        },
      );
    }
  }
  for (const volume of snapshot.volumes) {
    const fresh = newVolumeDefinition(definition, volume.number, volume.sizeKib);
    const generation = volume.props['DrbdCurrentGi'];
    if (generation) fresh.props['DrbdCurrentGi'] = generation;
    const secret = source.volumes.find((item) => item.number === volume.number)?.passphrase;
    if (secret) fresh.passphrase = secret;
    definition.volumes.push(fresh);
  }
  definition.volumes.sort((a, b) => a.number - b.number);
  // The real answer says "deleted" for this success, and lists no UUIDs.
  reply.add(
    DELETED,
    `Volume definitions of resource definition '${definition.name}' restored from resource '${source.name}', snapshot '${snapshot.name}'.`,
    {
      details: 'Resource UUIDs: ',
    },
  );
  return done(reply);
};

export const resources: Handler = async (call) => {
  const { lab, params, body } = call;
  const target = text(body, 'to_resource') ?? '';
  const nodes = texts(body, 'nodes') ?? [];
  const where = nodes.length > 0 ? `Nodes: ${nodes.join(', ')}; ` : '';
  const reply = call.scope({
    operation: 'create',
    object: 'resource',
    refs: { RscDfn: target },
    subject: `${where}Resource: ${target}`,
  });
  const source = mustFindDefinition(lab.state, params['rd'] ?? '');
  const snapshot = mustFindSnapshot(source, params['snapshot'] ?? '');
  const definition = mustFindDefinition(lab.state, target);
  if (definition.resources.length > 0) {
    throw new Refusal(502, 'Cannot restore to resource definition which already has resources', {
      report: true,
    });
  }
  if (!snapshot.flags.includes('SUCCESSFUL')) {
    throw new Refusal(998, `Unable to restore from failed snapshot '${snapshot.name}'.`, { report: true });
  }
  const parts = chooseParts(lab, source, snapshot, nodes);
  const rename = map(body, 'stor_pool_rename') ?? {};
  await restoreResources(lab, reply, { source, snapshot, definition, parts, rename });
  return done(reply);
};

function chooseParts(
  lab: Runtime,
  source: LabDefinition,
  snapshot: LabSnapshot,
  nodes: readonly string[],
): SnapshotPart[] {
  if (nodes.length === 0) return byName(snapshot.parts, (part) => part.node);
  return nodes.map((node) => {
    const name = mustFindNode(lab.state, node).name;
    const part = snapshot.parts.find((item) => sameName(item.node, name));
    if (!part) {
      throw new Refusal(
        315,
        `Snapshot '${snapshot.name}' of resource '${source.name}' on node '${name}' not found.`,
        { report: true },
      );
    }
    return part;
  });
}

export interface Restore {
  readonly source: LabDefinition;
  readonly snapshot: LabSnapshot;
  readonly definition: LabDefinition;
  readonly parts: readonly SnapshotPart[];
  readonly rename?: Readonly<Record<string, string>>;
}

/** `reply` speaks about the resource; what happens on nodes is said in terms of the snapshot. */
export async function restoreResources(
  lab: Runtime,
  reply: Reply,
  restore: Restore,
  placing: Reply = reply.within({ object: 'snapshot' }),
): Promise<void> {
  const { source, snapshot, definition } = restore;
  checkSizes(definition, snapshot);
  if (definition.volumes.length === 0) {
    reply.add(3000, 'No volumes to restore.', {
      severity: 'warning',
      details:
        'The target resource definition has no volume definitions. The restored resources will be empty.',
      correction: 'Restore the volume definitions to the target resource definition.',
      withSubject: true,
    });
  }
  // Properties of the snapshot are laid over those of the target, Aux ones too (linstor-behaviour §3.12).
  Object.assign(definition.props, snapshot.resourceProps);
  const fresh = restore.parts.map((part) => registerPart(lab, restore, part));
  const tieBreaker = addTieBreaker(lab, placing, definition);
  settleQuorum(lab, placing, definition);
  const all: LabResource[] = tieBreaker ? [...fresh, tieBreaker] : fresh;
  reply.add(
    CREATED,
    `Resource '${definition.name}' restored from resource '${source.name}', snapshot '${snapshot.name}'.`,
    {
      details: `Resource UUIDs: ${all.map((resource) => resource.uuid).join(', ')}`,
    },
  );
  await deploy(lab, definition, fresh, { reply: placing, ready: reply, restored: true });
  if (tieBreaker)
    await deploy(lab, definition, [tieBreaker], { reply: placing, ready: reply, restored: true });
  // The call ends with "Cleanup restore-properties", whoever was there: a satellite that comes back later makes the volume empty.
  for (const resource of fresh) {
    for (const volume of resource.volumes) if (!volume.made) delete volume.origin;
  }
}

function checkSizes(definition: LabDefinition, snapshot: LabSnapshot): void {
  for (const volume of definition.volumes) {
    const taken = snapshot.volumes.find((item) => item.number === volume.number);
    if (!taken)
      throw new Refusal(314, `Snapshot does not contain required volume number ${volume.number}`, {
        report: true,
      });
    if (taken.sizeKib !== volume.sizeKib) {
      throw new Refusal(
        206,
        `Snapshot size does not match for volume number ${volume.number}; snapshot size: ${taken.sizeKib}KiB, required size: ${volume.sizeKib}KiB`,
        { report: true },
      );
    }
  }
}

function registerPart(lab: Runtime, restore: Restore, part: SnapshotPart): LabResource {
  const { definition } = restore;
  const from = part.volumes[0]?.pool ?? part.resourceProps['StorPoolName'] ?? '';
  const name = restore.rename?.[from] ?? from;
  const pool = findPool(lab.state, part.node, name);
  if (!pool) throw missing('storage pool', 310, name, { where: ` on node '${part.node}'` });
  const resource = register(lab, definition, { node: part.node, pool, layers: part.layers });
  for (const volume of resource.volumes) {
    const file = part.volumes.find((item) => item.number === volume.number)?.file;
    if (imageExists(file)) volume.origin = file;
    if (volume.provider.startsWith('ZFS')) volume.parent = restore.snapshot.uuid;
  }
  for (const volume of definition.volumes) {
    Object.assign(
      volume.props,
      restore.snapshot.volumes.find((item) => item.number === volume.number)?.props,
    );
  }
  return resource;
}
