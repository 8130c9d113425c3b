import type { MiB } from '../units.ts';
import type { OneChanges } from './one-changes.ts';

/** OpenNebula objects, as far as storage needs them. Field names follow OpenNebula's XML (contract §10.2). */

export type Attributes = Readonly<Record<string, string>>;

export interface Datastore {
  readonly id: number;
  readonly name: string;
  /** 0 image, 1 system, 2 file, 3 backup. */
  readonly type: number;
  readonly dsMad: string;
  readonly tmMad: string;
  readonly basePath: string;
  /** OpenNebula's clusters that may use it; absent: not told. */
  readonly clusterIds?: readonly number[];
  /** TEMPLATE, upper-case keys, simple attributes only. */
  readonly template: Attributes;
}

export interface ImageSnapshot {
  readonly id: number;
  readonly sizeMib?: MiB;
  readonly active: boolean;
  readonly parent: number;
  readonly children: readonly number[];
}

export interface Image {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  readonly persistent: boolean;
  readonly source: string;
  readonly path: string;
  readonly format: string;
  /** FS (≥ 6.0) or FSTYPE (≤ 5.12). */
  readonly fs: string;
  readonly sizeMib: MiB;
  /** Epoch seconds; 0 where the document does not say. */
  readonly registeredAt: number;
  readonly state: number;
  readonly cloningId: number;
  readonly targetSnapshot?: number;
  readonly snapshots: readonly ImageSnapshot[];
  /** The id that the next one gets. */
  readonly nextSnapshot?: number;
  readonly template: Attributes;
  readonly datastoreId?: number;
  /** The user; 0 is oneadmin. */
  readonly ownerId?: number;
  readonly ownerName?: string;
  /** Of a backup: what its datastore calls it, and each increment. */
  readonly backupSources?: readonly string[];
  /** VMs that have the image, powered off ones too. Absent where the document has no such list. */
  readonly vmIds?: readonly number[];
}

export interface Disk {
  readonly id: number;
  readonly attributes: Attributes;
  readonly source: string;
  readonly imageId?: number;
  readonly datastoreId?: number;
  readonly tmMad: string;
  /** What kind of thing it is, by contract §3.3. Only `clone` and `volatile` belong to the VM. */
  readonly kind: 'clone' | 'volatile' | 'persistent' | 'cdrom' | 'immutable' | 'shareable' | 'filesystem';
  readonly sizeMib: MiB;
  readonly originalSizeMib?: MiB;
  readonly fs: string;
  readonly format: string;
}

export interface History {
  readonly seq: number;
  readonly hostname: string;
  readonly hostId: number;
  readonly datastoreId: number;
  readonly tmMad: string;
  readonly vmMad: string;
  /** Epoch seconds. */
  readonly stime: number;
}

export interface VmSnapshot {
  readonly diskId: number;
  readonly snapshots: readonly ImageSnapshot[];
  /** The id that the next one gets. */
  readonly next?: number;
}

/** A snapshot of the VM as a whole (`onevm snapshot-create`). */
export interface SystemSnapshot {
  readonly id: number;
  readonly name: string;
  /** What the driver has answered when it was made; empty while it is being made. */
  readonly hypervisorId: string;
}

export interface Vm {
  readonly id: number;
  readonly name: string;
  readonly ownerName?: string;
  readonly state: number;
  readonly lcmState: number;
  readonly deployId: string;
  readonly disks: readonly Disk[];
  readonly contextDiskId?: number;
  readonly memoryMib?: MiB;
  readonly template: Attributes;
  /** USER_TEMPLATE, upper-case keys, simple attributes only. */
  readonly userTemplate: Attributes;
  readonly history: readonly History[];
  readonly snapshots: readonly VmSnapshot[];
  readonly systemSnapshots: readonly SystemSnapshot[];
  /** /VM/BACKUPS/BACKUP_CONFIG */
  readonly backup: Attributes;
  /** The document itself, for what passes it on. */
  readonly xml: string;
}

export interface Host {
  readonly id: number;
  readonly name: string;
  readonly state: number;
  /** MONITORED (or being monitored) and not disabled, offline or in error. */
  readonly enabled: boolean;
  /** OpenNebula's cluster; absent: not told. */
  readonly clusterId?: number;
}

/** What oned runs when something happens. */
export interface Hook {
  readonly id: number;
  readonly name: string;
  readonly command: string;
  readonly arguments: string;
}

/**
 * oned, asked over XML-RPC with oneadmin's session, with the `one*` commands as the fallback.
 * An unreachable or refusing oned always throws (ONE_UNREACHABLE, ONE_REFUSED, ONE_NOT_FOUND): it is never an
 * empty answer.
 */
export interface One extends OneChanges {
  vm(id: number): Promise<Vm>;
  /** Decrypted. */
  datastore(id: number): Promise<Datastore>;
  image(id: number): Promise<Image>;
  /** As it comes, for what is handed on to another driver; a datastore's is decrypted. */
  document(kind: 'image' | 'datastore', id: number): Promise<string>;
  hosts(): Promise<Host[]>;
  datastores(): Promise<Datastore[]>;
  vms(): Promise<Vm[]>;
  images(): Promise<Image[]>;
  /** Hosts of the marketplaces, as their addresses name them. */
  marketplaceHosts(): Promise<string[]>;
  /** XML-RPC alone tells; none before OpenNebula 5.10. */
  hooks(): Promise<Hook[]>;
  /** Whether this front-end leads its zone. True as well where it is the only one. XML-RPC alone tells. */
  leads(): Promise<boolean>;
  version(): Promise<string>;
}
