import { describe, expect, test } from 'bun:test';
import { isDriverError, toDriverError } from '../../../src/errors.ts';
import { Machine, World } from './world.ts';

const lock = 'rd-one-vm-7-disk-0';
const failure = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => `${toDriverError(error).code} ${toDriverError(error).message}`,
  );

describe('a lock across front-ends', () => {
  test('costs two calls to take and one to give back, and leaves nothing', async () => {
    const world = new World(1);
    const one = new Machine(world, 'one1');
    const done = one.locks.run(lock, [one.store], async () => [...world.pairs.keys()]);
    await world.pass();
    const keys = await done;
    expect(keys).toHaveLength(1);
    expect(keys[0]).toStartWith(`held/${lock}/`);
    expect([world.reads, world.writes, world.pairs.size]).toEqual([1, 2, 0]);
  });

  test('is entered again inside its own work, for nothing', async () => {
    const world = new World(1);
    const one = new Machine(world, 'one1');
    const run = () => one.locks.run(lock, [one.store], async () => 'inner');
    const done = one.locks.run(lock, [one.store], run);
    await world.pass();
    expect(await done).toBe('inner');
    expect(world.writes).toBe(2);
  });

  test('a failure of the work gives it back', async () => {
    const world = new World(1);
    const one = new Machine(world, 'one1');
    const done = failure(one.locks.run(lock, [one.store], () => Promise.reject(new Error('no space'))));
    await world.pass();
    expect(await done).toContain('no space');
    expect(world.pairs.size).toBe(0);
  });

  test('who waits too long is told who has it, and leaves nothing', async () => {
    const world = new World(3);
    const [one, two] = [new Machine(world, 'one1'), new Machine(world, 'one2')];
    one.live(200_000);
    const first = one.locks.run(lock, [one.store], () => world.later(150_000, one));
    await world.pass(5_000);
    const second = failure(two.locks.run(lock, [two.store], async () => 'in', 20_000));
    await world.pass();
    await first;
    expect(await second).toMatch(
      /^LOCK_TIMEOUT no lock on rd-one-vm-7-disk-0 after 20 s; held by process \d+ \(tm\/clone\) of front-end one1, last heard of \d s ago$/,
    );
    expect(world.pairs.size).toBe(0);
  });

  test('a dead owner is waited for until that is certain, whatever the limit, and not longer', async () => {
    const world = new World(4);
    const [one, two] = [new Machine(world, 'one1'), new Machine(world, 'one2')];
    void one.locks.run(lock, [one.store], () => world.later(1_000_000, one));
    await world.pass(5_000);
    one.dead = true;
    const started = world.now;
    const taken = two.locks.run(lock, [two.store], async () => world.now - started, 15_000);
    await world.pass(200_000);
    const after = await taken;
    expect(after).toBeGreaterThanOrEqual(30_000);
    expect(after).toBeLessThan(42_000);
    expect([...world.pairs.keys()].map((key) => key.split('/')[0])).toEqual(['lost']);
  });

  test('what another process of the same front-end has left is taken at once', async () => {
    const world = new World(5);
    const [dead, next] = [new Machine(world, 'one1'), new Machine(world, 'one1')];
    void dead.locks.run(lock, [dead.store], () => world.later(1_000_000, dead));
    await world.pass(5_000);
    dead.dead = true;
    const started = world.now;
    const taken = next.locks.run(lock, [next.store], async () => world.now - started);
    await world.pass();
    expect(await taken).toBeLessThan(5_000);
  });

  test('an owner that stood still, its clock with it, finds out before its next write', async () => {
    const world = new World(6);
    const [one, two] = [new Machine(world, 'one1'), new Machine(world, 'one2')];
    const written: string[] = [];
    one.live(400_000);
    const first = failure(
      one.locks.run(lock, [one.store], async () => {
        await one.locks.check();
        written.push('one1');
        await world.later(20_000, one);
        await one.locks.check();
        written.push('one1 again');
      }),
    );
    await world.pass(2_000);
    one.pause(100_000, true);
    two.live(400_000);
    const second = two.locks.run(lock, [two.store], async () => {
      await two.locks.check();
      written.push('two');
      await world.later(120_000, two);
      await two.locks.check();
      written.push('two again');
    });
    await world.pass();
    await second;
    expect(await first).toBe(
      `LOCK_LOST the lock on ${lock} is not held any more: front-end one2 has taken it over, for it had heard nothing of this one for 20 s; nothing more is changed`,
    );
    expect(written).toEqual(['one1', 'two', 'two again']);
    expect(one.lost).toHaveLength(1);
    expect(world.pairs.size).toBe(0);
  });

  test('nobody is taken for dead because the store was away', async () => {
    const world = new World(7);
    const [one, two] = [new Machine(world, 'one1'), new Machine(world, 'one2')];
    one.live(300_000);
    const first = one.locks.run(lock, [one.store], async () => {
      await world.later(150_000, one);
      await one.locks.check();
      return 'still mine';
    });
    await world.pass(5_000);
    const tries: string[] = [];
    const second = (async () => {
      for (let index = 0; index < 20; index += 1)
        tries.push(await failure(two.locks.run(lock, [two.store], async () => 'in', 5_000)));
    })();
    await world.pass(5_000);
    world.away = true;
    await world.pass(60_000);
    world.away = false;
    await world.pass();
    expect(await first).toBe('still mine');
    await second;
    expect(tries.some((text) => text.startsWith('LINSTOR_UNREACHABLE'))).toBe(true);
    expect(tries[0]).toMatch(/could not be locked|no lock on/);
  });

  test('an answer that is empty because the controller failed to make it does not lose a lock', async () => {
    const world = new World(8);
    const one = new Machine(world, 'one1');
    let empty = true;
    const store = {
      ...one.store,
      read: async () => {
        const pairs = await one.store.read();
        if (!empty || world.reads !== 2) return pairs;
        empty = false;
        return {};
      },
    };
    const done = one.locks.run(lock, [store], async () => {
      await one.locks.check();
      return 'checked';
    });
    await world.pass();
    expect(await done).toBe('checked');
  });

  test('entries that a controller has forgotten end the work', async () => {
    const world = new World(9);
    const one = new Machine(world, 'one1');
    const done = failure(
      one.locks.run(lock, [one.store], async () => {
        world.pairs.clear();
        await one.locks.check();
      }),
    );
    await world.pass();
    expect(await done).toContain('LOCK_LOST');
  });
});

test('never do two write, whoever dies or stands still, and everybody else comes in', async () => {
  let [entered, lost, taken] = [0, 0, 0];
  for (let seed = 1; seed <= 20; seed += 1) {
    const world = new World(seed);
    const { random } = world;
    /** What the owner has begun, as the storage sees it: nobody else's writes may come in between. */
    const writes: { owner: number; at: number }[] = [];
    const starts: { owner: number; at: number }[] = [];
    const machines = Array.from({ length: 4 }, (_, index) => new Machine(world, `one${index}`));
    let owners = 0;
    const life = async (machine: Machine): Promise<void> => {
      for (let turn = 0; turn < 4; turn += 1) {
        await world.later(random() * 20_000, machine);
        try {
          await machine.locks.run(
            lock,
            [machine.store],
            async () => {
              await machine.locks.check();
              owners += 1;
              const owner = owners;
              entered += 1;
              starts.push({ owner, at: world.now });
              for (let step = 0; step < 5; step += 1) {
                await world.later(random() * 8_000, machine);
                await machine.locks.check();
                const under = world.later(random() * 4_000);
                await under;
                writes.push({ owner, at: world.now });
                await world.later(random() * 500, machine);
              }
            },
            120_000,
          );
        } catch (error) {
          if (isDriverError(error, 'LOCK_LOST')) lost += 1;
          else if (!isDriverError(error, 'LOCK_TIMEOUT')) throw error;
        }
      }
    };
    for (const machine of machines) {
      machine.live(1_500_000);
      void life(machine);
    }
    for (let index = 0; index < 12; index += 1)
      world.at(random() * 300_000, undefined, () => {
        const machine = machines[Math.floor(random() * machines.length)];
        machine?.pause(random() * 90_000);
      });
    world.at(random() * 200_000, undefined, () => {
      const [first] = machines;
      if (first) first.dead = true;
    });
    await world.pass();
    // Once a later owner has started, no earlier one writes.
    for (const write of writes)
      expect({ seed, later: starts.filter(({ owner, at }) => owner > write.owner && at < write.at) }).toEqual(
        {
          seed,
          later: [],
        },
      );
    taken += [...world.pairs.keys()].filter((key) => key.startsWith('lost/')).length;
    expect([...world.pairs.keys()].filter((key) => key.startsWith('held/')).length).toBeLessThanOrEqual(1);
  }
  // The world was as rough as it was meant to be.
  expect(entered).toBeGreaterThan(150);
  expect(lost).toBeGreaterThan(3);
  expect(taken).toBeGreaterThan(1);
}, 120_000);
