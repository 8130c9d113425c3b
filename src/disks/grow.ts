import type { Context } from '../context.ts';
import { noteUnfinished } from '../hosts/vm-directory.ts';
import type { Linstor, Resource, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { type Bytes, bytes, type KiB, kib, kibToBytes } from '../units.ts';
import { whenConnected } from '../volumes/online.ts';
import { growsWithOldBytes, replicasOf } from '../volumes/replicas.ts';
import { type Growth, growSeen, type Known } from '../volumes/resize.ts';
import { attachForCopy, releaseAfterCopy } from './bridge.ts';
import { ensureDiskAttached } from './ensure-attached.ts';
import { markGrowth, unwipedFrom } from './grown.ts';

export interface DiskToGrow {
  readonly resource: ResourceName;
  readonly linstor: Linstor;
  readonly settings: Settings;
  /** Where it is used; absent: any host that may copy. */
  readonly host?: string | undefined;
  /** Of the VM that uses it there; absent: none does. */
  readonly link?: string;
}

/**
 * `growSeen`, and nobody reads what the pool held before: where it is a thick one, what is new is zeroed before this returns.
 * Errors: those of `growSeen`, `attach` and `zeroDevice`; a mark stays then, and the next one who attaches the volume goes on.
 */
export async function growDisk(
  ctx: Context,
  disk: DiskToGrow,
  sizeKib: KiB,
  known: Known = {},
  look: (growth: Growth) => Promise<void> = async () => undefined,
): Promise<Growth> {
  const { linstor, resource } = disk;
  const grow = (more: Known): Promise<Growth> =>
    growSeen(ctx, linstor, resource, sizeKib, { ...known, ...more }, look);
  if (known.view && growsWithOldBytes(known.view) === false) return grow({});
  const definition = known.definition ?? (await linstor.definitions({ names: [resource] }))[0];
  const volume = definition?.volumes.find((each) => each.number === 0);
  if (!volume || definition?.flags.includes('DELETE')) return grow({});
  const grows = volume.sizeKib < sizeKib || volume.flags.includes('RESIZE') || known.deviceTooSmall;
  if (!grows && unwipedFrom(definition) === undefined) return grow({ volume });
  const read = async () => replicasOf(await linstor.resources({ names: [resource] }), resource);
  const view = known.view ?? (await whenConnected(ctx, linstor, await read()));
  if (!growsWithOldBytes(view)) return grow({ view, volume });
  // What an earlier try has left is zeroed by attaching; the size that it has then is the one that the guest knows.
  const before = await seenSize(ctx, disk, view, kib(0));
  await note(ctx, disk, true);
  await markGrowth(linstor, resource, before);
  const growth = await grow({ view });
  await seenSize(ctx, disk, view, sizeKib);
  await note(ctx, disk, false);
  return growth;
}

/** Without a link no VM can start on it in the meantime. */
async function note(ctx: Context, { host, link, resource }: DiskToGrow, isGrowing: boolean): Promise<void> {
  if (host === undefined || link === undefined || ctx.hosts.isFrontend(host)) return;
  await noteUnfinished(ctx.hosts, host, [{ link, resource }], 'growing', isGrowing);
}

/** The device's size on a host. It is attached for that, and so what is old in it is zeroed. */
async function seenSize(
  ctx: Context,
  disk: DiskToGrow,
  view: readonly Resource[],
  minKib: KiB,
): Promise<Bytes> {
  const { host, linstor, resource, settings } = disk;
  if (host !== undefined && !ctx.hosts.isFrontend(host)) {
    const minBytes = bytes(Math.max(1, kibToBytes(minKib)));
    return (await ensureDiskAttached(ctx, { linstor, resource, settings, view, minBytes }, host)).bytes;
  }
  const bridge = await attachForCopy(ctx, disk, { resource, view, minKib });
  await releaseAfterCopy(ctx, disk, bridge);
  return bridge.bytes;
}
