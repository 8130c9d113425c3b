import { describe, expect, test } from 'bun:test';
import { toDriverError } from '../../src/errors.ts';
import type { ResourceDefinition } from '../../src/linstor/linstor.ts';
import { resourceName } from '../../src/linstor/names.ts';
import { namesFor, parseResource, properName } from '../../src/volumes/names.ts';
import { freeName, presentName } from '../../src/volumes/stand-in.ts';
import { FakeLinstor } from '../support/fake-linstor.ts';

const name = resourceName('one-vm-7-disk-0');
const [, first = '', second = ''] = namesFor(name);

const definition = (of: string, more: Partial<ResourceDefinition> = {}): ResourceDefinition => ({
  name: resourceName(of),
  group: 'g',
  flags: [],
  props: { 'Aux/one/DEPLOYMENT': '0-1' },
  layers: [],
  volumes: [],
  ...more,
});
const going = (of: string): ResourceDefinition => definition(of, { flags: ['DELETE'] });

describe('the name under which a disk is', () => {
  test('is its own, or a stand-in’s while that cannot go', () => {
    expect<unknown>(presentName(name, [])).toBe(name);
    expect<unknown>(presentName(name, [definition(name)])).toBe(name);
    expect<unknown>(presentName(name, [going(name)])).toBe(name);
    expect<unknown>(presentName(name, [going(name), definition(first)])).toBe(first);
    expect<unknown>(presentName(name, [going(name), going(first), definition(second)])).toBe(second);
    expect<unknown>(
      presentName(name, [definition('one-vm-7-disk-01-r1'), definition('one-vm-77-disk-0')]),
    ).toBe(name);
  });

  test('of several, which nobody makes, that of the latest deployment', () => {
    const later = { props: { 'Aux/one/DEPLOYMENT': '10-5' } };
    expect<unknown>(presentName(name, [definition(name), definition(first, later)])).toBe(first);
    expect<unknown>(presentName(name, [definition(name, later), definition(first)])).toBe(name);
    expect<unknown>(presentName(name, [definition(name), definition(first)])).toBe(name);
  });

  test('a stand-in is what it stands for', () => {
    expect(parseResource('', first)).toEqual({ kind: 'disk', vmId: 7, diskId: 0 });
    expect(parseResource('x-', 'x-one-vm-7-checkpoint-r2')).toEqual({ kind: 'checkpoint', vmId: 7 });
    expect<unknown>(properName('x-one-vm-7-disk-0-r4')).toBe('x-one-vm-7-disk-0');
    for (const foreign of ['one-image-7-r1', 'one-vm-7-disk-0-r5', 'one-vm-7-disk-0-r11', 'web-r1'])
      expect([properName(foreign), parseResource('', foreign)]).toEqual([foreign, undefined]);
  });
});

describe('a name for a new volume', () => {
  const ctx = (): Parameters<typeof freeName>[0] => {
    let now = 0;
    const quiet = () => {};
    return {
      clock: {
        now: () => now,
        sleep: async (ms: number) => {
          now += ms;
        },
      },
      log: { debug: quiet, info: quiet, warn: quiet, call: quiet },
    };
  };

  /** `stuck`: cannot go, because their node is away. */
  async function free(definitions: ResourceDefinition[], stuck: readonly string[], dead: boolean) {
    const fake = new FakeLinstor({ nodes: ['host1'] });
    let list = [...definitions];
    let asked = 0;
    const removed: string[] = [];
    fake.definitions = async () => {
      asked += 1;
      return list;
    };
    fake.deleteDefinition = async (of: string) => {
      removed.push(of);
      list = stuck.includes(of)
        ? list.map((each) => (each.name === of ? going(of) : each))
        : list.filter((each) => each.name !== of);
      const { Outcome } = await import('../../src/linstor/outcome.ts');
      return new Outcome([]);
    };
    if (dead) fake.offline.add('host1');
    const nodes = await fake.nodes();
    fake.nodes = async () => nodes.map((node) => ({ ...node, status: dead ? 'OFFLINE' : 'ONLINE' }));
    fake.add(name, ['host1']);
    const view = await fake.resources({ names: [name] });
    const taken = await freeName(ctx(), fake, name, { definitions, view }).catch(
      (error: unknown) => toDriverError(error).code,
    );
    return { taken, asked, removed };
  }

  test('is its own, and nothing is asked, where nothing is left', async () => {
    expect<unknown>(await free([], [], false)).toEqual({ taken: name, asked: 0, removed: [] });
  });

  test('is its own once what is left has gone', async () => {
    expect<unknown>((await free([definition(name)], [], false)).taken).toBe(name);
    expect((await free([definition(first)], [], false)).removed).toEqual([first]);
  });

  test('is the next one where a node that is away holds it, and that is not waited for', async () => {
    expect<unknown>(await free([going(name)], [name], true)).toEqual({ taken: first, asked: 1, removed: [] });
    expect<unknown>(await free([definition(name)], [name], true)).toEqual({
      taken: first,
      asked: 1,
      removed: [name],
    });
    expect<unknown>((await free([going(name), definition(first)], [name, first], true)).taken).toBe(second);
  });

  test('is the next one when it does not go though its nodes are there', async () => {
    const { taken, asked } = await free([going(name)], [name], false);
    expect<unknown>(taken).toBe(first);
    expect(asked).toBeGreaterThan(3);
  });

  test('is none when all are taken, or somebody else has it', async () => {
    expect((await free(namesFor(name).map(going), namesFor(name), true)).taken).toBe('LINSTOR_DELETING');
    const foreign = definition(name, { props: {}, volumes: [{ number: 0 }] as unknown as [] });
    expect((await free([foreign], [], false)).taken).toBe('LINSTOR_EXISTS');
  });
});
