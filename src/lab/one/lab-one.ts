import { type BackupOptions, backupVm, configureBackup, restoreVm } from './backups.ts';
import { createSnapshot, deleteSnapshot, revertSnapshot } from './disk-snapshots.ts';
import { attachDisk, detachDisk, resizeDisk, saveDiskAs } from './disks.ts';
import {
  cloneImage,
  createDatablock,
  createImageFromPath,
  deleteImage,
  imageSnapshot,
  type NewDatablock,
  type NewImage,
} from './images.ts';
import { type ColdMigration, type LiveMigration, liveMigrateVm, migrateVm } from './migrate.ts';
import { createVm, type DiskSpec, type NewVm } from './new-vm.ts';
import type { LabOnedOptions } from './oned.ts';
import { deleteVm, recreateVm, retryVm } from './recovery.ts';
import {
  addHost,
  createDatastore,
  deleteDatastore,
  monitorDatastore,
  type NewDatastore,
  setHostState,
  updateDatastore,
} from './setup.ts';
import { createSystemSnapshot, deleteSystemSnapshot, revertSystemSnapshot } from './system-snapshots.ts';
import { deployVm, parkVm, poweroffVm, resumeVm, suspendVm, type Target, terminateVm } from './vms.ts';

/**
 * The lab's oned: one function per operator's command. Each makes the driver calls that oned would make, in its order and
 * with its arguments and documents, keeps the objects up to date and tells what happened. Nothing throws for a failing
 * driver; `OneRefusal` is thrown for what oned itself refuses.
 */
export function labOne(options: LabOnedOptions) {
  return {
    options,
    read: () => options.store.read(),

    addHost: (name: string) => addHost(options, name),
    setHostState: (name: string, state: number) => setHostState(options, name, state),
    createDatastore: (spec: NewDatastore) => createDatastore(options, spec),
    updateDatastore: (id: number, template: Readonly<Record<string, string | undefined>>) =>
      updateDatastore(options, id, template),
    deleteDatastore: (id: number) => deleteDatastore(options, id),
    monitor: (id: number, how?: { disks?: boolean }) => monitorDatastore(options, id, how),

    createImage: (spec: NewImage & { readonly path: string; readonly sizeMb?: number }) =>
      createImageFromPath(options, spec),
    createDatablock: (spec: NewDatablock) => createDatablock(options, spec),
    cloneImage: (image: number, name: string, datastore?: number) =>
      cloneImage(options, { image, name, ...(datastore === undefined ? {} : { datastore }) }),
    deleteImage: (id: number) => deleteImage(options, id),
    imageSnapshotDelete: (id: number, snapshot: number) =>
      imageSnapshot(options, 'snap_delete', id, snapshot),
    imageSnapshotRevert: (id: number, snapshot: number) =>
      imageSnapshot(options, 'snap_revert', id, snapshot),
    imageSnapshotFlatten: (id: number, snapshot: number) =>
      imageSnapshot(options, 'snap_flatten', id, snapshot),

    createVm: (spec: NewVm) => createVm(options, spec),
    deploy: (vm: number, target: Target) => deployVm(options, vm, target),
    /** `onetemplate instantiate` and `onevm deploy` in one. */
    async instantiate(spec: NewVm, target: Target) {
      const { vm } = createVm(options, spec);
      return { ...(await deployVm(options, vm, target)), vm };
    },
    terminate: (vm: number) => terminateVm(options, vm),
    poweroff: (vm: number) => poweroffVm(options, vm),
    resume: (vm: number) => resumeVm(options, vm),
    suspend: (vm: number) => suspendVm(options, vm),
    stop: (vm: number) => parkVm(options, vm, 'stop'),
    undeploy: (vm: number) => parkVm(options, vm, 'undeploy'),
    migrate: (vm: number, target: Target, how?: ColdMigration) => migrateVm(options, vm, target, how),
    liveMigrate: (vm: number, target: Target, how?: LiveMigration) => liveMigrateVm(options, vm, target, how),
    retry: (vm: number) => retryVm(options, vm),
    recoverDelete: (vm: number) => deleteVm(options, vm),
    recreate: (vm: number) => recreateVm(options, vm),

    attach: (vm: number, disk: DiskSpec, how?: { readonly hypervisorFails?: boolean }) =>
      attachDisk(options, vm, disk, how),
    detach: (vm: number, disk: number) => detachDisk(options, vm, disk),
    resize: (vm: number, disk: number, sizeMb: number) => resizeDisk(options, vm, disk, sizeMb),
    snapshotCreate: (vm: number, disk: number, name: string) => createSnapshot(options, vm, disk, name),
    snapshotRevert: (vm: number, disk: number, snapshot: number) =>
      revertSnapshot(options, vm, disk, snapshot),
    snapshotDelete: (vm: number, disk: number, snapshot: number) =>
      deleteSnapshot(options, vm, disk, snapshot),
    systemSnapshotCreate: (vm: number, name?: string) => createSystemSnapshot(options, vm, name),
    systemSnapshotRevert: (vm: number, snapshot: number) => revertSystemSnapshot(options, vm, snapshot),
    systemSnapshotDelete: (vm: number, snapshot: number) => deleteSystemSnapshot(options, vm, snapshot),
    saveAs: (vm: number, disk: number, spec: { readonly name: string; readonly snapshot?: number }) =>
      saveDiskAs(options, vm, disk, spec),
    configureBackup: (vm: number, config: Readonly<Record<string, string>>) =>
      configureBackup(options, vm, config),
    backup: (vm: number, how: BackupOptions) => backupVm(options, vm, how),
    restore: (
      vm: number,
      backup: { readonly image: number; readonly increment?: number; readonly disk?: number },
    ) => restoreVm(options, vm, backup),
  };
}

export type LabOne = ReturnType<typeof labOne>;
