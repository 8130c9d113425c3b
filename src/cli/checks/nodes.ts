import { type FoundBy, matchHost } from '../../disks/host-node.ts';
import type { Node } from '../../linstor/linstor.ts';
import { leavingFlags } from '../../linstor/node-state.ts';
import type { Finding } from './check.ts';
import type { ClusterFacts, ClusterView } from './facts.ts';
import { hostsInUse, isNodeInUse } from './in-use.ts';

/** Satellites that our datastores need, and OpenNebula's hosts against LINSTOR's nodes (users #19). */
export function checkNodes(facts: ClusterView, cluster: ClusterFacts): Finding[] {
  if (!cluster.nodes.ok) return [];
  const nodes = cluster.nodes.value;
  if (nodes.length === 0)
    return [
      {
        id: 'linstor.nodes',
        severity: 'fail',
        object: cluster.label,
        what: 'LINSTOR has no nodes',
        why: 'volumes cannot be placed',
        remedy: 'linstor node create NAME ADDRESS',
      },
    ];
  const findings = nodes
    .filter((node) => node.type !== 'CONTROLLER' && node.type !== 'AUXILIARY')
    .filter((node) => isNodeInUse(facts, cluster, node.name))
    .flatMap((node): Finding[] => {
      const flags = leavingFlags(node);
      if (flags.length > 0)
        return [
          {
            id: 'linstor.nodes',
            severity: 'warn',
            object: node.name,
            what: `the node is ${flags.join(', ')}`,
            why: 'no new volumes are placed on it',
            remedy: `linstor node restore ${node.name}`,
          },
        ];
      if (node.status === 'ONLINE') return [];
      return [
        {
          id: 'linstor.nodes',
          severity: 'fail',
          object: node.name,
          what: `the satellite is ${node.status}`,
          why: 'volumes there cannot be made, attached or removed',
          remedy: `# on ${node.name}, as root:\nsystemctl restart linstor-satellite\n# then, here:\nlinstor node list`,
        },
      ];
    });
  return [...findings, ...checkHostNames(facts, cluster, nodes)];
}

/** Which node each host is, and how it was found. */
function checkHostNames(facts: ClusterView, cluster: ClusterFacts, nodes: readonly Node[]): Finding[] {
  return hostsInUse(facts, cluster).flatMap((host): Finding[] => {
    const match = matchHost(host.name, nodes, cluster.settings.nodeMap);
    if (!match)
      return [
        {
          id: 'linstor.hosts',
          severity: 'fail',
          object: host.name,
          what: 'LINSTOR has no node for this host',
          why: 'VMs there cannot use disks of the driver',
          remedy: `linstor node create ${host.name} ADDRESS\n# or, if the node has another name, in ${facts.layout.config}: NODE_MAP="${host.name}=NODE"`,
        },
      ];
    const { node, by } = match;
    if (by === 'name') return [];
    const what = `its LINSTOR node is “${node.name}”, found by ${how[by]}`;
    if (by === 'NODE_MAP') return [{ id: 'linstor.hosts', severity: 'info', object: host.name, what }];
    return [
      {
        id: 'linstor.hosts',
        severity: 'info',
        object: host.name,
        what,
        why: 'the names differ',
        remedy: `# to say so once and for all, in ${facts.layout.config}: NODE_MAP="${host.name}=${node.name}"`,
      },
    ];
  });
}

const how: Readonly<Record<Exclude<FoundBy, 'name'>, string>> = {
  NODE_MAP: 'NODE_MAP',
  NodeUname: 'the host name that its satellite reports (NodeUname)',
  address: 'its address',
  'short name': 'its name without the domain',
};
