import type { LabDefinition } from './definition.ts';
import { findGroup } from './group.ts';
import { sameName } from './name.ts';
import { findNode, type LabNode } from './node.ts';
import { QUORUM } from './properties.ts';
import { isDeleting, isDiskless, isDrbd, type LabResource } from './resource.ts';
import type { ClusterState } from './state.ts';

/** What DRBD in a node's kernel knows, without LINSTOR: who is connected, and who may write (linstor-behaviour §13.1). */

/** Most specific value of a property: definition, group, controller. */
export function inheritedProp(
  state: ClusterState,
  definition: LabDefinition,
  key: string,
): string | undefined {
  return (
    definition.props[key] ?? findGroup(state, definition.group)?.props[key] ?? state.controllerProps[key]
  );
}

/** Do their kernels talk to each other? The network is not cut between them, and both have power. */
export function areLinked(a: LabNode | undefined, b: LabNode | undefined): boolean {
  if (!a || !b || a.dead || b.dead || a.starved || b.starved) return false;
  return a.side === b.side;
}

/** Registered, made, and not on its way out. */
const peersOf = (definition: LabDefinition, own: LabResource): LabResource[] =>
  definition.resources.filter(
    (other) => other.node !== own.node && isDrbd(other) && other.drbd && !isDeleting(other),
  );

type Linked = typeof areLinked;

function connectedPeers(
  state: ClusterState,
  definition: LabDefinition,
  own: LabResource,
  linked: Linked = areLinked,
): LabResource[] {
  const here = findNode(state, own.node);
  return peersOf(definition, own).filter((other) => linked(here, findNode(state, other.node)));
}

export function hasQuorum(
  state: ClusterState,
  definition: LabDefinition,
  own: LabResource,
  linked: Linked = areLinked,
): boolean {
  const setting = inheritedProp(state, definition, QUORUM) ?? 'off';
  if (setting === 'off') return true;
  const all = [own, ...peersOf(definition, own)];
  const seen = [own, ...connectedPeers(state, definition, own, linked)];
  const count = (list: readonly LabResource[], diskless: boolean): number =>
    list.filter((item) => isDiskless(item) === diskless).length;
  const voters = count(all, false);
  const needed =
    setting === 'majority'
      ? Math.floor(voters / 2) + 1
      : setting === 'all'
        ? voters
        : Number.parseInt(setting, 10);
  const here = count(seen, false);
  if (here >= needed) return true;
  const half = voters > 0 && voters % 2 === 0 && here === needed - 1;
  return half && count(seen, true) >= Math.floor(count(all, true) / 2) + 1;
}

export const onNoQuorum = (state: ClusterState, definition: LabDefinition): string =>
  inheritedProp(state, definition, 'DrbdOptions/Resource/on-no-quorum') ?? 'io-error';

interface Own {
  readonly definition: LabDefinition;
  readonly own: LabResource;
}

export function resourcesOn(state: ClusterState, node: string): Own[] {
  return state.definitions.flatMap((definition) =>
    definition.resources
      .filter((own) => sameName(own.node, node) && isDrbd(own) && own.drbd && own.createdAt !== undefined)
      .map((own) => ({ definition, own })),
  );
}

const uname = (state: ClusterState, node: string): string =>
  findNode(state, node)?.props['NodeUname'] ?? node;

/** `drbdsetup status --json` */
export function kernelStatus(state: ClusterState, node: string): Record<string, unknown>[] {
  return resourcesOn(state, node).map(({ definition, own }) => {
    const linked = new Set(connectedPeers(state, definition, own).map((peer) => peer.node));
    const quorum = hasQuorum(state, definition, own);
    const frozen = own.drbd?.inUse === true && !quorum && onNoQuorum(state, definition) === 'suspend-io';
    return {
      name: definition.name,
      'node-id': own.drbd?.nodeId ?? 0,
      role: own.drbd?.inUse ? 'Primary' : 'Secondary',
      suspended: frozen,
      'suspended-quorum': frozen,
      'force-io-failures': false,
      devices: own.volumes.map((volume) => ({
        volume: volume.number,
        'disk-state': isDiskless(own) ? 'Diskless' : (volume.diskState ?? 'UpToDate'),
        client: isDiskless(own),
        open: own.drbd?.inUse === true,
        quorum,
      })),
      connections: peersOf(definition, own).map((peer) => ({
        'peer-node-id': peer.drbd?.nodeId ?? 0,
        name: uname(state, peer.node),
        'connection-state': linked.has(peer.node) ? 'Connected' : 'Connecting',
        'peer-role': !linked.has(peer.node) ? 'Unknown' : peer.drbd?.inUse ? 'Primary' : 'Secondary',
      })),
    };
  });
}

/** `drbdsetup show --json` */
export function kernelOptions(state: ClusterState, node: string): Record<string, unknown>[] {
  return resourcesOn(state, node).map(({ definition, own }) => {
    const option = (name: string, fallback: string): string =>
      inheritedProp(state, definition, `DrbdOptions/Resource/${name}`) ?? fallback;
    return {
      resource: definition.name,
      options: {
        quorum: option('quorum', 'off'),
        'on-no-quorum': option('on-no-quorum', 'suspend-io'),
        'on-no-data-accessible': option('on-no-data-accessible', 'io-error'),
        'on-suspended-primary-outdated': option('on-suspended-primary-outdated', 'disconnect'),
      },
      connections: peersOf(definition, own).map((peer) => ({
        _peer_node_id: peer.drbd?.nodeId ?? 0,
        net: {
          protocol: inheritedProp(state, definition, 'DrbdOptions/Net/protocol') ?? 'C',
          _name: uname(state, peer.node),
        },
      })),
    };
  });
}

/** `drbdsetup status`, as far as anybody reads it. */
export function kernelText(state: ClusterState, node: string): string {
  return kernelStatus(state, node)
    .map((item) => `${item['name']} role:${item['role']}${item['suspended'] ? ' suspended:quorum' : ''}\n`)
    .join('');
}
