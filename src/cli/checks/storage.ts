import type { StoragePool } from '../../linstor/linstor.ts';
import { lcm } from '../../opennebula/states.ts';
import { humanSize, kibToBytes } from '../../units.ts';
import { parseResource } from '../../volumes/names.ts';
import type { Finding } from './check.ts';
import { type ClusterFacts, type Facts, orElse } from './facts.ts';

/** Storage pools and the resources in them. */
export function checkStorage(facts: Facts): Finding[] {
  return facts.clusters.flatMap((cluster) => {
    if (!cluster.capabilities.ok) return [];
    const findings = [
      ...checkPools(cluster),
      ...checkResources(cluster),
      ...checkTwoPrimaries(facts, cluster),
    ];
    const trouble = findings.some((item) => item.severity !== 'info');
    const count = orElse(cluster.resources, []).length;
    return trouble
      ? findings
      : ([
          {
            id: 'storage',
            severity: 'ok',
            object: cluster.label,
            what: `${orElse(cluster.pools, []).filter(isReal).length} storage pools, ${count} replicas: no trouble`,
          },
          ...findings,
        ] satisfies Finding[]);
  });
}

const isReal = (pool: StoragePool): boolean => pool.provider !== 'DISKLESS';

function checkPools(cluster: ClusterFacts): Finding[] {
  if (!cluster.pools.ok) return [];
  const pools = cluster.pools.value.filter(isReal);
  if (pools.length === 0)
    return [
      {
        id: 'storage.pools',
        severity: 'fail',
        object: cluster.label,
        what: 'LINSTOR has no storage pool',
        why: 'there is nowhere to put a volume',
        remedy: 'linstor storage-pool create lvmthin NODE POOL VG/THINPOOL',
      },
    ];
  const online = new Set(
    orElse(cluster.nodes, [])
      .filter((node) => node.status === 'ONLINE')
      .map((node) => node.name),
  );
  return pools.flatMap((pool): Finding[] => {
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
          remedy: `linstor storage-pool list -n ${pool.node}; on ${pool.node}: vgs, zpool list`,
        },
      ];
    }
    return [...checkFree(pool, object), ...checkKind(cluster, pool, object)];
  });
}

function checkFree(pool: StoragePool, object: string): Finding[] {
  const free = pool.freeKib ?? 0;
  const total = pool.totalKib ?? 0;
  const share = total === 0 ? 0 : free / total;
  if (share >= 0.1) return [];
  const thin = /THIN/.test(pool.provider);
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

function checkKind(cluster: ClusterFacts, pool: StoragePool, object: string): Finding[] {
  if (pool.supportsSnapshots) return [];
  const wants = cluster.settings.cloneMode === 'snapshot';
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

function checkResources(cluster: ClusterFacts): Finding[] {
  const findings: Finding[] = [];
  const prefix = cluster.settings.namePrefix;
  const ours = (name: string): boolean => parseResource(prefix, name) !== undefined;
  const group = (
    id: string,
    severity: Finding['severity'],
    names: readonly string[],
    what: string,
    why: string,
    remedy: string,
  ): void => {
    if (names.length === 0) return;
    const unique = [...new Set(names)];
    const shown =
      unique.length > 4
        ? `${unique.slice(0, 4).join(', ')} and ${unique.length - 4} more`
        : unique.join(', ');
    findings.push({
      id,
      severity,
      object: shown,
      what: `${unique.length} ${what}`,
      why,
      remedy: remedy.replaceAll('NAME', unique[0] ?? 'NAME'),
    });
  };
  const resources = orElse(cluster.resources, []).filter((item) => ours(item.name));
  const definitions = orElse(cluster.definitions, []).filter((item) => ours(item.name));
  const deleting = [
    ...definitions.filter((item) => item.flags.includes('DELETE')).map((item) => item.name),
    ...resources.filter((item) => item.flags.includes('DELETE')).map((item) => item.name),
  ];
  group(
    'storage.deleting',
    'warn',
    deleting,
    'resources are being deleted and do not go',
    'LINSTOR waits for a satellite that is away; the name cannot be used again',
    'linstor node list\nlinstor resource list -r NAME   # bring these nodes online',
  );
  const bad = resources.filter(
    (item) =>
      item.stateKnown &&
      item.volumes.some((volume) =>
        ['Inconsistent', 'Outdated', 'Failed', 'DUnknown'].includes(volume.diskState ?? ''),
      ),
  );
  group(
    'storage.sync',
    'warn',
    bad.map((item) => item.name),
    'resources have a replica that is not up to date',
    'with one more failure their data are not available',
    'linstor resource list -r NAME --faulty',
  );
  const split = resources.filter((item) =>
    Object.values(item.connections).some((connection) => connection.message === 'StandAlone'),
  );
  group(
    'storage.split',
    'fail',
    split.map((item) => item.name),
    'resources have replicas that refuse each other (StandAlone)',
    'they went apart (split brain) or were told to disconnect: new writes are on one side only',
    'drbdadm status NAME   # decide which side is right before anything else',
  );
  const lonely = definitions.filter(
    (item) =>
      !item.flags.includes('DELETE') &&
      item.volumes.length > 0 &&
      orElse(cluster.resources, []).length > 0 &&
      !resources.some((replica) => replica.name === item.name && !replica.flags.includes('DISKLESS')),
  );
  group(
    'storage.replicas',
    'fail',
    lonely.map((item) => item.name),
    'resources have no replica with a disk',
    'their data are not there',
    'linstor resource list -r NAME --all',
  );
  const failed = orElse(cluster.snapshots, []).filter(
    (item) => ours(item.resource) && item.flags.some((flag) => flag.startsWith('FAILED')),
  );
  group(
    'storage.snapshots',
    'warn',
    failed.map((item) => item.resource),
    'resources have a failed snapshot',
    'it blocks its name and the deletion of the resource',
    'linstor snapshot list -r NAME\nlinstor_un gc',
  );
  return findings;
}

const twoPrimaries = 'DrbdOptions/Net/allow-two-primaries';

/** Allowed only while a live migration runs, and for shareable disks: outside of that two writers destroy the data. */
function checkTwoPrimaries(facts: Facts, cluster: ClusterFacts): Finding[] {
  if (!facts.one.vms.ok) return [];
  const migrating = new Set(
    facts.one.vms.value.filter((vm) => vm.lcmState === lcm.MIGRATE).map((vm) => vm.id),
  );
  const shareable = new Set(
    facts.one.vms.value.flatMap((vm) =>
      vm.disks
        .filter((disk) => disk.kind === 'shareable' || disk.kind === 'cdrom')
        .map((disk) => disk.source),
    ),
  );
  const left = orElse(cluster.definitions, []).filter((item) => {
    const parsed = parseResource(cluster.settings.namePrefix, item.name);
    if (!parsed || item.props[twoPrimaries]?.toLowerCase() !== 'yes') return false;
    if (parsed.vmId !== undefined) return !migrating.has(parsed.vmId);
    if ([...shareable].some((source) => source.includes(`/${item.name}/`))) return false;
    return (
      !facts.one.vms.ok ||
      !facts.one.vms.value.some(
        (vm) => migrating.has(vm.id) && vm.disks.some((disk) => disk.source.includes(`/${item.name}/`)),
      )
    );
  });
  return left.map((item) => ({
    id: 'storage.two-primaries',
    severity: 'warn',
    object: item.name,
    what: 'it may be opened for writing on two nodes, and no live migration is running',
    why: 'two VMs that write to it at once destroy its data',
    remedy: `linstor resource-definition set-property ${item.name} ${twoPrimaries}`,
  }));
}
