import { type NodeName, nodeName } from '../linstor/names.ts';

/** OpenNebula host name (what ssh takes) ⇄ LINSTOR node name: the one place that knows. Pure functions. */

export type NodeMap = Readonly<Record<string, string>>;

/** A `Node`, or as much of it as a resource tells. */
export interface NamedNode {
  readonly name: NodeName;
  readonly addresses?: readonly string[];
  readonly props?: Readonly<Record<string, string>>;
}

/** What led from the host to its node. */
export type FoundBy = 'NODE_MAP' | 'name' | 'NodeUname' | 'address' | 'short name';

export interface HostMatch<N> {
  readonly node: N;
  readonly by: FoundBy;
}

const lower = (name: string): string => name.toLowerCase().replace(/\.$/, '');
const short = (name: string): string => lower(name).split('.', 1)[0] ?? name;

/** Registered in OpenNebula by its address, IPv4 or IPv6, rather than by a name. */
export const isAddress = (name: string): boolean => /^[\d.]+$/.test(name) || name.includes(':');

/** One is the first label of the other; two full names of different domains are different machines. */
function shortMatch(a: string, b: string): boolean {
  if (isAddress(a) || isAddress(b)) return false;
  return short(a) === short(b) && (!lower(a).includes('.') || !lower(b).includes('.'));
}

/** `uname -n` of the satellite, which DRBD goes by; LINSTOR keeps it beside the name that it was given. */
const unameOf = (node: NamedNode): string | undefined => node.props?.['NodeUname'];

function only<T>(found: readonly T[]): T | undefined {
  return found.length === 1 ? found[0] : undefined;
}

/** The node that NODE_MAP names for the host. Its keys are hosts, in any case. */
export function mappedNode(host: string, nodeMap: NodeMap): NodeName | undefined {
  const key = Object.keys(nodeMap).find((name) => lower(name) === lower(host));
  const mapped = key === undefined ? undefined : nodeMap[key];
  return mapped === undefined ? undefined : nodeName(mapped);
}

/**
 * The node that `host` is, and how it was found. In this order: NODE_MAP, the same name in any case (as LINSTOR compares names),
 * the satellite's own name, an address of the node, and short against full name. A guess that fits two nodes is no match.
 */
export function matchHost<N extends NamedNode>(
  host: string,
  nodes: readonly N[],
  nodeMap: NodeMap = {},
): HostMatch<N> | undefined {
  const mapped = mappedNode(host, nodeMap);
  const named = (name: string): N | undefined => nodes.find((node) => lower(node.name) === lower(name));
  const tries: readonly (readonly [FoundBy, () => N | undefined])[] =
    mapped === undefined
      ? [
          ['name', () => named(host)],
          ['NodeUname', () => only(nodes.filter((node) => lower(unameOf(node) ?? '') === lower(host)))],
          ['address', () => only(nodes.filter((node) => isAddress(host) && node.addresses?.includes(host)))],
          ['short name', () => only(nodes.filter((node) => isShortOf(node, host)))],
        ]
      : [['NODE_MAP', () => named(mapped)]];
  for (const [by, find] of tries) {
    const node = find();
    if (node) return { node, by };
  }
  return undefined;
}

const isShortOf = (node: NamedNode, host: string): boolean =>
  shortMatch(node.name, host) || shortMatch(unameOf(node) ?? '', host);

export const nodeOfHost = <N extends NamedNode>(
  host: string,
  nodes: readonly N[],
  nodeMap: NodeMap = {},
): N | undefined => matchHost(host, nodes, nodeMap)?.node;

/** The host that `node` is: the one of `hosts` that leads to this node. */
export function hostOfNode(
  node: NodeName,
  hosts: readonly string[],
  nodes: readonly NamedNode[],
  nodeMap: NodeMap = {},
): string | undefined {
  return hosts.find((host) => {
    const found = nodeOfHost(host, nodes, nodeMap);
    return found !== undefined && lower(found.name) === lower(node);
  });
}

/** The name by which ssh reaches a node, where no host of OpenNebula is known to be it: NODE_MAP backwards, else its own name. */
export function sshNameOf(node: NodeName, nodeMap: NodeMap): string {
  const mapped = Object.entries(nodeMap).find(([, name]) => lower(name) === lower(node));
  return mapped?.[0] ?? node;
}
