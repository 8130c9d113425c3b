import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * What calls cost the satellites, and how long satellites hold calls up. Most of a real call's time is spent there: what a
 * controller answers from memory takes milliseconds, one pass on a busy node seconds.
 */

/** One call of the REST interface, as the satellites saw it. */
export interface CallWork {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Rounds of "apply this" that the call waited for, one after the other: passes of the device manager. */
  passes: number;
  /** Rounds of questions about sizes; views, and whatever looks for free space first. */
  asks: number;
  /** 0 while it runs. */
  status: number;
}

export type Totals = Pick<CallWork, 'passes' | 'asks'> & { readonly calls: number };

interface Running extends CallWork {
  /** Milliseconds by which slow satellites put the answer off. */
  delay: number;
  /** Hanging satellites that were told something. */
  readonly untold: Set<string>;
}

/** The connection to a satellite broke while a call waited for its answer. */
export class ConnectionBroke extends Error {}

/** Calls that are remembered. */
const KEPT = 5000;

interface Hang {
  /** True: it is back; false: the controller has given it up. */
  readonly over: Promise<boolean>;
  readonly end: (back: boolean) => void;
}

export class SatelliteWork {
  /** Node → seconds that each pass and each question takes there. */
  readonly slow = new Map<string, number>();
  readonly #hung = new Map<string, Hang>();
  readonly #running = new AsyncLocalStorage<Running>();
  readonly #queues = new Map<string, Promise<unknown>>();
  #calls: Running[] = [];
  #totals = { calls: 0, passes: 0, asks: 0 };

  /** Runs a call; what happens meanwhile on its behalf is counted for it. */
  async during<T extends { readonly status: number }>(
    call: { readonly method: string; readonly path: string },
    work: () => Promise<T>,
  ): Promise<T> {
    const { method, path } = call;
    const running: Running = { method, path, passes: 0, asks: 0, status: 0, delay: 0, untold: new Set() };
    this.#calls = [...this.#calls.slice(1 - KEPT), running];
    this.#totals.calls += 1;
    const answer = await this.#running.run(running, work);
    running.status = answer.status;
    return answer;
  }

  /** The calls so far, oldest first. */
  calls(): CallWork[] {
    return this.#calls.map(({ method, path, passes, asks, status }) => ({
      method,
      path,
      passes,
      asks,
      status,
    }));
  }

  totals(): Totals {
    return { ...this.#totals };
  }

  forget(): void {
    this.#calls = [];
    this.#totals = { calls: 0, passes: 0, asks: 0 };
  }

  /** A round on these nodes has begun. */
  pass(nodes: readonly string[]): void {
    if (nodes.length === 0) return;
    const running = this.#running.getStore();
    if (!running) return;
    running.passes += 1;
    this.#totals.passes += 1;
    running.delay += this.#slowest(nodes);
  }

  /** Something that goes to a hanging satellite: the call is answered when that is over. */
  untold(node: string): void {
    this.#running.getStore()?.untold.add(node);
  }

  /** Asks satellites and waits for all of them. */
  async ask(nodes: readonly string[]): Promise<void> {
    if (nodes.length === 0) return;
    const running = this.#running.getStore();
    if (running) running.asks += 1;
    this.#totals.asks += 1;
    await Bun.sleep(this.#slowest(nodes));
    await this.#hangsOver(nodes);
  }

  /** Until the satellites have done what the call told them; outside of the controller's locks. */
  async settle(): Promise<void> {
    const running = this.#running.getStore();
    if (!running) return;
    if (running.delay > 0) await Bun.sleep(running.delay);
    await this.#hangsOver([...running.untold]);
  }

  /** Until none of them hangs any more, be it that it is back or known to be dead. */
  async recovered(hanging: () => readonly string[]): Promise<void> {
    for (let nodes = hanging(); nodes.length > 0; nodes = hanging())
      await Promise.all(nodes.map((node) => this.#hung.get(node)?.over));
  }

  /** Snapshots of one resource: strictly one after the other, each until its I/O goes on again. */
  async inTurn<T>(resources: readonly string[], work: () => Promise<T>): Promise<T> {
    const names = resources.map((name) => name.toUpperCase());
    const before = Promise.allSettled(names.map((name) => this.#queues.get(name)));
    const mine = before.then(work);
    const after = mine.catch(() => undefined);
    for (const name of names) this.#queues.set(name, after);
    try {
      return await mine;
    } finally {
      for (const name of names) if (this.#queues.get(name) === after) this.#queues.delete(name);
    }
  }

  /** The call goes on so much later. */
  delay(seconds: number): void {
    const running = this.#running.getStore();
    if (running) running.delay += seconds * 1000;
  }

  isHung(node: string): boolean {
    return this.#hung.has(node);
  }

  get hung(): string[] {
    return [...this.#hung.keys()];
  }

  hang(node: string): void {
    if (this.#hung.has(node)) return;
    let end: (back: boolean) => void = () => undefined;
    const over = new Promise<boolean>((resolve) => {
      end = resolve;
    });
    this.#hung.set(node, { over, end });
  }

  /** It answers again, or the controller has given it up. */
  endHang(node: string, back: boolean): void {
    const hang = this.#hung.get(node);
    this.#hung.delete(node);
    hang?.end(back);
  }

  #slowest(nodes: readonly string[]): number {
    return Math.max(0, ...nodes.map((node) => (this.slow.get(node) ?? 0) * 1000));
  }

  async #hangsOver(nodes: readonly string[]): Promise<void> {
    const waits = nodes.flatMap((node) => this.#hung.get(node)?.over ?? []);
    if ((await Promise.all(waits)).includes(false)) throw new ConnectionBroke();
  }
}
