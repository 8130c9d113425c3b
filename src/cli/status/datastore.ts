import type { Datastore } from '../../opennebula/one.ts';
import { datastoreType } from '../../opennebula/states.ts';
import { type ClusterFacts, type OneFacts, orElse } from '../checks/facts.ts';
import { imageStatus, vmStatus } from './object.ts';
import type { VolumeStatus } from './volume.ts';

export interface DatastoreDetail {
  readonly id: number;
  readonly name: string;
  readonly type: 'image' | 'system' | 'other';
  readonly controllers: readonly string[];
  readonly group?: string;
  readonly replicas?: number;
  readonly cloneMode?: string;
  readonly encryption: boolean;
  readonly rows: readonly DatastoreRow[];
}

/** An image, or a disk of a VM. */
export interface DatastoreRow {
  readonly id: number;
  readonly name: string;
  readonly disk?: number;
  readonly volume?: VolumeStatus;
  /** VMs that use the image. */
  readonly users?: number;
}

export function datastoreDetail(
  datastore: Datastore,
  one: OneFacts,
  facts: ClusterFacts | undefined,
  volumes: readonly VolumeStatus[],
): DatastoreDetail {
  const { settings } = facts ?? {};
  const isImage = datastore.type === datastoreType.IMAGE;
  return {
    id: datastore.id,
    name: datastore.name,
    type: isImage ? 'image' : datastore.type === datastoreType.SYSTEM ? 'system' : 'other',
    controllers: settings?.controllers ?? [],
    ...(settings?.placement.resourceGroup === undefined ? {} : { group: settings.placement.resourceGroup }),
    ...(settings?.placement.replicaCount === undefined ? {} : { replicas: settings.placement.replicaCount }),
    ...(settings === undefined ? {} : { cloneMode: settings.cloneMode }),
    encryption: settings?.placement.encryption ?? false,
    rows: isImage ? imageRows(datastore, one, volumes) : diskRows(datastore, one, volumes),
  };
}

function imageRows(datastore: Datastore, one: OneFacts, volumes: readonly VolumeStatus[]): DatastoreRow[] {
  return orElse(one.images, [])
    .filter((image) => image.datastoreId === datastore.id)
    .toSorted((a, b) => a.id - b.id)
    .map((image) => {
      const { volume, vms } = imageStatus(image, orElse(one.vms, []), volumes);
      return { id: image.id, name: image.name, users: vms.length, ...(volume ? { volume } : {}) };
    });
}

function diskRows(datastore: Datastore, one: OneFacts, volumes: readonly VolumeStatus[]): DatastoreRow[] {
  return orElse(one.vms, [])
    .filter((vm) => vm.history.at(-1)?.datastoreId === datastore.id)
    .toSorted((a, b) => a.id - b.id)
    .flatMap((vm) =>
      vmStatus(vm, volumes).disks.map(({ disk, volume }) => ({
        id: vm.id,
        name: vm.name,
        disk: disk.id,
        ...(volume ? { volume } : {}),
      })),
    );
}
