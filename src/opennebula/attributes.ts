import type { Kind } from './attribute-kinds.ts';
import * as kinds from './attribute-kinds.ts';

/** Where an attribute may stand: template of an image or system datastore, or linstor_un.conf. */
export type Place = 'image' | 'system' | 'conf';

export interface Attribute<T> extends Kind<T> {
  /** Other names for the same: of LINBIT's driver, or older ones. The main name wins. */
  readonly aliases: readonly string[];
  /** Placement and controller attributes are taken together from one datastore, never mixed from two. */
  readonly part: 'placement' | 'controller' | 'other';
  readonly where: readonly Place[];
  /** As shown in the docs; absent: not set. */
  readonly default?: string;
  /** The value never appears in messages. */
  readonly secret: boolean;
  readonly doc: string;
}

type Extra = Partial<Pick<Attribute<unknown>, 'aliases' | 'part' | 'where' | 'default' | 'secret'>>;

const everywhere: readonly Place[] = ['image', 'system', 'conf'];

function attribute<T>(kind: Kind<T>, doc: string, extra: Extra = {}): Attribute<T> {
  return { ...kind, aliases: [], part: 'other', where: everywhere, secret: false, ...extra, doc };
}

function placement<T>(kind: Kind<T>, doc: string, ...aliases: readonly string[]): Attribute<T> {
  return attribute(kind, doc, { part: 'placement', aliases });
}

function controller<T>(kind: Kind<T>, doc: string, extra: Extra = {}): Attribute<T> {
  return attribute(kind, doc, { part: 'controller', ...extra });
}

const imageOnly: Extra = { where: ['image', 'conf'] };

/**
 * Every attribute, once: parsing, the docs and `doctor` come from this table. Names up to ENCRYPTION are the bash
 * driver's (contract §7.7), with LINBIT's as aliases; the rest is ours.
 */
export const attributes = {
  LS_CONTROLLERS: controller(kinds.controllers, 'LINSTOR controllers, in the order they are tried', {
    aliases: ['LINSTOR_CONTROLLERS'],
    default: 'linstor-client.conf, else linstor://localhost',
  }),
  LS_CERTFILE: controller(
    kinds.absolutePath,
    'client certificate (PEM), readable by oneadmin on every front-end',
  ),
  LS_KEYFILE: controller(kinds.absolutePath, 'key of the client certificate (PEM)'),
  LS_CAFILE: controller(kinds.absolutePath, 'CA that the controller’s certificate is checked against (PEM)'),

  RESOURCE_GROUP: placement(
    kinds.objectName,
    'resource group that new volumes are made in',
    'LINSTOR_RESOURCE_GROUP',
  ),
  NODE_LIST: placement(
    kinds.listOf(kinds.nodeName),
    'a replica on each of these nodes, always',
    'LINSTOR_DEPLOYMENT_NODES',
  ),
  REPLICA_COUNT: placement(
    kinds.wholeNumber(1, 64),
    'replicas of a new volume',
    'AUTO_PLACE',
    'LINSTOR_AUTO_PLACE',
  ),
  STORAGE_POOL: placement(kinds.listOf(kinds.poolName), 'storage pools for replicas', 'LINSTOR_STORAGE_POOL'),
  LAYER_LIST: placement(kinds.layers, 'layers of new volumes, top-most first'),
  PROVIDERS: placement(kinds.providers, 'kinds of storage pools that replicas may lie in'),
  REPLICAS_ON_SAME: placement(
    kinds.listOf(kinds.auxKey),
    'replicas only on nodes that agree in these properties',
  ),
  REPLICAS_ON_DIFFERENT: placement(
    kinds.listOf(kinds.auxKey),
    'replicas only on nodes that differ in these properties',
  ),
  DO_NOT_PLACE_WITH: placement(
    kinds.listOf(kinds.objectName),
    'not on nodes that hold one of these resources',
  ),
  DO_NOT_PLACE_WITH_REGEX: placement(
    kinds.regularExpression,
    'not on nodes that hold a resource matching this',
  ),
  ENCRYPTION: attribute(kinds.yesNo, 'encrypt new volumes (LUKS layer)', {
    part: 'placement',
    default: 'no',
  }),

  CLONE_MODE: attribute(
    kinds.choice('copy', 'snapshot', 'clone'),
    'how a VM gets its disk: a full copy, a volume restored from a snapshot, or LINSTOR’s own clone',
    { default: 'copy', aliases: ['LINSTOR_CLONE_MODE'] },
  ),
  BRIDGE_LIST: attribute(
    kinds.listOf(kinds.hostName),
    'hosts that bytes may be copied on; images on plain storage are put there',
    {
      default: 'all hosts',
    },
  ),
  CHECKPOINT_REPLICA_COUNT: attribute(
    kinds.wholeNumber(1, 64),
    'replicas of the volume that holds a saved VM’s memory',
    {
      aliases: ['CHECKPOINT_AUTO_PLACE'],
      where: ['system', 'conf'],
      default: 'as for disks',
    },
  ),
  DISKLESS_POOL: attribute(kinds.poolName, 'pool of diskless replicas', { default: 'DfltDisklessStorPool' }),
  PREFER_NODE: attribute(kinds.yesNo, 'a replica on the node of the VM’s host, if it can be placed there', {
    default: 'no',
  }),
  STAGING_DIR: attribute(kinds.absolutePath, 'directory for temporary files on the front-end', {
    ...imageOnly,
    default: '/var/tmp',
  }),
  RESTRICTED_DIRS: attribute(kinds.directories, 'images are not imported from below these', imageOnly),
  SAFE_DIRS: attribute(
    kinds.directories,
    'images may be imported from below these, though restricted',
    imageOnly,
  ),
  NO_DECOMPRESS: attribute(kinds.yesNo, 'leave compressed files as they are', {
    ...imageOnly,
    default: 'no',
  }),
  LIMIT_TRANSFER_BW: attribute(
    kinds.bandwidth,
    'bandwidth for downloads and for copies to other hosts',
    imageOnly,
  ),

  TRANSPORT: attribute(
    kinds.choice('rest', 'cli'),
    'reach LINSTOR over its REST API or with the linstor command',
    {
      default: 'rest',
    },
  ),
  LS_TOKEN: controller(kinds.secret, 'bearer token (LINSTOR 1.34)', { secret: true }),
  LS_TOKEN_FILE: controller(kinds.absolutePath, 'file that holds the bearer token'),
  LS_USERNAME: controller(kinds.secret, 'user name for the controller'),
  LS_PASSWORD: controller(kinds.secret, 'password for the controller', { secret: true }),
  VERIFY: attribute(kinds.yesNo, 'read a written device back and compare', { default: 'no' }),
  COMPRESS_TRANSFER: attribute(kinds.yesNo, 'compress what is sent between hosts', { default: 'no' }),
  NAME_PREFIX: attribute(
    kinds.prefix,
    'put before every LINSTOR name, for several OpenNebulas on one cluster',
    {
      where: ['conf'],
    },
  ),
  NODE_MAP: attribute(kinds.nodeMap, 'LINSTOR node of an OpenNebula host, where the names differ', {
    where: ['conf'],
  }),
} as const satisfies Record<string, Attribute<unknown>>;

export type AttributeName = keyof typeof attributes;
export type AttributeValue<N extends AttributeName> = NonNullable<
  ReturnType<(typeof attributes)[N]['parse']>
>;

export const attributeNames = Object.keys(attributes) as AttributeName[];

/** Main name first. */
export function namesOf(name: AttributeName): readonly string[] {
  return [name, ...attributes[name].aliases];
}

/** Having one of these, a datastore decides on placement alone. */
export const placementTriggers: readonly AttributeName[] = [
  'RESOURCE_GROUP',
  'NODE_LIST',
  'REPLICA_COUNT',
  'STORAGE_POOL',
];

export function attributesOf(part: Attribute<unknown>['part']): AttributeName[] {
  return attributeNames.filter((name) => attributes[name].part === part);
}
