import { posix } from 'node:path';
import type { Context } from '../context.ts';
import { DriverError, isDriverError } from '../errors.ts';
import { type DeviceUse, deviceUse, isOpen } from '../hosts/scripts/device-use.ts';
import type { Linstor, NodeName, Replica } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { devicePaths, hasNetworkLayer, layersOf } from '../volumes/replicas.ts';
import { poll } from '../volumes/wait.ts';
import { nearHost, otherHost } from './find-node.ts';

/** Who has a device open, on the host itself: of plain storage and of readers LINSTOR does not tell. */

/** How long a VM that has just ended may still be closing its disk (linstor-behaviour §7.2). */
export const closeGraceMs = 10_000;

/** Directory of all datastores on the host, from the place of a disk in it. */
export const datastoresOf = (link: string): string => posix.resolve(link, '../../..');

/** A resource as it was read, and by which names its nodes may be known. */
export interface Holder {
  readonly resource: string;
  readonly linstor: Pick<Linstor, 'nodes'>;
  readonly settings: Pick<Settings, 'nodeMap'>;
  readonly view: readonly Replica[];
  /** Hosts that are likely to be one of its nodes. */
  readonly hosts: readonly string[];
}

/**
 * Plain storage is neither protected by LINSTOR against deletion nor against rollback while it is open
 * (linstor-behaviour §3.7, §3.12): looks on the node that has it. Throws IN_USE. A node that cannot be asked is an
 * error too: nothing with a holder is taken away.
 */
export async function requireClosed(ctx: Context, holder: Holder): Promise<void> {
  if (hasNetworkLayer(layersOf(holder.view))) return;
  for (const replica of holder.view.filter((each) => each.stateKnown)) {
    const paths = devicePaths(replica);
    if (paths.length === 0) continue;
    const { host, uses } = await onItsHost(ctx, holder, replica.node, (at) =>
      deviceUse(ctx.hosts, at, paths),
    );
    const open = uses.find(isOpen);
    if (open) {
      const who = open.processes.map(({ pid, command }) => `${command} (${pid})`);
      throw new DriverError(
        'IN_USE',
        `resource ${holder.resource} is open on ${host} by ${[...who, ...open.holders, ...open.mounts].join(', ')}`,
      );
    }
  }
}

/** By the name that a node most likely has for ssh; where nothing answers to that, by what OpenNebula calls it. */
async function onItsHost(
  ctx: Context,
  { linstor, settings, hosts }: Holder,
  node: NodeName,
  look: (host: string) => Promise<DeviceUse[]>,
): Promise<{ readonly host: string; readonly uses: DeviceUse[] }> {
  const names = { linstor, nodeMap: settings.nodeMap };
  const host = await nearHost(names, node, hosts);
  try {
    return { host, uses: await look(host) };
  } catch (error) {
    if (!isDriverError(error, 'HOST_UNREACHABLE', 'HOST_TIMEOUT')) throw error;
    const other = await otherHost(names, node, host, () => ctx.one.hosts());
    if (other === undefined) throw error;
    return { host: other, uses: await look(other) };
  }
}

export interface SharedDevice {
  /** Every name that the device may have on the host (linstor-behaviour §5). */
  readonly paths: readonly string[];
  /** The link of the VM that leaves; it says nothing about others. */
  readonly ownLink: string;
}

/**
 * Which of these devices does somebody else have on the host: it is open, or another VM's directory has a link to it? For
 * CD-ROM, immutable and shareable images, of whose readers LINSTOR does not tell. One session for all.
 */
export async function usedByOthers(
  ctx: Context,
  host: string,
  devices: readonly SharedDevice[],
): Promise<boolean[]> {
  const [first] = devices;
  if (!first) return [];
  const paths = devices.flatMap((device) => device.paths);
  const uses = await deviceUse(ctx.hosts, host, paths, datastoresOf(first.ownLink));
  return devices.map((device) =>
    uses.some(
      (use) =>
        device.paths.includes(use.path) &&
        (isOpen(use) || use.otherLinks.some((link) => link !== device.ownLink)),
    ),
  );
}

/** The use of a device under the first of its names that tells of any. */
export async function useOf(
  ctx: Context,
  host: string,
  paths: readonly string[],
  datastores: string,
): Promise<DeviceUse | undefined> {
  const uses = await deviceUse(ctx.hosts, host, paths, datastores);
  return uses.find(isOpen) ?? uses.find((use) => use.otherLinks.length > 0) ?? uses[0];
}

/** Waits until nobody on the host has the device open. */
export async function closes(ctx: Context, host: string, paths: readonly string[]): Promise<boolean> {
  const free = await poll(ctx.clock, closeGraceMs, async () => {
    const uses = await deviceUse(ctx.hosts, host, paths);
    return uses.some(isOpen) ? undefined : true;
  });
  return free === true;
}
