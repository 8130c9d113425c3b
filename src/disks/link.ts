import type { Context } from '../context.ts';
import { DriverError, isDriverError } from '../errors.ts';
import { type DiskLink, type LinkedDisk, linkDisks } from '../hosts/scripts/link-disks.ts';
import { removeLinkTo } from '../hosts/vm-directory.ts';
import type { Linstor, Replica } from '../linstor/linstor.ts';
import type { Bytes } from '../units.ts';
import { devicePaths, layersOf } from '../volumes/replicas.ts';
import { type Attachment, reportedPaths } from './attach.ts';

export interface ToLink {
  readonly attachment: Attachment;
  readonly linstor: Linstor;
  readonly view?: readonly Replica[] | undefined;
  /** Becomes a link to the device; absent: the device is only waited for. */
  readonly link?: string;
  /** The VM has had the link before: it stays when the action fails. */
  readonly keepsLink?: boolean;
  /** The device is at least as large. */
  readonly minBytes: Bytes;
}

export interface LinkOptions {
  /** Milliseconds to wait for a device node; udev lags behind LINSTOR (linstor-server#456). */
  readonly waitMs?: number;
  /** Makes the links at the first try, along with other work on the host. */
  readonly linkFirst?: ((links: readonly DiskLink[]) => Promise<unknown>) | undefined;
}

/**
 * Names that the device may have on any node: DRBD's minor is the same everywhere, and a replica that was made a moment ago
 * is not reported with one yet (linstor-behaviour §5). None for other stacks, whose names differ from node to node.
 */
export function commonPaths(view: readonly Replica[]): string[] {
  if (layersOf(view)[0] !== 'DRBD') return [];
  return [...new Set(view.filter((replica) => replica.stateKnown).flatMap(devicePaths))];
}

/**
 * Waits for the devices of all disks on the host and points their links at them: one ssh session, and a second only
 * where a device node has another name than expected. The links' removal is on the undo stack before they can exist.
 */
export async function linkAttached(
  ctx: Context,
  host: string,
  disks: readonly ToLink[],
  { waitMs, linkFirst }: LinkOptions = {},
): Promise<readonly LinkedDisk[]> {
  const link = (links: readonly DiskLink[]) => linkDisks(ctx.hosts, host, links, waitMs);
  const expected = disks.map(({ attachment, view = [] }) => [
    ...new Set([...attachment.devicePaths, ...commonPaths(view)]),
  ]);
  const devices = expected.map((paths) => new Set(paths));
  disks.forEach((disk, index) => {
    if (disk.link === undefined || disk.keepsLink) return;
    const { link: path } = disk;
    // A plain device's name, a loop device's above all, is soon another volume's: a link that stayed would lead into that.
    ctx.undo.push(`remove the link ${path} on ${host}`, () =>
      removeLinkTo(ctx.hosts, host, path, [...(devices[index] ?? [])]),
    );
  });
  try {
    const links = linksTo(disks, expected);
    if (!linkFirst) return await allOf(disks, link(links));
    await linkFirst(links);
    return [];
  } catch (error) {
    if (!isDriverError(error, 'DEVICE_MISSING')) throw error;
    const reported = await Promise.all(disks.map((disk) => reportedPaths(disk.linstor, disk.attachment)));
    const all = expected.map((paths, index) => [...new Set([...(reported[index] ?? []), ...paths])]);
    if (all.every((paths, index) => paths.length === expected[index]?.length)) throw error;
    all.forEach((paths, index) => {
      for (const path of paths) devices[index]?.add(path);
    });
    return allOf(disks, link(linksTo(disks, all)));
  }
}

const linksTo = (disks: readonly ToLink[], candidates: readonly (readonly string[])[]): DiskLink[] =>
  disks.map(({ link, minBytes, attachment: { identity } }, index) => ({
    ...(link === undefined ? {} : { link }),
    minBytes,
    candidates: candidates[index] ?? [],
    identity,
  }));

async function allOf(
  disks: readonly ToLink[],
  linking: Promise<readonly LinkedDisk[]>,
): Promise<readonly LinkedDisk[]> {
  const linked = await linking;
  const lacking = disks[linked.length];
  if (!lacking) return linked;
  const { resource, host } = lacking.attachment;
  throw new DriverError('DEVICE_MISSING', `the device of ${resource} did not appear on ${host}`);
}
