import type { NodeName } from '../linstor/linstor.ts';

/** OpenNebula host name (what ssh takes) ⇄ LINSTOR node name. Pure functions. */

export type NodeMap = Readonly<Record<string, string>>;

/** A `Node`, or as much of it as a resource tells. */
export interface NamedNode {
  readonly name: NodeName;
  readonly addresses?: readonly string[];
}

const lower = (name: string): string => name.toLowerCase().replace(/\.$/, '');
const short = (name: string): string => lower(name).split('.', 1)[0] ?? name;
const isAddress = (name: string): boolean => /^[\d.]+$/.test(name) || name.includes(':');

/** One is the first label of the other; two full names of different domains are different machines. */
function shortMatch(a: string, b: string): boolean {
  if (isAddress(a) || isAddress(b)) return false;
  return short(a) === short(b) && (!lower(a).includes('.') || !lower(b).includes('.'));
}

function only<T>(found: readonly T[]): T | undefined {
  return found.length === 1 ? found[0] : undefined;
}

/**
 * The node that `host` is. In this order: NODE_MAP, the same name, the same name in another case (LINSTOR's names
 * ignore case), a node's address where the host is registered by address, and short against full name. A
 * guess that fits two nodes is no match.
 */
export function nodeOfHost<N extends NamedNode>(
  host: string,
  nodes: readonly N[],
  nodeMap: NodeMap = {},
): N | undefined {
  const key = Object.keys(nodeMap).find((name) => lower(name) === lower(host));
  const mapped = key === undefined ? undefined : nodeMap[key];
  if (mapped !== undefined) return nodes.find((node) => lower(node.name) === lower(mapped));
  return (
    nodes.find((node) => node.name === host) ??
    nodes.find((node) => lower(node.name) === lower(host)) ??
    only(nodes.filter((node) => isAddress(host) && node.addresses?.includes(host))) ??
    only(nodes.filter((node) => shortMatch(node.name, host)))
  );
}

/** The host that `node` is: the one of `hosts` that `nodeOfHost` leads to this node. */
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
