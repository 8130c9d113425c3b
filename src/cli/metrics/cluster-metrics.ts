import type { Vm } from '../../opennebula/one.ts';
import {
  parseBackupSnapshot,
  parsePolicySnapshot,
  parseVmSnapshot,
  snapshotId,
} from '../../volumes/names.ts';
import { type OneFacts, orElse } from '../checks/facts.ts';
import type { ClusterStatus } from '../status/model.ts';
import type { VolumeStatus } from '../status/volume.ts';
import type { Metric, Sample } from './exposition.ts';

/**
 * What only the driver knows: OpenNebula's VMs and images joined with LINSTOR's volumes. What LINSTOR, DRBD and OpenNebula export
 * themselves (nodes, pools' devices, datastores) is left to their exporters.
 */
export function clusterMetrics(clusters: readonly ClusterStatus[], one: OneFacts): Metric[] {
  const vms = new Map(orElse(one.vms, []).map((vm) => [vm.id, vm]));
  const volumes = clusters.flatMap((cluster) =>
    cluster.volumes.filter(({ kind }) => kind !== 'scratch' && kind !== 'trash'),
  );
  const trash = clusters.map(({ label, volumes: all }) => ({
    labels: { controller: label },
    kept: all.filter(({ kind }) => kind === 'trash'),
  }));
  const ofVolumes = (samples: (volume: VolumeStatus) => Sample[]): Sample[] => volumes.flatMap(samples);
  const pools = clusters.flatMap((cluster) =>
    cluster.nodes.flatMap((node) =>
      node.pools.map((pool) => ({
        pool,
        labels: { controller: cluster.label, node: node.name, pool: pool.name },
      })),
    ),
  );
  return [
    {
      name: 'linstor_un_up',
      type: 'gauge',
      help: 'Whether the driver reaches LINSTOR (1) or not (0).',
      samples: clusters.map((cluster) => ({
        labels: { controller: cluster.label },
        value: cluster.error === undefined ? 1 : 0,
      })),
    },
    {
      name: 'linstor_un_opennebula_up',
      type: 'gauge',
      help: 'Whether OpenNebula answers (1) or not (0).',
      samples: [{ labels: {}, value: one.vms.ok && one.images.ok && one.hosts.ok ? 1 : 0 }],
    },
    {
      name: 'linstor_un_volume_info',
      type: 'gauge',
      help: 'Always 1; which resource belongs to which VM disk or image.',
      samples: ofVolumes((volume) => [
        {
          labels: {
            ...identity(volume),
            ...(volume.vm === undefined ? {} : { vm_name: vms.get(volume.vm)?.name ?? '' }),
            group: volume.group,
          },
          value: 1,
        },
      ]),
    },
    {
      name: 'linstor_un_volume_size_bytes',
      type: 'gauge',
      help: 'Size of the volume as its user sees it.',
      samples: ofVolumes((volume) => [{ labels: identity(volume), value: volume.size }]),
    },
    {
      name: 'linstor_un_volume_allocated_bytes',
      type: 'gauge',
      help: 'Space that the replicas of the volume occupy, all added up.',
      samples: ofVolumes((volume) => [{ labels: identity(volume), value: volume.allocated }]),
    },
    {
      name: 'linstor_un_volume_replicas',
      type: 'gauge',
      help: 'Replicas with a disk, by state; UpToDate or, without DRBD, ok is what should be.',
      samples: ofVolumes(replicasByState),
    },
    {
      name: 'linstor_un_volume_degraded',
      type: 'gauge',
      help: 'Whether something is wrong with the volume (1) or not (0).',
      samples: ofVolumes((volume) => [
        { labels: identity(volume), value: volume.trouble.length > 0 ? 1 : 0 },
      ]),
    },
    {
      name: 'linstor_un_volume_single_points',
      type: 'gauge',
      help: 'Nodes whose absence alone costs the volume its data or its quorum.',
      samples: ofVolumes((volume) => [{ labels: identity(volume), value: volume.singlePoints?.length ?? 0 }]),
    },
    {
      name: 'linstor_un_volume_snapshots',
      type: 'gauge',
      help: 'Snapshots of the volume, by what they are of: the disk alone, the whole VM, a policy, a backup, anything else.',
      samples: ofVolumes((volume) =>
        [...Map.groupBy(volume.snapshots, kindOfSnapshot)].map(([kind, names]) => ({
          labels: { ...identity(volume), kind },
          value: names.length,
        })),
      ),
    },
    {
      name: 'linstor_un_disk_local',
      type: 'gauge',
      help: 'Whether the host that has the disk open holds its data (1) or reads over the network (0).',
      samples: ofVolumes((volume) => localSamples(volume, vms)),
    },
    {
      name: 'linstor_un_trash_volumes',
      type: 'gauge',
      help: 'Deleted volumes that are kept for a while.',
      samples: trash.map(({ labels, kept }) => ({ labels, value: kept.length })),
    },
    {
      name: 'linstor_un_trash_allocated_bytes',
      type: 'gauge',
      help: 'Space that they occupy, all replicas added up.',
      samples: trash.map(({ labels, kept }) => ({
        labels,
        value: kept.reduce((sum, { allocated }) => sum + allocated, 0),
      })),
    },
    {
      name: 'linstor_un_pool_free_bytes',
      type: 'gauge',
      help: 'Free space of a storage pool, as LINSTOR reports it.',
      samples: pools.flatMap(({ pool, labels }) =>
        pool.total === undefined || pool.used === undefined
          ? []
          : [{ labels, value: pool.total - pool.used }],
      ),
    },
    {
      name: 'linstor_un_pool_total_bytes',
      type: 'gauge',
      help: 'Size of a storage pool.',
      samples: pools.flatMap(({ pool, labels }) =>
        pool.total === undefined ? [] : [{ labels, value: pool.total }],
      ),
    },
    {
      name: 'linstor_un_pool_provisioned_bytes',
      type: 'gauge',
      help: 'Sizes of all volumes in a storage pool, occupied or not; more than the pool is over-provisioned.',
      samples: pools.map(({ pool, labels }) => ({ labels, value: pool.provisioned })),
    },
  ];
}

function identity(volume: VolumeStatus): Record<string, string | number> {
  return {
    resource: volume.resource,
    kind: volume.kind,
    ...(volume.vm === undefined ? {} : { vm: volume.vm }),
    ...(volume.disk === undefined ? {} : { disk: volume.disk }),
    ...(volume.image === undefined ? {} : { image: volume.image }),
  };
}

function replicasByState(volume: VolumeStatus): Sample[] {
  const disks = volume.replicas.filter((replica) => replica.role === 'disk');
  return [...Map.groupBy(disks, (replica) => replica.state)].map(([state, replicas]) => ({
    labels: { ...identity(volume), state },
    value: replicas.length,
  }));
}

/** Only of disks that are open: elsewhere nobody reads. */
function localSamples(volume: VolumeStatus, vms: ReadonlyMap<number, Vm>): Sample[] {
  return volume.replicas
    .filter((replica) => replica.inUse)
    .map((replica) => ({
      labels: {
        ...identity(volume),
        ...(volume.vm === undefined ? {} : { vm_name: vms.get(volume.vm)?.name ?? '' }),
        node: replica.node,
      },
      value: replica.role === 'disk' ? 1 : 0,
    }));
}

/** `name`: as in `VolumeStatus`. */
function kindOfSnapshot(name: string): 'disk' | 'vm' | 'policy' | 'backup' | 'other' {
  const [own = ''] = name.split(' ');
  if (snapshotId(own) !== undefined) return 'disk';
  if (parseVmSnapshot(own)) return 'vm';
  if (parsePolicySnapshot(own)) return 'policy';
  return parseBackupSnapshot(own) ? 'backup' : 'other';
}
