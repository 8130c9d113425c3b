import { DriverError } from '../errors.ts';
import type { Linstor, Node, NodeName, Resource } from '../linstor/linstor.ts';

/**
 * Host names of OpenNebula against node names of LINSTOR: an explicit map first, then the same name without
 * regard to case, then the short name against the fully qualified one (linstor-behaviour §1.4, users #19).
 */
export function matchNode(
  host: string,
  names: readonly NodeName[],
  nodeMap: Readonly<Record<string, string>>,
): NodeName | undefined {
  const wanted = (nodeMap[host] ?? host).toLowerCase();
  const exact = names.find((name) => name.toLowerCase() === wanted);
  if (exact) return exact;
  const short = names.filter((name) => shortName(name) === shortName(wanted));
  return short.length === 1 ? short[0] : undefined;
}

const shortName = (name: string): string => name.toLowerCase().split('.')[0] ?? name;

/** The host under which OpenNebula knows a node; the inverse of `matchNode`. */
export function matchHost(
  node: NodeName,
  hosts: readonly string[],
  nodeMap: Readonly<Record<string, string>>,
): string | undefined {
  return hosts.find((host) => matchNode(host, [node], nodeMap) !== undefined);
}

/** The replica of `view` on `host`, if there is one. */
export function replicaOnHost(
  view: readonly Resource[],
  host: string,
  nodeMap: Readonly<Record<string, string>>,
): Resource | undefined {
  const node = matchNode(
    host,
    view.map((resource) => resource.node),
    nodeMap,
  );
  return node === undefined ? undefined : view.find((resource) => resource.node === node);
}

/** Throws NODE_UNKNOWN when LINSTOR has no such node, LINSTOR_NODE_OFFLINE when its satellite is away. */
export async function requireOnlineNode(
  linstor: Linstor,
  host: string,
  nodeMap: Readonly<Record<string, string>>,
): Promise<Node> {
  const nodes = await linstor.nodes();
  const name = matchNode(
    host,
    nodes.map((node) => node.name),
    nodeMap,
  );
  const node = nodes.find((each) => each.name === name);
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
