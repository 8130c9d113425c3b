import { describe, expect, test } from 'bun:test';
import type { Context } from '../../src/context.ts';
import { DriverError, isDriverError, toDriverError } from '../../src/errors.ts';
import type { Linstor } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { ReplyLost } from '../../src/linstor/reply-lost.ts';
import { Undo } from '../../src/undo.ts';
import { kib } from '../../src/units.ts';
import { createVolume, type NewVolume } from '../../src/volumes/create.ts';
import { FakeLinstor } from '../support/fake-linstor.ts';

const name = resourceName('one-vm-7-disk-0');

function makeWorld(): { linstor: FakeLinstor; ctx: Context; undo: Undo } {
  const log = { debug: () => {}, info: () => {}, warn: () => {}, call: () => {} };
  const undo = new Undo(log);
  const linstor = new FakeLinstor({
    nodes: ['host1', 'host2', 'host3'],
    devicePath: (resource) => `/dev/${resource}`,
    onDevice: () => undefined,
  });
  const ctx = { log, undo, clock: { now: () => 0, sleep: async () => {} } } as unknown as Context;
  return { linstor, ctx, undo };
}

const volume: NewVolume = {
  name,
  sizeKib: kib(64),
  plan: {
    group: 'DfltRscGrp',
    layers: [],
    effectiveLayers: ['DRBD', 'STORAGE'],
    replicas: 2,
    nodes: [],
    unbalanced: false,
    policy: {},
    filter: { placeCount: 2 },
  },
  props: { 'Aux/one/INCOMPLETE': 'test' },
};

const verbs = (linstor: FakeLinstor): string[] => linstor.writes.map((line) => line.split(' ')[0] ?? '');

/** The answer to the first spawn never comes, though it was carried out. */
function losing(linstor: FakeLinstor, after: boolean): Linstor {
  let lost = false;
  return new Proxy<Linstor>(linstor, {
    get(target, key) {
      const method: unknown = Reflect.get(target, key);
      if (typeof method !== 'function') return method;
      if (key !== 'spawn' || lost) return method.bind(target);
      return async (...args: unknown[]) => {
        lost = true;
        if (after) await method.apply(target, args);
        throw new ReplyLost('POST …/spawn', 'the connection was lost');
      };
    },
  });
}

describe('a new volume', () => {
  test('one call makes it, with its marks; undo takes it away', async () => {
    const { linstor, ctx, undo } = makeWorld();
    expect(await createVolume(ctx, linstor, volume)).toHaveLength(3);
    expect(verbs(linstor)[0]).toBe('spawn');
    expect((await linstor.definitions({ names: [name] }))[0]?.props).toMatchObject(volume.props ?? {});
    await undo.rollback();
    expect(linstor.names()).toEqual([]);
  });

  test('where that cannot be had, single steps make it', async () => {
    const { linstor, ctx, undo } = makeWorld();
    linstor.failures.set(`spawn ${name}`, new DriverError('LINSTOR_UNSUPPORTED', 'an old controller'));
    expect(await createVolume(ctx, linstor, volume)).toHaveLength(3);
    expect(verbs(linstor)).toEqual(['spawn', 'createDefinition', 'createVolume', 'place']);
    expect(undo.size).toBe(1);
    await undo.rollback();
    expect(linstor.names()).toEqual([]);
  });

  test.each([true, false])('a lost answer: carried out %p', async (after) => {
    const { linstor, ctx, undo } = makeWorld();
    expect(await createVolume(ctx, losing(linstor, after), volume)).toHaveLength(3);
    expect(linstor.where(name)).toEqual(['host1', 'host2', 'host3:tie-breaker']);
    await undo.rollback();
    expect(linstor.names()).toEqual([]);
  });

  test('a foreign one of that name is neither used nor removed', async () => {
    const { linstor, ctx, undo } = makeWorld();
    linstor.add(name, ['host1']);
    const error = await createVolume(ctx, linstor, volume).catch((thrown: unknown) => thrown);
    expect(isDriverError(error, 'LINSTOR_EXISTS')).toBe(true);
    await undo.rollback();
    expect(linstor.where(name)).toEqual(['host1']);
  });

  describe('what a killed try of the same deployment had asked for, made after we looked', () => {
    const props = {
      'Aux/one/VM_ID': '7',
      'Aux/one/DISK_ID': '0',
      'Aux/one/DEPLOYMENT': '0-1700000000',
    };
    const mine = { ...volume, props: { ...props, 'Snapshot/BalanceAfterRestore': 'False' } };
    const madeBy = `Aux/one/MADE_BY/${name}`;
    const late = (overrides: Record<string, string> = {}) => ({ ...props, [madeBy]: 'killed', ...overrides });

    test('gives way to ours, by one call or by steps', async () => {
      for (const steps of [false, true]) {
        const { linstor, ctx, undo } = makeWorld();
        linstor.add(name, ['host3'], { props: late() });
        if (steps)
          linstor.failures.set(`spawn ${name}`, new DriverError('LINSTOR_UNSUPPORTED', 'an old controller'));
        expect(await createVolume(ctx, linstor, mine)).toHaveLength(3);
        expect(linstor.where(name)).toEqual(['host1', 'host2', 'host3:tie-breaker']);
        expect((await linstor.definitions({ names: [name] }))[0]?.props[madeBy]).not.toBe('killed');
        await undo.rollback();
        expect(linstor.names()).toEqual([]);
      }
    });

    test.each([
      ['of another deployment', late({ 'Aux/one/DEPLOYMENT': '0-1600000000' }), mine],
      ['of another VM', late({ 'Aux/one/VM_ID': '8' }), mine],
      ['without our mark', props, mine],
      ['where nothing tells one deployment from another', { ...volume.props, [madeBy]: 'x' }, volume],
    ] as const)('is left alone: %s', async (_, found, wanted) => {
      const { linstor, ctx, undo } = makeWorld();
      linstor.add(name, ['host3'], { props: { ...found } });
      const error = await createVolume(ctx, linstor, wanted).catch((thrown: unknown) => thrown);
      expect(isDriverError(error, 'LINSTOR_EXISTS')).toBe(true);
      await undo.rollback();
      expect(linstor.where(name)).toEqual(['host3']);
    });
  });

  test('a node that has no room is a wish under DRBD, and a must for plain storage', async () => {
    const wish = { ...volume, node: nodeName('host3') };
    const { linstor, ctx } = makeWorld();
    linstor.offline.add('host3');
    await createVolume(ctx, linstor, wish);
    expect(linstor.where(name)).toEqual(['host1', 'host2']);
    const plain = makeWorld();
    plain.linstor.offline.add('host3');
    const plan = { ...volume.plan, effectiveLayers: ['STORAGE'] as const, replicas: 1 };
    const error = await createVolume(plain.ctx, plain.linstor, { ...wish, plan }).catch(
      (thrown: unknown) => thrown,
    );
    expect(isDriverError(error, 'LINSTOR_NODE_OFFLINE')).toBe(true);
    expect(toDriverError(error).message).toMatch(/no room .*host3 \(OFFLINE\)/);
    expect(plain.linstor.names()).toEqual([]);
  });

  test('the wished node first, the others after it', async () => {
    const { linstor, ctx } = makeWorld();
    await createVolume(ctx, linstor, { ...volume, node: nodeName('host3') });
    expect(linstor.where(name)).toEqual(['host1', 'host2:tie-breaker', 'host3']);
    expect(verbs(linstor).filter((verb) => verb === 'spawn')).toHaveLength(1);
  });
});
