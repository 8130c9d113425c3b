import type { KiB } from '../units.ts';
import type { NodeName, ResourceName } from './names.ts';
import type { Outcome } from './outcome.ts';

export type { NodeName, ResourceName };

export type LayerKind = 'DRBD' | 'LUKS' | 'NVME' | 'WRITECACHE' | 'CACHE' | 'BCACHE' | 'STORAGE';

/** What this controller can do. Asked by name; derived once from `rest_api_version` (linstor-behaviour §0.2). */
export interface Capabilities {
  /** e.g. `1.33.3` */
  readonly serverVersion: string;
  /** e.g. `1.27.0` */
  readonly restVersion: string;
  /** `POST …/clone` (REST 1.10). */
  readonly clone: boolean;
  /** clone with `layer_list` and `resource_group` (REST 1.24). */
  readonly cloneTarget: boolean;
  /** clone with `override_props`, `delete_props` (REST 1.26). */
  readonly cloneProps: boolean;
  /** `query-size-info` (REST 1.17). */
  readonly sizeInfo: boolean;
  /** `/v1/actions/snapshot/multi` (REST 1.18). */
  readonly multiSnapshot: boolean;
  /** `stor_pool_rename` when restoring (REST 1.21). */
  readonly restorePoolRename: boolean;
  /** `resource_definition_props` in spawn (REST 1.22). */
  readonly spawnProps: boolean;
  /** `GET /v1/encryption/passphrase` (REST 1.25). */
  readonly passphraseStatus: boolean;
  /** rollback to any snapshot, later ones survive (server 1.31.0). */
  readonly rollbackAny: boolean;
  /** snapshots with dependants can be deleted on ZFS (server 1.31.0). */
  readonly deleteSnapshotWithClones: boolean;
  /** `auto_manage_dual_primary` of make-available and `unmake-available` (REST 1.29). */
  readonly managedDualPrimary: boolean;
  /** property `BalanceResourcesEnabled` (server 1.26.0). */
  readonly balanceProperty: boolean;
  /** properties `Snapshot/BalanceAfterRestore` and `Clone/BalanceAfterClone` (REST 1.28). */
  readonly balanceAfterRestore: boolean;
}

export type ConnectionStatus =
  | 'OFFLINE'
  | 'CONNECTED'
  | 'ONLINE'
  | 'VERSION_MISMATCH'
  | 'FULL_SYNC_FAILED'
  | 'AUTHENTICATION_ERROR'
  | 'UNKNOWN'
  | 'HOSTNAME_MISMATCH'
  | 'OTHER_CONTROLLER'
  | 'AUTHENTICATED'
  | 'NO_STLT_CONN'
  | 'MISSING_EXT_TOOLS'
  | 'DUPLICATE_UNAME';

export interface Node {
  readonly name: NodeName;
  readonly type: string;
  /** Only ONLINE is usable. An unknown word is passed through. */
  readonly status: ConnectionStatus | (string & {});
  readonly flags: readonly string[];
  readonly props: Readonly<Record<string, string>>;
  readonly providers: readonly string[];
  readonly layers: readonly string[];
  readonly addresses: readonly string[];
  /** Epoch milliseconds at which LINSTOR gives the node up; only while it is away, and where eviction is on. */
  readonly evictsAt?: number;
}

export interface StoragePool {
  readonly name: string;
  readonly node: NodeName;
  /** DISKLESS, LVM, LVM_THIN, ZFS, ZFS_THIN, FILE, FILE_THIN, … */
  readonly provider: string;
  /** Absent when unknown (offline node, broken back end): never "full of space". */
  readonly freeKib?: KiB;
  readonly totalKib?: KiB;
  /** Pools of the same value share their space (`node;pool`, or a shared-space name). */
  readonly freeSpaceManager: string;
  readonly supportsSnapshots: boolean;
  readonly props: Readonly<Record<string, string>>;
  readonly reports: readonly string[];
}

export interface PlacementFilter {
  readonly placeCount?: number;
  readonly additionalPlaceCount?: number;
  readonly nodes?: readonly NodeName[];
  readonly storagePools?: readonly string[];
  readonly disklessPools?: readonly string[];
  readonly notPlaceWith?: readonly ResourceName[];
  readonly notPlaceWithRegex?: string;
  readonly replicasOnSame?: readonly string[];
  readonly replicasOnDifferent?: readonly string[];
  readonly layers?: readonly LayerKind[];
  readonly providers?: readonly string[];
}

export interface ResourceGroup {
  readonly name: string;
  readonly description?: string;
  readonly props: Readonly<Record<string, string>>;
  readonly filter: PlacementFilter;
}

export interface VolumeDefinition {
  readonly number: number;
  readonly sizeKib: KiB;
  readonly flags: readonly string[];
  readonly props: Readonly<Record<string, string>>;
}

export interface ResourceDefinition {
  readonly name: ResourceName;
  readonly group: string;
  readonly flags: readonly string[];
  readonly props: Readonly<Record<string, string>>;
  readonly layers: readonly LayerKind[];
  readonly volumes: readonly VolumeDefinition[];
}

export interface ReplicaVolume {
  readonly number: number;
  /** As LINSTOR reports it for that node. Stale while `stateKnown` is false: never use it then. */
  readonly devicePath?: string;
  /** What the storage itself calls it, below all other layers; absent without a disk, and in the view. */
  readonly backingPath?: string;
}

export interface ResourceVolume extends ReplicaVolume {
  readonly pool: string;
  readonly provider: string;
  /** 0 and absent both occur for volumes that hold data (FILE_THIN). */
  readonly allocatedKib?: KiB;
  /** UpToDate, Inconsistent, Diskless, …; absent for plain storage. */
  readonly diskState?: string;
  /** How much of a resync has been done; absent where none runs (REST 1.25). */
  readonly syncedPercent?: number;
}

/** A resource on a node, as the controller knows it by itself: where it is, what it is called there, and whether it is open. */
export interface Replica {
  readonly name: ResourceName;
  readonly node: NodeName;
  readonly flags: readonly string[];
  readonly props: Readonly<Record<string, string>>;
  /** Top-most layer first, as found on that node. */
  readonly layers: readonly LayerKind[];
  /** False when the satellite is offline: paths and states are from the past. */
  readonly stateKnown: boolean;
  /** Absent means unknown, not false (no DRBD, or offline). */
  readonly inUse?: boolean;
  readonly volumes: readonly ReplicaVolume[];
  /** Epoch milliseconds. */
  readonly createdAt?: number;
  /** DRBD peers by node name. */
  readonly connections: Readonly<Record<string, { connected: boolean; message: string }>>;
  readonly mayPromote?: boolean;
}

/** With what only the view tells: pools, allocation, and how in-sync each disk is. */
export interface Resource extends Replica {
  readonly volumes: readonly ResourceVolume[];
}

export interface Snapshot {
  readonly name: string;
  readonly resource: ResourceName;
  readonly nodes: readonly NodeName[];
  /** Usable only with SUCCESSFUL and without DELETE. */
  readonly flags: readonly string[];
  readonly volumes: readonly { readonly number: number; readonly sizeKib: KiB }[];
  readonly props: Readonly<Record<string, string>>;
  /** Epoch milliseconds of the newest part. */
  readonly createdAt?: number;
}

export interface ErrorReport {
  /** `6B03A48A-4B9B2-000000`, as in the details of a refusal. */
  readonly id: string;
  readonly node: string;
  /** Epoch milliseconds. */
  readonly time: number;
  readonly exception: string;
  readonly message: string;
}

export interface SizeInfo {
  /** Largest single volume that can be made now. */
  readonly maxVolumeKib: KiB;
  /** Free for volumes of this group, replicas considered. */
  readonly availableKib: KiB;
  readonly capacityKib: KiB;
}

export interface DefinitionSpec {
  readonly name: ResourceName;
  readonly group?: string;
  readonly layers?: readonly LayerKind[];
  /**
   * Set together with creation over REST; right after it over the client, where a stop may come between: the first one is set in any
   * case.
   */
  readonly props?: Readonly<Record<string, string>>;
}

export interface PropsChange {
  readonly set?: Readonly<Record<string, string>>;
  readonly unset?: readonly string[];
  readonly unsetNamespaces?: readonly string[];
}

export interface CloneSpec {
  readonly useZfsClone?: boolean;
  readonly layers?: readonly LayerKind[];
  readonly group?: string;
  /** Needs `capabilities.cloneProps`. */
  readonly props?: PropsChange;
}

export type CloneStatus = 'CLONING' | 'COMPLETE' | 'FAILED';

/**
 * LINSTOR, as the driver needs it. Two transports implement it and pass one contract suite:
 * `rest.ts` and `cli.ts`.
 *
 * Reading: a missing object is `undefined` or an empty list; an unreachable controller always throws.
 * Writing: resolves when no entry of the reply is an error, whatever the HTTP status; throws a
 * `LinstorError` otherwise. Deleting what is not there succeeds. Warnings are in the outcome: an
 * outcome with `satelliteAway` is *not done* on every node.
 */
/** How much each volume of a resource has allocated on one node. */
export interface Allocation extends Pick<Resource, 'name' | 'node' | 'flags'> {
  readonly volumes: readonly Pick<ResourceVolume, 'number' | 'pool' | 'allocatedKib'>[];
}

export interface Linstor {
  readonly transport: 'rest' | 'cli';
  capabilities(): Promise<Capabilities>;

  /**
   * How often the controller was gone and found again, or gone for good, since this client was opened; asks nothing. One that was killed may have
   * forgotten the last seconds of what it had answered (its database does).
   */
  absences(): Promise<number>;

  nodes(): Promise<Node[]>;
  /**
   * With the space that the controller knows of, as of the last time it heard. `fresh`: as the satellites tell now, where they all do within
   * some seconds; LINBIT's client always asks them.
   */
  storagePools(query?: {
    nodes?: readonly NodeName[];
    pools?: readonly string[];
    fresh?: boolean;
  }): Promise<StoragePool[]>;
  resourceGroup(name: string): Promise<ResourceGroup | undefined>;
  resourceGroups(): Promise<ResourceGroup[]>;
  /** `undefined` when the group does not exist. Throws LINSTOR_UNSUPPORTED below REST 1.17. */
  sizeInfo(group: string, filter?: PlacementFilter): Promise<SizeInfo | undefined>;

  /** With their volume definitions. `props` items are `KEY` or `KEY=VALUE`; all must match. */
  definitions(query?: {
    names?: readonly ResourceName[];
    props?: readonly string[];
  }): Promise<ResourceDefinition[]>;
  /**
   * What the controller knows of these resources by itself: answered in milliseconds, whatever the satellites do. For everything that need
   * not know pools, allocation or the state of a disk. LINBIT's client has no word for it: over that, the view is asked.
   */
  replicas(names: readonly ResourceName[]): Promise<Replica[]>;
  /**
   * The resource view. Asks every satellite that has one of them on a thin pool how much it has allocated, and waits for
   * all (real-drbd). A resource without volumes is hidden in it.
   */
  resources(query?: { names?: readonly ResourceName[]; nodes?: readonly NodeName[] }): Promise<Resource[]>;
  /** Of all resources what capacity and usage need: the view of a large cluster, of which little is kept in memory. */
  allocations(): Promise<Allocation[]>;
  snapshots(query?: { names?: readonly ResourceName[] }): Promise<Snapshot[]>;

  createDefinition(spec: DefinitionSpec): Promise<Outcome>;
  modifyDefinition(name: ResourceName, change: PropsChange & { group?: string }): Promise<Outcome>;
  deleteDefinition(name: ResourceName): Promise<Outcome>;
  createVolume(name: ResourceName, number: number, sizeKib: KiB): Promise<Outcome>;
  /** Never checks for shrinking or space: the caller does (linstor-behaviour §3.8). */
  resizeVolume(name: ResourceName, number: number, sizeKib: KiB): Promise<Outcome>;
  /** Sets properties of a volume definition. */
  modifyVolume(name: ResourceName, number: number, props: Readonly<Record<string, string>>): Promise<Outcome>;

  spawn(
    group: string,
    name: ResourceName,
    sizesKib: readonly KiB[],
    options?: {
      filter?: PlacementFilter;
      definitionsOnly?: boolean;
      /** Set together with creation where the controller can (REST 1.22), right after it otherwise. */
      props?: Readonly<Record<string, string>>;
      /** Never without its props: LINSTOR_UNSUPPORTED, and nothing made, where they cannot be set together with creation. */
      marked?: boolean;
    },
  ): Promise<Outcome>;
  place(name: ResourceName, filter: PlacementFilter): Promise<Outcome>;
  /** Diskful unless `diskless`. `pool` is the storage pool (or the diskless pool). */
  createResource(
    name: ResourceName,
    node: NodeName,
    options?: { pool?: string; diskless?: boolean; layers?: readonly LayerKind[] },
  ): Promise<Outcome>;
  makeAvailable(
    name: ResourceName,
    node: NodeName,
    options?: { diskful?: boolean; manageDualPrimary?: boolean },
  ): Promise<Outcome>;
  /** Undo of make-available; needs `managedDualPrimary`. */
  unmakeAvailable(name: ResourceName, node: NodeName): Promise<Outcome>;
  /** Keeps tie-breakers where the controller can. */
  deleteResource(name: ResourceName, node: NodeName): Promise<Outcome>;
  /** `pool` given: make it diskful there. Absent: make it diskless. */
  toggleDisk(
    name: ResourceName,
    node: NodeName,
    options: { pool?: string; diskless?: boolean },
  ): Promise<Outcome>;

  /** LINSTOR moves what is on the node away, and gives it nothing new. Warnings tell what it cannot move. */
  evacuateNode(node: NodeName): Promise<Outcome>;
  /** The node is like any other again. */
  restoreNode(node: NodeName): Promise<Outcome>;

  createSnapshot(
    name: ResourceName,
    snapshot: string,
    options?: {
      nodes?: readonly NodeName[];
      /**
       * Properties of the snapshot itself, which a restore does not take over. LINSTOR_UNSUPPORTED, and nothing made, where they cannot
       * be set together with creation (REST 1.24).
       */
      props?: Readonly<Record<string, string>>;
    },
  ): Promise<Outcome>;
  /** One consistency point over several resources (REST 1.18). */
  createSnapshots(list: readonly { resource: ResourceName; snapshot: string }[]): Promise<Outcome>;
  deleteSnapshot(name: ResourceName, snapshot: string): Promise<Outcome>;
  rollback(name: ResourceName, snapshot: string): Promise<Outcome>;
  restoreVolumes(from: ResourceName, snapshot: string, to: ResourceName): Promise<Outcome>;
  restoreResources(
    from: ResourceName,
    snapshot: string,
    to: ResourceName,
    options?: { nodes?: readonly NodeName[]; poolRename?: Readonly<Record<string, string>> },
  ): Promise<Outcome>;

  /** Returns when the copy has started; poll `cloneStatus`. */
  clone(source: ResourceName, target: ResourceName, spec?: CloneSpec): Promise<Outcome>;
  /** `undefined`: the target is missing or is no clone. */
  cloneStatus(source: ResourceName, target: ResourceName): Promise<CloneStatus | undefined>;

  /** True when all replicas are in sync (always for plain storage). */
  synced(name: ResourceName): Promise<boolean>;
  /** `undefined` where the controller cannot tell (REST < 1.25). */
  encryption(): Promise<'unset' | 'locked' | 'unlocked' | undefined>;
  controllerProperties(): Promise<Readonly<Record<string, string>>>;

  /** What the controller and its satellites noted about their own errors since then, newest first (linstor-behaviour §3.15). */
  errorReports(since: number): Promise<ErrorReport[]>;
  /** Its whole text; `undefined` when there is none of that id. */
  errorReport(id: string): Promise<string | undefined>;

  /**
   * One of the controller's key-value stores; empty when there is none of that name. Neither reading nor writing it concerns a
   * satellite: what is noted there costs no pass of theirs, unlike a property of a definition (real-drbd).
   */
  keyValues(store: string): Promise<Readonly<Record<string, string>>>;
  /**
   * The store is made with its first key and goes with its last one; unsetting what is not there succeeds. Keys may contain `/`, which
   * LINSTOR drops at their beginning; a value is never empty. Neither begins with a dash or holds a bar, a line break or
   * outer blanks.
   */
  modifyKeyValues(store: string, change: Pick<PropsChange, 'set' | 'unset'>): Promise<Outcome>;
}
