import { finishDeletions } from '../api/definition-delete.ts';
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
  delete node.hung;
  if (connection !== 'ONLINE') {
    if (wasOnline) node.offlineSince = lab.now();
    lab.work.endHang(node.name, false);
    return;
  }
  delete node.offlineSince;
  delete node.forgotten;
  const concerned = lab.state.definitions.filter(({ resources }) =>
    resources.some((item) => item.node === name),
  );
  for (const definition of concerned) await fullSync(lab, definition, node.name);
  await finishDeletions(lab, concerned);
  lab.work.endHang(node.name, true);
}

/** A satellite stops answering; after `seconds` the controller takes it for dead. */
export function hang(lab: Runtime, name: string, seconds: number | undefined): void {
  const node = findNode(lab.state, name);
  if (!node) throw new Error(`the lab has no node '${name}'`);
  if (node.connection !== 'ONLINE') return;
  node.hung = true;
  lab.work.hang(node.name);
  if (seconds === undefined) return;
  lab.later(seconds * 1000, () =>
    lab.exclusively(async () => {
      if (node.hung) await setConnection(lab, node.name, 'OFFLINE');
    }),
  );
}

async function fullSync(lab: Runtime, definition: LabDefinition, node: string): Promise<void> {
  const here = definition.resources.filter((item) => item.node === node);
  if (here.length === 0) return;
  for (const resource of here) {
    if (isDeleting(resource) && !definition.flags.includes('DELETE')) {
      await dismantle(lab, undefined, definition, resource);
      definition.resources = definition.resources.filter((other) => other !== resource);
    } else if (!isDeleting(resource)) {
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
}

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
