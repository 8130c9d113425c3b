import { describe, expect, test } from 'bun:test';
import type { Context } from '../../src/context.ts';
import type { Linstor, Node, Resource } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { nodesAway, whenConnected, whenStateKnown } from '../../src/volumes/online.ts';

const replica = (node: string, stateKnown: boolean): Resource => ({
  name: resourceName('rd'),
  node: nodeName(node),
  flags: [],
  props: {},
  layers: ['STORAGE'],
  stateKnown,
  volumes: [],
  connections: {},
});

/** `views`: what LINSTOR says in turn; the last one stays. */
function world(offline: readonly string[], ...views: Resource[][]) {
  const asked: string[] = [];
  let slept = 0;
  const linstor = {
    nodes: async () => {
      asked.push('nodes');
      return ['n1', 'n2'].map(
        (name) => ({ name, status: offline.includes(name) ? 'OFFLINE' : 'ONLINE' }) as Node,
      );
    },
    resources: async () => {
      asked.push('resources');
      return views.length > 1 ? views.shift() : views[0];
    },
  } as unknown as Linstor;
  const ctx = {
    clock: {
      now: () => slept,
      sleep: async (ms: number) => {
        slept += ms;
      },
    },
  } as unknown as Context;
  return { ctx, linstor, asked, slept: () => slept };
}

const all = (): boolean => true;

describe('a replica without a state', () => {
  test('costs nothing where every state is known', async () => {
    const { ctx, linstor, asked } = world([]);
    const view = [replica('n1', true), replica('n2', false)];
    expect(
      await whenStateKnown(ctx, linstor, view, all, (name) => linstor.resources({ names: [name] })),
    ).toBe(view);
    expect(await nodesAway(linstor, [replica('n1', true)])).toEqual([]);
    expect(asked).toEqual([]);
  });

  test('is away when its satellite is, and not waited for', async () => {
    const { ctx, linstor, asked } = world(['n2']);
    const view = [replica('n2', false)];
    expect<unknown>(await nodesAway(linstor, [replica('n1', false), ...view])).toEqual(['n2']);
    expect(
      await whenStateKnown(ctx, linstor, view, all, (name) => linstor.resources({ names: [name] })),
    ).toBe(view);
    expect(asked).toEqual(['nodes', 'nodes']);
  });

  test('has just been made when its satellite is there, and its state is waited for', async () => {
    const { ctx, linstor, asked } = world([], [replica('n1', false)], [replica('n1', true)]);
    expect(
      await whenStateKnown(ctx, linstor, [replica('n1', false)], all, (name) =>
        linstor.resources({ names: [name] }),
      ),
    ).toEqual([replica('n1', true)]);
    expect(asked).toEqual(['nodes', 'resources', 'resources']);
  });

  test('is taken as it is when that does not come', async () => {
    const { ctx, linstor, slept } = world([], [replica('n1', false)]);
    const view = [replica('n1', false)];
    expect(
      await whenStateKnown(ctx, linstor, view, all, (name) => linstor.resources({ names: [name] })),
    ).toBe(view);
    expect(slept()).toBeLessThanOrEqual(10_000);
  });
});

describe('satellites that are away', () => {
  test('are waited for until they have spoken', async () => {
    const drbd = (diskState?: string): Resource => ({
      ...replica('n1', true),
      layers: ['DRBD', 'STORAGE'],
      volumes: [{ number: 0, pool: 'thin', provider: 'LVM_THIN', ...(diskState ? { diskState } : {}) }],
    });
    const { ctx, linstor, asked } = world([], [replica('n1', false)], [drbd()], [drbd('UpToDate')]);
    expect(await whenConnected(ctx, linstor, [replica('n1', false)])).toEqual([drbd('UpToDate')]);
    expect(asked).toEqual(['resources', 'resources', 'resources']);
    const settled = [drbd('UpToDate')];
    expect(await whenConnected(ctx, linstor, settled)).toBe(settled);
    expect(asked).toHaveLength(3);
  });

  test('and stay away are not waited for longer than half a minute', async () => {
    const { ctx, linstor, slept } = world(['n1'], [replica('n1', false)]);
    const view = [replica('n1', false)];
    expect(await whenConnected(ctx, linstor, view)).toEqual(view);
    expect(slept()).toBeLessThanOrEqual(30_000);
  });
});
