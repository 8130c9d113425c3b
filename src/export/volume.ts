import type { Context } from '../context.ts';
import type { BridgeDevice } from '../disks/bridge.ts';
import { withSnapshotVolume } from '../disks/snapshot-volume.ts';
import { withDevice } from '../disks/with-device.ts';
import { DriverError } from '../errors.ts';
import type { Linstor, Resource, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { type KiB, kib } from '../units.ts';
import { readableReplica } from '../volumes/create.ts';
import { knownReplicas } from '../volumes/known-view.ts';
import { canSnapshot, hasNetworkLayer, isReadable, layersOf, sameName } from '../volumes/replicas.ts';
import { dropSnapshot, requireSnapshot, takeSnapshot } from '../volumes/snapshot.ts';

export interface Exported {
  readonly linstor: Linstor;
  readonly settings: Settings;
  readonly resource: ResourceName;
  /** In the words of a person: `disk 0 of VM 7`. */
  readonly what: string;
  /** A snapshot of it, which is there. */
  readonly snapshot?: string;
  /** Somebody may write to it now, as far as OpenNebula knows. */
  readonly busy: boolean;
}

/** Snapshot of an export that is under way; `gc` knows the pattern. */
export const exportSnapshot = (): string => `one-export-${crypto.randomUUID().slice(0, 8)}`;

/**
 * The volume's device, with content of one point in time: what somebody may be writing to is read from a snapshot, which goes again. Throws
 * IN_USE where that cannot be had, or somebody has come to write to it meanwhile.
 */
export async function withContentDevice(
  ctx: Context,
  request: Exported,
  work: (device: BridgeDevice, sizeKib: KiB) => Promise<void>,
): Promise<void> {
  const { linstor, resource, what } = request;
  const [[definition], replicas] = await Promise.all([
    linstor.definitions({ names: [resource] }),
    knownReplicas(linstor, resource),
  ]);
  if (!definition) throw new DriverError('LINSTOR_NOT_FOUND', `${what} has no volume ${resource} in LINSTOR`);
  if (request.snapshot !== undefined)
    return ofSnapshot(ctx, request, definition, replicas, request.snapshot, work);
  if (!request.busy && !replicas.some(({ inUse }) => inUse)) {
    const sizeKib = sizeOf(definition);
    await withDevice(ctx, request, { resource, replicas, sizeKib }, async (device) => {
      await work(device, sizeKib);
      await requireUnused(request, device);
    });
    return;
  }
  if (!canSnapshot(replicas))
    throw new DriverError('IN_USE', `${what} is in use, and its storage pool has no snapshots`, {
      remedy: 'power the VM off',
    });
  const name = exportSnapshot();
  await ctx.undo.within(async () => {
    await takeSnapshot(ctx, linstor, resource, name, { existing: 'fail', view: replicas });
    await ofSnapshot(ctx, request, definition, replicas, name, work);
    await dropSnapshot(ctx, linstor, resource, name);
  });
}

const sizeOf = ({ name, volumes }: ResourceDefinition): KiB => {
  const [only, ...more] = volumes;
  if (!only || more.length > 0) throw new DriverError('NOT_SUPPORTED', `resource ${name} has not one volume`);
  return only.sizeKib;
};

async function ofSnapshot(
  ctx: Context,
  where: Exported,
  { name: resource, group }: ResourceDefinition,
  replicas: readonly Resource[],
  snapshot: string,
  work: (device: BridgeDevice, sizeKib: KiB) => Promise<void>,
): Promise<void> {
  const found = await requireSnapshot(where.linstor, resource, snapshot);
  const sizeKib = kib(found.volumes.find(({ number }) => number === 0)?.sizeKib ?? 1);
  const holders = found.nodes.filter((node) =>
    replicas.some((replica) => isReadable(replica) && sameName(replica.node, node)),
  );
  const node = hasNetworkLayer(layersOf(replicas)) ? holders[0] : readableReplica(resource, replicas).node;
  await withSnapshotVolume(
    ctx,
    where,
    { resource, group, snapshot, node, purpose: 'export' },
    ({ resource: scratch, replicas: view }) =>
      withDevice(ctx, where, { resource: scratch, replicas: view, sizeKib }, (device) =>
        work(device, sizeKib),
      ),
  );
}

/** A VM that was started while the bytes were read may have written between them. */
async function requireUnused({ linstor, resource, what }: Exported, device: BridgeDevice): Promise<void> {
  const writers = (await linstor.replicas([resource])).filter(
    ({ inUse, node }) => inUse && !sameName(node, device.node),
  );
  if (writers.length > 0)
    throw new DriverError('IN_USE', `${what} has come into use while it was read`, {
      remedy: 'export it again',
    });
}
