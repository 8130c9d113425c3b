import { describe, expect, test } from 'bun:test';
import { badMessage, leftovers, losses, untrue } from '../../src/tools/faults/judge.ts';
import type { Observation } from '../../src/tools/faults/observe.ts';
import type { Scenario } from '../../src/tools/faults/scenarios.ts';

const world: Observation = {
  resources: { 'one-image-0': '{}' },
  snapshots: { 'one-image-0/snapshot-0': 'SUCCESSFUL on 2' },
  attached: {},
  trash: {},
  dualPrimary: [],
  content: { 'one-image-0': 'aa' },
  links: {},
  temporary: [],
};
const scenario: Scenario = {
  action: 'tm/clone',
  about: '',
  group: 'drbd',
  prepare: () => Promise.reject(new Error('not for running')),
};
const what = (findings: readonly { what: string }[]): string[] => findings.map((finding) => finding.what);

describe('losses', () => {
  const lost = (now: Partial<Observation>, more: Partial<Scenario> = {}): string[] =>
    what(losses({ ...scenario, ...more }, world, world, { ...world, ...now }));

  test('nothing changed, nothing lost', () => expect(lost({})).toEqual([]));
  test('a resource, a snapshot, content', () => {
    expect(lost({ content: {} })).toEqual(['one-image-0 is gone']);
    expect(lost({ snapshots: {} })).toEqual(['snapshot one-image-0/snapshot-0 is gone']);
    expect(lost({ content: { 'one-image-0': 'bb' } })).toEqual(['content of one-image-0 is bb, was aa']);
  });
  test('replicas that disagree', () => {
    expect(lost({ content: { ...world.content, 'one-vm-0-disk-0': 'differs: 1 2' } })).toEqual([
      'replicas of one-vm-0-disk-0 disagree',
    ]);
  });
  test('what the action is there to take is no loss, half of a change is one', () => {
    expect(lost({ content: {}, snapshots: {} }, { takes: /^one-image-0/ })).toEqual([]);
    expect(lost({ content: { 'one-image-0': 'bb' } }, { changes: /^one-image-0$/ })).toEqual([
      'content of one-image-0 is bb, was aa',
    ]);
  });
});

test('leftovers: every kind of object that was not there before', () => {
  const now: Observation = {
    ...world,
    resources: { ...world.resources, 'one-vm-0-disk-0': '{}' },
    snapshots: { ...world.snapshots, 'one-image-0/one-vm-0-disk-0': 'SUCCESSFUL on 2' },
    attached: { 'one-image-0': 'node2' },
    dualPrimary: ['one-image-0'],
    temporary: ['/staging/part'],
  };
  expect(what(leftovers(world, now))).toEqual([
    'resources one-vm-0-disk-0: {}',
    'snapshots one-image-0/one-vm-0-disk-0: SUCCESSFUL on 2',
    'attached one-image-0: node2',
    'two primaries are allowed on one-image-0',
    'temporary files /staging/part',
  ]);
  expect(leftovers(now, now)).toEqual([]);
});

test('a success that is none: other state, other content, other reply', () => {
  const golden = { observation: world, reply: 'one-image-0 raw' };
  const attempt = { exitCode: 0, reply: 'one-image-0 raw', stderr: '' };
  expect(untrue(golden, world, attempt)).toEqual([]);
  expect(untrue(golden, { ...world, content: {} }, attempt).map((finding) => finding.verdict)).toEqual([
    'lost',
  ]);
  expect(untrue(golden, { ...world, snapshots: {} }, attempt).map((finding) => finding.verdict)).toEqual([
    'leaked',
  ]);
  expect(untrue(golden, world, { ...attempt, reply: '' })).toHaveLength(1);
});

test('a failure speaks once, with a code, and never of an internal error', () => {
  const failed = (stderr: string) => badMessage({ exitCode: 1, reply: '', stderr }).length;
  expect(failed('INFO: clone: undo: x\nPOST /v1: full – free space [LINSTOR_NO_SPACE]\n')).toBe(0);
  expect(failed('')).toBe(1);
  expect(failed('something broke\n')).toBe(1);
  expect(failed('a – b [LINSTOR_ERROR]\nc – d [LINSTOR_ERROR]\n')).toBe(1);
  expect(failed('x is undefined – report it [INTERNAL]\n')).toBe(1);
});
