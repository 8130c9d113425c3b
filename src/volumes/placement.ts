import { DriverError } from '../errors.ts';
import type { LayerKind, Linstor, PlacementFilter, ResourceGroup } from '../linstor/linstor.ts';
import { type NodeName, nodeName, resourceName } from '../linstor/names.ts';
import type { PlacementSettings } from '../opennebula/settings.ts';
import { policyProps } from './policy.ts';
import { hasNetworkLayer } from './replicas.ts';

/** Where a new volume shall go, decided before anything is made. */
export interface Plan {
  readonly group: string;
  /** Given to the definition; empty means: LINSTOR's (the group's) own choice. */
  readonly layers: readonly LayerKind[];
  /** What the stack will be in effect. */
  readonly effectiveLayers: readonly LayerKind[];
  /** Replicas with a disk. */
  readonly replicas: number;
  /** Only what overrides the group. */
  readonly filter: PlacementFilter;
  /** Replicas on each of these, instead of automatic placement. */
  readonly nodes: readonly NodeName[];
  /** Place count differs from the group's: keep the hourly balance task away (linstor-behaviour §7.9). */
  readonly unbalanced: boolean;
  /** Properties of the definition beside the marks: what the datastore asks for. */
  readonly policy: Readonly<Record<string, string>>;
}

/** What a definition is made with. */
export type DefinitionPlan = Pick<Plan, 'group' | 'layers' | 'unbalanced'> & Partial<Pick<Plan, 'policy'>>;

const defaultGroup = 'DfltRscGrp';
const defaultLayers: readonly LayerKind[] = ['DRBD', 'STORAGE'];

/** Throws PLACEMENT when the settings cannot be met without risk, BAD_ATTRIBUTE for a group that does not exist. */
export async function planPlacement(
  linstor: Linstor,
  settings: PlacementSettings,
  replicaCount = settings.replicaCount,
): Promise<Plan> {
  const name = settings.resourceGroup ?? defaultGroup;
  const group = await linstor.resourceGroup(name);
  if (!group) throw unknownGroup(name);
  return planFor(group, settings, replicaCount);
}

export function unknownGroup(name: string): DriverError {
  return new DriverError('BAD_ATTRIBUTE', `RESOURCE_GROUP “${name}” does not exist in LINSTOR`, {
    remedy: `create it: linstor resource-group create ${name} --place-count 2 --storage-pool <pool>`,
  });
}

export function planFor(
  group: ResourceGroup,
  settings: PlacementSettings,
  replicaCount = settings.replicaCount,
): Plan {
  const layers = withEncryption(settings.layerList, group, settings.encryption);
  const effectiveLayers = layers.length > 0 ? layers : (group.filter.layers ?? defaultLayers);
  const groupCount = group.filter.placeCount ?? 1;
  const explicit = settings.resourceGroup === undefined;
  const fallback = explicit && !hasNetworkLayer(effectiveLayers) ? 1 : groupCount;
  const replicas = settings.nodeList.length > 0 ? settings.nodeList.length : (replicaCount ?? fallback);
  if (replicas > 1 && !hasNetworkLayer(effectiveLayers)) {
    throw new DriverError(
      'PLACEMENT',
      `${replicas} replicas are asked of ${explicit ? 'the datastore' : `resource group “${group.name}”`}, whose layers are ${effectiveLayers.join(',')}: without DRBD each would be a volume of its own with other content`,
      {
        remedy: explicit
          ? 'set REPLICA_COUNT=1 (one node in NODE_LIST), or add DRBD to LAYER_LIST'
          : `linstor resource-group modify ${group.name} --place-count 1, or add DRBD to its layers`,
      },
    );
  }
  return {
    group: group.name,
    layers,
    effectiveLayers,
    replicas,
    nodes: settings.nodeList.map(nodeName),
    unbalanced: replicas !== groupCount,
    policy: policyProps(settings, effectiveLayers),
    filter: {
      // LINSTOR forgets a group's list of nodes, which it does not show either, for a request with any filter at all (seen with 1.33.3).
      ...(replicas === group.filter.placeCount ? {} : { placeCount: replicas }),
      ...(settings.storagePools.length > 0 ? { storagePools: settings.storagePools } : {}),
      ...(settings.replicasOnSame.length > 0 ? { replicasOnSame: settings.replicasOnSame.map(auxKey) } : {}),
      ...(settings.replicasOnDifferent.length > 0
        ? { replicasOnDifferent: settings.replicasOnDifferent.map(auxKey) }
        : {}),
      ...(settings.doNotPlaceWith.length > 0
        ? { notPlaceWith: settings.doNotPlaceWith.map(resourceName) }
        : {}),
      ...(settings.doNotPlaceWithRegex ? { notPlaceWithRegex: settings.doNotPlaceWithRegex } : {}),
      ...(settings.providers.length > 0 ? { providers: settings.providers } : {}),
    },
  };
}

/** The client's `--replicas-on-same site` means the property `Aux/site`; the API wants it spelled out. */
const auxKey = (key: string): string => (key.startsWith('Aux/') ? key : `Aux/${key}`);

function withEncryption(
  layerList: readonly LayerKind[],
  group: ResourceGroup,
  encryption: boolean,
): readonly LayerKind[] {
  if (!encryption) return layerList;
  const base = layerList.length > 0 ? layerList : (group.filter.layers ?? defaultLayers);
  if (base.includes('LUKS')) return base;
  return [...base.filter((layer) => layer !== 'STORAGE'), 'LUKS', 'STORAGE'];
}
