import type { Context } from '../context.ts';
import type { HostDevice } from '../hosts/scripts/identity.ts';
import { waitForDevice } from '../hosts/scripts/link-disks.ts';
import type { Linstor, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import { type Bytes, bytes } from '../units.ts';
import { marks } from '../volumes/marks.ts';
import type { Attachment } from './attach.ts';

/**
 * A volume that grows in a thick pool shows there what the pool held before, maybe another tenant's. So its definition says from where on
 * (`marks.unwiped`) before LINSTOR makes it grow, and the mark goes when all behind is zeroed – on a host, through the very device that
 * guests use, by whoever attaches the volume next. A guest that runs knows the old size until it is told (`virsh blockresize`), and
 * none is started while the mark is there: nothing but old bytes is behind it.
 */

export type Unwiped = Pick<ResourceDefinition, 'props'> | undefined;

/** Where old bytes begin; undefined when there are none. */
export function unwipedFrom(definition: Unwiped): Bytes | undefined {
  const value = definition?.props[marks.unwiped] ?? '';
  return /^\d+$/.test(value) ? bytes(Number(value)) : undefined;
}

/** Before the volume grows. `size`: of its device now, as a host sees it; the guest may have used it to its end. */
export async function markGrowth(linstor: Linstor, resource: ResourceName, size: Bytes): Promise<void> {
  await linstor.modifyDefinition(resource, { set: { [marks.unwiped]: String(size) } });
}

/** Takes old bytes away from what is attached on a host, if there are any. Throws what keeps it from that: no guest may start then. */
export async function wipeGrowth(
  ctx: Context,
  linstor: Linstor,
  attachment: Attachment,
  found: HostDevice | undefined,
): Promise<void> {
  const { resource, host } = attachment;
  const [definition] = await linstor.definitions({ names: [resource] });
  const from = unwipedFrom(definition);
  if (from === undefined) return;
  const { devicePaths: candidates, identity } = attachment;
  const device =
    found ?? (await waitForDevice(ctx.hosts, host, { candidates, identity, minBytes: bytes(1) }));
  ctx.log.info(`${resource} has grown in a thick pool: everything behind ${from} bytes is zeroed on ${host}`);
  const { zeroDevice } = await import('../transfer/wipe.ts');
  await zeroDevice(ctx.hosts, host, device, { from });
  await linstor.modifyDefinition(resource, { unset: [marks.unwiped] });
}
