import { describe, expect, test } from 'bun:test';
import { toDriverError } from '../../src/errors.ts';
import { codes } from '../../src/linstor/codes.ts';
import { LinstorError } from '../../src/linstor/error.ts';
import type { Linstor } from '../../src/linstor/linstor.ts';
import { resourceName } from '../../src/linstor/names.ts';
import { Outcome } from '../../src/linstor/outcome.ts';
import { removeResource } from '../../src/volumes/remove.ts';

const refused = (what: string, code: number, operation: bigint): LinstorError =>
  new LinstorError(
    what,
    [
      {
        retCode: BigInt.asIntN(64, 0xc000_0000_0000_0000n | (operation << 24n) | BigInt(code)),
        message: 'Resource definition rd has snapshots',
        reportIds: [],
        refs: {},
      },
    ],
    500,
  );

/** The snapshot stays, whatever is asked. */
function stuck(status: string): { linstor: Linstor; asked: string[] } {
  const asked: string[] = [];
  const snapshot = {
    name: 's1',
    resource: 'rd',
    nodes: ['n1', 'n2'],
    flags: ['DELETE'],
    volumes: [],
    props: {},
  };
  const node = (name: string, state: string) => ({ name, status: state, flags: [] });
  const linstor = {
    deleteDefinition: async () => {
      asked.push('definition');
      throw refused('DELETE /v1/resource-definitions/rd', codes.FAIL_EXISTS_SNAPSHOT_DFN, 3n);
    },
    deleteSnapshot: async () => new Outcome([]),
    snapshots: async () => [snapshot],
    nodes: async () => [node('n1', 'ONLINE'), node('n2', status), node('n3', 'OFFLINE')],
  };
  return { linstor: linstor as unknown as Linstor, asked };
}

const ctx = () => {
  let now = 0;
  return {
    clock: {
      now: () => now,
      sleep: async (ms: number) => {
        now += ms;
      },
    },
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, call: () => undefined },
  };
};

describe('a snapshot that LINSTOR does not get rid of', () => {
  test('is named, with the node that is away and the way out', async () => {
    const { linstor, asked } = stuck('OFFLINE');
    const error = toDriverError(
      await removeResource(ctx(), linstor, resourceName('rd')).catch((thrown: unknown) => thrown),
    );
    expect(error.code).toBe('LINSTOR_DELETING');
    expect(error.message).toContain('snapshot s1, a part of which is on n2 (OFFLINE)');
    expect(error.message).not.toContain('n3');
    expect(error.remedy).toContain('linstor node lost n2');
    expect(error.remedy).not.toContain('not ours');
    expect(asked.length).toBeLessThan(20);
  });

  test('is named also where every node is there', async () => {
    const error = toDriverError(
      await removeResource(ctx(), stuck('ONLINE').linstor, resourceName('rd')).catch(
        (thrown: unknown) => thrown,
      ),
    );
    expect([error.code, error.message]).toEqual([
      'LINSTOR_DELETING',
      'resource rd is not deleted: LINSTOR does not get rid of its snapshot s1',
    ]);
    expect(error.remedy).toContain('linstor snapshot delete rd s1');
  });
});

test('snapshots whose deletion takes longer than a device may stay open do not keep the resource', async () => {
  const { clock, log } = ctx();
  let left = ['s1', 's2'];
  let tries = 0;
  const linstor = {
    deleteDefinition: async () => {
      tries += 1;
      if (left.length === 0) return new Outcome([]);
      throw refused('DELETE /v1/resource-definitions/rd', codes.FAIL_EXISTS_SNAPSHOT_DFN, 3n);
    },
    snapshots: async () =>
      left.map((name) => ({ name, resource: 'rd', nodes: ['n1'], flags: [], volumes: [], props: {} })),
    deleteSnapshot: async (_: string, name: string) => {
      await clock.sleep(15_000);
      left = left.filter((each) => each !== name);
      return new Outcome([]);
    },
  } as unknown as Linstor;
  expect(await removeResource({ clock, log }, linstor, resourceName('rd'))).toEqual({ state: 'gone' });
  expect(tries).toBe(2);
});

describe('a code is read with its operation', () => {
  const exists = codes.FAIL_EXISTS_SNAPSHOT_DFN;
  test.each([
    ['create', refused('POST /v1/resource-definitions/rd/snapshots', exists, 1n), 'LINSTOR_EXISTS'],
    ['delete', refused('DELETE /v1/resource-definitions/rd', exists, 3n), 'LINSTOR_ERROR'],
    ['modify', refused('PUT /v1/resource-definitions/rd', codes.FAIL_EXISTS_RSC, 2n), 'LINSTOR_ERROR'],
    ['told by the call alone', refused('DELETE /v1/resource-groups/g', exists, 0n), 'LINSTOR_ERROR'],
    ['and by the client’s', refused('linstor resource-definition delete rd', exists, 0n), 'LINSTOR_ERROR'],
  ])('%s', (_, error, code) => {
    expect(error.code).toBe(code as typeof error.code);
  });
});
