import type { Context } from '../context.ts';
import { chooseBridge } from '../hosts/bridge.ts';
import type { Linstor, Node, NodeName, Resource, ResourceName } from '../linstor/linstor.ts';
import type { Host } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import type { Bytes, KiB } from '../units.ts';
import { attach, detach } from '../volumes/attach.ts';
import { isReadable } from '../volumes/replicas.ts';
import { poll } from '../volumes/wait.ts';
import { hostOf, linkAttached } from './on-host.ts';

interface Where {
  readonly settings: Settings;
  readonly linstor: Linstor;
}

/** What may copy: OpenNebula's hosts and LINSTOR's nodes. */
export interface Machines {
  readonly hosts: readonly Host[];
  readonly nodes: readonly Node[];
}

export async function readMachines(ctx: Context, linstor: Linstor): Promise<Machines> {
  const [hosts, nodes] = await Promise.all([ctx.one.hosts(), linstor.nodes()]);
  return { hosts, nodes };
}

export interface BridgeRequest {
  readonly resource: ResourceName;
  readonly view: readonly Resource[];
  readonly minKib: KiB;
  readonly spread?: number;
  /** Read once for several devices. */
  readonly machines?: Machines;
  /** Rather here than anywhere else, if it is possible. */
  readonly prefer?: NodeName;
}

/** A device that is ready to be read or written on a host. */
export interface BridgeDevice {
  readonly resource: ResourceName;
  readonly host: string;
  readonly node: NodeName;
  readonly device: string;
  readonly bytes: Bytes;
  /** A diskless replica was made for it and goes again. */
  readonly made: boolean;
}

/**
 * The resource's device on the best host for copying: with a replica that has the disk, enabled in OpenNebula, its satellite
 * online, in BRIDGE_LIST if there is one. Throws NO_BRIDGE, DEVICE_MISSING, …; what is attached for it is on the undo stack.
 */
export async function attachForCopy(
  ctx: Context,
  { settings, linstor }: Where,
  request: BridgeRequest,
): Promise<BridgeDevice> {
  const { hosts, nodes } = request.machines ?? (await readMachines(ctx, linstor));
  const query = {
    bridgeList:
      settings.bridgeList.length > 0 ? settings.bridgeList : candidates(hosts, request.view, settings),
    hosts,
    nodes,
    resources: request.view,
    nodeMap: settings.nodeMap,
    ...(request.spread === undefined ? {} : { spread: request.spread }),
  };
  const preferred = request.prefer === undefined ? undefined : rankedOn(query, request.prefer);
  const bridge = preferred ?? chooseBridge(query);
  const attachment = await attach(ctx, linstor, request.resource, bridge.host, settings, {
    view: request.view,
  });
  const { device, bytes } = await linkAttached(ctx, linstor, attachment, { minKib: request.minKib });
  return {
    resource: request.resource,
    host: bridge.host,
    node: attachment.node,
    device,
    bytes,
    made: attachment.made,
  };
}

/** Without BRIDGE_LIST: OpenNebula's hosts; where none of them is a node of the volume, the nodes that hold it. */
function candidates(hosts: readonly Host[], view: readonly Resource[], settings: Settings): string[] {
  const nodes = view.filter(isReadable).map((replica) => hostOf(replica.node, settings));
  const names = hosts.map((host) => host.name);
  return [
    ...names,
    ...nodes.filter((node) => !names.some((name) => name.toLowerCase() === node.toLowerCase())),
  ];
}

function rankedOn(
  query: Parameters<typeof chooseBridge>[0],
  node: NodeName,
): ReturnType<typeof chooseBridge> | undefined {
  try {
    const found = chooseBridge({
      ...query,
      nodes: query.nodes.filter((each) => each.name.toLowerCase() === node.toLowerCase()),
    });
    return found;
  } catch {
    return undefined;
  }
}

const closeGraceMs = 10_000;

/** Takes a diskless replica away that was made for the copy; a device that is still closing gets a moment. */
export async function releaseAfterCopy(
  ctx: Context,
  { settings, linstor }: Where,
  bridge: BridgeDevice,
): Promise<void> {
  if (!bridge.made) return;
  const done = await poll(ctx.clock, closeGraceMs, async () => {
    const result = await detach(linstor, bridge.resource, bridge.host, settings.nodeMap);
    return result === 'held' ? undefined : result;
  });
  if (!done) ctx.log.warn(`${bridge.resource} is still open on ${bridge.host} and stays attached there`);
}
