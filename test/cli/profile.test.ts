import { expect, test } from 'bun:test';
import { profileLines, profileOf } from '../../src/cli/profile.ts';
import type { CallEntry } from '../../src/log/record.ts';

const call = (kind: CallEntry['kind'], from: number, to: number): CallEntry => ({
  kind,
  target: 'x',
  verb: 'y',
  outcome: 'ok',
  ms: to - from,
  at: to,
});

test('calls that overlap count once, one within another too', () => {
  const calls = [
    call('linstor', 50, 100),
    call('linstor', 0, 60),
    call('linstor', 10, 20),
    call('ssh', 90, 190),
  ];
  const { kinds, itself } = profileOf({ calls, ms: 200 });
  expect(Object.fromEntries(kinds)).toEqual({
    linstor: { count: 3, ms: 100 },
    ssh: { count: 1, ms: 100 },
  });
  expect(itself).toBe(10);
});

test('an action without calls is all its own', () => {
  expect(profileOf({ calls: [], ms: 7 }).itself).toBe(7);
  expect(profileLines([], 80)).toEqual([]);
});
