import type { ActionRecord, CallEntry } from '../log/record.ts';
import { duration, table } from './table.ts';

/** Where an action's time went. Calls of a kind that overlap count once: it is the time in which one at least was running. */
export interface Profile {
  readonly kinds: ReadonlyMap<CallEntry['kind'], { readonly count: number; readonly ms: number }>;
  /** No call was running: the driver's own work, its start, and waiting for locks. */
  readonly itself: number;
}

export function profileOf({ calls, ms }: Pick<ActionRecord, 'calls' | 'ms'>): Profile {
  const kinds = Map.groupBy(calls, ({ kind }) => kind);
  return {
    kinds: new Map([...kinds].map(([kind, list]) => [kind, { count: list.length, ms: coveredMs(list) }])),
    itself: Math.max(0, ms - coveredMs(calls)),
  };
}

/** Length of the union of the calls' spans; `at` is when a call ended. */
function coveredMs(calls: readonly CallEntry[]): number {
  const spans = calls.map(({ at, ms }) => ({ from: at - ms, to: at })).sort((a, b) => a.from - b.from);
  let covered = 0;
  let end = Number.NEGATIVE_INFINITY;
  for (const { from, to } of spans) {
    covered += Math.max(0, to - Math.max(from, end));
    end = Math.max(end, to);
  }
  return covered;
}

const kinds = ['linstor', 'ssh', 'one', 'local'] as const;

/** One line for each action of the records: how often and how long, and what part of the time each kind of call was running. */
export function profileLines(records: readonly ActionRecord[], width: number): string[] {
  const groups = [...Map.groupBy(records, ({ action }) => action)].map(([action, list]) => {
    const total = list.reduce((sum, { ms }) => sum + ms, 0);
    return { action, list, total };
  });
  const used = kinds.filter((kind) => records.some(({ calls }) => calls.some((call) => call.kind === kind)));
  const share = (part: number, total: number): string =>
    total === 0 ? '' : `${Math.round((100 * part) / total)} %`;
  const rows = groups
    .sort((a, b) => b.total - a.total)
    .map(({ action, list, total }) => {
      const profiles = list.map(profileOf);
      const sum = (of: (profile: Profile) => number): number =>
        profiles.reduce((all, profile) => all + of(profile), 0);
      const times = list.map(({ ms }) => ms).sort((a, b) => a - b);
      return [
        action,
        String(list.length),
        duration(times[Math.floor((times.length - 1) / 2)] ?? 0),
        duration(times.at(-1) ?? 0),
        ...used.map((kind) =>
          share(
            sum((profile) => profile.kinds.get(kind)?.ms ?? 0),
            total,
          ),
        ),
        share(
          sum(({ itself }) => itself),
          total,
        ),
      ];
    });
  const right = (title: string) => ({ title, align: 'right' }) as const;
  const titles = ['times', 'median', 'slowest', ...used, 'driver'].map(right);
  return table([{ title: 'action', shrink: true }, ...titles], rows, width);
}
