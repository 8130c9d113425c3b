import type { LabDefinition } from '../model/definition.ts';
import { findNode, isOnline } from '../model/node.ts';
import { DISKLESS_POOL } from '../model/pool.ts';
import { diskful, isDrbd, type LabResource } from '../model/resource.ts';
import { CREATED, MODIFIED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Runtime } from '../runtime.ts';
import { dropDisk } from '../satellite/device.ts';
import { pass } from '../satellite/pass.ts';
import { settleQuorum } from '../satellite/quorum.ts';

export function needDrbd(resource: LabResource): void {
  if (isDrbd(resource)) return;
  throw new Refusal(225, 'Toggle disk is only supported in combination with DRBD');
}

/** A replica becomes a diskless one, or the tie-breaker. */
export async function removeDisk(
  lab: Runtime,
  reply: Reply,
  definition: LabDefinition,
  resource: LabResource,
  intoTieBreaker = false,
): Promise<void> {
  const online = diskful(definition).filter((other) => isOnline(findNode(lab.state, other.node)));
  if (online.length <= 1) {
    throw new Refusal(991, 'Cannot remove the disk from the only online resource with a disk');
  }
  needDrbd(resource);
  const { name } = definition;
  reply.within({ operation: 'create' }).add(CREATED, 'Successfully set property key(s): StorPoolName');
  reply.add(MODIFIED, `Removal of disk from resource '${name}' on node '${resource.node}' registered`);
  for (const volume of resource.volumes) {
    dropDisk(lab, { definition, resource, volume });
    volume.pool = DISKLESS_POOL;
    volume.provider = 'DISKLESS';
    volume.knownKib = definition.volumes.find((item) => item.number === volume.number)?.sizeKib ?? 0;
  }
  resource.props['StorPoolName'] = DISKLESS_POOL;
  delete resource.props['DiskfulBy'];
  resource.flags.push('DISKLESS', 'DRBD_DISKLESS', ...(intoTieBreaker ? ['TIE_BREAKER'] : []));
  if (resource.drbd) resource.drbd.initialized = false;
  settleQuorum(lab, reply, definition);
  await pass(lab, reply, definition, {
    message: (other) => (other === resource ? `Removed disk on '${resource.node}'` : undefined),
  });
  await pass(lab, reply, definition, {
    message: (other) =>
      other === resource
        ? undefined
        : `Notified '${other.node}' that disk has been removed on '${resource.node}'`,
  });
}
