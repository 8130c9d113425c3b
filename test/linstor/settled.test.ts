import { describe, expect, test } from 'bun:test';
import { DriverError } from '../../src/errors.ts';
import type { Linstor } from '../../src/linstor/linstor.ts';
import { Outcome } from '../../src/linstor/outcome.ts';
import { isReplyLost, ReplyLost } from '../../src/linstor/reply-lost.ts';
import { settled } from '../../src/linstor/settled.ts';
import { kib } from '../../src/units.ts';

const done = new Outcome([]);

/** A client of which only `methods` exist; remembers what it was asked. */
function client(methods: Record<string, (...args: never[]) => unknown>): {
  linstor: Linstor;
  asked: string[];
} {
  const asked: string[] = [];
  const linstor = Object.fromEntries(
    Object.entries(methods).map(([name, work]) => [
      name,
      async (...args: never[]) => {
        asked.push(name);
        return work(...args);
      },
    ]),
  ) as unknown as Linstor;
  return { linstor: settled(linstor), asked };
}

/** Fails so often, then answers. */
function losing(times: number, late = false): () => Outcome {
  let left = times;
  return () => {
    if (left === 0) return done;
    left -= 1;
    throw new ReplyLost('POST /v1/x', 'the connection was lost', { late });
  };
}

describe('a write whose answer is lost', () => {
  test('is sent again where repeating it changes nothing', async () => {
    const { linstor, asked } = client({ place: losing(1) });
    expect(await linstor.place('rd', {})).toBe(done);
    expect(asked).toEqual(['place', 'place']);
  });

  test('is not sent a third time', async () => {
    const { linstor, asked } = client({ place: losing(2) });
    const error = await linstor.place('rd', {}).catch((thrown: unknown) => thrown);
    expect(isReplyLost(error)).toBe(true);
    expect(asked).toEqual(['place', 'place']);
  });

  test('is left alone when the answer is merely late: the controller may be at work on it', async () => {
    const { linstor, asked } = client({ place: losing(1, true) });
    const error = await linstor.place('rd', {}).catch((thrown: unknown) => thrown);
    expect(isReplyLost(error)).toBe(true);
    expect(asked).toEqual(['place']);
  });

  test.each([
    ['carried out', [{ number: 0 }], ['createVolume', 'definitions']],
    ['not carried out', [], ['createVolume', 'definitions', 'createVolume']],
  ] as const)('a volume: %s', async (_, volumes, expected) => {
    const { linstor, asked } = client({ createVolume: losing(1), definitions: () => [{ volumes }] });
    await linstor.createVolume('rd', 0, kib(4096));
    expect(asked).toEqual([...expected]);
  });

  test.each(['createSnapshot', 'restoreResources', 'clone', 'spawn'] as const)(
    '%s is its caller’s business',
    async (name) => {
      const { linstor, asked } = client({ [name]: losing(1) });
      const call = linstor[name] as (...args: unknown[]) => Promise<unknown>;
      expect(isReplyLost(await call('a', 'b').catch((thrown: unknown) => thrown))).toBe(true);
      expect(asked).toEqual([name]);
    },
  );

  test('a refusal is none', async () => {
    const refused = new DriverError('LINSTOR_NO_SPACE', 'full');
    const { linstor, asked } = client({
      place: () => {
        throw refused;
      },
    });
    expect(await linstor.place('rd', {}).catch((thrown: unknown) => thrown)).toBe(refused);
    expect(asked).toEqual(['place']);
  });
});
