import { nodeOfHost } from '../../disks/host-node.ts';
import { leavingFlags } from '../../linstor/node-state.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, type Facts, orElse } from './facts.ts';

/** Satellites, and OpenNebula's hosts against LINSTOR's nodes (users #19). */
export function checkNodes(facts: Facts, cluster: ClusterFacts): Finding[] {
  if (!cluster.nodes.ok) return [];
  const nodes = cluster.nodes.value;
  if (nodes.length === 0)
    return [
      {
        id: 'linstor.nodes',
        severity: 'fail',
        object: cluster.label,
        what: 'LINSTOR has no nodes',
        why: 'there is nowhere to put a volume',
        remedy: 'linstor node create NAME ADDRESS',
      },
    ];
  const findings = nodes
    .filter((node) => node.type !== 'CONTROLLER' && node.type !== 'AUXILIARY')
    .flatMap((node): Finding[] => {
      const flags = leavingFlags(node);
      if (flags.length > 0)
        return [
          {
            id: 'linstor.nodes',
            severity: 'warn',
            object: node.name,
            what: `the node is ${flags.join(', ')}`,
            why: 'it gets no new volumes',
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
          remedy: `on ${node.name}: systemctl restart linstor-satellite\nlinstor node list`,
        },
      ];
    });
  const nodeMap = cluster.settings.nodeMap;
  for (const host of orElse(facts.one.hosts, []).filter((item) => item.enabled)) {
    const node = nodeOfHost(host.name, nodes, nodeMap);
    if (!node) {
      findings.push({
        id: 'linstor.hosts',
        severity: 'fail',
        object: host.name,
        what: 'LINSTOR has no node for this host',
        why: 'VMs there cannot use disks of the driver',
        remedy: `linstor node create ${host.name} ADDRESS\nor, if the node has another name, in ${facts.layout.config}: NODE_MAP="${host.name}=NODE"`,
      });
    } else if (node.name.toLowerCase() !== host.name.toLowerCase() && nodeMap[host.name] === undefined) {
      findings.push({
        id: 'linstor.hosts',
        severity: 'info',
        object: host.name,
        what: `its LINSTOR node is taken to be “${node.name}”`,
        why: 'the names differ',
        remedy: `to say so once and for all, in ${facts.layout.config}: NODE_MAP="${host.name}=${node.name}"`,
      });
    }
  }
  return findings;
}
