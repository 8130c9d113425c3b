/** oned's objects as the lab keeps them. Sizes are MiB, as in OpenNebula; times are epoch seconds. */

export type Attributes = Record<string, string>;

export interface LabHost {
  readonly id: number;
  readonly name: string;
  /** 2 MONITORED, 3 ERROR, 4 DISABLED, 8 OFFLINE. */
  state: number;
}

export interface LabDatastore {
  readonly id: number;
  readonly name: string;
  /** 0 image, 1 system, 2 file, 3 backup. */
  readonly type: number;
  readonly dsMad: string;
  readonly tmMad: string;
  totalMb: number;
  freeMb: number;
  usedMb: number;
  /** TEMPLATE, as the administrator and TM_MAD_CONF left it. */
  template: Attributes;
}

export interface LabSnapshot {
  readonly id: number;
  readonly name: string;
  readonly date: number;
  readonly sizeMb: number;
  parent: number;
  children: number[];
  active: boolean;
}

export interface SnapshotList {
  allowOrphans: string;
  currentBase: number;
  next: number;
  snapshots: LabSnapshot[];
}

export interface LabImage {
  readonly id: number;
  name: string;
  /** The owner; 0, oneadmin, where there is none. */
  uid?: number;
  /** 0 OS, 1 CDROM, 2 DATABLOCK, 6 BACKUP. */
  readonly type: number;
  persistent: boolean;
  /** `SHAREABLE`, `IMMUTABLE` or nothing. */
  persistentType: string;
  readonly regtime: number;
  source: string;
  path: string;
  format: string;
  fs: string;
  sizeMb: number;
  /** 1 READY, 2 USED, 4 LOCKED, 5 ERROR, 6 CLONE, 7 DELETE, 8 USED_PERS. */
  state: number;
  cloningId: number;
  targetSnapshot: number;
  readonly datastoreId: number;
  vms: number[];
  template: Attributes;
  snapshots: SnapshotList;
  /** Of a backup: its chain, oldest first, and the disks that are in it. */
  increments?: { readonly id: number; readonly source: string }[];
  backupDisks?: readonly number[];
}

export interface LabDisk {
  readonly id: number;
  attributes: Attributes;
}

export interface HistoryRecord {
  readonly seq: number;
  readonly hostname: string;
  readonly hostId: number;
  readonly datastoreId: number;
  readonly tmMad: string;
  readonly stime: number;
}

/** One line of a transfer file. */
export interface TransferLine {
  readonly driver: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** What `recover` finds: the script that failed and what was to come after it. */
export interface PendingScript {
  readonly operation: string;
  readonly lines: readonly TransferLine[];
  readonly lcmState: number;
  readonly failureState: number;
  readonly next: Completion;
}

export type Completion = 'boot' | 'resume' | 'done' | 'stopped' | 'undeployed' | 'poweroff' | 'suspended';

/** `onevm snapshot-create`. */
export interface LabSystemSnapshot {
  readonly id: number;
  readonly name: string;
  readonly time: number;
  hypervisorId: string;
  /** What is being done with it; absent: nothing. */
  action?: 'CREATE' | 'REVERT' | 'DELETE';
}

export interface LabVm {
  readonly id: number;
  readonly name: string;
  state: number;
  lcmState: number;
  readonly stime: number;
  deployId: string;
  disks: LabDisk[];
  nextDisk: number;
  /** CONTEXT section; its disk has no DISK element. */
  context?: Attributes;
  memoryMb: number;
  template: Attributes;
  /** USER_TEMPLATE. */
  userTemplate?: Attributes;
  systemSnapshots?: LabSystemSnapshot[];
  history: HistoryRecord[];
  snapshots: Record<string, SnapshotList>;
  backup: Attributes;
  pending?: PendingScript;
}

/** What a person makes VMs of; images by name or number, as they were given. */
export interface LabTemplate {
  readonly id: number;
  readonly name: string;
  readonly cpu: string;
  readonly memoryMb: number;
  readonly disks: readonly string[];
}

export interface OneState {
  version: string;
  /** `user:password` as in oneadmin's auth file. */
  session: string;
  nextId: { host: number; datastore: number; image: number; vm: number; request: number };
  hosts: LabHost[];
  datastores: LabDatastore[];
  images: LabImage[];
  vms: LabVm[];
  templates?: readonly LabTemplate[];
  /** Registered only: the lab runs none. */
  hooks?: readonly LabHook[];
}

export interface LabHook {
  readonly id: number;
  readonly name: string;
  readonly command: string;
  readonly arguments: string;
}

export const vmState = {
  PENDING: 1,
  ACTIVE: 3,
  STOPPED: 4,
  SUSPENDED: 5,
  DONE: 6,
  POWEROFF: 8,
  UNDEPLOYED: 9,
} as const;

/** LCM states in which the lab calls drivers (contract §10.1). */
export const lcm = {
  INIT: 0,
  PROLOG: 1,
  BOOT: 2,
  RUNNING: 3,
  MIGRATE: 4,
  SAVE_STOP: 5,
  SAVE_SUSPEND: 6,
  SAVE_MIGRATE: 7,
  PROLOG_MIGRATE: 8,
  PROLOG_RESUME: 9,
  EPILOG_STOP: 10,
  EPILOG: 11,
  CLEANUP_RESUBMIT: 15,
  UNKNOWN: 16,
  HOTPLUG: 17,
  BOOT_POWEROFF: 20,
  BOOT_SUSPENDED: 21,
  BOOT_STOPPED: 22,
  HOTPLUG_SNAPSHOT: 24,
  HOTPLUG_SAVEAS: 26,
  HOTPLUG_SAVEAS_POWEROFF: 27,
  HOTPLUG_SAVEAS_SUSPENDED: 28,
  EPILOG_UNDEPLOY: 30,
  PROLOG_UNDEPLOY: 31,
  BOOT_UNDEPLOY: 32,
  HOTPLUG_PROLOG_POWEROFF: 33,
  HOTPLUG_EPILOG_POWEROFF: 34,
  BOOT_MIGRATE: 35,
  PROLOG_MIGRATE_FAILURE: 38,
  PROLOG_FAILURE: 39,
  EPILOG_FAILURE: 40,
  EPILOG_STOP_FAILURE: 41,
  EPILOG_UNDEPLOY_FAILURE: 42,
  PROLOG_MIGRATE_POWEROFF: 43,
  PROLOG_MIGRATE_POWEROFF_FAILURE: 44,
  PROLOG_MIGRATE_SUSPEND: 45,
  PROLOG_MIGRATE_SUSPEND_FAILURE: 46,
  PROLOG_RESUME_FAILURE: 49,
  PROLOG_UNDEPLOY_FAILURE: 50,
  DISK_SNAPSHOT_POWEROFF: 51,
  DISK_SNAPSHOT_REVERT_POWEROFF: 52,
  DISK_SNAPSHOT_DELETE_POWEROFF: 53,
  DISK_SNAPSHOT_SUSPENDED: 54,
  DISK_SNAPSHOT_DELETE_SUSPENDED: 56,
  DISK_SNAPSHOT: 57,
  DISK_SNAPSHOT_DELETE: 59,
  PROLOG_MIGRATE_UNKNOWN: 60,
  PROLOG_MIGRATE_UNKNOWN_FAILURE: 61,
  DISK_RESIZE: 62,
  DISK_RESIZE_POWEROFF: 63,
  DISK_RESIZE_UNDEPLOYED: 64,
  HOTPLUG_SAVEAS_UNDEPLOYED: 67,
  HOTPLUG_SAVEAS_STOPPED: 68,
  BACKUP: 69,
  BACKUP_POWEROFF: 70,
  RESTORE: 71,
} as const;

export function emptyState(session: string, version = '7.2.0'): OneState {
  return {
    version,
    session,
    nextId: { host: 0, datastore: 100, image: 0, vm: 0, request: 1000 },
    hosts: [],
    datastores: [],
    images: [],
    vms: [],
  };
}

export const noSnapshots = (allowOrphans: string): SnapshotList => ({
  allowOrphans,
  currentBase: -1,
  next: 0,
  snapshots: [],
});

/** Something that oned refuses before any driver is called. */
export class OneRefusal extends Error {
  override readonly name = 'OneRefusal';
}

function found<T>(object: T | undefined, kind: string, id: number): T {
  if (object === undefined) throw new OneRefusal(`Error getting ${kind} [${id}].`);
  return object;
}

export const vmOf = (state: OneState, id: number): LabVm =>
  found(
    state.vms.find((vm) => vm.id === id),
    'virtual machine',
    id,
  );
export const imageOf = (state: OneState, id: number): LabImage =>
  found(
    state.images.find((image) => image.id === id),
    'image',
    id,
  );
export const datastoreOf = (state: OneState, id: number): LabDatastore =>
  found(
    state.datastores.find((datastore) => datastore.id === id),
    'datastore',
    id,
  );
export const hostOf = (state: OneState, id: number): LabHost =>
  found(
    state.hosts.find((host) => host.id === id),
    'host',
    id,
  );

export function diskOf(vm: LabVm, id: number): LabDisk {
  return found(
    vm.disks.find((disk) => disk.id === id),
    `disk of virtual machine ${vm.id}`,
    id,
  );
}

export function lastRecord(vm: LabVm): HistoryRecord {
  const record = vm.history.at(-1);
  if (!record) throw new OneRefusal(`Virtual machine ${vm.id} has never been on a host.`);
  return record;
}
