import { dismantle } from '../api/resource-delete.ts';
import type { LabDefinition } from '../model/definition.ts';
import { findNode } from '../model/node.ts';
import { isDeleting, type LabResource } from '../model/resource.ts';
import type { Runtime } from '../runtime.ts';
import { makeVolume, removeVolume, resizeVolume } from './device.ts';
import { noteInitialized } from './first-replica.ts';

/**
 * A satellite goes away or comes back. What was decided meanwhile is done at its return: volumes made,
 * resized, resources with a DELETE mark removed (linstor-behaviour §7.8).
 */
export async function setConnection(lab: Runtime, name: string, connection: string): Promise<void> {
  const node = findNode(lab.state, name);
  if (!node) throw new Error(`the lab has no node '${name}'`);
  const wasOnline = node.connection === 'ONLINE';
  node.connection = connection;
  if (connection !== 'ONLINE') {
    if (wasOnline) node.offlineSince = lab.now();
    return;
  }
  delete node.offlineSince;
  delete node.forgotten;
  for (const definition of [...lab.state.definitions]) await fullSync(lab, definition, node.name);
}

async function fullSync(lab: Runtime, definition: LabDefinition, node: string): Promise<void> {
  const here = definition.resources.filter((item) => item.node === node);
  if (here.length === 0) return;
  for (const resource of here) {
    if (isDeleting(resource)) {
      await dismantle(lab, undefined, definition, resource);
      definition.resources = definition.resources.filter((other) => other !== resource);
    } else {
      await catchUp(lab, definition, resource);
    }
  }
  noteInitialized(lab, definition);
  const gone = definition.volumes.filter(
    (volume) =>
      volume.flags.includes('DELETE') &&
      !definition.resources.some((item) => item.volumes.some((v) => v.number === volume.number)),
  );
  definition.volumes = definition.volumes.filter((volume) => !gone.includes(volume));
  if (isGone(definition)) {
    lab.state.definitions = lab.state.definitions.filter((other) => other !== definition);
  }
}

const isGone = (definition: LabDefinition): boolean =>
  definition.flags.includes('DELETE') &&
  definition.resources.length === 0 &&
  definition.snapshots.length === 0;

async function catchUp(lab: Runtime, definition: LabDefinition, resource: LabResource): Promise<void> {
  for (const volume of [...resource.volumes]) {
    const place = { definition, resource, volume };
    if (volume.flags.includes('DELETE')) {
      await removeVolume(lab, place);
      resource.volumes = resource.volumes.filter((other) => other !== volume);
    } else if (volume.made) {
      await resizeVolume(lab, place);
    } else {
      await makeVolume(lab, place);
    }
  }
  resource.createdAt ??= lab.now();
}

/**
 * The controller starts anew: satellites are away, then connected, then there again; device paths are
 * unknown and encryption is locked until then (recorded: within a second after the first answer).
 */
export function restartController(lab: Runtime, seconds: number): void {
  lab.state.encryption.locked = true;
  for (const node of lab.state.nodes.filter((item) => item.connection === 'ONLINE')) {
    node.connection = 'OFFLINE';
    node.forgotten = true;
    lab.later(seconds * 500, () => {
      node.connection = 'CONNECTED';
    });
    lab.later(seconds * 1000, () => lab.exclusively(() => setConnection(lab, node.name, 'ONLINE')));
  }
  lab.save();
}
