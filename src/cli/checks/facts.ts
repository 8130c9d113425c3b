import type { DriverError } from '../../errors.ts';
import type { Layout } from '../../install/layout.ts';
import type {
  Capabilities,
  Node,
  Resource,
  ResourceDefinition,
  ResourceGroup,
  Snapshot,
  StoragePool,
} from '../../linstor/linstor.ts';
import type { Datastore, Hook, Host, Image, Vm } from '../../opennebula/one.ts';
import type { Settings } from '../../opennebula/settings.ts';
import type { ToolFacts } from './front-end-tools.ts';
import type { HostFacts } from './host-probe.ts';

/**
 * Everything the checks look at, read once and before any judgement: the checks themselves are functions of this.
 * What could not be read carries the error, so that a broken LINSTOR, oned or ssh is a finding and no end.
 */
export type Known<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: DriverError };

export interface FileFacts {
  readonly onedConf: Known<string>;
  readonly vmmExecrc: Known<string>;
  readonly installedVersion?: string;
  readonly binary: 'missing' | 'not executable' | 'ok';
  /** Of the binary that is installed; only among several front-ends, to compare. */
  readonly binarySha256?: string;
  readonly links: readonly LinkFact[];
  readonly unknown: readonly string[];
  readonly bashDriver: boolean;
  /** linstor_un.conf: lines without effect; or why it cannot be read. */
  readonly config: Known<readonly IgnoredLine[]>;
  readonly log: { readonly path?: string; readonly problem?: string };
  /** Another user than the one whose `remotes/` it is: ssh and sessions are that one's. */
  readonly foreignUser: boolean;
  /** The name of that one, where this machine has it. */
  readonly owner?: string;
  /** oned runs since before oned.conf was changed. */
  readonly restartPending: boolean;
  /** What the host hook calls before it moves VMs off a dead host. `stub`: as OpenNebula ships it. */
  readonly fenceScript: 'missing' | 'stub' | 'own';
}

export interface IgnoredLine {
  readonly text: string;
  /** The attribute that was probably meant. */
  readonly meant?: string;
}

export interface LinkFact {
  readonly path: string;
  /** `launcher`: as installed; `binary`: leads to a file of that many bytes, which every host gets a copy of. */
  readonly state: 'launcher' | 'missing' | 'dangling' | 'not executable' | 'binary' | 'foreign';
  readonly bytes?: number;
}

export interface OneFacts {
  readonly version: Known<string>;
  readonly hosts: Known<readonly Host[]>;
  readonly datastores: Known<readonly Datastore[]>;
  readonly vms: Known<readonly Vm[]>;
  readonly images: Known<readonly Image[]>;
  /** Only doctor asks for them. */
  readonly hooks: Known<readonly Hook[]>;
}

/** One LINSTOR, with the datastores that use it. */
export interface ClusterFacts {
  readonly label: string;
  readonly datastores: readonly number[];
  readonly settings: Settings;
  /** Milliseconds of the answer to the version question. */
  readonly latencyMs: number;
  readonly capabilities: Known<Capabilities>;
  readonly nodes: Known<readonly Node[]>;
  readonly pools: Known<readonly StoragePool[]>;
  readonly groups: Known<readonly ResourceGroup[]>;
  readonly definitions: Known<readonly ResourceDefinition[]>;
  readonly resources: Known<readonly Resource[]>;
  readonly snapshots: Known<readonly Snapshot[]>;
  readonly properties: Known<Readonly<Record<string, string>>>;
  /** Notes of parts of deleted snapshots that nodes have kept. */
  readonly kept: Known<Readonly<Record<string, string>>>;
  /** Notes of what is in the trash. */
  readonly trash: Known<Readonly<Record<string, string>>>;
  /** Notes of moves between pools. */
  readonly moves: Known<Readonly<Record<string, string>>>;
  readonly encryption: Known<'unset' | 'locked' | 'unlocked' | undefined>;
}

export interface FrontEndFact {
  readonly host: string;
  readonly version: Known<string>;
  readonly sha256?: string;
}

export interface Facts {
  readonly layout: Layout;
  readonly version: string;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly files: FileFacts;
  readonly one: OneFacts;
  /** Settings of each datastore of ours by its id. */
  readonly settings: ReadonlyMap<number, Known<Settings>>;
  readonly clusters: readonly ClusterFacts[];
  readonly hosts: ReadonlyMap<string, Known<HostFacts>>;
  /** Other front-ends of the zone; empty without high availability. */
  readonly frontEnds: readonly FrontEndFact[];
  /** Programs of this front-end that are missing. */
  readonly tools: Known<ToolFacts>;
  /** Why linstor_un.conf cannot be read; LINSTOR was not asked then. */
  readonly configError?: DriverError;
}

/** What can be said without this front-end's files and without hosts: what `status` has. */
export type ClusterView = Pick<Facts, 'layout' | 'now' | 'one' | 'settings' | 'clusters'>;

export function orElse<T>(known: Known<T>, otherwise: T): T {
  return known.ok ? known.value : otherwise;
}
