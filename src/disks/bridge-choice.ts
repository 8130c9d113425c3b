import { DriverError } from '../errors.ts';
import type { Node, NodeName, Resource } from '../linstor/linstor.ts';
import type { Host } from '../opennebula/one.ts';
import { hasNetworkLayer, isReadable, layersOf, sameName } from '../volumes/replicas.ts';
import { type NodeMap, nodeOfHost } from './host-node.ts';

/** Which host copies the bytes (contract §2.8). Pure functions over what OpenNebula and LINSTOR said. */

export interface BridgeQuery {
  /** BRIDGE_LIST; empty: every enabled host of OpenNebula (what this driver has always done). */
  readonly bridgeList: readonly string[];
  readonly hosts: readonly Host[];
  readonly nodes: readonly Node[];
  /** Where the volumes in question are; empty when they don't exist yet. */
  readonly resources?: readonly Resource[];
  readonly nodeMap?: NodeMap;
  /** Turns the order among equals, as `<id> mod n` does in OpenNebula's own drivers: not always the same host. */
  readonly spread?: number;
}

export interface Bridge {
  /** ssh name. */
  readonly host: string;
  readonly node: NodeName;
  /** How many of `resources` have their disk here. */
  readonly diskful: number;
}

export interface RefusedBridge {
  readonly host: string;
  readonly reason: string;
}

function candidates(query: BridgeQuery): string[] {
  const names = query.bridgeList.length > 0 ? query.bridgeList : query.hosts.map((host) => host.name);
  return [...new Set(names)];
}

function resourcesByName(resources: readonly Resource[]): ReadonlyMap<string, readonly Resource[]> {
  const byName = new Map<string, Resource[]>();
  for (const resource of resources) {
    const list = byName.get(resource.name) ?? [];
    list.push(resource);
    byName.set(resource.name, list);
  }
  return byName;
}

function judge(host: string, query: BridgeQuery): Bridge | RefusedBridge {
  const known = query.hosts.find((entry) => entry.name.toLowerCase() === host.toLowerCase());
  // A bridge host need not be a host of OpenNebula; only a known bad state excludes (contract §2.8).
  if (known && !known.enabled) return { host, reason: 'disabled or in error in OpenNebula' };
  const node = nodeOfHost(host, query.nodes, query.nodeMap);
  if (!node) return { host, reason: 'no LINSTOR node of that name' };
  if (node.status !== 'ONLINE') return { host, reason: `satellite ${node.name} is ${node.status}` };
  let diskful = 0;
  for (const [name, replicas] of resourcesByName(query.resources ?? [])) {
    const here = replicas.some((replica) => sameName(replica.node, node.name) && isReadable(replica));
    if (here) diskful += 1;
    else if (!hasNetworkLayer(layersOf(replicas)))
      return { host, reason: `${name} is local storage of another node` };
  }
  return { host, node: node.name, diskful };
}

/** All usable bridges, best first: those that hold most of the volumes, then in an order turned by `spread`. */
export function rankBridges(query: BridgeQuery): { bridges: Bridge[]; refused: RefusedBridge[] } {
  const bridges: Bridge[] = [];
  const refused: RefusedBridge[] = [];
  for (const host of candidates(query)) {
    const verdict = judge(host, query);
    if ('reason' in verdict) refused.push(verdict);
    else bridges.push(verdict);
  }
  const turn = bridges.length === 0 ? 0 : Math.abs(query.spread ?? 0) % bridges.length;
  const turned = [...bridges.slice(turn), ...bridges.slice(0, turn)];
  return { bridges: turned.sort((a, b) => b.diskful - a.diskful), refused };
}

/** All usable bridges, best first; at least one. Throws NO_BRIDGE, saying of every candidate why not. */
export function requireBridges(query: BridgeQuery): readonly Bridge[] {
  const { bridges, refused } = rankBridges(query);
  if (bridges.length > 0) return bridges;
  throw new DriverError('NO_BRIDGE', 'no host is usable for copying', {
    details: refused.map(({ host, reason }) => `${host}: ${reason}`),
  });
}
