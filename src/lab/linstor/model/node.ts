import { Refusal } from '../rest/entry.ts';
import { sameName } from './name.ts';
import type { ClusterState } from './state.ts';

export type Props = Record<string, string>;

export interface NetInterface {
  name: string;
  address: string;
  satellite_port: number;
  satellite_encryption_type: string;
  is_active: boolean;
  uuid: string;
}

/** A satellite. `connection` other than ONLINE means: nothing happens there until it returns. */
export interface LabNode {
  name: string;
  uuid: string;
  type: string;
  props: Props;
  flags: string[];
  interfaces: NetInterface[];
  connection: string;
  /** Epoch milliseconds at which it went away. */
  offlineSince?: number;
  /** DRBD has lost its peers there. */
  starved?: boolean;
  /** The network is cut: it talks to nodes of the same side only. */
  side?: string;
  /** Without power. */
  dead?: boolean;
  /** It answers nothing, and the controller has not noticed yet. */
  hung?: boolean;
  /** The controller has restarted: it does not know the device paths until the satellite is back. */
  forgotten?: boolean;
  providers: string[];
  layers: string[];
  unsupportedProviders: Record<string, string[]>;
  unsupportedLayers: Record<string, string[]>;
}

export function findNode(state: ClusterState, name: string): LabNode | undefined {
  return state.nodes.find((node) => sameName(node.name, name));
}

/** What the controller thinks. */
export const isOnline = (node: LabNode | undefined): boolean => node?.connection === 'ONLINE';

/** Does it do what it is told? */
export const doesAnswer = (node: LabNode | undefined): boolean => isOnline(node) && node?.hung !== true;

/** The node or the refusal for a missing one. */
export function mustFindNode(state: ClusterState, name: string, options: { plain?: boolean } = {}): LabNode {
  const node = findNode(state, name);
  if (!node) throw missing('node', 300, name, options);
  return node;
}

/** "not found" with cause and correction, as handlers answer it; plain lookups carry the message only. */
export function missing(
  kind: string,
  code: number,
  name: string,
  options: { plain?: boolean; where?: string } = {},
): Refusal {
  const what = `${kind} '${name}'${options.where ?? ''}`;
  return new Refusal(code, `${what.charAt(0).toUpperCase()}${what.slice(1)} not found.`, {
    cause: `The specified ${what} could not be found in the database`,
    correction: `Create a ${kind} with the name '${name}'${options.where ?? ''} first.`,
    ...(options.plain ? { plain: true } : {}),
  });
}

const noInformation = 'No information from satellite yet';
const alwaysThere = ['DISKLESS', 'REMOTE_SPDK', 'EBS_INIT', 'EBS_TARGET'];
/** Kinds whose absence is explained by two checks, hence two lines. */
const twice = ['ZFS', 'ZFS_THIN', 'DRBD'];

function unknown(kinds: readonly string[]): Record<string, string[]> {
  return Object.fromEntries(
    kinds.map((kind) => [kind, twice.includes(kind) ? [noInformation, noInformation] : [noInformation]]),
  );
}

/** EVICTED is made of bits that include DELETE's (linstor-behaviour §1.3). */
const shownFlags = (flags: readonly string[]): string[] =>
  flags.includes('EVICTED') ? [...new Set(['DELETE', ...flags])] : [...flags];

/** Auto-eviction is due one hour after the node went away (linstor-behaviour §3.2). */
const EVICT_AFTER = 3600_000;

export function nodeJson(node: LabNode): Record<string, unknown> {
  const online = isOnline(node);
  const kinds = [...node.providers, ...Object.keys(node.unsupportedProviders)];
  const layers = [...node.layers, ...Object.keys(node.unsupportedLayers)];
  return {
    name: node.name,
    type: node.type,
    ...(Object.keys(node.props).length > 0 ? { props: node.props } : {}),
    ...(node.flags.length > 0 ? { flags: shownFlags(node.flags) } : {}),
    net_interfaces: node.interfaces,
    connection_status: node.connection,
    uuid: node.uuid,
    storage_providers: online ? node.providers : alwaysThere,
    resource_layers: online ? node.layers : ['STORAGE'],
    unsupported_providers: online
      ? node.unsupportedProviders
      : unknown(kinds.filter((kind) => !alwaysThere.includes(kind))),
    unsupported_layers: online
      ? node.unsupportedLayers
      : unknown(layers.filter((layer) => layer !== 'STORAGE')),
    ...(node.offlineSince === undefined ? {} : { eviction_timestamp: node.offlineSince + EVICT_AFTER }),
  };
}
