import type { Context } from '../context.ts';
import { requireClosed } from '../disks/in-use.ts';
import { withSnapshotVolume } from '../disks/snapshot-volume.ts';
import { type Volume, withDevice } from '../disks/with-device.ts';
import { DriverError } from '../errors.ts';
import type { Resource, ResourceDefinition, Snapshot } from '../linstor/linstor.ts';
import { kib } from '../units.ts';
import { readableReplica } from '../volumes/create.ts';
import { hasNetworkLayer, layersOf, replicasOf, sameName } from '../volumes/replicas.ts';
import { requireSnapshot } from '../volumes/snapshot.ts';
import type { VolumeAddress } from './address.ts';
import { type Content, contentOf, isOwnVolume, type Where } from './content.ts';

/** The volume that an image is made of, as it was found. */
export interface Origin {
  readonly definition: ResourceDefinition;
  readonly replicas: readonly Resource[];
  readonly snapshot?: Snapshot;
  readonly volume: Volume;
}

/** Throws LINSTOR_NOT_FOUND, SNAPSHOT, NOT_SUPPORTED (not one volume), IN_USE (somebody writes to it, and no snapshot is named). */
export async function findOrigin(ctx: Context, where: Where, address: VolumeAddress): Promise<Origin> {
  const { linstor, settings } = where;
  const { resource } = address;
  const [[definition], view] = await Promise.all([
    linstor.definitions({ names: [resource] }),
    linstor.resources({ names: [resource] }),
  ]);
  if (!definition || definition.flags.includes('DELETE'))
    throw new DriverError('LINSTOR_NOT_FOUND', `there is no LINSTOR volume ${resource}`);
  const [only, ...more] = definition.volumes;
  if (!only || only.number !== 0 || more.length > 0)
    throw new DriverError(
      'NOT_SUPPORTED',
      `resource ${resource} has not one volume, but ${definition.volumes.length}`,
    );
  const replicas = replicasOf(view, definition.name);
  const snapshot =
    address.snapshot === undefined
      ? undefined
      : await requireSnapshot(linstor, definition.name, address.snapshot);
  if (!snapshot) {
    const open = replicas.filter((replica) => replica.inUse);
    if (open.length > 0)
      throw new DriverError('IN_USE', `${resource} is open on ${open.map(({ node }) => node).join(', ')}`, {
        remedy: `power the VM off, or take a snapshot and name it: linstor://${resource}@SNAPSHOT`,
      });
    await requireClosed(ctx, { resource, linstor, settings, view: replicas, hosts: settings.bridgeList });
  }
  const sizeKib = snapshot?.volumes.find(({ number }) => number === 0)?.sizeKib ?? only.sizeKib;
  const volume = { resource: definition.name, replicas, sizeKib: kib(sizeKib) };
  return { definition, replicas, volume, ...(snapshot ? { snapshot } : {}) };
}

/** In what format whoever had the volume has known it; absent: by its first bytes. */
export type Told = 'raw' | 'qcow2' | undefined;

/**
 * What the volume or its snapshot holds, and the volume to read it from: for a snapshot of somebody else's volume a temporary one, which
 * goes again.
 */
export async function withContent<T>(
  ctx: Context,
  where: Where,
  origin: Origin,
  told: Told,
  work: (content: Content, volume: Volume) => Promise<T>,
): Promise<T> {
  const { definition, snapshot, volume, replicas } = origin;
  if (isOwnVolume(definition) || told === 'raw')
    return work({ format: 'raw', virtualBytes: (volume.sizeKib * 1024) as Content['virtualBytes'] }, volume);
  const look = (from: Volume): Promise<T> =>
    withDevice(ctx, where, from, (device) => contentOf(ctx, device, from.sizeKib)).then((content) =>
      work(requireTold(definition, content, told), from),
    );
  if (!snapshot) return look(volume);
  const { name: resource, group } = definition;
  const local = hasNetworkLayer(layersOf(replicas)) ? undefined : readableReplica(resource, replicas).node;
  const node =
    local ?? snapshot.nodes.find((each) => replicas.some((replica) => sameName(replica.node, each)));
  return withSnapshotVolume(
    ctx,
    where,
    { resource, group, snapshot: snapshot.name, node, purpose: 'adopt' },
    ({ resource: scratch, replicas: view }) =>
      look({ resource: scratch, replicas: view, sizeKib: volume.sizeKib }),
  );
}

function requireTold({ name }: ResourceDefinition, content: Content, told: Told): Content {
  if (told === undefined || told === content.format) return content;
  throw new DriverError(
    'IMAGE_FORMAT',
    `${name} was declared to hold a ${told} image, but begins as ${content.format}`,
    {
      remedy: 'leave ADOPT_FORMAT out, or set it to raw',
    },
  );
}
