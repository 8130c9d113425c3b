import type { Kind } from './attribute-kinds.ts';
import * as kinds from './attribute-kinds.ts';

/** Where an attribute may stand: template of an image or system datastore, or linstor_un.conf. */
export type Place = 'image' | 'system' | 'conf';

/** Placement and controller attributes are taken together from one datastore, never mixed from two. */
export type Part = 'placement' | 'controller' | 'other';

/** One row of the table. `D`: what counts where the attribute is not set; undefined leaves the field out. */
export interface Attribute<T, F extends string = string, P extends Part = Part, D = T | undefined>
  extends Kind<T> {
  /** Name of the value in `Settings`. */
  readonly field: F;
  readonly fallback: D;
  /** Other names for the same: of LINBIT's driver, or older ones. The main name wins. */
  readonly aliases: readonly string[];
  readonly part: P;
  readonly where: readonly Place[];
  /** As shown in the docs, where the fallback does not say it. */
  readonly default?: string;
  /** The value never appears in messages. */
  readonly secret: boolean;
  readonly doc: string;
}

type Extra = Partial<Pick<Attribute<unknown>, 'aliases' | 'where' | 'default' | 'secret'>>;

/** An attribute that leaves its field out when it is not set. */
type Optional<T, F extends string, P extends Part> = Attribute<T, F, P, undefined>;
/** An attribute whose field always has a value. */
type Defaulted<T, F extends string, P extends Part> = Attribute<T, F, P, T>;

const everywhere: readonly Place[] = ['image', 'system', 'conf'];

/** Builders of rows for one part: `optional(field, kind, doc)` and `defaulted(field, kind, fallback, doc)`. */
function rowsOf<P extends Part>(part: P) {
  const row = <T, F extends string, D>(field: F, kind: Kind<T>, fallback: D, doc: string, extra: Extra) => ({
    ...kind,
    field,
    fallback,
    part,
    aliases: [],
    where: everywhere,
    secret: false,
    ...extra,
    doc,
  });
  return {
    optional: <T, F extends string>(
      field: F,
      kind: Kind<T>,
      doc: string,
      extra: Extra = {},
    ): Optional<T, F, P> => row(field, kind, undefined, doc, extra),
    defaulted: <T, F extends string>(
      field: F,
      kind: Kind<T>,
      fallback: T,
      doc: string,
      extra: Extra = {},
    ): Defaulted<T, F, P> => row(field, kind, fallback, doc, extra),
  };
}

const placement = rowsOf('placement');
const controller = rowsOf('controller');
const other = rowsOf('other');

const imageOnly: Extra = { where: ['image', 'conf'] };
const none: readonly string[] = [];

/**
 * Every attribute, once: parsing, defaults, the type `Settings`, the docs and `doctor` come from this table. Names up to
 * ENCRYPTION are the bash driver's (contract §7.7), with LINBIT's as aliases; the rest is ours.
 */
export const attributes = {
  LS_CONTROLLERS: controller.optional(
    'controllers',
    kinds.controllers,
    'LINSTOR controllers, in the order they are tried',
    { aliases: ['LINSTOR_CONTROLLERS'], default: 'linstor-client.conf, else linstor://localhost' },
  ),
  LS_CERTFILE: controller.optional(
    'certFile',
    kinds.absolutePath,
    'client certificate (PEM), readable by oneadmin on every front-end',
  ),
  LS_KEYFILE: controller.optional('keyFile', kinds.absolutePath, 'key of the client certificate (PEM)'),
  LS_CAFILE: controller.optional(
    'caFile',
    kinds.absolutePath,
    'CA that the controller’s certificate is checked against (PEM)',
  ),

  RESOURCE_GROUP: placement.optional(
    'resourceGroup',
    kinds.objectName,
    'resource group that new volumes are made in',
    { aliases: ['LINSTOR_RESOURCE_GROUP'] },
  ),
  NODE_LIST: placement.defaulted(
    'nodeList',
    kinds.listOf(kinds.nodeName),
    none,
    'a replica on each of these nodes, always',
    { aliases: ['LINSTOR_DEPLOYMENT_NODES'] },
  ),
  REPLICA_COUNT: placement.optional('replicaCount', kinds.wholeNumber(1, 64), 'replicas of a new volume', {
    aliases: ['AUTO_PLACE', 'LINSTOR_AUTO_PLACE'],
  }),
  STORAGE_POOL: placement.defaulted(
    'storagePools',
    kinds.listOf(kinds.poolName),
    none,
    'storage pools for replicas',
    { aliases: ['LINSTOR_STORAGE_POOL'] },
  ),
  LAYER_LIST: placement.defaulted('layerList', kinds.layers, [], 'layers of new volumes, top-most first'),
  PROVIDERS: placement.defaulted(
    'providers',
    kinds.providers,
    [],
    'kinds of storage pools that replicas may lie in',
  ),
  REPLICAS_ON_SAME: placement.defaulted(
    'replicasOnSame',
    kinds.listOf(kinds.auxKey),
    none,
    'replicas only on nodes that agree in these properties',
  ),
  REPLICAS_ON_DIFFERENT: placement.defaulted(
    'replicasOnDifferent',
    kinds.listOf(kinds.auxKey),
    none,
    'replicas only on nodes that differ in these properties',
  ),
  DO_NOT_PLACE_WITH: placement.defaulted(
    'doNotPlaceWith',
    kinds.listOf(kinds.objectName),
    none,
    'not on nodes that hold one of these resources',
  ),
  DO_NOT_PLACE_WITH_REGEX: placement.optional(
    'doNotPlaceWithRegex',
    kinds.regularExpression,
    'not on nodes that hold a resource matching this',
  ),
  ENCRYPTION: placement.defaulted('encryption', kinds.yesNo, false, 'encrypt new volumes (LUKS layer)'),
  QUORUM: placement.optional(
    'quorum',
    kinds.choice('off', 'majority', 'all'),
    'how many nodes of a new volume must see each other before one of them writes',
    { default: 'LINSTOR’s: majority from three nodes on' },
  ),
  ON_NO_QUORUM: placement.optional(
    'onNoQuorum',
    kinds.choice('io-error', 'suspend-io'),
    'what a guest gets on a host that is cut off: errors, or its I/O stands still until the network is back',
    { default: 'the resource group’s' },
  ),
  ON_NO_DATA_ACCESSIBLE: placement.optional(
    'onNoDataAccessible',
    kinds.choice('io-error', 'suspend-io'),
    'the same where no replica with data can be reached',
    { default: 'the resource group’s' },
  ),
  ON_SUSPENDED_PRIMARY_OUTDATED: placement.optional(
    'onSuspendedPrimaryOutdated',
    kinds.choice('disconnect', 'force-secondary'),
    'a host comes back whose I/O stands still and whose disk was taken over: stay apart, or fail that I/O and follow',
    { default: 'the resource group’s' },
  ),
  QUORUM_TIE_BREAKER: placement.optional(
    'quorumTieBreaker',
    kinds.yesNo,
    'a diskless third node that gives two replicas a majority',
    { default: 'the resource group’s' },
  ),
  LINSTOR_PROPERTIES: placement.defaulted(
    'linstorProperties',
    kinds.linstorProperties,
    {},
    'properties of new resource definitions: DRBD’s options and Aux/ of your own',
    { where: ['image', 'system'] },
  ),

  CLONE_MODE: other.defaulted(
    'cloneMode',
    kinds.choice('copy', 'snapshot', 'clone'),
    'copy',
    'how a VM gets its disk: a full copy, a volume restored from a snapshot, or LINSTOR’s own clone',
    { aliases: ['LINSTOR_CLONE_MODE'] },
  ),
  BRIDGE_LIST: other.defaulted(
    'bridgeList',
    kinds.listOf(kinds.hostName),
    none,
    'hosts that bytes may be copied on; images on plain storage are put there',
    { default: 'all hosts' },
  ),
  CHECKPOINT_REPLICA_COUNT: other.optional(
    'checkpointReplicaCount',
    kinds.wholeNumber(1, 64),
    'replicas of the volume that holds a saved VM’s memory',
    { aliases: ['CHECKPOINT_AUTO_PLACE'], where: ['system', 'conf'], default: 'as for disks' },
  ),
  DISKLESS_POOL: other.defaulted(
    'disklessPool',
    kinds.poolName,
    'DfltDisklessStorPool',
    'pool of diskless replicas',
  ),
  PREFER_NODE: other.defaulted(
    'preferNode',
    kinds.yesNo,
    false,
    'a replica on the node of the VM’s host, if it can be placed there',
  ),
  LOCALITY: other.defaulted(
    'locality',
    kinds.choice('off', 'prefer', 'require'),
    'off',
    'a replica of what a VM gets on its host, as PREFER_NODE; and with the placer (OpenNebula 7) VMs go where their data are, or wait',
  ),
  FOLLOW_VM: other.optional(
    'followVm',
    kinds.duration,
    'after so long on a host without a replica of its disk, a VM gets one there, and one that is too many goes',
    { default: 'no' },
  ),
  STAGING_DIR: other.defaulted(
    'stagingDir',
    kinds.absolutePath,
    '/var/tmp',
    'directory for temporary files on the front-end',
    imageOnly,
  ),
  RESTRICTED_DIRS: other.optional(
    'restrictedDirs',
    kinds.directories,
    'images are not imported from below these',
    { ...imageOnly, default: '/' },
  ),
  SAFE_DIRS: other.optional(
    'safeDirs',
    kinds.directories,
    'images may be imported from below these, though restricted',
    { ...imageOnly, default: '/var/tmp, where RESTRICTED_DIRS is not set' },
  ),
  ALLOW_SCHEMES: other.defaulted(
    'allowSchemes',
    kinds.listOf(kinds.scheme),
    none,
    'schemes that an image’s PATH may have beside http and https; OpenNebula’s downloader.sh fetches them',
    { ...imageOnly, default: 'none' },
  ),
  ALLOW_SOURCES: other.defaulted(
    'allowSources',
    kinds.sources,
    [],
    'private servers that images may be fetched from',
    { ...imageOnly, default: 'those of marketplaces' },
  ),
  ADOPT_ALLOW: other.defaulted(
    'adoptAllow',
    kinds.listOf(kinds.volumePattern),
    none,
    'LINSTOR volumes of which oneadmin may make images (PATH “linstor://NAME”)',
    { ...imageOnly, default: 'none' },
  ),
  NO_DECOMPRESS: other.defaulted(
    'noDecompress',
    kinds.yesNo,
    false,
    'leave compressed files as they are',
    imageOnly,
  ),
  LIMIT_TRANSFER_BW: other.optional(
    'limitTransferBw',
    kinds.bandwidth,
    'bandwidth for downloads and for copies to other hosts',
    imageOnly,
  ),

  TRANSPORT: other.defaulted(
    'transport',
    kinds.choice('rest', 'cli'),
    'rest',
    'reach LINSTOR over its REST API or with the linstor command',
  ),
  LS_TOKEN: controller.optional('token', kinds.secret, 'bearer token (LINSTOR 1.34)', { secret: true }),
  LS_TOKEN_FILE: controller.optional('tokenFile', kinds.absolutePath, 'file that holds the bearer token'),
  LS_USERNAME: controller.optional('username', kinds.secret, 'user name for the controller'),
  LS_PASSWORD: controller.optional('password', kinds.secret, 'password for the controller', { secret: true }),
  VERIFY: other.defaulted('verify', kinds.yesNo, false, 'read a written device back and compare'),
  COMPRESS_TRANSFER: other.defaulted(
    'compressTransfer',
    kinds.yesNo,
    false,
    'compress what is sent between hosts',
  ),
  BACKUP_DIFF: other.defaulted(
    'backupDiff',
    kinds.choice('auto', 'compare', 'thin_delta'),
    'auto',
    'how an incremental backup finds what has changed: by comparing two snapshots, or by asking a thin pool',
    { where: ['system', 'conf'] },
  ),
  BACKUP_FREEZE_SECONDS: other.defaulted(
    'backupFreezeSeconds',
    kinds.wholeNumber(1, 120),
    10,
    'the longest that a guest stays frozen or paused for the snapshot of a backup',
    { where: ['system', 'conf'] },
  ),
  BACKUP_PARALLEL: other.defaulted(
    'backupParallel',
    kinds.wholeNumber(1, 16),
    2,
    'disks of a VM that are exported at the same time',
    { where: ['system', 'conf'] },
  ),
  LINSTOR_SNAPSHOTS: other.optional(
    'snapshotPolicy',
    kinds.snapshotPolicy,
    'snapshots that are taken of whole VMs and kept, also in a VM’s own template (USER_TEMPLATE)',
    { default: 'none are taken' },
  ),
  VM_SNAPSHOT_MEMORY: other.defaulted(
    'vmSnapshotMemory',
    kinds.yesNo,
    false,
    'snapshots of whole VMs hold the memory too; also in a VM’s own template (USER_TEMPLATE)',
    { where: ['system', 'conf'] },
  ),
  TRASH: other.defaulted(
    'trash',
    kinds.duration,
    0,
    'how long deleted images and the disks of terminated VMs are kept before they are removed',
    { default: 'no' },
  ),
  TRASH_WHEN_FULL: other.defaulted(
    'trashWhenFull',
    kinds.choice('keep', 'empty'),
    'keep',
    'where there is no room for a new volume: fail, or remove the oldest of what is in the trash',
  ),
  FENCE_COMMAND: other.optional(
    'fenceCommand',
    kinds.absolutePath,
    'program that takes the power from a host: “off HOST”, and “status HOST” for a test; exit code 0 is success',
    { where: ['conf'] },
  ),
  FENCE_TIMEOUT: other.defaulted(
    'fenceTimeout',
    kinds.wholeNumber(1, 600),
    60,
    'seconds that FENCE_COMMAND may take',
    { where: ['conf'] },
  ),
  NAME_PREFIX: other.defaulted(
    'namePrefix',
    kinds.prefix,
    '',
    'put before every LINSTOR name, for several OpenNebulas on one cluster',
    { where: ['conf'] },
  ),
  SHARED_LOCKS: other.defaulted(
    'sharedLocks',
    kinds.choice('auto', 'yes', 'no'),
    'auto',
    'locks that hold across front-ends, in LINSTOR’s key-value store; auto: where oned.conf has a SERVER_ID',
    { where: ['conf'] },
  ),
  NODE_MAP: other.defaulted(
    'nodeMap',
    kinds.nodeMap,
    {},
    'LINSTOR node of an OpenNebula host, where the names differ',
    { where: ['conf'] },
  ),
} as const satisfies Record<string, Attribute<unknown>>;

export type AttributeName = keyof typeof attributes;
type Row<N extends AttributeName> = (typeof attributes)[N];
export type AttributeValue<N extends AttributeName> = NonNullable<ReturnType<Row<N>['parse']>>;

/** Names of the rows of one part. */
export type NamesOf<P extends Part> = {
  [N in AttributeName]: Row<N>['part'] extends P ? N : never;
}[AttributeName];

type Always<N extends AttributeName> = Row<N>['fallback'] extends undefined ? never : Row<N>['field'];
type Sometimes<N extends AttributeName> = Row<N>['fallback'] extends undefined ? Row<N>['field'] : never;

/** The fields that these rows fill: those with a fallback always, the others when they are set. */
export type FieldsOf<Names extends AttributeName> = {
  readonly [N in Names as Always<N>]: AttributeValue<N>;
} & { readonly [N in Names as Sometimes<N>]?: AttributeValue<N> };

export const attributeNames = Object.keys(attributes) as AttributeName[];

/** Main name first. */
export function namesOf(name: AttributeName): readonly string[] {
  return [name, ...attributes[name].aliases];
}

/** What the docs show as default: its own words, else the fallback as one would write it. */
export function shownDefault(attribute: Attribute<unknown>): string | undefined {
  const { default: words, fallback } = attribute;
  if (words !== undefined) return words;
  if (typeof fallback === 'boolean') return fallback ? 'yes' : 'no';
  return typeof fallback === 'string' && fallback !== '' ? fallback : undefined;
}

/** Having one of these, a datastore decides on placement alone. */
export const placementTriggers: readonly AttributeName[] = [
  'RESOURCE_GROUP',
  'NODE_LIST',
  'REPLICA_COUNT',
  'STORAGE_POOL',
];

export function attributesOf<P extends Part>(part: P): NamesOf<P>[] {
  return attributeNames.filter((name) => attributes[name].part === part) as NamesOf<P>[];
}
