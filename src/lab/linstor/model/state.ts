import type { GenerationName } from '../generation.ts';
import type { LabDefinition } from './definition.ts';
import { DEFAULT_GROUP, type LabGroup } from './group.ts';
import type { LabNode, Props } from './node.ts';
import type { LabPool } from './pool.ts';

export interface ErrorReport {
  id: string;
  node: string;
  /** Epoch milliseconds. */
  time: number;
  module: 'CONTROLLER' | 'SATELLITE';
  exception: string;
  message: string;
}

export interface Encryption {
  passphrase?: string;
  locked: boolean;
}

/** Everything the controller knows; plain data that is written to disk as it is. */
export interface ClusterState {
  format: 1;
  generation: GenerationName;
  instance: string;
  nodes: LabNode[];
  pools: LabPool[];
  groups: LabGroup[];
  definitions: LabDefinition[];
  keyValues: Record<string, Props>;
  controllerProps: Props;
  encryption: Encryption;
  reports: ErrorReport[];
  /** Counts calls for several snapshots at once. */
  multiSnapshots: number;
}

/** As a fresh 1.33.3 controller lists them. */
export function controllerDefaults(cluster: string): Props {
  const connector = (prefix: string, port: string, type: string): Props => ({
    [`NetCom/${prefix}/BindAddress`]: prefix.startsWith('Debug') ? '::0' : '',
    [`NetCom/${prefix}/Enabled`]: 'true',
    [`NetCom/${prefix}/Port`]: port,
    [`NetCom/${prefix}/Type`]: type,
    ...(type === 'SSL'
      ? {
          [`NetCom/${prefix}/KeyPasswd`]: 'linstor',
          [`NetCom/${prefix}/KeyStore`]: 'ssl/keystore.jks',
          [`NetCom/${prefix}/KeyStorePasswd`]: 'linstor',
          [`NetCom/${prefix}/SslProtocol`]: 'TLSv1.2',
          [`NetCom/${prefix}/TrustStore`]: 'ssl/certificates.jks',
          [`NetCom/${prefix}/TrustStorePasswd`]: 'linstor',
        }
      : {}),
  });
  return {
    'Cluster/LocalID': cluster,
    'DrbdOptions/AutoEvictAllowEviction': 'True',
    'DrbdOptions/Resource/on-no-quorum': 'io-error',
    'DrbdOptions/auto-add-quorum-tiebreaker': 'True',
    'DrbdOptions/auto-diskful-allow-cleanup': 'True',
    'DrbdOptions/auto-resync-after-disable': 'true',
    'DrbdOptions/auto-verify-algo-allowed-list': 'crct10dif;crc32c;sha384;sha512;sha256;sha1;md5;windrbd',
    ...connector('DebugSslConnector', '3373', 'SSL'),
    ...connector('PlainConnector', '3376', 'Plain'),
    ...connector('SslConnector', '3377', 'SSL'),
    defaultDebugSslConnector: 'DebugSslConnector',
    defaultPlainConSvc: 'PlainConnector',
    defaultSslConSvc: '',
  };
}

export function emptyState(generation: GenerationName): ClusterState {
  return {
    format: 1,
    generation,
    instance: Math.floor(Date.now() / 1000)
      .toString(16)
      .toUpperCase()
      .padStart(8, '0'),
    nodes: [],
    pools: [],
    groups: [
      { name: DEFAULT_GROUP, uuid: crypto.randomUUID(), props: {}, filter: { place_count: 2 }, volumes: [] },
    ],
    definitions: [],
    keyValues: {},
    controllerProps: controllerDefaults(crypto.randomUUID()),
    encryption: { locked: true },
    reports: [],
    multiSnapshots: 0,
  };
}
