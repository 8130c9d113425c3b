import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { snapshotPolicy } from '../../src/opennebula/attribute-kinds.ts';
import { isDue, retained } from '../../src/vm-snapshots/retention.ts';

const hour = 3_600_000;
const at = (text: string): number => Date.parse(`${text}Z`);

test('what a policy may be', () => {
  expect(snapshotPolicy.parse('24h 7d 4w')).toEqual({ hours: 24, days: 7, weeks: 4 });
  expect(snapshotPolicy.parse('7D')).toEqual({ hours: 0, days: 7, weeks: 0 });
  expect(snapshotPolicy.parse('none')).toEqual({ hours: 0, days: 0, weeks: 0 });
  for (const wrong of ['24', 'h', '0h', '24h 2h', '5m', '1001h', '24 h', '-1d', ','])
    expect([wrong, wrong === ',' ? undefined : snapshotPolicy.parse(wrong)]).toEqual([wrong, undefined]);
});

describe('what stays', () => {
  test('the last of each hour, day and week that has any; weeks begin on Monday', () => {
    const points = [
      '2026-11-22T23:00',
      '2026-11-23T00:00',
      '2026-11-29T09:00',
      '2026-11-29T23:00',
      '2026-11-30T01:10',
      '2026-11-30T01:50',
      '2026-11-30T05:00',
    ].map(at);
    const stay = (policy: string): string[] =>
      [...retained(points, snapshotPolicy.parse(policy) ?? { hours: 0, days: 0, weeks: 0 })]
        .sort((a, b) => a - b)
        .map((each) => new Date(each).toISOString().slice(5, 16));
    expect(stay('2h')).toEqual(['11-30T01:50', '11-30T05:00']);
    expect(stay('2d')).toEqual(['11-29T23:00', '11-30T05:00']);
    expect(stay('3w')).toEqual(['11-22T23:00', '11-29T23:00', '11-30T05:00']);
    expect(stay('none')).toEqual([]);
  });

  test('deleting as one goes leaves the same as deleting at the end', () => {
    const policies = fc.record({
      hours: fc.integer({ min: 0, max: 5 }),
      days: fc.integer({ min: 0, max: 4 }),
      weeks: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(policies, fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 80 }), (policy, steps) => {
        const all: number[] = [];
        let kept: number[] = [];
        let now = at('2026-11-01T00:00');
        for (const step of steps) {
          now += step * hour;
          all.push(now);
          kept = [...retained([...kept, now], policy)];
        }
        expect(new Set(kept)).toEqual(new Set(retained(all, policy)));
      }),
    );
  });
});

test('one an hour, or a day, or a week: the shortest that the policy has', () => {
  const daily = { hours: 0, days: 7, weeks: 4 };
  expect(isDue([], daily, at('2026-11-30T05:00'))).toBe(true);
  expect(isDue([at('2026-11-30T00:00')], daily, at('2026-11-30T23:59'))).toBe(false);
  expect(isDue([at('2026-11-29T23:59')], daily, at('2026-11-30T00:00'))).toBe(true);
  expect(isDue([], { hours: 0, days: 0, weeks: 0 }, at('2026-11-30T00:00'))).toBe(false);
});
