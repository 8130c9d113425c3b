import { DriverError } from '../../../src/errors.ts';
import { type LockStore, SharedLocks } from '../../../src/linstor/locks/shared.ts';

/** Repeatable chance. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

interface Happening {
  readonly at: number;
  readonly order: number;
  /** Waits while this one stands still; the store never does. */
  readonly of: Machine | undefined;
  readonly run: () => void;
}

/** A world whose time passes only when everything waits for it. */
export class World {
  now = 1_000_000;
  #order = 0;
  #happenings: Happening[] = [];
  readonly random: () => number;
  readonly pairs = new Map<string, string>();
  /** The longest that a message is under way, each way. */
  latencyMs = 400;
  writes = 0;
  reads = 0;

  constructor(seed: number) {
    this.random = chance(seed);
  }

  at(ms: number, of: Machine | undefined, run: () => void): void {
    this.#happenings.push({ at: this.now + ms, order: this.#order++, of, run });
  }

  later(ms: number, of?: Machine): Promise<void> {
    return new Promise((resolve) => this.at(ms, of, resolve));
  }

  /** Until nothing is waited for any more, or for so long. */
  async pass(limitMs = Number.POSITIVE_INFINITY): Promise<void> {
    const end = this.now + limitMs;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#happenings.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.#happenings[0];
      if (!next || next.at > end) return;
      this.#happenings.shift();
      this.now = Math.max(this.now, next.at);
      const { of } = next;
      if (of?.dead) continue;
      if (of && of.pausedUntil > this.now) this.#happenings.push({ ...next, at: of.pausedUntil });
      else next.run();
    }
  }

  /** What a client sees of the store: a message there, one step, a message back. */
  store(machine: Machine): LockStore {
    const step = async <T>(run: () => T): Promise<T> => {
      await this.later(this.random() * this.latencyMs);
      if (this.away) {
        await this.later(1000, machine);
        throw new DriverError('LINSTOR_UNREACHABLE', 'no controller');
      }
      const result = run();
      await this.later(this.random() * this.latencyMs, machine);
      return result;
    };
    return {
      name: 'one-locks of lab',
      read: () =>
        step(() => {
          this.reads += 1;
          return Object.fromEntries(this.pairs);
        }),
      modify: ({ set = {}, unset = [] }) =>
        step(() => {
          this.writes += 1;
          for (const [key, value] of Object.entries(set)) this.pairs.set(key, value);
          for (const key of unset) this.pairs.delete(key);
        }),
    };
  }

  away = false;
}

/** One process on a front-end. */
export class Machine {
  readonly world: World;
  readonly locks: SharedLocks;
  readonly store: LockStore;
  readonly name: string;
  readonly lost: DriverError[] = [];
  pausedUntil = 0;
  dead = false;
  /** How long its clock has stood still. */
  behind = 0;

  constructor(world: World, name: string, identity = name) {
    this.world = world;
    this.name = name;
    this.store = world.store(this);
    this.locks = new SharedLocks({
      clock: { now: () => world.now - this.behind, sleep: (ms) => world.later(ms, this) },
      frontEnd: { name, identity },
      action: 'tm/clone',
      onLost: (error) => this.lost.push(error),
    });
  }

  /** Signs of life, as the timer would give them. */
  live(forMs: number): void {
    for (let at = 5000; at <= forMs; at += 5000) this.world.at(at, this, () => void this.locks.beat());
  }

  /** Stands still; its clock too, if it is a virtual machine. */
  pause(ms: number, clockToo = false): void {
    this.pausedUntil = Math.max(this.pausedUntil, this.world.now + ms);
    if (clockToo) this.behind += ms;
  }
}
