/** Kinds of storage behind LINSTOR's pools, and what each can do (linstor-behaviour §4.2, §6.1): the one table of them. */

interface Provider {
  /** Space is taken when it is written to, and promised more often than it is there. */
  readonly thin: boolean;
  readonly snapshots: boolean;
  /**
   * LINSTOR clones it itself. It must be known beforehand: asking a 1.33 controller to clone FILE_THIN is refused, and its later writes
   * then fail at random.
   */
  readonly clone: boolean;
  /** A new volume reads as zeroes. Thick ones show what was there before. */
  readonly readsZero: boolean;
}

const no = { thin: false, snapshots: false, clone: false, readsZero: false } as const;

const table = {
  LVM: { ...no, clone: true },
  LVM_THIN: { thin: true, snapshots: true, clone: true, readsZero: true },
  ZFS: { ...no, snapshots: true, clone: true },
  ZFS_THIN: { thin: true, snapshots: true, clone: true, readsZero: true },
  FILE: { ...no, snapshots: true },
  FILE_THIN: { ...no, thin: true, snapshots: true, readsZero: true },
  SPDK: { ...no, snapshots: true },
  REMOTE_SPDK: { ...no, snapshots: true },
  EBS_INIT: no,
  EBS_TARGET: { ...no, snapshots: true },
  EXOS: no,
  STORAGE_SPACES: no,
  STORAGE_SPACES_THIN: { ...no, thin: true, readsZero: true },
} as const satisfies Record<string, Provider>;

type ProviderName = keyof typeof table;

/** All that hold data. */
export const providerNames = Object.keys(table) as readonly ProviderName[];

/** What nobody knows can do nothing. */
const find = (name: string): Provider => (Object.hasOwn(table, name) ? table[name as ProviderName] : no);

export const isThin = (provider: string): boolean => find(provider).thin;
export const hasSnapshots = (provider: string): boolean => find(provider).snapshots;
export const clonesItself = (provider: string): boolean => find(provider).clone;
export const readsZero = (provider: string): boolean => find(provider).readsZero;

/** Does the pool hold data? Every node has a pool without, for replicas without a disk. */
export const isReal = (pool: { readonly provider: string }): boolean => pool.provider !== 'DISKLESS';

/** What is made from a snapshot depends on it. */
export const isZfs = (provider: string): boolean => provider.startsWith('ZFS');
