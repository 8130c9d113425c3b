import type { Context } from '../../context.ts';
import { living, lockStore, readEntries } from '../../linstor/locks/entries.ts';
import { table } from '../table.ts';
import type { Screen } from './render.ts';

/** A lock that a front-end holds, or waits for, in LINSTOR's key-value store. */
export interface LockStatus {
  readonly lock: string;
  readonly frontEnd: string;
  readonly process: number;
  readonly action: string;
  /** Seconds, by the clocks of that front-end and of this one. */
  readonly age: number;
  readonly silent: number;
}

/** An owner gives a sign of life every five seconds; others take over after thirty. */
const silentAfter = 20;

/** Of every LINSTOR that a datastore of ours uses. */
export async function lockStatus(
  context: Context,
  clusters: readonly {
    readonly settings: Parameters<Context['linstor']>[0] & { readonly namePrefix: string };
  }[],
  now: number,
): Promise<LockStatus[]> {
  const stores = await Promise.all(
    clusters.map(({ settings }) => context.linstor(settings).keyValues(lockStore(settings.namePrefix))),
  );
  const seconds = (since: number): number => Math.max(0, Math.round((now - since) / 1000));
  return stores
    .flatMap((pairs) => living(readEntries(pairs)))
    .map(({ lock, host, pid, action, since, seen }) => ({
      lock,
      frontEnd: host,
      process: pid,
      action,
      age: seconds(since),
      silent: seconds(seen),
    }))
    .sort((a, b) => b.age - a.age);
}

export const isSilent = ({ silent }: LockStatus): boolean => silent > silentAfter;

export function renderLocks(locks: readonly LockStatus[], { width, paint }: Screen): string {
  if (locks.length === 0) return 'No lock is held across front-ends.\n';
  const columns = [
    { title: 'Lock', shrink: true },
    { title: 'Front-end', shrink: true },
    { title: 'Process', align: 'right' },
    { title: 'Action' },
    { title: 'Age', align: 'right' },
    { title: 'Last heard of', align: 'right' },
  ] as const;
  const rows = locks.map((each) => [
    each.lock,
    each.frontEnd,
    String(each.process),
    each.action,
    `${each.age} s`,
    (isSilent(each) ? paint.warn : paint.good)(`${each.silent} s ago`),
  ]);
  const silent = locks.filter(isSilent).length;
  const note =
    silent === 0
      ? []
      : [
          '',
          `${silent} without a sign of life: the next action that needs the lock takes it over after ${silentAfter} s.`,
        ];
  return `${[...table(columns, rows, width), ...note].join('\n')}\n`;
}
