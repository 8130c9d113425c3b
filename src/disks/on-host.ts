import { posix } from 'node:path';
import type { DiskTarget } from '../actions/target.ts';
import type { Context } from '../context.ts';
import { DriverError, isDriverError, toDriverError } from '../errors.ts';
import { makeFileSystem, makeSwap } from '../hosts/scripts/device.ts';
import { type DeviceUse, deviceUse, isOpen, unlinkDisks } from '../hosts/scripts/device-use.ts';
import { type LinkedDisk, linkDisks } from '../hosts/scripts/link-disks.ts';
import { removeLinkTo } from '../hosts/vm-directory.ts';
import type { Linstor, Resource, ResourceName } from '../linstor/linstor.ts';
import type { Settings } from '../opennebula/settings.ts';
import { type KiB, kibToBytes } from '../units.ts';
import { devicePaths, hasNetworkLayer, layersOf } from '../volumes/replicas.ts';
import { poll } from '../volumes/wait.ts';
import { type Attachment, attach, reportedPaths } from './attach.ts';
import { replicaOnHost } from './nodes.ts';

/** What of a disk call is needed here; volumes outside of VMs use it too. */
export interface OnHost {
  readonly target: Pick<DiskTarget, 'host' | 'path'>;
  readonly settings: Settings;
  readonly linstor: Linstor;
}

export interface LinkRequest {
  readonly resource: ResourceName;
  readonly minKib: KiB;
  /** Already read view of the resource. */
  readonly view?: readonly Resource[];
  /** Milliseconds to wait for the device node; udev lags behind LINSTOR (linstor-server#456). */
  readonly waitMs?: number;
  /** The VM has had the link before: it stays when the action fails. */
  readonly keepsLink?: boolean;
}

/**
 * The resource is attached on the target's host, its device is there and large enough, and the target's path is a
 * link to it. Returns the device. One ssh session, unless the device node has another name than expected.
 */
export async function attachAndLink(
  ctx: Context,
  { target, settings, linstor }: OnHost,
  request: LinkRequest,
): Promise<string> {
  const attachment = await attach(
    ctx,
    linstor,
    request.resource,
    target.host,
    settings,
    request.view ? { view: request.view } : {},
  );
  const linked = await linkAttached(ctx, linstor, attachment, {
    link: target.path,
    minKib: request.minKib,
    ...(request.waitMs === undefined ? {} : { waitMs: request.waitMs }),
    ...(request.keepsLink === undefined ? {} : { keepsLink: request.keepsLink }),
  });
  return linked.device;
}

/** The link's removal is on the undo stack before it can exist. */
export async function linkAttached(
  ctx: Context,
  linstor: Linstor,
  attachment: Attachment,
  request: { link?: string; minKib: KiB; waitMs?: number; keepsLink?: boolean },
): Promise<LinkedDisk> {
  const { host } = attachment;
  const { link: path, keepsLink } = request;
  const devices = new Set<string>();
  if (path !== undefined && !keepsLink) {
    // A plain device's name, a loop device's above all, is soon another volume's: a link that stayed would lead into that.
    ctx.undo.push(`remove the link ${path} on ${host}`, () =>
      removeLinkTo(ctx.hosts, host, path, [...devices]),
    );
  }
  const link = async (candidates: readonly string[]): Promise<LinkedDisk> => {
    for (const candidate of candidates) devices.add(candidate);
    const [linked] = await linkDisks(
      ctx.hosts,
      host,
      [{ ...(path ? { link: path } : {}), minBytes: kibToBytes(request.minKib), candidates }],
      request.waitMs,
    );
    if (!linked)
      throw new DriverError(
        'DEVICE_MISSING',
        `the device of ${attachment.resource} did not appear on ${attachment.host}`,
      );
    return linked;
  };
  try {
    return await link(attachment.devicePaths);
  } catch (error) {
    if (!isDriverError(error, 'DEVICE_MISSING')) throw error;
    const reported = await reportedPaths(linstor, attachment);
    if (reported.every((path) => attachment.devicePaths.includes(path))) throw error;
    return link(reported);
  }
}

/** How long a closing VM may still hold its disk. */
const closeGraceMs = 10_000;

export type Released = 'free' | 'open' | 'other-vm' | 'unreachable';

/**
 * Takes the link away and tells whether the device behind it is free on that host. A host that cannot be reached is no
 * obstacle to cleaning up in LINSTOR (contract §3.4 delete, users #98). `replica`: the resource on that host, if it is there:
 * a link to any other device is a stale one, and what uses that device is not our concern. `shared`: several VMs of the host may
 * have the image, so that one that is open elsewhere is not waited for.
 */
export async function releaseLink(
  ctx: Context,
  target: Pick<DiskTarget, 'host' | 'path'>,
  replica: Resource | undefined,
  options: { readonly shared?: boolean } = {},
): Promise<Released> {
  const datastores = posix.resolve(target.path, '../../..');
  const paths = replica ? devicePaths(replica) : [];
  try {
    const { removed, uses } = await unlinkDisks(ctx.hosts, target.host, [target.path], datastores);
    const [gone] = removed;
    if (!replica) return 'free';
    const use =
      gone && paths.includes(gone.target) ? uses[0] : await useOf(ctx, target.host, paths, datastores);
    if (!use) return 'free';
    // Another VM's link to a shared image: whoever has it open is that VM, and will not close it for us.
    if (options.shared && use.otherLinks.length > 0) return 'other-vm';
    if (isOpen(use)) return (await closes(ctx, target.host, paths, datastores)) ? 'free' : 'open';
    return use.otherLinks.length > 0 ? 'other-vm' : 'free';
  } catch (error) {
    if (!isDriverError(error, 'HOST_UNREACHABLE', 'HOST_TIMEOUT')) throw error;
    ctx.log.warn(
      `host ${target.host} is not reachable; its link ${target.path} stays: ${toDriverError(error).message}`,
    );
    return 'unreachable';
  }
}

async function useOf(
  ctx: Context,
  host: string,
  paths: readonly string[],
  datastores: string,
): Promise<DeviceUse | undefined> {
  const uses = await deviceUse(ctx.hosts, host, paths, datastores);
  return uses.find(isOpen) ?? uses.find((use) => use.otherLinks.length > 0) ?? uses[0];
}

async function closes(
  ctx: Context,
  host: string,
  paths: readonly string[],
  datastores: string,
): Promise<boolean> {
  const free = await poll(ctx.clock, closeGraceMs, async () => {
    const uses = await deviceUse(ctx.hosts, host, paths, datastores);
    return uses.some(isOpen) ? undefined : true;
  });
  return free === true;
}

/**
 * Plain storage is neither protected by LINSTOR against deletion nor against rollback while it is open
 * (linstor-behaviour §3.7, §3.12): looks on the node that has it. Throws IN_USE. A node that cannot be asked is an
 * error too: nothing with a holder is taken away.
 */
export async function requireClosed(
  ctx: Context,
  settings: Settings,
  resource: ResourceName,
  view: readonly Resource[],
  hosts: readonly string[],
): Promise<void> {
  if (hasNetworkLayer(layersOf(view))) return;
  for (const replica of view.filter((each) => each.stateKnown)) {
    const paths = devicePaths(replica);
    if (paths.length === 0) continue;
    const host =
      hosts.find((each) => replicaOnHost([replica], each, settings.nodeMap)) ??
      hostOf(replica.node, settings);
    const uses = await deviceUse(ctx.hosts, host, paths);
    const open = uses.find(isOpen);
    if (open) {
      const who = open.processes.map(({ pid, command }) => `${command} (${pid})`);
      throw new DriverError(
        'IN_USE',
        `resource ${resource} is open on ${host} by ${[...who, ...open.holders, ...open.mounts].join(', ')}`,
      );
    }
  }
}

/** ssh name of a node: NODE_MAP backwards, else the node's own name. */
export function hostOf(node: string, settings: Pick<Settings, 'nodeMap'>): string {
  const mapped = Object.entries(settings.nodeMap).find(
    ([, name]) => name.toLowerCase() === node.toLowerCase(),
  );
  return mapped?.[0] ?? node;
}

export async function formatDevice(ctx: Context, host: string, device: string, fs: string): Promise<void> {
  if (fs === 'swap') await makeSwap(ctx.hosts, host, device);
  else await makeFileSystem(ctx.hosts, host, device, fs);
}

/** Every byte reads as zero afterwards. For pools that do not promise it for new volumes. */
export async function wipeDevice(ctx: Context, host: string, device: string): Promise<void> {
  const { zeroDevice } = await import('../transfer/wipe.ts');
  await zeroDevice(ctx.hosts, host, device);
}
