import type { Context } from '../../context.ts';
import { namesOf } from '../../disks/attach.ts';
import { type DiskCall, onDisk, readDiskCall } from '../../disks/disk-call.ts';
import { findReplica } from '../../disks/find-node.ts';
import { growDisk } from '../../disks/grow.ts';
import { DriverError } from '../../errors.ts';
import { waitForDevice } from '../../hosts/scripts/link-disks.ts';
import type { Replica } from '../../linstor/linstor.ts';
import { parseId, requireDiskTarget } from '../../opennebula/target.ts';
import { kibToBytes, mib, mibToKib } from '../../units.ts';
import { devicePaths, identityOf } from '../../volumes/replicas.ts';
import type { ActionHandler } from '../action.ts';

/** DRBD and loop devices learn of a new size some moments after LINSTOR has answered; of an old one they have learnt. */
const sizeWaitMs = { grown: 30_000, unchanged: 5_000 } as const;

/**
 * `resize <host>:<vm directory>/disk.<n> <MiB> <vm> <datastore>`: grows in every state; success means that the host sees
 * the new size, because `virsh blockresize` follows (contract §3.5). Never shrinks.
 */
export const resize: ActionHandler = async (call, ctx) => {
  const [targetArgument, sizeArgument, vmArgument, datastoreArgument] = call.argv;
  const target = requireDiskTarget(targetArgument, 'target');
  const size = mib(parseId(sizeArgument, 'size', 1));
  const disk = await readDiskCall(ctx, target, vmArgument, datastoreArgument);
  if (disk.disk.kind === 'cdrom' || disk.disk.kind === 'immutable') {
    throw new DriverError(
      'NOT_SUPPORTED',
      `disk ${target.diskId} of VM ${disk.vm.id} is read-only and is not resized`,
    );
  }
  await onDisk(ctx, disk, async (now, definition) => {
    const { resource } = now.diskResource;
    const growth = await growDisk(
      ctx,
      { ...now, resource, host: now.target.host, link: now.target.path },
      mibToKib(size),
      { definition },
      ({ view }) => confirmOnHost(ctx, now, size, view),
    );
    if (growth.before > mibToKib(size))
      ctx.log.info(`${resource} is larger than ${size} MiB already and is left so`);
  });
  return undefined;
};

/** Growing changes no device name, so the view from before serves. */
async function confirmOnHost(
  ctx: Context,
  call: DiskCall,
  size: ReturnType<typeof mib>,
  known: readonly Replica[] | undefined,
): Promise<void> {
  if (ctx.hosts.isFrontend(call.target.host)) return;
  const view = known ?? (await call.linstor.replicas([call.diskResource.resource]));
  const here = await findReplica(namesOf(call), view, call.target.host);
  if (!here) return;
  await waitForDevice(
    ctx.hosts,
    call.target.host,
    { candidates: devicePaths(here), identity: identityOf(here), minBytes: kibToBytes(mibToKib(size)) },
    known ? sizeWaitMs.grown : sizeWaitMs.unchanged,
  );
}
