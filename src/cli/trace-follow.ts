import { DriverError, isDriverError } from '../errors.ts';
import type { LogFollower } from '../log/follow-log.ts';
import { type LogFilter, matches } from '../log/read-log.ts';
import type { ActionRecord } from '../log/record.ts';
import type { CliEnvironment } from './command.ts';
import { type Paint, paintFor } from './paint.ts';

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `2h` ago, or a point in time. Throws USAGE. */
export function sinceFrom(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const [, number, unit = ''] = /^(\d{1,6})\s*([smhd])$/.exec(text.trim()) ?? [];
  if (number !== undefined) return now - Number(number) * (units[unit] ?? 0);
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.trim().replace(/^(\S+) /, '$1T')) : Number.NaN;
  if (Number.isNaN(time))
    throw new DriverError('USAGE', `--since: “${text}” is neither an age nor a time`, {
      remedy: 'use an age such as 30m, 2h or 3d, or a time such as 2026-11-30T14:00',
    });
  return time;
}

const pollMs = 1000;

export async function follow(
  follower: LogFollower,
  filter: LogFilter,
  { terminal, context }: CliEnvironment,
  render: (records: readonly ActionRecord[], width: number, paint: Paint) => string,
): Promise<void> {
  const { clock, signal } = await context({ withoutConfig: true });
  const paint = paintFor(terminal.color);
  try {
    while (!signal.aborted) {
      const fresh = follower.poll().filter((record) => matches(record, filter));
      if (fresh.length > 0) terminal.out(`\n${render(fresh, terminal.columns, paint)}`);
      await clock.sleep(pollMs);
    }
  } catch (error) {
    if (!isDriverError(error, 'INTERRUPTED')) throw error;
  } finally {
    follower.close();
  }
}
