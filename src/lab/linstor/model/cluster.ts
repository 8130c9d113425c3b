import type { LabNode, NetInterface, Props } from './node.ts';
import { DISKLESS_POOL, type LabPool, type Provider, traitsOf } from './pool.ts';

/** Building nodes and pools, for the API and for the lab's own start. */

export interface PoolOptions {
  readonly name: string;
  readonly provider: Provider;
  /** KiB; 8 GiB when absent. */
  readonly sizeKib?: number;
  /** KiB free while the pool is empty; `sizeKib` when absent. */
  readonly freeKib?: number;
  readonly props?: Props;
  readonly granularityKib?: number;
}

export interface NodeOptions {
  readonly name: string;
  readonly pools?: readonly PoolOptions[];
  readonly props?: Props;
  readonly layers?: readonly string[];
  readonly providers?: readonly string[];
}

const EIGHT_GIB = 8 * 1024 * 1024;
const allLayers = ['DRBD', 'LUKS', 'NVME', 'WRITECACHE', 'CACHE', 'BCACHE', 'STORAGE'];
const allProviders = [
  'DISKLESS',
  'LVM',
  'LVM_THIN',
  'ZFS',
  'ZFS_THIN',
  'FILE',
  'FILE_THIN',
  'REMOTE_SPDK',
  'EBS_INIT',
  'EBS_TARGET',
];
const noTool = (tool: string): string =>
  `IO exception occured when running '${tool}': Cannot run program "${tool.split(' ')[0]}": Exec failed, error: 2 (No such file or directory) `;
const layerTools: Record<string, string[]> = {
  DRBD: [
    "IOException occurred when checking the 'drbdadm --version'",
    "IOException occurred when checking the 'drbdadm --version'",
  ],
  LUKS: [noTool('cryptsetup --version')],
  NVME: [noTool('modprobe nvmet_rdma'), noTool('modprobe nvme_rdma')],
  WRITECACHE: [noTool('modprobe dm-writecache')],
  CACHE: [noTool('modprobe dm-cache')],
  BCACHE: [noTool('modprobe bcache')],
};

export function newNode(
  name: string,
  options: {
    type?: string;
    interfaces?: NetInterface[];
    layers?: readonly string[];
    providers?: readonly string[];
    props?: Props;
    address?: string;
  } = {},
): LabNode {
  const layers = [...(options.layers ?? ['DRBD', 'LUKS', 'STORAGE'])];
  const providers = [...(options.providers ?? allProviders)];
  return {
    name,
    uuid: crypto.randomUUID(),
    type: options.type ?? 'SATELLITE',
    props: { CurStltConnName: 'default', NodeUname: name, ...options.props },
    flags: [],
    interfaces: options.interfaces ?? [defaultInterface(options.address ?? '127.0.0.1')],
    connection: 'ONLINE',
    providers,
    layers,
    unsupportedProviders: {
      SPDK: [noTool('rpc.py spdk_get_version')],
      STORAGE_SPACES: ['This tool does not exist on the Linux platform.'],
      STORAGE_SPACES_THIN: ['This tool does not exist on the Linux platform.'],
    },
    unsupportedLayers: Object.fromEntries(
      allLayers.filter((layer) => !layers.includes(layer)).map((layer) => [layer, layerTools[layer] ?? []]),
    ),
  };
}

function defaultInterface(address: string): NetInterface {
  return {
    name: 'default',
    address,
    satellite_port: 3366,
    satellite_encryption_type: 'PLAIN',
    is_active: true,
    uuid: crypto.randomUUID(),
  };
}

export function newPool(node: string, options: PoolOptions): LabPool {
  const { name, provider } = options;
  const granularityKib = options.granularityKib ?? traitsOf(provider).granularityKib;
  const totalKib = options.sizeKib ?? EIGHT_GIB;
  return {
    name,
    node,
    provider,
    uuid: crypto.randomUUID(),
    props: {
      'StorDriver/StorPoolName': options.props?.['StorDriver/StorPoolName'] ?? `${node}/${name}`,
      'StorDriver/internal/AllocationGranularity': String(granularityKib),
      ...options.props,
    },
    totalKib,
    emptyFreeKib: options.freeKib ?? totalKib,
    granularityKib,
  };
}

/** Every node has one. */
export function newDisklessPool(node: string): LabPool {
  return { ...newPool(node, { name: DISKLESS_POOL, provider: 'DISKLESS' }), props: {} };
}
