import type { LayerKind } from '../linstor/linstor.ts';

/** How a non-persistent disk comes from its image. */
export type CloneMode = 'snapshot' | 'copy' | 'clone';

/** Where new volumes go. Taken as a whole from one datastore, never mixed from two. */
export interface PlacementSettings {
  readonly resourceGroup?: string;
  /** Replicas on all of these, always. */
  readonly nodeList: readonly string[];
  readonly layerList: readonly LayerKind[];
  readonly providers: readonly string[];
  readonly replicasOnSame: readonly string[];
  readonly replicasOnDifferent: readonly string[];
  readonly replicaCount?: number;
  readonly doNotPlaceWith: readonly string[];
  readonly doNotPlaceWithRegex?: string;
  readonly storagePools: readonly string[];
  readonly encryption: boolean;
}

/** How LINSTOR is reached. */
export interface ControllerSettings {
  /** In the order they are tried; empty only with TRANSPORT=cli: then the client's own configuration decides. `linstor://host:3370`, `http(s)://…`, `host[:port]`. */
  readonly controllers: readonly string[];
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly caFile?: string;
  /** Bearer token (LINSTOR 1.34). */
  readonly token?: string;
  readonly username?: string;
  readonly password?: string;
  readonly transport: 'rest' | 'cli';
  /** The client's executable for TRANSPORT=cli. */
  readonly linstorCommand: string;
}

/** All attributes of the datastore(s) and of linstor_un.conf, validated and merged into one value. */
export interface Settings extends ControllerSettings {
  readonly placement: PlacementSettings;
  readonly cloneMode: CloneMode;
  readonly bridgeList: readonly string[];
  readonly checkpointReplicaCount?: number;
  readonly disklessPool: string;
  readonly preferNode: boolean;
  readonly stagingDir: string;
  readonly restrictedDirs: readonly string[];
  readonly safeDirs: readonly string[];
  readonly noDecompress: boolean;
  /** As OpenNebula's downloader takes it: bytes a second, with an optional K, M, G. */
  readonly limitTransferBw?: string;
  /** Read the written device back and compare. */
  readonly verify: boolean;
  /** Put before every LINSTOR object name, for several OpenNebulas on one cluster; default empty. */
  readonly namePrefix: string;
  /** OpenNebula host name → LINSTOR node name, where they differ. */
  readonly nodeMap: Readonly<Record<string, string>>;
  /** Sizes in KiB etc. stay with their users; this is the wire compression for copies between hosts. */
  readonly compressTransfer: boolean;
}
