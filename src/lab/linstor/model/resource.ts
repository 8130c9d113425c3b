import { Refusal } from '../rest/entry.ts';
import type { LabDefinition, LayerKind } from './definition.ts';
import { sameName } from './name.ts';
import type { Props } from './node.ts';
import type { Provider } from './pool.ts';

export interface LabVolume {
  number: number;
  uuid: string;
  pool: string;
  provider: Provider;
  flags: string[];
  /** KiB when a diskless volume was registered: its storage layer never hears of a later size (recorded). */
  knownKib?: number;
  /** The satellite has made it. */
  made: boolean;
  /** Image file below the lab's directory; replicas of a DRBD volume are links to one file. */
  file?: string;
  /** Device node of the storage layer; kept when the satellite goes away (linstor-behaviour §5). */
  device?: string;
  /** Device node of the top layer, where it is another one. */
  topDevice?: string;
  /** Content to start with: a snapshot's file. */
  origin?: string;
  /** ZFS: uuid of the snapshot this volume depends on. */
  parent?: string;
  /** File with the content a running clone will have. */
  pendingContent?: string;
  /** A native clone writes into it until it is done. */
  cloneState?: 'Cloning' | 'CloningDone' | 'CloningFailed';
  /** DRBD: epoch milliseconds at which the replica is in sync. */
  syncedAt?: number;
  /** Forced by the operator of the lab: Outdated, Failed, … */
  diskState?: string;
  /** KiB at the last look, kept for an offline satellite. */
  lastAllocatedKib?: number;
}

export interface DrbdResource {
  nodeId: number;
  port: number;
  initialized: boolean;
  inUse: boolean;
}

export interface LabResource {
  node: string;
  uuid: string;
  props: Props;
  flags: string[];
  layers: LayerKind[];
  /** Epoch milliseconds; absent until the satellite has made it. */
  createdAt?: number;
  drbd?: DrbdResource;
  volumes: LabVolume[];
}

export const hasFlag = (item: { flags: readonly string[] }, flag: string): boolean =>
  item.flags.includes(flag);

export function setFlags(item: { flags: string[] }, ...flags: readonly string[]): void {
  item.flags = [...new Set([...item.flags, ...flags])];
}

export function clearFlags(item: { flags: string[] }, ...flags: readonly string[]): void {
  item.flags = item.flags.filter((flag) => !flags.includes(flag));
}

export const isDiskless = (resource: LabResource): boolean => hasFlag(resource, 'DISKLESS');
export const isDeleting = (resource: LabResource): boolean => hasFlag(resource, 'DELETE');
export const isDrbd = (resource: LabResource): boolean => resource.layers.includes('DRBD');
export const isTieBreaker = (resource: LabResource): boolean => hasFlag(resource, 'TIE_BREAKER');

export function findResource(definition: LabDefinition, node: string): LabResource | undefined {
  return definition.resources.find((resource) => sameName(resource.node, node));
}

/** Replicas that hold data: neither diskless nor on their way out. */
export function diskful(definition: LabDefinition): LabResource[] {
  return definition.resources.filter((resource) => !isDiskless(resource) && !isDeleting(resource));
}

export function mustFindResource(definition: LabDefinition, node: string): LabResource {
  const resource = findResource(definition, node);
  if (!resource) {
    throw new Refusal(302, `Resource '${definition.name}' on node '${node}' not found.`, {
      cause: `The specified resource '${definition.name}' on node '${node}' could not be found in the database`,
      correction: `Create a resource with the name '${definition.name}' on node '${node}' first.`,
    });
  }
  return resource;
}

/** Where somebody has the device open (DRBD only: plain storage has no such knowledge). */
export function usedOn(definition: LabDefinition): LabResource | undefined {
  return definition.resources.find((resource) => resource.drbd?.inUse === true);
}
