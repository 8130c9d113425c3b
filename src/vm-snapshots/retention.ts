import type { SnapshotPolicy } from '../opennebula/attribute-kinds.ts';

/*
 * Which snapshots of a policy stay. Times are epoch milliseconds; hours, days and weeks (from Monday) are those of UTC. Of each of the last N
 * hours, days or weeks that have any, the last one stays: what fails to be taken shortens no history, and nothing is remembered but the
 * snapshots themselves. What stays at some time has stayed at all times before, so that deleting as one goes leaves the same as
 * deleting once at the end.
 */

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const units = [
  { field: 'hours', bucket: (at: number) => Math.floor(at / hourMs) },
  { field: 'days', bucket: (at: number) => Math.floor(at / dayMs) },
  // The epoch began on a Thursday.
  { field: 'weeks', bucket: (at: number) => Math.floor((Math.floor(at / dayMs) + 3) / 7) },
] as const satisfies readonly { field: keyof SnapshotPolicy; bucket: (at: number) => number }[];

export function retained(points: readonly number[], policy: SnapshotPolicy): ReadonlySet<number> {
  const stay = new Set<number>();
  for (const { field, bucket } of units) {
    const last = new Map<number, number>();
    for (const at of points) last.set(bucket(at), Math.max(at, last.get(bucket(at)) ?? at));
    const newest = [...last.keys()].sort((a, b) => b - a).slice(0, policy[field]);
    for (const key of newest) stay.add(last.get(key) as number);
  }
  return stay;
}

/** Is one to be taken now? One for each hour, or day, or week: the shortest that the policy has. */
export function isDue(points: readonly number[], policy: SnapshotPolicy, now: number): boolean {
  const unit = units.find(({ field }) => policy[field] > 0);
  return unit !== undefined && !points.some((at) => unit.bucket(at) === unit.bucket(now));
}
