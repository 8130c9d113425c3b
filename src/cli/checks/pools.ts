import type { StoragePool } from '../../linstor/linstor.ts';
import { isReal, isThin } from '../../linstor/providers.ts';
import { humanSize, kibToBytes } from '../../units.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, type ClusterView, orElse } from './facts.ts';
import { isPoolInUse, settingsPlacing } from './in-use.ts';

/** Reach, free space and kind of the storage pools in which volumes of ours are, or would be. */
export function checkPools(facts: ClusterView, cluster: ClusterFacts): Finding[] {
  if (!cluster.pools.ok) return [];
  const pools = cluster.pools.value.filter(isReal);
  if (pools.length === 0)
    return [
      {
        id: 'storage.pools',
        severity: 'fail',
        object: cluster.label,
        what: 'LINSTOR has no storage pool',
        why: 'volumes cannot be placed',
        remedy: 'linstor storage-pool create lvmthin NODE POOL VG/THINPOOL',
      },
    ];
  const online = new Set(
    orElse(cluster.nodes, [])
      .filter((node) => node.status === 'ONLINE')
      .map((node) => node.name),
  );
  const used = pools.filter((pool) => isPoolInUse(facts, cluster, pool));
  return used.flatMap((pool): Finding[] => {
    const object = `${pool.name} on ${pool.node}`;
    if (pool.totalKib === undefined || pool.freeKib === undefined) {
      // The node's own finding says enough.
      if (!online.has(pool.node)) return [];
      return [
        {
          id: 'storage.pools',
          severity: 'fail',
          object,
          what: 'its capacity is unknown: the back end does not answer',
          why: 'nothing can be placed there',
          remedy: `linstor storage-pool list -n ${pool.node}\n# on ${pool.node}, as root:\nvgs; zpool list`,
        },
      ];
    }
    return [...checkFree(pool, object), ...checkKind(facts, cluster, pool, object)];
  });
}

function checkFree(pool: StoragePool, object: string): Finding[] {
  const free = pool.freeKib ?? 0;
  const total = pool.totalKib ?? 0;
  const share = total === 0 ? 0 : free / total;
  if (share >= 0.1) return [];
  const thin = isThin(pool.provider);
  return [
    {
      id: 'storage.free',
      severity: share < 0.03 ? 'fail' : 'warn',
      object,
      what: `${humanSize(kibToBytes(free as never))} of ${humanSize(kibToBytes(total as never))} free (${Math.floor(share * 100)} %)`,
      why: thin
        ? 'a thin pool that runs full stops every VM that writes to it'
        : 'new volumes will be refused',
      remedy: 'linstor_un gc   # leftovers\nadd space to the pool, or remove snapshots and images',
    },
  ];
}

function checkKind(facts: ClusterView, cluster: ClusterFacts, pool: StoragePool, object: string): Finding[] {
  if (pool.supportsSnapshots) return [];
  const wants = settingsPlacing(facts, cluster, pool).some((each) => each.cloneMode === 'snapshot');
  return [
    {
      id: 'storage.snapshots',
      severity: wants ? 'fail' : 'info',
      object,
      what: `${pool.provider} has no snapshots`,
      why: wants
        ? 'CLONE_MODE=snapshot does not work there'
        : 'disk snapshots, live backups and CLONE_MODE=snapshot do not work there',
      remedy: 'use a thin pool (lvmthin, zfsthin), or CLONE_MODE=copy',
    },
  ];
}
