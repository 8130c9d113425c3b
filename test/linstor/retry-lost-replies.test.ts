import { describe, expect, test } from 'bun:test';
import { DriverError, toDriverError } from '../../src/errors.ts';
import { LinstorError } from '../../src/linstor/error.ts';
import type { Linstor } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { Outcome } from '../../src/linstor/outcome.ts';
import { isReplyLost, ReplyLost } from '../../src/linstor/reply-lost.ts';
import { settled } from '../../src/linstor/retry-lost-replies.ts';
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
  return { linstor: settled(linstor, async () => undefined), asked };
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
    expect(await linstor.place(resourceName('rd'), {})).toBe(done);
    expect(asked).toEqual(['place', 'place']);
  });

  test('is not sent a third time', async () => {
    const { linstor, asked } = client({ place: losing(2) });
    const error = await linstor.place(resourceName('rd'), {}).catch((thrown: unknown) => thrown);
    expect(isReplyLost(error)).toBe(true);
    expect(asked).toEqual(['place', 'place']);
  });

  test('is left alone when the answer is merely late: the controller may be at work on it', async () => {
    const { linstor, asked } = client({ place: losing(1, true) });
    const error = await linstor.place(resourceName('rd'), {}).catch((thrown: unknown) => thrown);
    expect(isReplyLost(error)).toBe(true);
    expect(asked).toEqual(['place']);
  });

  test.each([
    ['carried out', [{ number: 0 }], ['createVolume', 'definitions']],
    ['not carried out', [], ['createVolume', 'definitions', 'createVolume']],
  ] as const)('a volume: %s', async (_, volumes, expected) => {
    const { linstor, asked } = client({ createVolume: losing(1), definitions: () => [{ volumes }] });
    await linstor.createVolume(resourceName('rd'), 0, kib(4096));
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
    expect(await linstor.place(resourceName('rd'), {}).catch((thrown: unknown) => thrown)).toBe(refused);
    expect(asked).toEqual(['place']);
  });
});

describe('a write that meets a controller without its satellites', () => {
  const symptom = new LinstorError('POST /v1/x', [
    {
      retCode: BigInt.asIntN(64, (3n << 62n) | 998n),
      message: 'failed due to an unhandled exception of type NullPointerException',
      reportIds: [],
      refs: {},
    },
  ]);
  const node = (status: string) => [{ name: 'n1', status, flags: [] }];
  /** Refused once; `nodes`: what is said of them in turn, the last one for good. */
  const starting = (write: string, ...nodes: string[]) => {
    let refused = false;
    return client({
      [write]: () => {
        if (refused) return done;
        refused = true;
        throw symptom;
      },
      nodes: () => node((nodes.length > 1 ? nodes.shift() : nodes[0]) ?? ''),
    });
  };

  test('is sent again when they are back', async () => {
    const { linstor, asked } = starting('createSnapshot', 'OFFLINE', 'CONNECTED', 'ONLINE');
    expect(await linstor.createSnapshot(resourceName('a'), 's1')).toBe(done);
    expect(asked).toEqual(['createSnapshot', 'nodes', 'nodes', 'nodes', 'createSnapshot']);
  });

  test('says which are away, when they stay away', async () => {
    const { linstor } = starting('place', 'OFFLINE');
    const error = toDriverError(
      await linstor.place(resourceName('a'), {}).catch((thrown: unknown) => thrown),
    );
    expect(error.code).toBe('LINSTOR_NODE_OFFLINE');
    expect(error.message).toContain('n1 (OFFLINE)');
    expect(error.message).toContain('NullPointerException');
  });

  test('is not sent again where it may have done half', async () => {
    const { linstor, asked } = starting('restoreResources', 'OFFLINE', 'ONLINE');
    const error = toDriverError(
      await linstor.restoreResources(resourceName('a'), 's1', resourceName('b')).catch((e: unknown) => e),
    );
    expect(error.code).toBe('LINSTOR_NODE_OFFLINE');
    expect(asked).toEqual(['restoreResources', 'nodes']);
  });

  test('is passed on as it is where all are there', async () => {
    const { linstor } = starting('place', 'ONLINE');
    expect(await linstor.place(resourceName('a'), {}).catch((thrown: unknown) => thrown)).toBe(symptom);
  });
});

describe('a deletion that failed on a satellite', () => {
  const failing = (times: number, code: number): (() => Outcome) => {
    let left = times;
    return () => {
      if (left === 0) return done;
      left -= 1;
      const retCode = 0xc000_0000_0000_0000n | BigInt(code);
      throw new LinstorError(
        'DELETE /v1/x',
        [{ retCode, message: '(n2) Failed to adjust', reportIds: [], refs: {} }],
        500,
      );
    };
  };

  test.each(['deleteDefinition', 'deleteResource', 'deleteSnapshot'] as const)(
    '%s is sent once more',
    async (name) => {
      const { linstor, asked } = client({ [name]: failing(1, 998), nodes: () => [] });
      expect(await linstor[name](resourceName('rd'), nodeName('n2'))).toBe(done);
      expect(asked.filter((each) => each === name)).toEqual([name, name]);
    },
  );

  test('is not sent a third time', async () => {
    const { linstor, asked } = client({ deleteDefinition: failing(2, 998), nodes: () => [] });
    const error = await linstor.deleteDefinition(resourceName('rd')).catch(toDriverError);
    expect(error).toMatchObject({ code: 'LINSTOR_ERROR' });
    expect(asked.filter((each) => each === 'deleteDefinition')).toHaveLength(2);
  });

  test('is left alone when LINSTOR refused it', async () => {
    const { linstor, asked } = client({ deleteDefinition: failing(1, 997), nodes: () => [] });
    const error = await linstor.deleteDefinition(resourceName('rd')).catch(toDriverError);
    expect(error).toMatchObject({ code: 'LINSTOR_IN_USE' });
    expect(asked).toEqual(['deleteDefinition']);
  });

  test('and any other write that failed there: not sent again', async () => {
    const { linstor, asked } = client({ rollback: failing(1, 998), nodes: () => [] });
    await expect(linstor.rollback(resourceName('rd'), 's')).rejects.toThrow('Failed to adjust');
    expect(asked.filter((each) => each === 'rollback')).toHaveLength(1);
  });
});
