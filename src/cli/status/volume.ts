import { singlePoints } from '../../availability/survival.ts';
import type { Resource, ResourceDefinition, Snapshot } from '../../linstor/linstor.ts';
import type { Image } from '../../opennebula/one.ts';
import { isBase } from '../../volumes/base.ts';
import { type ParsedName, parseResource, sourceOf } from '../../volumes/names.ts';
import { isDiskless, isTieBreaker } from '../../volumes/replicas.ts';
import { notesByVolume, readTrash } from '../../volumes/trash.ts';
import { type ClusterFacts, orElse } from '../checks/facts.ts';
import { describeProblem, problemsOf, stateOf } from '../checks/volume-health.ts';
import { natural } from '../table.ts';

const kib = 1024;

export interface ReplicaStatus {
  readonly node: string;
  readonly role: 'disk' | 'diskless' | 'tie-breaker';
  /** `UpToDate`, `Inconsistent`, …; `ok` for storage without DRBD, `unknown` while the satellite is away. */
  readonly state: string;
  readonly inUse: boolean;
  readonly pool: string;
  readonly allocated?: number;
  readonly device?: string;
}

export interface VolumeStatus {
  readonly resource: string;
  /** `trash`: deleted, and kept for a while. */
  readonly kind: 'disk' | 'image' | 'checkpoint' | 'memory' | 'scratch' | 'trash';
  readonly vm?: number;
  readonly disk?: number;
  readonly image?: number;
  readonly size: number;
  /** Of all replicas. */
  readonly allocated: number;
  readonly group: string;
  readonly layers: readonly string[];
  readonly replicas: readonly ReplicaStatus[];
  readonly snapshots: readonly string[];
  /** Nodes whose absence alone costs it its data or its quorum; left out where there is none. */
  readonly singlePoints?: readonly string[];
  /** LINSTOR is deleting it. */
  readonly deleting?: true;
  /** Empty when all is well. */
  readonly trouble: readonly string[];
}

export function volumesOf(cluster: ClusterFacts, images: readonly Image[]): VolumeStatus[] {
  const noteFor = notesByVolume(readTrash(orElse(cluster.trash, {})));
  const bySource = new Map(images.map((image) => [image.source.trim().toLowerCase(), image]));
  const replicas = Map.groupBy(orElse(cluster.resources, []), (item) => item.name);
  const snapshots = Map.groupBy(orElse(cluster.snapshots, []), (item) => item.resource);
  return orElse(cluster.definitions, []).flatMap((definition) => {
    const parsed = parseResource(cluster.settings.namePrefix, definition.name);
    // An image may be made of any volume: what was in the trash, what was adopted.
    const image =
      parsed?.kind === 'image' ? undefined : bySource.get(sourceOf(definition.name).toLowerCase());
    if (!parsed && !image) return [];
    const volume = volumeStatus(
      definition,
      replicas.get(definition.name) ?? [],
      snapshots.get(definition.name) ?? [],
    );
    const points = pointsOf(cluster, definition, replicas.get(definition.name) ?? []);
    return [
      {
        ...volume,
        ...(points.length > 0 ? { singlePoints: points } : {}),
        ...(image
          ? ({ kind: 'image', image: image.id } as const)
          : subjectOf(parsed as ParsedName, noteFor(definition) !== undefined)),
      },
    ];
  });
}

/** Not guessed where LINSTOR was not read as a whole. */
function pointsOf(
  { nodes, groups, properties }: ClusterFacts,
  definition: ResourceDefinition,
  replicas: readonly Resource[],
): string[] {
  if (!(nodes.ok && groups.ok && properties.ok)) return [];
  return singlePoints(definition, replicas, {
    nodes: nodes.value,
    groups: groups.value,
    properties: properties.value,
  });
}

function subjectOf(
  { kind, vmId, diskId, imageId }: ParsedName,
  inTrash: boolean,
): Pick<VolumeStatus, 'kind' | 'vm' | 'disk' | 'image'> {
  return {
    kind: inTrash ? 'trash' : kind,
    ...(vmId === undefined ? {} : { vm: vmId }),
    ...(diskId === undefined ? {} : { disk: diskId }),
    ...(imageId === undefined ? {} : { image: imageId }),
  };
}

function volumeStatus(
  definition: ResourceDefinition,
  view: readonly Resource[],
  snapshots: readonly Snapshot[],
): Omit<VolumeStatus, 'kind' | 'vm' | 'disk' | 'image'> {
  const replicas = view.map(replicaStatus).sort((a, b) => natural(a.node, b.node));
  return {
    resource: definition.name,
    size: definition.volumes.reduce((sum, volume) => sum + volume.sizeKib, 0) * kib,
    allocated: replicas.reduce((sum, replica) => sum + (replica.allocated ?? 0), 0),
    group: definition.group,
    layers: definition.layers,
    replicas,
    snapshots: snapshots
      .filter((item) => !isBase(item))
      .map((item) =>
        item.flags.includes('SUCCESSFUL')
          ? item.name
          : `${item.name} (${item.flags.join(' ') || 'incomplete'})`,
      ),
    ...(definition.flags.includes('DELETE') ? { deleting: true as const } : {}),
    trouble: problemsOf(definition, view).map(describeProblem),
  };
}

function replicaStatus(replica: Resource): ReplicaStatus {
  const volume = replica.volumes[0];
  const role = isTieBreaker(replica) ? 'tie-breaker' : isDiskless(replica) ? 'diskless' : 'disk';
  const state = stateOf(replica);
  return {
    node: replica.node,
    role,
    state,
    inUse: replica.inUse === true,
    pool: volume?.pool ?? '',
    ...(role === 'disk' && volume?.allocatedKib !== undefined
      ? { allocated: volume.allocatedKib * kib }
      : {}),
    ...(volume?.devicePath && replica.stateKnown ? { device: volume.devicePath } : {}),
  };
}
