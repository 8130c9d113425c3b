import { describe, expect, test } from 'bun:test';
import type { Context } from '../../src/context.ts';
import { toDriverError } from '../../src/errors.ts';
import { LinstorError } from '../../src/linstor/error.ts';
import type { Linstor, Resource, Snapshot } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { Outcome } from '../../src/linstor/outcome.ts';
import { looksRollingBack, rollBack } from '../../src/volumes/revert.ts';

const replica = (node: string, more: Partial<Resource> = {}): Resource => ({
  name: resourceName('rd'),
  node: nodeName(node),
  flags: [],
  props: {},
  layers: ['DRBD', 'STORAGE'],
  stateKnown: true,
  volumes: [{ number: 0, pool: 'thin', provider: 'FILE_THIN' }],
  connections: {},
  ...more,
});
const whole = [replica('n1'), replica('n2')];
const going = [replica('n1'), replica('n2', { flags: ['DELETE', 'DRBD_DELETE'] })];
const safety = { name: 'safety-snap-aBcDeFgHiJ', resource: 'rd' } as Snapshot;

const refusal = (code: number, message: string): LinstorError =>
  new LinstorError('POST …/snapshot-rollback/s1', [
    { retCode: BigInt.asIntN(64, (3n << 62n) | BigInt(code)), message, reportIds: [], refs: {} },
  ]);
const collision = refusal(
  998,
  'Rollback failed due to an unhandled exception of type AccessToDeletedDataException',
);

/** `answers`: of the rollbacks in turn; `views`: of the questions for the resource. The last one stays. */
function world(
  answers: readonly (Error | Outcome)[],
  views: readonly (readonly Resource[])[],
  away: readonly string[] = [],
) {
  let slept = 0;
  const asked: string[] = [];
  const next = <T>(list: T[]): T => (list.length > 1 ? list.shift() : list[0]) as T;
  const [left, seen] = [[...answers], [...views]];
  const linstor = {
    rollback: async () => {
      asked.push('rollback');
      const answer = next(left);
      if (answer instanceof Error) throw answer;
      return answer;
    },
    resources: async () => {
      asked.push('resources');
      return next(seen);
    },
    snapshots: async () => [],
    nodes: async () =>
      ['n1', 'n2'].map((name) => ({ name, status: away.includes(name) ? 'OFFLINE' : 'ONLINE' })),
  } as unknown as Linstor;
  const ctx = {
    log: { info: () => {}, warn: () => {} },
    clock: {
      now: () => slept,
      sleep: async (ms: number) => {
        slept += ms;
      },
    },
  } as unknown as Context;
  const work = rollBack(ctx, linstor, resourceName('rd'), 's1').then(() => undefined, toDriverError);
  return { work, asked, slept: () => slept };
}

const done = new Outcome([]);

describe('a rollback', () => {
  test('that meets one which is still running waits until that has ended', async () => {
    const { work, asked } = world([collision, done], [going, [], whole]);
    expect(await work).toBeUndefined();
    expect(asked).toEqual(['rollback', 'resources', 'resources', 'resources', 'rollback']);
  });

  test('that never comes to its turn fails by a name, after a limit', async () => {
    const { work, slept } = world([collision], [going]);
    expect((await work)?.code).toBe('LINSTOR_DELETING');
    expect(slept()).toBeLessThan(300_000);
  });

  test('of a resource in use is tried again for a while', async () => {
    const { work, slept } = world([refusal(997, 'in use')], [whole]);
    expect((await work)?.code).toBe('LINSTOR_IN_USE');
    expect(slept()).toBeLessThan(30_000);
  });

  test('is not tried again while a satellite is away', async () => {
    const { work, slept } = world(
      [refusal(974, 'not UpToDate')],
      [[replica('n1'), replica('n2', { stateKnown: false })]],
      ['n2'],
    );
    const error = await work;
    expect(error?.code).toBe('LINSTOR_NODE_OFFLINE');
    expect(error?.message).toContain('n2');
    expect(slept()).toBe(0);
  });

  test('is tried again while the state of a replica is not known yet', async () => {
    const { work, asked } = world(
      [refusal(974, 'not UpToDate'), done],
      [[replica('n1'), replica('n2', { stateKnown: false })], whole],
    );
    expect(await work).toBeUndefined();
    expect(asked).toEqual(['rollback', 'resources', 'rollback']);
  });

  test('other exceptions are passed on', async () => {
    const { work, asked } = world([refusal(998, 'NullPointerException')], [whole]);
    expect((await work)?.code).toBe('LINSTOR_ERROR');
    expect(asked).toEqual(['rollback']);
  });
});

test.each([
  [whole, [], false],
  [going, [], true],
  [[], [], true],
  [[replica('n1', { flags: ['INACTIVE'] })], [], true],
  [whole, [safety], true],
  [[replica('n1'), replica('n3', { flags: ['DISKLESS', 'TIE_BREAKER'] })], [], false],
])('a rollback shows: %#', (view, snapshots, expected) => {
  expect(looksRollingBack(view, snapshots)).toBe(expected);
});
