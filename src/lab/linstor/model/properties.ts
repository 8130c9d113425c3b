import { isDeepStrictEqual } from 'node:util';
import type { ObjectKind } from '../rest/codes.ts';
import { CREATED, DELETED } from '../rest/codes.ts';
import { Refusal, type Reply } from '../rest/entry.ts';
import type { Props } from './node.ts';

/**
 * Which property keys an object takes and which values (linstor-behaviour §1.1, §3.16). `Aux/…` is always
 * accepted. One refused key fails the whole change.
 */
export type PropertyOwner = 'C' | 'N' | 'P' | 'R' | 'D' | 'V';
// C controller, N node, P storage pool, R resource, D resource definition and group, V volume definition

interface ValueRule {
  readonly test: { test(value: string): boolean };
  readonly hint: string;
  /** As it is kept, whatever the case it was given in. */
  readonly normal?: (value: string) => string;
}

const symbols = (...values: string[]): ValueRule => ({
  test: new RegExp(`^(?:${values.join('|')})$`, 'i'),
  hint: `This value has to match one of [${values.join(', ')}].`,
});
const yesNo: ValueRule = {
  test: /^(?:yes|no)$/i,
  hint: "This value must be either 'yes' or 'no'.",
  normal: (value) => value.toLowerCase(),
};
const truth: ValueRule = {
  test: /^(?:true|false|yes|no)$/i,
  hint: "This value must be either 'yes', 'no', 'true' or 'false'.",
  normal: (value) => String(/^(?:true|yes)$/i.test(value)),
};
const whole: ValueRule = { test: /^-?\d+$/, hint: 'This value has to be of type Long.' };
/** Both ends are taken. The hint names the unit behind two blanks. */
const range = (min: number, max: number, unit?: string): ValueRule => ({
  test: { test: (value) => /^[+-]?\d+$/.test(value) && Number(value) >= min && Number(value) <= max },
  hint:
    unit === undefined
      ? `This value has to match (${min} - ${max}).`
      : `This value  has to match (${min} - ${max}) ${unit}.`,
});
const decimal: ValueRule = { test: /^\d+(?:\.\d+)?$/, hint: 'This value must be a number.' };
const text: ValueRule = { test: /^[\s\S]*$/, hint: '' };
const poolName: ValueRule = {
  test: /^[A-Za-z0-9_][A-Za-z0-9_-]{2,47}$/,
  hint: 'This value has to match a name.',
};

const table: readonly (readonly [owners: string, rule: ValueRule, keys: string])[] = [
  [
    'CD',
    truth,
    'AllowMixingStoragePoolDriver BalanceResourcesEnabled Clone/BalanceAfterClone CopyAllSnaps Snapshot/BalanceAfterRestore UseZFSClone DrbdOptions/auto-add-quorum-tiebreaker DrbdOptions/auto-verify-algo-disable DrbdOptions/ForceInitialSync',
  ],
  [
    'C',
    truth,
    'Auth/TokenAuthenticationEnabled DrbdOptions/auto-resync-after-disable REST/AutoHTTPS REST/disable-http-metrics StorDriver/DMStats',
  ],
  ['CN', truth, 'AutoplaceTarget CopyAllSnapsOnEvacuate DrbdOptions/AutoEvictAllowEviction'],
  ['CNDR', truth, 'DrbdOptions/auto-diskful-allow-cleanup'],
  ['D', truth, 'DrbdOptions/ExactSize'],
  ['CNRDPV', truth, 'Luks/AllowDiscards'],
  [
    'CD',
    whole,
    'AutoSnapshot/Keep AutoSnapshot/NextAutoId AutoSnapshot/RunEvery BalanceResourcesSkipDiskLimit DrbdOptions/AutoEvictMinReplicaCount DrbdOptions/auto-diskful',
  ],
  [
    'C',
    whole,
    'Autoplacer/PreSelectScriptTimeout BackupShipping/BackupTimeout BalanceResourcesGracePeriod BalanceResourcesInterval ExtCmdWaitTimeout UpdateCacheInterval',
  ],
  [
    'CN',
    whole,
    'DrbdOptions/AutoEvictAfterTime ExtCmd/IoPollInterval ExtCmd/IoStallTimeout ExtCmd/KillTimeout ExtCmd/TermTimeout ExtCmd/WaitTimeout StorDriver/SizesCacheTime BackupShipping/MaxConcurrentBackupsPerNode',
  ],
  ['C', range(0, 100), 'DrbdOptions/AutoEvictMaxDisconnectedNodes'],
  ['CD', range(1, 65535), 'NVMe/Port'],
  ['CD', range(1, 31), 'PeerSlotsNewResource'],
  ['CNP', whole, 'Autoplacer/MaxThroughput'],
  [
    'CNPRDV',
    whole,
    'sys/fs/blkio_throttle_read sys/fs/blkio_throttle_read_iops sys/fs/blkio_throttle_write sys/fs/blkio_throttle_write_iops',
  ],
  [
    'C',
    decimal,
    'Autoplacer/Weights/MaxFreeSpace Autoplacer/Weights/MaxThroughput Autoplacer/Weights/MinReservedSpace Autoplacer/Weights/MinRscCount',
  ],
  [
    'CP',
    decimal,
    'MaxOversubscriptionRatio MaxFreeCapacityOversubscriptionRatio MaxTotalCapacityOversubscriptionRatio',
  ],
  ['CNDP', text, 'Autoplacer/MinThinFreeSpace'],
  [
    'C',
    text,
    'Autoplacer/PreSelectScript BackupShipping/S3KeySuffix DrbdOptions/auto-verify-algo-allowed-user-list MinorNrAutoRange SearchDomain SpecStltPortAutoRange TcpPortAutoRange',
  ],
  ['CD', text, 'BackupShipping/AllowForceRestore Clone/DdBlocksize'],
  [
    'CDV',
    text,
    'DrbdOptions/auto-rs-discard-granularity Linstor/Drbd/auto-block-size Linstor/Drbd/auto-discard-granularity',
  ],
  ['CNPRD', text, 'Linstor/Drbd/OutsideAddress'],
  [
    'CNDPV',
    text,
    'StorDriver/LvcreateOptions StorDriver/LvcreatePvSelection StorDriver/LvcreateSnapshotOptions StorDriver/ZfscreateOptions StorDriver/ZfsSnapshotOptions EBS/VolumeType',
  ],
  ['CNPRDV', text, 'StorDriver/LuksFormatOptions StorDriver/LuksOpenOptions'],
  ['RDV', text, 'FileSystem/Group FileSystem/MkfsParams FileSystem/User'],
  ['RDV', symbols('ext4', 'xfs'), 'FileSystem/Type'],
  [
    'V',
    text,
    'Encryption/Passphrase Linstor/Drbd/InitialUptoDateOn Linstor/Drbd/freeze-block-size OverrideVlmId DrbdCurrentGi',
  ],
  ['NRDV', poolName, 'StorPoolName StorPoolNameDrbdMeta'],
  ['NPRD', poolName, 'PrefNic'],
  ['CD', symbols('io-error', 'suspend-io', 'disabled'), 'DrbdOptions/auto-quorum'],
  ['CNPRD', symbols('True'), 'DrbdOptions/SkipDisk'],
  ['CD', symbols('Delete', 'Rename', 'Dynamic'), 'StorDriver/Zfs/DeleteStrategy'],
  ['CD', symbols('Rollback', 'Clone', 'Dynamic'), 'StorDriver/Zfs/RollbackStrategy'],
  ['CD', symbols('rdma', 'tcp'), 'NVMe/TRType'],
  [
    'P',
    text,
    'StorDriver/StorPoolName StorDriver/LvmVg StorDriver/ThinPool StorDriver/ZPool StorDriver/ZPoolThin StorDriver/FileDir',
  ],
  // options of DRBD itself
  [
    'CNPRDV',
    yesNo,
    'DrbdOptions/Net/allow-two-primaries DrbdOptions/Net/always-asbp DrbdOptions/Net/csums-after-crash-only DrbdOptions/Net/tcp-cork DrbdOptions/Net/use-rle DrbdOptions/Net/tls DrbdOptions/Net/allow-remote-read DrbdOptions/Net/load-balance-paths DrbdOptions/Disk/al-updates DrbdOptions/Disk/disk-barrier DrbdOptions/Disk/disk-flushes DrbdOptions/Disk/disk-drain DrbdOptions/Disk/md-flushes DrbdOptions/Disk/discard-zeroes-if-aligned DrbdOptions/Disk/disable-write-same DrbdOptions/Disk/bitmap DrbdOptions/PeerDevice/bitmap DrbdOptions/PeerDevice/peer-tiebreaker DrbdOptions/Resource/auto-promote DrbdOptions/Resource/drbd8-compat-mode',
  ],
  ['CNPRDV', symbols('A', 'B', 'C'), 'DrbdOptions/Net/protocol'],
  [
    'CNPRDV',
    symbols('disconnect', 'call-pri-lost', 'violently', 'retry-connect', 'auto-discard'),
    'DrbdOptions/Net/rr-conflict',
  ],
  [
    'CNPRDV',
    symbols(
      'disconnect',
      'discard-younger-primary',
      'discard-older-primary',
      'discard-zero-changes',
      'discard-least-changes',
      'discard-local',
      'discard-remote',
    ),
    'DrbdOptions/Net/after-sb-0pri',
  ],
  [
    'CNPRDV',
    symbols('disconnect', 'consensus', 'discard-secondary', 'call-pri-lost-after-sb', 'violently-as0p'),
    'DrbdOptions/Net/after-sb-1pri',
  ],
  [
    'CNPRDV',
    symbols('disconnect', 'call-pri-lost-after-sb', 'violently-as0p'),
    'DrbdOptions/Net/after-sb-2pri',
  ],
  ['CNPRDV', symbols('dont-care', 'resource-only', 'resource-and-stonith'), 'DrbdOptions/Net/fencing'],
  ['CNPRDV', symbols('block', 'pull-ahead', 'disconnect'), 'DrbdOptions/Net/on-congestion'],
  ['CNPRDV', symbols('pass_on', 'call-local-io-error', 'detach'), 'DrbdOptions/Disk/on-io-error'],
  [
    'CNPRDV',
    symbols('io-error', 'suspend-io'),
    'DrbdOptions/Resource/on-no-quorum DrbdOptions/Resource/on-no-data-accessible',
  ],
  ['CNPRDV', symbols('disconnect', 'force-secondary'), 'DrbdOptions/Resource/on-suspended-primary-outdated'],
  [
    'CNPRDV',
    symbols('off', 'majority', 'all', '[1-9]|[12][0-9]|3[0-2]'),
    'DrbdOptions/Resource/quorum DrbdOptions/Resource/quorum-minimum-redundancy',
  ],
  ['CNPRDV', range(1, 600, '1/10 seconds'), 'DrbdOptions/Net/timeout'],
  ['CNPRDV', range(1, 20000), 'DrbdOptions/Net/max-epoch-size'],
  ['CNPRDV', range(1, 120, 'seconds'), 'DrbdOptions/Net/connect-int DrbdOptions/Net/ping-int'],
  ['CNPRDV', range(0, 134217728, 'bytes'), 'DrbdOptions/Net/sndbuf-size DrbdOptions/Net/rcvbuf-size'],
  ['CNPRDV', range(0, 200), 'DrbdOptions/Net/ko-count'],
  ['CNPRDV', range(1, 300, '1/10 seconds'), 'DrbdOptions/Net/ping-timeout'],
  ['CNPRDV', range(0, 20971520, 'bytes'), 'DrbdOptions/Net/congestion-fill'],
  ['CNPRDV', range(67, 65534), 'DrbdOptions/Net/congestion-extents DrbdOptions/Disk/al-extents'],
  ['CNPRDV', range(0, 300), 'DrbdOptions/Net/socket-check-timeout'],
  ['CNPRDV', range(32, 131072), 'DrbdOptions/Net/max-buffers'],
  [
    'CNPRDV',
    range(0, 10485760),
    'DrbdOptions/Net/rdma-ctrl-rcvbuf-size DrbdOptions/Net/rdma-ctrl-sndbuf-size',
  ],
  ['CNPRDV', range(0, 6000, '1/10 seconds'), 'DrbdOptions/Disk/disk-timeout'],
  [
    'CNPRDV',
    range(0, 1048576, 'bytes'),
    'DrbdOptions/Disk/rs-discard-granularity DrbdOptions/PeerDevice/c-fill-target',
  ],
  ['CNPRDV', range(512, 4096), 'DrbdOptions/Disk/block-size'],
  ['CNPRDV', range(0, 134217728), 'DrbdOptions/Disk/discard-granularity'],
  ['CNPRDV', range(512, 1048576), 'DrbdOptions/Disk/max-bio-size'],
  ['CNPRDV', range(1, 8388608, 'bytes/second'), 'DrbdOptions/PeerDevice/resync-rate'],
  ['CNPRDV', range(0, 300, '1/10 seconds'), 'DrbdOptions/PeerDevice/c-plan-ahead'],
  ['CNPRDV', range(1, 100, '1/10 seconds'), 'DrbdOptions/PeerDevice/c-delay-target'],
  [
    'CNPRDV',
    range(0, 4194304, 'bytes/second'),
    'DrbdOptions/PeerDevice/c-max-rate DrbdOptions/PeerDevice/c-min-rate',
  ],
  ['CNPRDV', range(2048, 204800, 'bytes'), 'DrbdOptions/Resource/peer-ack-window'],
  ['CNPRDV', range(1, 10000, 'milliseconds'), 'DrbdOptions/Resource/peer-ack-delay'],
  ['CNPRDV', range(50, 600, '1/10 seconds'), 'DrbdOptions/Resource/twopc-timeout'],
  ['CNPRDV', range(1, 50, '1/10 seconds'), 'DrbdOptions/Resource/twopc-retry-timeout'],
  ['CNPRDV', range(0, 600, '1/10 seconds'), 'DrbdOptions/Resource/auto-promote-timeout'],
  ['CNPRDV', range(4, 4294967295), 'DrbdOptions/Resource/max-io-depth'],
  [
    'CNPRDV',
    text,
    'DrbdOptions/Net/transport DrbdOptions/Net/cram-hmac-alg DrbdOptions/Net/shared-secret DrbdOptions/Net/data-integrity-alg DrbdOptions/Net/csums-alg DrbdOptions/Net/verify-alg DrbdOptions/Net/tls-keyring DrbdOptions/Net/tls-privkey DrbdOptions/Net/tls-certificate DrbdOptions/Disk/resync-after DrbdOptions/Disk/read-balancing DrbdOptions/Resource/cpu-mask DrbdOptions/auto-verify-alg',
  ],
];

const rules: ReadonlyMap<string, { owners: string; rule: ValueRule }> = new Map(
  table.flatMap(([owners, rule, keys]) => keys.split(' ').map((key) => [key, { owners, rule }] as const)),
);

const freePrefixes: Record<PropertyOwner, readonly string[]> = {
  C: ['Aux/'],
  N: ['Aux/', 'NodeUname', 'CurStltConnName'],
  P: ['Aux/', 'StorDriver/'],
  R: ['Aux/'],
  D: ['Aux/', 'DrbdOptions/Handlers/'],
  V: ['Aux/'],
};

export function checkProperty(owner: PropertyOwner, key: string, value: string): void {
  if (freePrefixes[owner].some((prefix) => key.startsWith(prefix)) && key.length <= 256) return;
  const known = rules.get(key);
  if (!known?.owners.includes(owner)) {
    throw new Refusal(213, `Invalid property key: ${key}`, {
      cause: `The key '${key}' is not whitelisted.`,
      report: true,
    });
  }
  if (!known.rule.test.test(value)) {
    throw new Refusal(213, `Invalid property(${key}) value: ${value}`, {
      cause: `The value '${value}' is not valid for the key '${key}'`,
      details: known.rule.hint,
      report: true,
    });
  }
}

export const QUORUM = 'DrbdOptions/Resource/quorum';
export const QUORUM_SET_BY = 'Internal/Drbd/QuorumSetBy';

export interface PropsChange {
  readonly override?: Readonly<Record<string, string>> | undefined;
  readonly remove?: readonly string[] | undefined;
  readonly namespaces?: readonly string[] | undefined;
}

/** All or nothing. Returns whether the caller has to tell the satellites. */
export function changeProps(
  reply: Reply | undefined,
  props: Props,
  change: PropsChange,
  options: { owner: PropertyOwner; object?: ObjectKind; bare?: boolean },
): boolean {
  const before = { ...props };
  const override = Object.entries(change.override ?? {});
  for (const [key, value] of override) checkProperty(options.owner, key, value);
  for (const [key, value] of override) props[key] = rules.get(key)?.rule.normal?.(value) ?? value;
  // Whoever sets it keeps it: LINSTOR leaves it alone from then on (`CtrlPropsHelper.fillProperties`).
  if (QUORUM in (change.override ?? {})) props[QUORUM_SET_BY] = 'user';
  if (change.remove?.includes(QUORUM)) delete props[QUORUM_SET_BY];
  for (const key of change.remove ?? []) delete props[key];
  for (const space of change.namespaces ?? []) {
    for (const key of Object.keys(props)) if (key === space || key.startsWith(`${space}/`)) delete props[key];
  }
  const say = (verb: string, keys: readonly string[], code: number, operation: 'create' | 'delete') => {
    if (keys.length === 0) return;
    reply?.add(code, `Successfully ${verb} property key(s): ${keys.join(',')}`, {
      operation,
      object: options.object ?? 'definition',
      bare: options.bare ?? false,
    });
  };
  say(
    'set',
    override.map(([key]) => key),
    CREATED,
    'create',
  );
  say('deleted', change.remove ?? [], DELETED, 'delete');
  return !isDeepStrictEqual(before, { ...props });
}
