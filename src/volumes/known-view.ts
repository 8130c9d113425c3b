import { isDriverError } from '../errors.ts';
import type { Linstor, Replica, Resource, ResourceName, StoragePool } from '../linstor/linstor.ts';
import { isDiskful, isDiskless, replicasOf, sameName } from './replicas.ts';

/** What LINSTOR notes with each replica about where it has put it. */
const poolProperty = 'StorPoolName';

/**
 * The view of these resources, without allocation, put together of what the controller has in memory: no satellite is asked, and none that
 * is slow or hangs is waited for. Asks for the view where memory does not tell the state of each disk (not all in sync, or REST below 1.13) or the
 * pool of one. LINBIT's client has nothing but the view.
 */
export async function knownView(linstor: Linstor, names: readonly ResourceName[]): Promise<Resource[]> {
  if (linstor.transport === 'cli') return linstor.resources({ names });
  const replicas = await linstor.replicas(names);
  const diskful = replicas.filter(isDiskful);
  if (diskful.length === 0) return replicas.map((replica) => withPools(replica, []));
  const mirrored = diskful.filter(({ layers }) => layers.includes('DRBD')).map(({ name }) => name);
  const [pools, ...inSync] = await Promise.all([
    orNone(poolsOf(linstor, diskful), []),
    ...[...new Set(mirrored)].map((name) => orNone(linstor.synced(name), false)),
  ]);
  const view = replicas.map((replica) => withPools(replica, pools));
  const told = inSync.every(Boolean) && view.filter(isDiskful).every(isTold);
  return told ? view : linstor.resources({ names });
}

/** The same of one resource. */
export const knownReplicas = async (linstor: Linstor, name: ResourceName): Promise<Resource[]> =>
  replicasOf(await knownView(linstor, [name]), name);

const isTold = ({ volumes }: Resource): boolean => volumes.every(({ provider }) => provider !== '');

const poolsOf = (linstor: Linstor, replicas: readonly Replica[]): Promise<StoragePool[]> => {
  const names = replicas.map(({ props }) => props[poolProperty]);
  return names.includes(undefined)
    ? Promise.resolve([])
    : linstor.storagePools({
        nodes: [...new Set(replicas.map(({ node }) => node))],
        pools: [...new Set(names.filter((name) => name !== undefined))],
      });
};

/** The view is there for whoever cannot be told this. */
const orNone = async <T>(work: Promise<T>, none: T): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    if (isDriverError(error, 'INTERRUPTED')) throw error;
    return none;
  }
};

/** With a disk, and its state known, it is in sync: else the view is asked. */
function withPools(replica: Replica, pools: readonly StoragePool[]): Resource {
  const name = replica.props[poolProperty] ?? '';
  const pool = pools.find((each) => sameName(each.node, replica.node) && sameName(each.name, name));
  const provider = isDiskless(replica) ? 'DISKLESS' : (pool?.provider ?? '');
  const inSync = replica.stateKnown && isDiskful(replica) && replica.layers.includes('DRBD');
  return {
    ...replica,
    volumes: replica.volumes.map((volume) => ({
      ...volume,
      pool: name,
      provider,
      ...(inSync ? { diskState: 'UpToDate' } : {}),
    })),
  };
}
