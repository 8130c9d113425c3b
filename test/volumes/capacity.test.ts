import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { isDriverError } from '../../src/errors.ts';
import type { Linstor } from '../../src/linstor/linstor.ts';
import { capacityFrom, capacityOf } from '../../src/volumes/capacity.ts';

const GiB = 1024 * 1024;
const pool = (manager: string, total: number, free = total) => ({
  manager,
  total: total * GiB,
  free: free * GiB,
});

describe('capacity', () => {
  test('one replica: the sum', () => {
    expect(capacityFrom([pool('a', 8), pool('b', 8, 2)], 1)).toEqual({
      totalMib: 16384,
      freeMib: 10240,
      usedMib: 6144,
    } as never);
  });

  test('two replicas on three equal pools: half of the sum, not the sum (users #107)', () => {
    expect(Number(capacityFrom([pool('a', 8), pool('b', 8), pool('c', 8)], 2).totalMib)).toBe(12 * 1024);
  });

  test('two replicas on unequal pools: the copies must find different pools', () => {
    expect(Number(capacityFrom([pool('a', 8), pool('b', 8), pool('c', 100)], 2).totalMib)).toBe(16 * 1024);
  });

  test('more replicas than pools: nothing fits', () => {
    expect(Number(capacityFrom([pool('a', 8)], 2).totalMib)).toBe(0);
    expect(Number(capacityFrom([], 1).totalMib)).toBe(0);
  });

  test('a shared pool counts once', () => {
    expect(Number(capacityFrom([pool('shared', 8), pool('shared', 8)], 1).totalMib)).toBe(8 * 1024);
  });

  test('what is promised can be packed: Σ min(cᵢ, x) ≥ r·x, and a MiB more cannot', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 7 }),
        fc.integer({ min: 1, max: 4 }),
        (sizes, replicas) => {
          const x =
            Number(
              capacityFrom(
                sizes.map((size, index) => pool(String(index), size)),
                replicas,
              ).totalMib,
            ) / 1024;
          const room = (at: number): number => sizes.reduce((sum, size) => sum + Math.min(size, at), 0);
          expect(room(x)).toBeGreaterThanOrEqual(replicas * x - 1e-6);
          const more = x + 1 / 512;
          expect(
            replicas === 1 ? more > sizes.reduce((a, b) => a + b, 0) : room(more) < replicas * more,
          ).toBe(true);
        },
      ),
    );
  });
});

test('a group that does not exist is an error: OpenNebula then keeps its last figures', async () => {
  const linstor = {
    resourceGroup: async () => undefined,
    storagePools: async () => [],
    nodes: async () => [],
    controllerProperties: async () => ({}),
  } as Partial<Linstor> as Linstor;
  const settings = {
    resourceGroup: 'gone',
    nodeList: [],
    layerList: [],
    providers: [],
    replicasOnSame: [],
    replicasOnDifferent: [],
    doNotPlaceWith: [],
    linstorProperties: {},
    storagePools: [],
    encryption: false,
  };
  const error = await capacityOf(linstor, settings).catch((thrown: unknown) => thrown);
  expect(isDriverError(error, 'BAD_ATTRIBUTE')).toBe(true);
  expect(String(error)).toContain('gone');
});
