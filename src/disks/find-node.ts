import { DriverError } from '../errors.ts';
import type { Linstor, Node, NodeName, Replica } from '../linstor/linstor.ts';
import { nodeName } from '../linstor/names.ts';
import { hostOfNode, isAddress, mappedNode, type NodeMap, nodeOfHost, sshNameOf } from './host-node.ts';

/** A controller, and how its nodes are called in OpenNebula. */
export interface NodeNames {
  readonly linstor: Pick<Linstor, 'nodes'>;
  readonly nodeMap: NodeMap;
}

/** Names and addresses do not change while an action runs. */
const known = new WeakMap<NodeNames['linstor'], Promise<Node[]>>();

/** The nodes, as they were when the action first asked for them. */
export function nodesOf(linstor: NodeNames['linstor']): Promise<Node[]> {
  const reading = known.get(linstor) ?? linstor.nodes();
  known.set(linstor, reading);
  reading.catch(() => known.delete(linstor));
  return reading;
}

/**
 * The node that `host` is; undefined when it is none. LINSTOR is asked only for a host that none of `names` answers to:
 * addresses and the satellite's own name are in the list of nodes alone.
 */
export async function findNode(
  { linstor, nodeMap }: NodeNames,
  host: string,
  names: readonly NodeName[] = [],
): Promise<NodeName | undefined> {
  const mapped = mappedNode(host, nodeMap);
  if (mapped !== undefined) return mapped;
  return (nameAmong(names, host, nodeMap) ?? nodeOfHost(host, await nodesOf(linstor)))?.name;
}

const nameAmong = (names: readonly NodeName[], host: string, nodeMap: NodeMap) =>
  nodeOfHost(
    host,
    names.map((name) => ({ name })),
    nodeMap,
  );

/**
 * The node to name in a request whose answer tells if there is none of that name: one of `among` if the host answers to it, else the
 * host's own name, as far as that can be one.
 */
export async function guessNode(
  names: NodeNames,
  host: string,
  among: readonly NodeName[] = [],
): Promise<NodeName> {
  const near = mappedNode(host, names.nodeMap) ?? nameAmong(among, host, names.nodeMap)?.name;
  if (near !== undefined) return near;
  return (isAddress(host) ? await findNode(names, host) : undefined) ?? nodeName(host);
}

/** The replica of `view` on `host`, if there is one. */
export async function findReplica<R extends Pick<Replica, 'node'>>(
  names: NodeNames,
  view: readonly R[],
  host: string,
): Promise<R | undefined> {
  if (view.length === 0) return undefined;
  const node = await findNode(
    names,
    host,
    view.map((replica) => replica.node),
  );
  return node === undefined ? undefined : view.find((replica) => sameNode(replica.node, node));
}

const sameNode = (a: NodeName, b: NodeName): boolean => a.toLowerCase() === b.toLowerCase();

/** Throws NODE_UNKNOWN when LINSTOR has no such node, LINSTOR_NODE_OFFLINE when its satellite is away. */
export async function requireOnlineNode({ linstor, nodeMap }: NodeNames, host: string): Promise<Node> {
  const nodes = await linstor.nodes();
  const node = nodeOfHost(host, nodes, nodeMap);
  if (!node) {
    throw new DriverError('NODE_UNKNOWN', `host ${host} is no LINSTOR node`, {
      details: [`LINSTOR knows ${nodes.map((each) => each.name).join(', ') || 'no nodes'}`],
    });
  }
  if (node.status !== 'ONLINE') {
    throw new DriverError('LINSTOR_NODE_OFFLINE', `the satellite on ${node.name} is ${node.status}`);
  }
  return node;
}

/** The host that a node most likely is: one of `hosts` that answers to it, else the node's own name. */
export async function nearHost(
  { linstor, nodeMap }: NodeNames,
  node: NodeName,
  hosts: readonly string[],
): Promise<string> {
  const named = hosts.find((host) => nodeOfHost(host, [{ name: node }], nodeMap));
  const byAddress = named === undefined && hosts.some(isAddress);
  const found = byAddress ? hostOfNode(node, hosts, await nodesOf(linstor), nodeMap) : named;
  return found ?? sshNameOf(node, nodeMap);
}

/** What OpenNebula calls the host that the node is, where `tried` was not it. */
export async function otherHost(
  { linstor, nodeMap }: NodeNames,
  node: NodeName,
  tried: string,
  hosts: () => Promise<readonly { readonly name: string }[]>,
): Promise<string | undefined> {
  const [nodes, all] = await Promise.all([nodesOf(linstor), hosts()]);
  const names = all.map((host) => host.name).filter((name) => name !== tried);
  return hostOfNode(node, names, nodes, nodeMap);
}

/** Where a new volume is wished, or must be: by the host's own name first, by LINSTOR's where nothing can be placed there. */
export async function wishedNode(
  names: NodeNames,
  host: string,
): Promise<{ readonly node: NodeName; readonly realNode: () => Promise<NodeName | undefined> }> {
  return { node: await guessNode(names, host), realNode: () => findNode(names, host) };
}
