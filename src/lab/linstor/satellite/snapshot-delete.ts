import { removeImage } from '../data/files.ts';
import type { LabDefinition } from '../model/definition.ts';
import { byName, sameName } from '../model/name.ts';
import { doesAnswer, findNode } from '../model/node.ts';
import { findPool, spoken } from '../model/pool.ts';
import type { LabSnapshot, SnapshotPart } from '../model/snapshot.ts';
import { DELETED, MODIFIED } from '../rest/codes.ts';
import type { Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { beginRound, SatelliteFailure, warnOffline } from './pass.ts';

/** Deletes the parts on `nodes`, or all of them and with them the snapshot (linstor-behaviour §3.12). */
export async function deleteSnapshot(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  snapshot: LabSnapshot,
  nodes: readonly string[] = [],
): Promise<void> {
  const inline = `snapshot '${snapshot.name}' of resource '${definition.name}'`;
  const parts = byName(snapshot.parts, (part) => part.node).filter(
    (part) => nodes.length === 0 || nodes.some((node) => sameName(node, part.node)),
  );
  for (const part of parts) {
    reply.add(DELETED, `Marked snapshot for deletion ${inline} on nodes '${part.node}'`);
  }
  refuseDependents(lab, reply, snapshot);
  beginRound(lab, parts);
  for (const part of parts) {
    // What a satellite that is away has of it stays in its pool for ever (linstor-behaviour §3.12).
    if (doesAnswer(findNode(lab.state, part.node))) deletePart(lab, reply, definition, snapshot, part);
    else warnOffline(lab, reply, part.node);
    reply.add(MODIFIED, `Deleted snapshot '${snapshot.name}' of '${definition.name}' on '${part.node}'`);
  }
  snapshot.parts = snapshot.parts.filter((part) => !parts.includes(part));
  if (parts.length > 0) {
    reply.add(
      DELETED,
      `Snapshot '${snapshot.name}' of resource '${definition.name}' on nodes '${parts.map((part) => part.node).join(', ')}' deleted.`,
    );
  }
  if (snapshot.parts.length > 0) return;
  definition.snapshots = definition.snapshots.filter((other) => other !== snapshot);
  const what = `Snapshot '${snapshot.name}' of resource '${definition.name}'`;
  reply.add(DELETED, `${what} deleted.`, {
    details: `${what} UUID was: ${snapshot.uuid}`,
    refs: { UUID: snapshot.uuid },
  });
}

/** Before 1.31 ZFS cannot let go of a snapshot that restored volumes are made of (linstor-behaviour §6.2). */
function refuseDependents(lab: Runtime, reply: Reply, snapshot: LabSnapshot): void {
  if (lab.generation.zfsRename) return;
  for (const resource of lab.state.definitions.flatMap((definition) => definition.resources)) {
    if (!resource.volumes.some((volume) => volume.parent === snapshot.uuid)) continue;
    const message = 'Failed to delete zfs volume: snapshot has dependent clones';
    const report = lab.report(message, 'StorageException', resource.node);
    reply.add(998, `(${resource.node}) ${message}`, { severity: 'error', reports: [report] });
    throw new SatelliteFailure(reply.scope);
  }
}

function deletePart(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  snapshot: LabSnapshot,
  part: SnapshotPart,
): void {
  for (const volume of part.volumes) {
    removeImage(volume.file);
    const kind = spoken(findPool(lab.state, part.node, volume.pool)?.provider ?? 'FILE_THIN');
    const text = `(${part.node}) Snapshot [${kind}] with name '${snapshot.name}' of resource '${definition.name}', volume number ${volume.number} deleted.`;
    reply.add(DELETED, text, {
      object: 'snapshot',
      refs: { RscDfn: definition.name, Snapshot: snapshot.name, VlmNr: String(volume.number) },
    });
  }
}
