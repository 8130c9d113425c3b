import type { Linstor, ResourceName } from '../../linstor/linstor.ts';
import type { Vm } from '../../opennebula/one.ts';
import { diskIdOf, hostPath, vmPlace } from '../../opennebula/paths.ts';
import { kib } from '../../units.ts';
import { marks } from '../../volumes/marks.ts';
import {
  diskResource,
  imageResource,
  parseResource,
  resourceOfSource,
  snapshotName,
} from '../../volumes/names.ts';
import type { RewrittenCall } from './rewrite.ts';

/**
 * What must be in LINSTOR before a recorded call makes sense. The recording is of a driver that kept nothing, and
 * failures were injected into it, so the lab's state is mended before each call instead of being carried along.
 */
export interface Preconditions {
  readonly present: readonly { readonly resource: ResourceName; readonly sizeMib: number }[];
  /** The call makes these: leftovers of another call of the recording would be in its way. */
  readonly absent: readonly ResourceName[];
  readonly snapshots: readonly { readonly resource: ResourceName; readonly name: string }[];
}

export function preconditionsOf(
  call: RewrittenCall,
  document: DocumentFacts,
  vm: Vm | undefined,
): Preconditions {
  if (call.kind === 'datastore') return ofImage(call, document);
  return vm ? ofDisks(call, vm) : { present: [], absent: [], snapshots: [] };
}

/** What the driver message says of its image. */
export interface DocumentFacts {
  readonly imageId?: number;
  readonly source?: string;
  readonly path?: string;
  readonly sizeMib?: number;
  readonly targetSnapshot?: number;
  readonly saveAs?: boolean;
}

function ofImage(
  call: RewrittenCall,
  { imageId, source, path, sizeMib = 1, targetSnapshot }: DocumentFacts,
): Preconditions {
  const own = imageId === undefined ? [] : [imageResource('', imageId)];
  if (call.action === 'cp' || call.action === 'mkfs') return { present: [], absent: own, snapshots: [] };
  if (call.action === 'clone') {
    return {
      present: path ? [{ resource: resourceOfSource(path), sizeMib }] : [],
      absent: own,
      snapshots: [],
    };
  }
  if (
    !source?.startsWith('/dev/drbd/') ||
    !['rm', 'export', 'snap_delete', 'snap_revert', 'snap_flatten'].includes(call.action)
  ) {
    return { present: [], absent: [], snapshots: [] };
  }
  const resource = resourceOfSource(source);
  const snapshots = targetSnapshot === undefined ? [] : [{ resource, name: snapshotName(targetSnapshot) }];
  return { present: [{ resource, sizeMib }], absent: [], snapshots };
}

const makes: ReadonlySet<string> = new Set(['clone', 'mkimage', 'mkswap']);

function ofDisks(call: RewrittenCall, vm: Vm): Preconditions {
  const target = call.argv.find((argument) => diskIdOf(argument) !== undefined);
  const id =
    target === undefined || call.action === 'context' ? undefined : vmPlace(hostPath(target).path).diskId;
  const disks = vm.disks.filter((disk) => id === undefined || disk.id === id);
  const owned = new Set(
    disks.filter((disk) => disk.kind === 'clone' || disk.kind === 'volatile').map((disk) => disk.id),
  );
  const resources = disks.flatMap((disk) => {
    if (disk.kind === 'filesystem') return [];
    const own = diskResource('', vm.id, disk.id);
    const images = disk.source.startsWith('/dev/drbd/')
      ? [{ resource: resourceOfSource(disk.source), sizeMib: disk.sizeMib }]
      : [];
    return owned.has(disk.id)
      ? [...(makes.has(call.action) ? images : []), { resource: own, sizeMib: disk.sizeMib }]
      : images;
  });
  const absent = makes.has(call.action)
    ? disks.filter((disk) => owned.has(disk.id)).map((disk) => diskResource('', vm.id, disk.id))
    : [];
  const destination = call.action === 'cpds' ? [resourceOfSource(call.argv[1] ?? '')] : [];
  return {
    present: resources.filter(({ resource }) => !absent.includes(resource)),
    absent: [...absent, ...destination],
    snapshots: snapshotOf(call, resources.at(-1)?.resource),
  };
}

function snapshotOf(call: RewrittenCall, resource: ResourceName | undefined): Preconditions['snapshots'] {
  const number =
    call.action === 'cpds'
      ? call.argv[2]
      : ['snap_delete', 'snap_revert'].includes(call.action)
        ? call.argv[1]
        : undefined;
  if (resource === undefined || number === undefined || Number(number) < 0) return [];
  return [{ resource, name: snapshotName(Number(number)) }];
}

/** As an earlier call of the driver would have left them on a VM's disk. */
function marksOf(resource: string): Record<string, string> {
  const parsed = parseResource('', resource);
  return parsed?.kind === 'disk'
    ? { [marks.vmId]: String(parsed.vmId), [marks.diskId]: String(parsed.diskId) }
    : {};
}

/** Brings LINSTOR into that state; what is there already is left as it is. */
export async function establish(
  linstor: Linstor,
  { present, absent, snapshots }: Preconditions,
): Promise<void> {
  for (const resource of absent) {
    for (const snapshot of await linstor.snapshots({ names: [resource] }))
      await linstor.deleteSnapshot(resource, snapshot.name);
    await linstor.deleteDefinition(resource);
  }
  for (const { resource, sizeMib } of present) {
    if ((await linstor.resources({ names: [resource] })).length > 0) continue;
    await linstor.deleteDefinition(resource);
    await linstor.createDefinition({ name: resource, props: marksOf(resource) });
    await linstor.createVolume(resource, 0, kib(Math.max(sizeMib, 4) * 1024));
    await linstor.place(resource, { placeCount: 1 });
  }
  for (const { resource, name } of snapshots) {
    const known = await linstor.snapshots({ names: [resource] });
    if (!known.some((snapshot) => snapshot.name === name)) await linstor.createSnapshot(resource, name);
  }
}
