import type { Context } from '../context.ts';
import { DriverError, isDriverError } from '../errors.ts';
import type { HostDevice } from '../hosts/scripts/identity.ts';
import type { Linstor, Node, NodeName, Resource, ResourceName } from '../linstor/linstor.ts';
import type { Host } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { type Bytes, type KiB, kibToBytes } from '../units.ts';
import type { Plan } from '../volumes/placement.ts';
import { hasNetworkLayer, isReadable } from '../volumes/replicas.ts';
import { type Bridge, requireBridges } from './bridge-choice.ts';
import { ensureDiskAttached } from './ensure-attached.ts';
import { ensureDiskDetached } from './ensure-detached.ts';
import { nodesOf } from './find-node.ts';
import { hostOfNode, nodeOfHost, sshNameOf } from './host-node.ts';
import { closeGraceMs } from './in-use.ts';

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
  const [hosts, nodes] = await Promise.all([ctx.one.hosts(), nodesOf(linstor)]);
  return { hosts, nodes };
}

/**
 * Where to make a volume that is to be written through a host. Plain storage can be reached on its own node alone: with a
 * BRIDGE_LIST it belongs on one of these.
 */
export async function planForCopy(
  ctx: Context,
  { settings, linstor }: Where,
  plan: Plan,
  spread: number,
): Promise<{ readonly plan: Plan; readonly machines?: Machines }> {
  const chosen = hasNetworkLayer(plan.effectiveLayers) || plan.nodes.length > 0;
  if (chosen || settings.bridgeList.length === 0) return { plan };
  const machines = await readMachines(ctx, linstor);
  const nodes = settings.bridgeList.flatMap(
    (host) => nodeOfHost(host, machines.nodes, settings.nodeMap)?.name ?? [],
  );
  if (nodes.length === 0) return { plan, machines };
  // The client places on every node that it is given.
  const among = linstor.transport === 'cli' ? nodes.slice(spread % nodes.length).slice(0, 1) : nodes;
  return { plan: { ...plan, filter: { ...plan.filter, nodes: among, placeCount: 1 } }, machines };
}

export interface BridgeRequest {
  readonly resource: ResourceName;
  readonly view: readonly Resource[];
  readonly minKib: KiB;
  readonly spread?: number;
  /** Read once for several devices. */
  readonly machines?: Machines | undefined;
  /** Rather here than anywhere else, if it is possible. */
  readonly prefer?: NodeName;
}

/** A device that is ready to be read or written on a host. */
export interface BridgeDevice extends HostDevice {
  readonly resource: ResourceName;
  readonly host: string;
  readonly node: NodeName;
  readonly bytes: Bytes;
  /** Of one of its sectors. */
  readonly sector: Bytes;
  /** A diskless replica was made for it and goes again. */
  readonly made: boolean;
}

/**
 * The resource's device on the best host for copying: with a replica that has the disk, enabled in OpenNebula, its satellite
 * online, in BRIDGE_LIST if there is one. OpenNebula may take minutes to see that a host is gone, or never see that only its sshd is: one
 * that does not answer is passed over, nothing having been copied yet. Throws NO_BRIDGE, DEVICE_MISSING, HOST_UNREACHABLE, …; what is
 * attached for it is on the undo stack.
 */
export async function attachForCopy(
  ctx: Context,
  where: Where,
  request: BridgeRequest,
): Promise<BridgeDevice> {
  const { settings, linstor } = where;
  const { hosts, nodes } = request.machines ?? (await readMachines(ctx, linstor));
  const ranked = requireBridges({
    bridgeList:
      settings.bridgeList.length > 0 ? settings.bridgeList : candidates(hosts, nodes, request.view, settings),
    hosts,
    nodes,
    resources: request.view,
    nodeMap: settings.nodeMap,
    ...(request.spread === undefined ? {} : { spread: request.spread }),
  });
  const isPreferred = ({ node }: Bridge): boolean => node.toLowerCase() === request.prefer?.toLowerCase();
  const bridges = [...ranked.filter(isPreferred), ...ranked.filter((bridge) => !isPreferred(bridge))];
  const away: DriverError[] = [];
  for (const bridge of bridges) {
    try {
      // What was attached there is taken back before another host is tried.
      return await ctx.undo.within(() => attachOn(ctx, where, request, bridge));
    } catch (error) {
      if (!isDriverError(error, 'HOST_UNREACHABLE', 'HOST_TIMEOUT')) throw error;
      away.push(error);
      if (away.length < bridges.length)
        ctx.log.warn(
          `${error.message}; ${request.resource} is copied through another host than ${bridge.host}`,
        );
    }
  }
  throw allAway(request.resource, away);
}

async function attachOn(
  ctx: Context,
  { settings, linstor }: Where,
  request: BridgeRequest,
  bridge: Bridge,
): Promise<BridgeDevice> {
  const { resource, view, minKib } = request;
  const disk = { resource, linstor, settings, view, minBytes: kibToBytes(minKib) };
  return ensureDiskAttached(ctx, disk, bridge.host);
}

/** The word of every host that was tried. */
function allAway(resource: ResourceName, away: readonly DriverError[]): DriverError {
  const [first] = away;
  if (first && away.length === 1) return first;
  return new DriverError(
    'HOST_UNREACHABLE',
    `none of ${away.length} hosts on which ${resource} can be copied answers`,
    {
      details: away.flatMap((error) => [error.message, ...error.details]),
      cause: first,
    },
  );
}

/** Without BRIDGE_LIST: OpenNebula's hosts; where none of them is a node of the volume, the nodes that hold it. */
function candidates(
  hosts: readonly Host[],
  nodes: readonly Node[],
  view: readonly Resource[],
  { nodeMap }: Settings,
): string[] {
  const names = hosts.map((host) => host.name);
  const others = view
    .filter((replica) => isReadable(replica) && !hostOfNode(replica.node, names, nodes, nodeMap))
    .map((replica) => sshNameOf(replica.node, nodeMap));
  return [...names, ...others];
}

/** Takes a diskless replica away that was made for the copy; a device that is still closing gets a moment. */
export async function releaseAfterCopy(
  ctx: Context,
  { settings, linstor }: Where,
  { made, resource, host }: BridgeDevice,
): Promise<void> {
  if (made) await ensureDiskDetached(ctx, { resource, linstor, settings }, host, { graceMs: closeGraceMs });
}
