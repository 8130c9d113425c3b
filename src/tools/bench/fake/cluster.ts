import { snapshotSizeMark } from '../../../volumes/marks.ts';

/**
 * A large cluster as the controller would describe it, field for field as in the recordings (DRBD on a thin
 * pool): two replicas with a disk and a tie-breaker for every disk, and two snapshots of it.
 */
export interface ClusterSize {
  readonly disks: number;
  readonly snapshotsEach: number;
  readonly nodes: number;
}

/** System datastore whose disks they are. */
export const benchDatastore = 100;

const uuid = '492b862b-2752-40b3-8ab5-9291d6cda127';
const poolKib = 4 * 1024 ** 3;
const usableKib = 10 * 1024 ** 2;
const allocatedKib = 3 * 1024 ** 2;
const group = {
  name: 'one',
  select_filter: { place_count: 2, storage_pool: 'thin', storage_pool_list: ['thin'] },
  uuid,
};

export function clusterDocuments(size: ClusterSize): Map<string, unknown> {
  const names = Array.from({ length: size.nodes }, (_, index) => `node${index + 1}`);
  const disks = Array.from({ length: size.disks }, (_, index) => ({
    vm: Math.floor(index / 2),
    disk: index % 2,
    index,
  }));
  return new Map<string, unknown>([
    ['/v1/controller/version', { version: '1.33.3', rest_api_version: '1.27.0' }],
    ['/v1/controller/properties', { 'DrbdOptions/auto-add-quorum-tiebreaker': 'True' }],
    ['/v1/nodes', names.map(node)],
    ['/v1/view/storage-pools', names.flatMap(pools)],
    ['/v1/resource-groups/one', group],
    ['/v1/resource-groups', [group]],
    ['/v1/resource-definitions', disks.map((disk) => definition(disk, size.snapshotsEach))],
    ['/v1/view/resources', disks.flatMap((disk) => replicas(disk, names))],
    ['/v1/view/snapshots', disks.flatMap((disk) => snapshots(disk, size.snapshotsEach))],
  ]);
}

const snapshots = (disk: Disk, count: number): unknown[] =>
  Array.from({ length: count }, (_, id) => ({
    name: `snapshot-${id}`,
    resource_name: nameOf(disk),
    nodes: [],
    flags: ['SUCCESSFUL'],
    volume_definitions: [],
    snapshots: [],
  }));

interface Disk {
  readonly vm: number;
  readonly disk: number;
  readonly index: number;
}

const nameOf = ({ vm, disk }: Disk): string => `one-vm-${vm}-disk-${disk}`;

function node(name: string): unknown {
  return {
    name,
    type: 'SATELLITE',
    props: { CurStltConnName: 'default', NodeUname: name },
    net_interfaces: [{ name: 'default', address: '192.0.2.11', satellite_port: 3366, is_active: true, uuid }],
    connection_status: 'ONLINE',
    uuid,
    storage_providers: ['DISKLESS', 'LVM', 'LVM_THIN', 'FILE', 'FILE_THIN'],
    resource_layers: ['DRBD', 'STORAGE'],
  };
}

function pools(name: string): unknown[] {
  const common = { node_name: name, uuid, external_locking: false };
  return [
    {
      ...common,
      storage_pool_name: 'DfltDisklessStorPool',
      provider_kind: 'DISKLESS',
      // As LINSTOR writes it: more than a double holds.
      free_capacity: 9223372036854775807n,
      total_capacity: 9223372036854775807n,
      free_space_mgr_name: `${name};DfltDisklessStorPool`,
      supports_snapshots: false,
    },
    {
      ...common,
      storage_pool_name: 'thin',
      provider_kind: 'LVM_THIN',
      props: { 'StorDriver/StorPoolName': 'drbdpool/thinpool' },
      static_traits: { Provisioning: 'Thin', SupportsSnapshots: 'true' },
      free_capacity: poolKib / 2,
      total_capacity: poolKib,
      free_space_mgr_name: `${name};thin`,
      supports_snapshots: true,
    },
  ];
}

function definition(disk: Disk, snapshots: number): unknown {
  const marks = Array.from({ length: snapshots }, (_, id) => [
    snapshotSizeMark(id),
    String(allocatedKib / 8),
  ]);
  return {
    name: nameOf(disk),
    props: {
      'Aux/one/VM_ID': String(disk.vm),
      'Aux/one/DISK_ID': String(disk.disk),
      'Aux/one/DS_ID': String(benchDatastore),
      'Aux/one/DEPLOYMENT': '0-1700000000',
      ...Object.fromEntries(marks),
    },
    layer_data: [
      {
        type: 'DRBD',
        data: {
          peer_slots: 7,
          al_stripes: 1,
          al_stripe_size_kib: 32,
          port: -1,
          transport_type: 'IP',
          secret: 'giPrpQy2jVvi7sDDdhXZ',
          down: false,
        },
      },
      { type: 'STORAGE' },
    ],
    uuid,
    resource_group_name: 'one',
    volume_definitions: [
      {
        volume_number: 0,
        size_kib: usableKib,
        props: { DrbdCurrentGi: '7A5D8F2E3B1C4A60' },
        layer_data: [{ type: 'DRBD', data: { volume_number: 0, minor_number: 1000 + disk.index } }],
        uuid,
      },
    ],
  };
}

function replicas(disk: Disk, names: readonly string[]): unknown[] {
  const on = [0, 1, 2].map((step) => names[(disk.index + step) % names.length] ?? 'node1');
  return on.map((name, index) =>
    replica(
      disk,
      name,
      on.filter((each) => each !== name),
      index === 2,
    ),
  );
}

function replica(disk: Disk, name: string, peers: readonly string[], diskless: boolean): unknown {
  const minor = { volume_number: 0, minor_number: 1000 + disk.index };
  const device = `/dev/drbd${1000 + disk.index}`;
  const backing = `/dev/drbdpool/${nameOf(disk)}_00000`;
  const drbdVolume = {
    drbd_volume_definition: minor,
    device_path: device,
    ...(diskless ? {} : { backing_device: backing }),
    allocated_size_kib: usableKib + 52,
    usable_size_kib: usableKib,
  };
  const storageVolume = {
    volume_number: 0,
    ...(diskless ? {} : { device_path: backing }),
    allocated_size_kib: allocatedKib,
    usable_size_kib: usableKib,
    disk_state: '[]',
  };
  return {
    name: nameOf(disk),
    node_name: name,
    props: { StorPoolName: diskless ? 'DfltDisklessStorPool' : 'thin' },
    ...(diskless ? { flags: ['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'] } : {}),
    layer_object: {
      children: [{ type: 'STORAGE', storage: { storage_volumes: [storageVolume] } }],
      type: 'DRBD',
      drbd: {
        drbd_resource_definition: {
          peer_slots: 7,
          al_stripes: 1,
          al_stripe_size_kib: 32,
          port: -1,
          transport_type: 'IP',
          secret: 'giPrpQy2jVvi7sDDdhXZ',
          down: false,
        },
        node_id: 0,
        tcp_ports: [7000 + disk.index],
        peer_slots: 7,
        al_stripes: 1,
        al_size: 32,
        flags: ['INITIALIZED'],
        drbd_volumes: [drbdVolume],
        connections: Object.fromEntries(
          peers.map((peer) => [peer, { connected: true, message: 'Connected' }]),
        ),
        promotion_score: 10103,
        may_promote: true,
      },
    },
    state: { in_use: false },
    uuid,
    create_timestamp: 1795405158839,
    volumes: [
      {
        volume_number: 0,
        storage_pool_name: diskless ? 'DfltDisklessStorPool' : 'thin',
        provider_kind: diskless ? 'DISKLESS' : 'LVM_THIN',
        device_path: device,
        allocated_size_kib: diskless ? 0 : allocatedKib,
        state: {
          disk_state: diskless ? 'Diskless' : 'UpToDate',
          replication_states: Object.fromEntries(
            peers.map((peer) => [peer, { replication_state: 'Established' }]),
          ),
        },
        layer_data_list: [
          { type: 'DRBD', data: drbdVolume },
          { type: 'STORAGE', data: storageVolume },
        ],
        uuid,
      },
    ],
  };
}
