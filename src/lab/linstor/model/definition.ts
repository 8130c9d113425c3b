import { Refusal } from '../rest/entry.ts';
import { compact } from '../rest/json.ts';
import { sorted } from './group.ts';
import { sameName } from './name.ts';
import { missing, type Props } from './node.ts';
import type { LabResource } from './resource.ts';
import type { LabSnapshot } from './snapshot.ts';
import type { ClusterState } from './state.ts';

export type LayerKind = 'DRBD' | 'LUKS' | 'NVME' | 'WRITECACHE' | 'CACHE' | 'BCACHE' | 'STORAGE';
export const layerKinds: readonly LayerKind[] = [
  'DRBD',
  'LUKS',
  'NVME',
  'WRITECACHE',
  'CACHE',
  'BCACHE',
  'STORAGE',
];

export interface VolumeDefinition {
  number: number;
  uuid: string;
  sizeKib: number;
  props: Props;
  flags: string[];
  /** DRBD minor, given when the first DRBD resource needs it. */
  minor?: number;
  /** Passphrase of the LUKS layer; never shown. */
  passphrase?: string;
}

export interface DrbdDefinition {
  secret: string;
  peerSlots: number;
  transport: string;
}

/** Native clone in progress or done: `readyAt` is epoch milliseconds. */
export interface CloneState {
  source: string;
  readyAt: number;
  failed?: boolean;
}

export interface LabDefinition {
  name: string;
  uuid: string;
  externalName?: string;
  group: string;
  props: Props;
  flags: string[];
  /** Empty: not fixed yet; resources decide when they are made. */
  layers: LayerKind[];
  peerSlots?: number;
  drbd?: DrbdDefinition;
  volumes: VolumeDefinition[];
  resources: LabResource[];
  snapshots: LabSnapshot[];
  clone?: CloneState;
}

export function findDefinition(state: ClusterState, name: string): LabDefinition | undefined {
  return state.definitions.find((definition) => sameName(definition.name, name));
}

export function mustFindDefinition(
  state: ClusterState,
  name: string,
  options: { plain?: boolean } = {},
): LabDefinition {
  const definition = findDefinition(state, name);
  if (!definition) throw missing('resource definition', 301, name, options);
  return definition;
}

/** For plain GETs: message only. */
export function lookupDefinition(state: ClusterState, name: string): LabDefinition {
  const definition = findDefinition(state, name);
  if (!definition) throw new Refusal(301, `Resource definition '${name}' not found.`, { plain: true });
  return definition;
}

export function drbdDefinitionJson(definition: LabDefinition): Record<string, unknown> {
  return {
    peer_slots: definition.drbd?.peerSlots ?? definition.peerSlots ?? 7,
    al_stripes: 1,
    al_stripe_size_kib: 32,
    port: -1,
    transport_type: definition.drbd?.transport ?? 'IP',
    secret: definition.drbd?.secret ?? '',
    down: false,
  };
}

export function definitionJson(definition: LabDefinition, withVolumes: boolean): Record<string, unknown> {
  return {
    name: definition.name,
    ...compact({
      external_name: definition.externalName,
      props: sorted(definition.props),
      flags: definition.flags,
      layer_data: definition.layers.map((type) =>
        type === 'DRBD' ? { type, data: drbdDefinitionJson(definition) } : { type },
      ),
    }),
    uuid: definition.uuid,
    resource_group_name: definition.group,
    ...(withVolumes
      ? compact({
          volume_definitions: definition.volumes.map((volume) => volumeDefinitionJson(definition, volume)),
        })
      : {}),
  };
}

export function volumeDefinitionJson(
  definition: LabDefinition,
  volume: VolumeDefinition,
): Record<string, unknown> {
  return {
    volume_number: volume.number,
    size_kib: volume.sizeKib,
    ...compact({
      props: sorted(volume.props),
      flags: volume.flags,
      layer_data: definition.layers.map((type) =>
        type === 'DRBD'
          ? { type, data: compact({ volume_number: volume.number, minor_number: volume.minor }) }
          : { type },
      ),
    }),
    uuid: volume.uuid,
  };
}

/** The layers a new resource of this definition gets, before filters have their say (linstor-behaviour §3.7). */
export function layersOf(definition: LabDefinition): LayerKind[] {
  return definition.layers.length > 0 ? definition.layers : ['DRBD', 'STORAGE'];
}
