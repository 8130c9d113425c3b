import type { Allocation, ResourceDefinition, Snapshot } from '../linstor/linstor.ts';
import { kib, kibToMib, type MiB } from '../units.ts';
import { allocatedMark, marks, snapshotSizeMark } from './marks.ts';
import { parseResource, snapshotId } from './names.ts';
import { isDiskful } from './replicas.ts';

export interface VolumeUsage {
  readonly vmId: number;
  readonly diskId: number;
  readonly sizeMib: MiB;
  readonly snapshots: readonly { readonly id: number; readonly sizeMib: MiB }[];
}

/**
 * What the disks of one system datastore really occupy, in MiB: the most that one of the replicas has allocated
 * (contract §6.3). Linear in the number of resources. FILE_THIN reports 0 for volumes that hold data (linstor-behaviour §4.2):
 * that is then the answer.
 */
export function diskUsage(
  prefix: string,
  datastoreId: number,
  definitions: readonly ResourceDefinition[],
  resources: readonly Allocation[],
  snapshots?: readonly Snapshot[],
): VolumeUsage[] {
  const allocated = new Map<string, number>();
  for (const resource of resources) {
    if (!isDiskful(resource)) continue;
    const size = resource.volumes.reduce((sum, volume) => sum + (volume.allocatedKib ?? 0), 0);
    const key = resource.name.toLowerCase();
    allocated.set(key, Math.max(allocated.get(key) ?? 0, size));
  }
  const taken = snapshots && Map.groupBy(snapshots, (snapshot) => snapshot.resource.toLowerCase());
  const usage: VolumeUsage[] = [];
  for (const definition of definitions) {
    const owner = ownerOf(prefix, datastoreId, definition);
    if (!owner) continue;
    const key = definition.name.toLowerCase();
    usage.push({
      ...owner,
      sizeMib: kibToMib(kib(allocated.get(key) ?? 0)),
      snapshots: snapshotUsage(definition, taken && (taken.get(key) ?? [])),
    });
  }
  return usage;
}

/** Marks say whose disk it is; they are also on persistent images while a VM has them. */
function ownerOf(
  prefix: string,
  datastoreId: number,
  definition: ResourceDefinition,
): { vmId: number; diskId: number } | undefined {
  if (parseResource(prefix, definition.name) === undefined || definition.flags.includes('DELETE'))
    return undefined;
  if (definition.props[marks.datastoreId] !== String(datastoreId)) return undefined;
  const vmId = Number(definition.props[marks.vmId]);
  const diskId = Number(definition.props[marks.diskId]);
  return Number.isInteger(vmId) &&
    Number.isInteger(diskId) &&
    definition.props[marks.vmId] &&
    definition.props[marks.diskId]
    ? { vmId, diskId }
    : undefined;
}

/** What was noted when they were taken: on the snapshot, or of old on the definition, where it may have outlived its snapshot. */
function snapshotUsage(
  { props }: ResourceDefinition,
  snapshots: readonly Snapshot[] | undefined,
): { id: number; sizeMib: MiB }[] {
  const marked = Object.keys(props).flatMap((key) => {
    const match = /^Aux\/one\/SNAPSHOT_(\d+)\/DISK_SIZE$/.exec(key);
    return match ? [{ id: Number(match[1]), noted: undefined }] : [];
  });
  const present = snapshots?.flatMap((snapshot) => {
    const id = snapshotId(snapshot.name);
    return id === undefined ? [] : [{ id, noted: snapshot.props[allocatedMark] }];
  });
  return (present ?? marked)
    .sort((a, b) => a.id - b.id)
    .map(({ id, noted }) => ({
      id,
      sizeMib: kibToMib(kib(Number(noted ?? props[snapshotSizeMark(id)] ?? 0) || 0)),
    }));
}
