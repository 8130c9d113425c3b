import { DriverError } from '../../errors.ts';
import type { Node, ResourceGroup, StoragePool } from '../../linstor/linstor.ts';
import { driverName } from '../../opennebula/driver-name.ts';
import type { Attributes, Datastore } from '../../opennebula/one.ts';
import { datastoreType } from '../../opennebula/states.ts';
import { placementPools } from '../../volumes/capacity.ts';
import { sameName } from '../../volumes/replicas.ts';
import { attributesFor } from '../checks/availability.ts';

/** What a person wants; the rest is found out. */
export interface Wishes {
  readonly name: string;
  readonly group: string;
  readonly replicas?: number;
  readonly pool?: string;
  readonly cloneMode?: string;
  readonly controllers?: string;
  readonly encryption: boolean;
}

export interface LinstorView {
  readonly groups: readonly ResourceGroup[];
  readonly pools: readonly StoragePool[];
  readonly nodes: readonly Node[];
  readonly encryption: 'unset' | 'locked' | 'unlocked' | undefined;
  /** Of the controller: what groups do not set themselves. */
  readonly properties: Readonly<Record<string, string>>;
}

export interface Wanted {
  readonly type: 'image' | 'system';
  readonly name: string;
  readonly template: Attributes;
}

/**
 * Both datastores, with what keeps them safe: images come from /var/tmp alone (docs/hardening.md), guests of a host that is cut off wait
 * (docs/high-availability.md). Throws
 * PLACEMENT where LINSTOR could make no volume in them.
 */
export function planDatastores(wishes: Wishes, view: LinstorView): Wanted[] {
  const { name, replicas, controllers, encryption } = wishes;
  const { group, count, pools } = placeFor(wishes, view);
  const cloneMode = wishes.cloneMode ?? (pools.every((pool) => pool.supportsSnapshots) ? 'snapshot' : 'copy');
  const common = {
    TM_MAD: driverName,
    DISK_TYPE: 'BLOCK',
    RESOURCE_GROUP: wishes.group,
    ...(replicas === undefined ? {} : { REPLICA_COUNT: String(replicas) }),
    ...(wishes.pool === undefined ? {} : { STORAGE_POOL: wishes.pool }),
    CLONE_MODE: cloneMode,
    ...(controllers === undefined ? {} : { LS_CONTROLLERS: controllers }),
    ...(encryption ? { ENCRYPTION: 'yes' } : {}),
    ...attributesFor(group, count, view.properties),
  };
  return [
    {
      type: 'image',
      name: `${name}-images`,
      template: {
        NAME: `${name}-images`,
        TYPE: 'IMAGE_DS',
        DS_MAD: driverName,
        ...common,
        RESTRICTED_DIRS: '/',
        SAFE_DIRS: '/var/tmp',
      },
    },
    {
      type: 'system',
      name: `${name}-system`,
      template: { NAME: `${name}-system`, TYPE: 'SYSTEM_DS', ...common },
    },
  ];
}

interface Place {
  readonly group: ResourceGroup;
  readonly count: number;
  readonly pools: readonly StoragePool[];
}

/** Where volumes will be. Throws PLACEMENT with the command that helps. */
function placeFor({ group: wanted, replicas, pool, encryption }: Wishes, view: LinstorView): Place {
  const group = view.groups.find(({ name }) => sameName(name, wanted));
  if (!group)
    throw new DriverError('PLACEMENT', `LINSTOR has no resource group “${wanted}”`, {
      details: view.groups.length === 0 ? [] : [`it has: ${view.groups.map(({ name }) => name).join(', ')}`],
      remedy: createGroup(wanted, view),
    });
  const count = replicas ?? group.filter.placeCount;
  if (count === undefined)
    throw new DriverError('PLACEMENT', `resource group “${group.name}” has no place count`, {
      remedy: `linstor resource-group modify ${group.name} --place-count 2, or give --replicas`,
    });
  const settings = { storagePools: pool === undefined ? [] : [pool], providers: [], nodeList: [] };
  const pools = placementPools(view.pools, group.filter, settings);
  const nodes = new Set(pools.map((each) => each.node));
  if (nodes.size < count)
    throw new DriverError(
      'PLACEMENT',
      `${count} replicas cannot be placed: ${nodes.size === 0 ? 'no node has' : `only ${[...nodes].join(', ')} ${nodes.size === 1 ? 'has' : 'have'}`} a storage pool of resource group “${group.name}”${pool === undefined ? '' : ` called “${pool}”`}`,
      { remedy: 'linstor storage-pool list shows the pools; add one, or lower --replicas' },
    );
  if (encryption && view.encryption !== 'unlocked' && view.encryption !== undefined)
    throw new DriverError('LINSTOR_LOCKED', `LINSTOR’s master passphrase is ${view.encryption}`, {
      remedy:
        view.encryption === 'unset'
          ? 'linstor encryption create-passphrase'
          : 'linstor encryption enter-passphrase',
    });
  return { group, count, pools };
}

function createGroup(name: string, { pools, nodes }: LinstorView): string {
  const names = [...new Set(pools.filter((pool) => pool.provider !== 'DISKLESS').map((pool) => pool.name))];
  const satellites = nodes.filter(({ type }) => type !== 'CONTROLLER').length;
  return `linstor resource-group create ${name} --place-count ${Math.min(2, Math.max(1, satellites))} --storage-pool ${names[0] ?? 'POOL'} && linstor volume-group create ${name}`;
}

export interface Compared extends Wanted {
  /** Of the one that is there. */
  readonly id?: number;
  /** Attributes that it has otherwise. */
  readonly differs: readonly string[];
}

/** Attributes that a person may have changed for good reasons. */
const mayDiffer: ReadonlySet<string> = new Set([
  'NAME',
  'RESTRICTED_DIRS',
  'SAFE_DIRS',
  'CLONE_MODE',
  'ON_NO_QUORUM',
  'ON_NO_DATA_ACCESSIBLE',
  'ON_SUSPENDED_PRIMARY_OUTDATED',
]);

/** Against what OpenNebula has under these names. */
export function compare(wanted: readonly Wanted[], present: readonly Datastore[]): Compared[] {
  return wanted.map((each) => {
    const found = present.find(({ name }) => name === each.name);
    if (!found) return { ...each, differs: [] };
    const { TYPE: _, ...attributes } = each.template;
    const has = { ...found.template, TM_MAD: found.tmMad, DS_MAD: found.dsMad };
    const type = each.type === 'image' ? datastoreType.IMAGE : datastoreType.SYSTEM;
    return {
      ...each,
      id: found.id,
      differs: [
        ...(found.type === type ? [] : ['TYPE']),
        ...Object.entries(attributes)
          .filter(
            ([key, value]) =>
              !mayDiffer.has(key) && (has as Attributes)[key]?.toUpperCase() !== value.toUpperCase(),
          )
          .map(([key, value]) => `${key} is ${(has as Attributes)[key] ?? 'not set'}, not ${value}`),
      ],
    };
  });
}
