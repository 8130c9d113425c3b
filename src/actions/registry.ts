import type { ActionDefinition, ActionKind } from './action.ts';

/**
 * The one list of actions. The symlinks in `drivers/`, the installer, `linstor_un actions`, the docs and the
 * dispatcher all come from it (contract §10.3).
 */

/** Modes of system datastores with another TM in which a disk of ours may live (contract §3.7, §3.8). */
const systemModes = ['ssh', 'shared'] as const;

export const actions: readonly ActionDefinition[] = [
  {
    kind: 'datastore',
    name: 'clone',
    variants: [],
    summary: 'copy an image into a new image',
    load: async () => (await import('./datastore/clone.ts')).clone,
  },
  {
    kind: 'datastore',
    name: 'cp',
    variants: [],
    summary: 'import a file or an address as an image',
    load: async () => (await import('./datastore/cp.ts')).cp,
  },
  {
    kind: 'datastore',
    name: 'export',
    variants: [],
    summary: 'describe an image for a marketplace',
    load: async () => (await import('./datastore/export.ts')).exportImage,
  },
  {
    kind: 'datastore',
    name: 'mkfs',
    variants: [],
    summary: 'make an empty image, with a file system if asked',
    load: async () => (await import('./datastore/mkfs.ts')).mkfs,
  },
  {
    kind: 'datastore',
    name: 'monitor',
    variants: [],
    summary: 'capacity of an image datastore',
    load: async () => (await import('./datastore/monitor.ts')).monitor,
  },
  {
    kind: 'datastore',
    name: 'rm',
    variants: [],
    summary: 'remove an image',
    load: async () => (await import('./datastore/rm.ts')).rm,
  },
  {
    kind: 'datastore',
    name: 'snap_delete',
    variants: [],
    summary: 'delete a snapshot of an image',
    load: async () => (await import('./datastore/snap-delete.ts')).snapDelete,
  },
  {
    kind: 'datastore',
    name: 'snap_flatten',
    variants: [],
    summary: 'make a snapshot the image and drop all snapshots',
    load: async () => (await import('./datastore/snap-flatten.ts')).snapFlatten,
  },
  {
    kind: 'datastore',
    name: 'snap_revert',
    variants: [],
    summary: 'revert an image to a snapshot',
    load: async () => (await import('./datastore/snap-revert.ts')).snapRevert,
  },
  {
    kind: 'datastore',
    name: 'stat',
    variants: [],
    summary: 'size of a file or an address in MiB',
    load: async () => (await import('./datastore/stat.ts')).stat,
  },
  {
    kind: 'tm',
    name: 'clone',
    variants: systemModes,
    summary: 'give a VM its own copy of an image',
    load: async () => (await import('./tm/clone.ts')).clone,
  },
  {
    kind: 'tm',
    name: 'context',
    variants: [],
    summary: 'make the contextualisation CD-ROM',
    load: async () => (await import('./tm/context.ts')).context,
  },
  {
    kind: 'tm',
    name: 'cpds',
    variants: systemModes,
    summary: 'save a disk, or a snapshot of it, as an image',
    load: async () => (await import('./tm/cpds.ts')).cpds,
  },
  {
    kind: 'tm',
    name: 'delete',
    variants: systemModes,
    summary: 'remove a disk of a VM, or its directory',
    load: async () => (await import('./tm/delete.ts')).deleteDisk,
  },
  {
    kind: 'tm',
    name: 'failmigrate',
    variants: [],
    summary: 'clean up the destination after a failed live migration',
    load: async () => (await import('./tm/failmigrate.ts')).failmigrate,
  },
  {
    kind: 'tm',
    name: 'ln',
    variants: systemModes,
    summary: 'attach an image itself as a disk',
    load: async () => (await import('./tm/ln.ts')).ln,
  },
  {
    kind: 'tm',
    name: 'mkimage',
    variants: systemModes,
    summary: 'make a volatile disk',
    load: async () => (await import('./tm/mkimage.ts')).mkimage,
  },
  {
    kind: 'tm',
    name: 'mkswap',
    variants: systemModes,
    summary: 'make a swap disk',
    load: async () => (await import('./tm/mkswap.ts')).mkswap,
  },
  {
    kind: 'tm',
    name: 'monitor',
    variants: [],
    summary: 'capacity of a system datastore and usage of its disks',
    load: async () => (await import('./tm/monitor.ts')).monitor,
  },
  {
    kind: 'tm',
    name: 'mv',
    variants: systemModes,
    summary: 'move a disk, or a VM directory, to another place',
    load: async () => (await import('./tm/mv.ts')).mv,
  },
  {
    kind: 'tm',
    name: 'mvds',
    variants: systemModes,
    summary: 'give a persistent disk back to its datastore',
    load: async () => (await import('./tm/mvds.ts')).mvds,
  },
  {
    kind: 'tm',
    name: 'postbackup',
    variants: [],
    summary: 'remove the files of a backup of a stopped VM',
    load: async () => (await import('./tm/postbackup.ts')).postbackup,
  },
  {
    kind: 'tm',
    name: 'postbackup_live',
    variants: [],
    summary: 'remove the files of a backup of a running VM',
    load: async () => (await import('./tm/postbackup-live.ts')).postbackupLive,
  },
  {
    kind: 'tm',
    name: 'postmigrate',
    variants: [],
    summary: 'release the source after a live migration',
    load: async () => (await import('./tm/postmigrate.ts')).postmigrate,
  },
  {
    kind: 'tm',
    name: 'prebackup',
    variants: [],
    summary: 'export the disks of a stopped VM for a backup',
    load: async () => (await import('./tm/prebackup.ts')).prebackup,
  },
  {
    kind: 'tm',
    name: 'prebackup_live',
    variants: [],
    summary: 'export the disks of a running VM for a backup',
    load: async () => (await import('./tm/prebackup-live.ts')).prebackupLive,
  },
  {
    kind: 'tm',
    name: 'premigrate',
    variants: [],
    summary: 'prepare the destination of a live migration',
    load: async () => (await import('./tm/premigrate.ts')).premigrate,
  },
  {
    kind: 'tm',
    name: 'resize',
    variants: systemModes,
    summary: 'grow a disk',
    load: async () => (await import('./tm/resize.ts')).resize,
  },
  {
    kind: 'tm',
    name: 'restore',
    variants: [],
    summary: 'make the disks of a stopped VM what a backup holds',
    load: async () => (await import('./tm/restore.ts')).restore,
  },
  {
    kind: 'tm',
    name: 'snap_create',
    variants: systemModes,
    summary: 'snapshot a disk of a stopped VM',
    load: async () => (await import('./tm/snap-create.ts')).snapCreate,
  },
  {
    kind: 'tm',
    name: 'snap_create_live',
    variants: systemModes,
    summary: 'snapshot a disk of a running VM',
    load: async () => (await import('./tm/snap-create-live.ts')).snapCreateLive,
  },
  {
    kind: 'tm',
    name: 'snap_delete',
    variants: systemModes,
    summary: 'delete a snapshot of a disk',
    load: async () => (await import('./tm/snap-delete.ts')).snapDelete,
  },
  {
    kind: 'tm',
    name: 'snap_revert',
    variants: systemModes,
    summary: 'revert a disk to a snapshot',
    load: async () => (await import('./tm/snap-revert.ts')).snapRevert,
  },
  {
    kind: 'vmm',
    name: 'restore_linstor_un',
    variants: [],
    summary: 'resume a VM from its checkpoint',
    load: async () => (await import('./vmm/restore.ts')).restore,
  },
  {
    kind: 'vmm',
    name: 'save_linstor_un',
    variants: [],
    summary: 'save a VM’s memory into a LINSTOR volume',
    load: async () => (await import('./vmm/save.ts')).save,
  },
  {
    kind: 'vmm',
    name: 'snapshot_create_linstor_un',
    variants: [],
    summary: 'snapshot all disks of a running VM at one moment',
    load: async () => (await import('./vmm/snapshot-create.ts')).snapshotCreate,
  },
  {
    kind: 'vmm',
    name: 'snapshot_delete_linstor_un',
    variants: [],
    summary: 'delete a snapshot of a VM',
    load: async () => (await import('./vmm/snapshot-delete.ts')).snapshotDelete,
  },
  {
    kind: 'vmm',
    name: 'snapshot_revert_linstor_un',
    variants: [],
    summary: 'revert all disks of a running VM, or none',
    load: async () => (await import('./vmm/snapshot-revert.ts')).snapshotRevert,
  },
];

export function findAction(kind: ActionKind, name: string): ActionDefinition | undefined {
  return actions.find((action) => action.kind === kind && action.name === name);
}

/** `clone`, `clone.ssh`, …: every file name that OpenNebula may look for. */
export function installedNames(action: ActionDefinition): string[] {
  return [action.name, ...action.variants.map((variant) => `${action.name}.${variant}`)];
}
