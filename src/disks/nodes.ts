import { DriverError } from '../errors.ts';
import type { Linstor, Node, NodeName, Resource } from '../linstor/linstor.ts';
import { nodeOfHost } from './node-names.ts';

/** The one of these node names that `host` is (`nodeOfHost`: map, same name, short against full name). */
export function matchNode(
  host: string,
  names: readonly NodeName[],
  nodeMap: Readonly<Record<string, string>>,
): NodeName | undefined {
  return nodeOfHost(
    host,
    names.map((name) => ({ name })),
    nodeMap,
  )?.name;
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
