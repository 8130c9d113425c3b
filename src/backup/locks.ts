import type { Context } from '../context.ts';
import { lockName } from '../volumes/names.ts';
import type { BackupDisk } from './disks.ts';

/** Locks of all resources, in one order, so that two backups never wait for each other. */
export function withLocks<T>(ctx: Context, disks: readonly BackupDisk[], work: () => Promise<T>): Promise<T> {
  const names = [...new Set(disks.map((disk) => lockName(disk.resource)))].sort();
  return names.reduceRight<() => Promise<T>>((inner, name) => () => ctx.lock(name, inner), work)();
}
