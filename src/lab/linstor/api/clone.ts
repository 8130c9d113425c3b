import { copyImage, imageExists, removeImage } from '../data/files.ts';
import {
  findDefinition,
  type LabDefinition,
  type LayerKind,
  mustFindDefinition,
} from '../model/definition.ts';
import { findGroup, mustFindGroup } from '../model/group.ts';
import { checkName } from '../model/name.ts';
import { findNode, isOnline } from '../model/node.ts';
import { choose } from '../model/placement.ts';
import { DISKLESS_POOL, findPool, type LabPool, traitsOf } from '../model/pool.ts';
import { changeProps } from '../model/properties.ts';
import { clearFlags, diskful, isDiskless, isDrbd, type LabResource, setFlags } from '../model/resource.ts';
import { type Answer, type Call, flag, type Handler, json, map, text, texts } from '../rest/call.ts';
import { Refusal, type Reply, statusOf } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { announce, register } from '../satellite/deploy.ts';
import { type Place, resizeVolume } from '../satellite/device.ts';
import { drbdSays, pass } from '../satellite/pass.ts';
import { settleQuorum } from '../satellite/quorum.ts';
import { newDefinition, refuseExisting } from './definitions.ts';
import { propsChange } from './groups.ts';
import { completeStack, fixDrbd, layersFrom } from './layers.ts';
import { sizeOf } from './placing.ts';
import { newVolumeDefinition } from './volume-definitions.ts';
import { allUpToDate } from './volume-resize.ts';

/** Native clone (linstor-behaviour §3.13): answers when the copy has started; its status is polled. */
export const clone: Handler = async (call) => {
  const { lab } = call;
  const sourceName = call.params['rd'] ?? '';
  const source = mustFindDefinition(lab.state, sourceName, { plain: true });
  const name = text(call.body, 'name') ?? null;
  const reply = call.scope({
    operation: 'create',
    object: 'definition',
    refs: { RscDfn: name },
    subject: `Resource definition: ${name}`,
  });
  // Errors stand among the messages, not in a plain list.
  const answer = (messages: unknown, status: number): Answer => {
    const shown = name ?? '__invalid_name__';
    return json(
      {
        location: `/v1/resource-definitions/${sourceName}/clone/${shown}`,
        source_name: sourceName,
        clone_name: shown,
        messages,
      },
      status,
    );
  };
  try {
    await run(call, reply, source, name);
    return answer(reply.entries, 201);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const entry = call.answerIn(() => {
      throw error;
    });
    const status = lab.generation.cloneErrorsAre500 ? Math.max(500, statusOf(error.code)) : 201;
    return answer([...reply.entries, entry], status);
  }
};

async function run(call: Call, reply: Reply, source: LabDefinition, name: string | null): Promise<void> {
  const { lab, body } = call;
  if (name === null) throw new Refusal(202, 'No name for the cloned resource was specified.');
  checkName('definition', name);
  refuseExisting(lab.state, name);
  const group = text(body, 'resource_group') ?? source.group;
  mustFindGroup(lab.state, group);
  const list = texts(body, 'layer_list') ?? [];
  const layers =
    list.length > 0 ? completeStack(reply, layersFrom(list)) : (diskful(source)[0]?.layers ?? source.layers);
  refuseUnfit(lab, source);
  const target = newDefinition(name, group);
  target.layers = [...layers];
  const pools = poolsFor(lab, source, target);
  changeProps(undefined, {}, { override: map(body, 'override_props') }, { owner: 'D' });
  await pass(lab, reply, source, { message: () => `Suspend IO on clone source ${source.name}` });
  fill(call, reply, source, target);
  await copyResources(lab, reply, source, target, pools);
}

function refuseUnfit(lab: Runtime, source: LabDefinition): void {
  const replicas = diskful(source);
  const away = source.resources.find((resource) => !isOnline(findNode(lab.state, resource.node)));
  if (away) throw new Refusal(995, `No active connection to satellite '${away.node}'.`, { report: true });
  const skipped = replicas.find((resource) => resource.props['DrbdOptions/SkipDisk'] !== undefined);
  if (skipped) throw new Refusal(243, `Resource ${source.name} has skip-disk set, unable to clone.`);
  if (!allUpToDate(lab, source)) {
    throw new Refusal(974, 'Cannot clone resource-definition, because we have a non-UpToDate DRBD device.');
  }
  const fixed = replicas.some((resource) =>
    resource.volumes.some((volume) => {
      const pool = findPool(lab.state, resource.node, volume.pool);
      return !traitsOf(volume.provider).clone && pool?.clonePatched !== true;
    }),
  );
  if (fixed) throw new Refusal(227, 'Clone source contains unsupported storage pools', { report: true });
}

/** Pools are chosen again on the nodes of the source, by the target's group. */
function poolsFor(lab: Runtime, source: LabDefinition, target: LabDefinition): Map<string, LabPool> {
  const replicas = diskful(source);
  const filter = { ...findGroup(lab.state, target.group)?.filter };
  const chosen = new Map<string, LabPool>();
  for (const resource of replicas) {
    const found = choose(lab.state, {
      filter: { ...filter, node_name_list: [resource.node] },
      layers: target.layers,
      sizeKib: sizeOf(source),
      count: 1,
    });
    if (found?.[0]) chosen.set(resource.node, found[0]);
  }
  if (replicas.length === 0 || chosen.size < replicas.length) {
    throw new Refusal(996, 'No suitable storage pools found for cloning.', { report: true });
  }
  return chosen;
}

function fill(call: Call, reply: Reply, source: LabDefinition, target: LabDefinition): void {
  const { body, lab } = call;
  target.props = { ...source.props };
  changeProps(reply, target.props, propsChange(body), { owner: 'D' });
  target.props['cloned-from'] = source.name;
  if (flag(body, 'use_zfs_clone') === true) target.props['use-zfs-clone'] = 'true';
  const sizes = (body['volume_sizes'] as number[] | undefined) ?? [];
  for (const [index, volume] of source.volumes.entries()) {
    const fresh = newVolumeDefinition(target, volume.number, Math.max(volume.sizeKib, sizes[index] ?? 0));
    fresh.props = { ...volume.props };
    const secret = texts(body, 'volume_passphrases')?.[index] ?? volume.passphrase;
    if (secret) fresh.passphrase = secret;
    target.volumes.push(fresh);
  }
  fixDrbd(target);
  setFlags(target, 'CLONING');
  lab.state.definitions.push(target);
}

async function copyResources(
  lab: Runtime,
  reply: Reply,
  source: LabDefinition,
  target: LabDefinition,
  pools: ReadonlyMap<string, LabPool>,
): Promise<void> {
  for (const resource of source.resources) {
    const pool = pools.get(resource.node) ?? findPool(lab.state, resource.node, DISKLESS_POOL);
    if (!pool) continue;
    const flags = isDiskless(resource) ? ['DISKLESS', 'DRBD_DISKLESS'] : [];
    announce(
      reply,
      target,
      register(lab, target, { node: resource.node, pool, layers: stackOn(target, resource), flags }),
    );
  }
  settleQuorum(lab, reply.within({ refs: {} }), { ...target, props: { ...target.props } });
  await pass(lab, reply, source, {
    message: (item) => `Set snapshot for clone property of '${source.name}' on '${item.node}'`,
  });
  for (const resource of target.resources) await holdContent(source, target, resource);
  await pass(lab, reply, source, {
    message: (item) => `Resumed IO of '${source.name}' on '${item.node}' after clone`,
  });
  await pass(lab, reply, target, {
    drbd: (item) => (isDiskless(item) ? 'adjusted' : 'silent'),
    message: (item) => `Created resource '${target.name}' on '${item.node}'`,
  });
  for (const volume of target.resources.flatMap((resource) => resource.volumes)) {
    setFlags(volume, 'CLONING');
    volume.cloneState = 'Cloning';
  }
  target.clone = { source: source.name, readyAt: lab.now() + lab.tuning.cloneSeconds * 1000 };
  for (const item of target.resources.filter(isDiskless)) {
    if (isDrbd(item)) drbdSays(reply.within({ operation: 'modify' }), target, item, 'adjusted.');
  }
  await pass(lab, reply, target, {
    storage: false,
    drbd: (item) => (isDiskless(item) ? 'adjusted' : 'silent'),
    message: () => `Disabled start cloning flag ${target.name}`,
  });
  lab.later(lab.tuning.cloneSeconds * 1000 + 5, () => lab.exclusively(() => settleClones(lab)));
}

const stackOn = (target: LabDefinition, like: LabResource): LayerKind[] =>
  target.layers.length > 0 ? target.layers : like.layers;

/** The source's content as it is now; it reaches the target when the copy is done, not before (linstor-behaviour §3.13). */
async function holdContent(
  source: LabDefinition,
  target: LabDefinition,
  resource: LabResource,
): Promise<void> {
  const like = source.resources.find((item) => item.node === resource.node);
  for (const volume of resource.volumes) {
    const from = like?.volumes.find((item) => item.number === volume.number)?.file;
    if (!imageExists(from)) continue;
    volume.pendingContent = `${from}.for-${target.name}`;
    await copyImage(from, volume.pendingContent);
  }
}

/** Copies under way: a second request waits for them instead of seeing half of one. */
const finishing = new WeakMap<LabDefinition, Promise<void>>();

/** Finishes clones whose time has come; called before every request and by a timer. */
export async function settleClones(lab: Runtime): Promise<void> {
  const due = lab.state.definitions.filter(
    (definition) =>
      definition.clone && definition.flags.includes('CLONING') && definition.clone.readyAt <= lab.now(),
  );
  for (const definition of due) {
    const work = finishing.get(definition) ?? finish(lab, definition);
    finishing.set(definition, work);
    await work;
  }
}

async function finish(lab: Runtime, definition: LabDefinition): Promise<void> {
  const broken = definition.resources.some((resource) => !isOnline(findNode(lab.state, resource.node)));
  for (const resource of definition.resources) {
    for (const volume of resource.volumes) {
      await finishVolume(lab, { definition, resource, volume }, broken);
    }
  }
  clearFlags(definition, 'CLONING');
  if (!broken || !definition.clone) return;
  definition.clone.failed = true;
  setFlags(definition, 'FAILED');
}

async function finishVolume(lab: Runtime, place: Place, broken: boolean): Promise<void> {
  const { volume } = place;
  const content = volume.pendingContent;
  if (imageExists(content) && imageExists(volume.file) && !broken) await copyImage(content, volume.file);
  removeImage(content);
  delete volume.pendingContent;
  await resizeVolume(lab, place);
  clearFlags(volume, 'CLONING');
  volume.cloneState = broken ? 'CloningFailed' : 'CloningDone';
  if (!broken) setFlags(volume, 'CLONING_FINISHED');
}

/** The source in the path is ignored (recorded). */
export const status: Handler = async ({ lab, params }) => {
  const name = checkName('definition', params['target'] ?? '', true);
  const definition = findDefinition(lab.state, name);
  if (!definition?.props['cloned-from'])
    throw new Refusal(301, 'Cloned resource not found.', { plain: true });
  const away = definition.resources.some((resource) => !isOnline(findNode(lab.state, resource.node)));
  if (definition.clone?.failed || away) return json({ status: 'FAILED' });
  return json({ status: definition.flags.includes('CLONING') ? 'CLONING' : 'COMPLETE' });
};
