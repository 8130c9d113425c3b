import type { Context } from '../context.ts';
import type { VmDisk } from '../disks/migration-disks.ts';
import { lockName } from '../volumes/names.ts';

/** Locks of all resources, in one order, so that two backups never wait for each other. */
export function withLocks<T>(
  ctx: Context,
  disks: readonly Pick<VmDisk, 'resource'>[],
  work: () => Promise<T>,
): Promise<T> {
  const names = [...new Set(disks.map((disk) => lockName(disk.resource)))].sort();
  return names.reduceRight<() => Promise<T>>((inner, name) => () => ctx.lock(name, inner), work)();
}
