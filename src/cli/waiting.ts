import type { Context } from '../context.ts';

/** Whoever waits longer than this is told for what. */
const quietMs = 2000;
const everyMs = 1000;

/** One line on a terminal that is written over, and cleared when nothing is waited for any more. */
export class Waiting {
  readonly #show: (text: string) => void;
  readonly #now: () => number;
  /** Since when, and for how many calls; the oldest first. */
  readonly #pending = new Map<string, { since: number; calls: number }>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #shown = false;

  constructor(show: (text: string) => void, now: () => number = Date.now) {
    this.#show = show;
    this.#now = now;
  }

  async during<T>(what: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#pending.get(what) ?? { since: this.#now(), calls: 0 };
    entry.calls += 1;
    this.#pending.set(what, entry);
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.tick(), everyMs);
      this.#timer.unref();
    }
    try {
      return await work();
    } finally {
      entry.calls -= 1;
      if (entry.calls === 0) this.#pending.delete(what);
      if (this.#pending.size === 0) this.#rest();
    }
  }

  /** What is said at this moment. */
  tick(): void {
    const long = [...this.#pending].filter(([, { since }]) => this.#now() - since >= quietMs);
    const oldest = long[0]?.[1].since;
    if (oldest === undefined) return;
    const seconds = Math.floor((this.#now() - oldest) / 1000);
    this.#shown = true;
    this.#show(`waiting for ${long.map(([what]) => what).join(', ')} (${seconds} s)`);
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#shown) this.#show('');
    this.#shown = false;
  }
}

/** The same effects; whoever waits for one of them sees it. */
export function watched(context: Context, waiting: Waiting): Context {
  return {
    ...context,
    one: watchedCalls(context.one, waiting, () => 'OpenNebula'),
    hosts: watchedCalls(context.hosts, waiting, (host) =>
      typeof host === 'string' ? `ssh to ${host}` : 'a command here',
    ),
    linstor: (settings) =>
      watchedCalls(
        context.linstor(settings),
        waiting,
        () => `LINSTOR at ${settings.controllers.join(', ') || 'localhost'}`,
      ),
  };
}

function watchedCalls<T extends object>(target: T, waiting: Waiting, what: (first: unknown) => string): T {
  return new Proxy(target, {
    get(object, name) {
      const member: unknown = Reflect.get(object, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, object, args);
        return result instanceof Promise ? waiting.during(what(args[0]), () => result) : result;
      };
    },
  });
}
