import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '../../effects.ts';
import { DriverError, toDriverError } from '../../errors.ts';
import type { FrontEnd } from '../../hosts/front-end.ts';
import { nextPause, spread } from '../../pause.ts';
import {
  type Entry,
  heldKey,
  heldValue,
  living,
  lostKey,
  lostValue,
  readEntries,
  type Snapshot,
} from './entries.ts';

/** A key-value store of a controller: each call is one step, and a reading sees all of it at one moment (linstor-behaviour §3.15). */
export interface LockStore {
  /** Of the controller and the store, the same on every front-end. */
  readonly name: string;
  read(): Promise<Readonly<Record<string, string>>>;
  modify(change: {
    readonly set?: Readonly<Record<string, string>>;
    readonly unset?: readonly string[];
  }): Promise<unknown>;
}

export interface SharedLocksOptions {
  readonly clock: Clock;
  readonly frontEnd: FrontEnd;
  readonly pid?: number;
  /** Shown to whoever waits: `tm/clone`. */
  readonly action: string;
  /** Told once when a lock of ours was taken over. */
  readonly onLost?: (error: DriverError) => void;
  readonly warn?: (text: string) => void;
  /** An owner that gives no sign of life for so long is taken for dead. Milliseconds. */
  readonly leaseMs?: number;
  /** After that, what it may just have sent is waited for. */
  readonly settleMs?: number;
  /** Between two signs of life. */
  readonly beatMs?: number;
}

/** What an entry said, and since when by our own clock. By id of the entry. */
type Watched = Map<string, { readonly value: string; readonly since: number }>;

/** Three signs of life may go missing. */
const defaultLeaseMs = 20_000;
const defaultSettleMs = 10_000;
const defaultBeatMs = 5_000;
/** Between two looks at a lock that another one has. */
const pauses = { first: 50, most: 1000 } as const;
const defaultTimeoutMs = 60_000;

/** A lock that is held, or asked for. */
interface Lease {
  readonly store: LockStore;
  readonly lock: string;
  id: string;
  beat: number;
  readonly since: number;
  /** When the store was last told that we live; by our clock. */
  told: number;
  lost?: DriverError;
}

/**
 * Locks that hold across front-ends, in a store that knows no compare-and-set. Who wants one writes an entry of its own and then reads all: it owns
 * the lock if no other entry of it is there. Of two that write at the same time the one that reads later sees both, so never do two
 * own it; of those that wait for each other, all but the oldest step back. An owner gives signs of life. One that gives none while
 * another front-end watches for `leaseMs`, by that one's own clock, is fenced: a second entry says that the first does not count, which the fenced owner
 * cannot take back by whatever it still writes. It finds out by `check`, which everything that changes something asks first; what it had asked for and sent
 * right before has some seconds to arrive, which whoever comes next waits.
 */
export class SharedLocks {
  readonly #options: SharedLocksOptions;
  readonly #leaseMs: number;
  readonly #settleMs: number;
  readonly #beatMs: number;
  readonly #work = new AsyncLocalStorage<readonly Lease[]>();
  readonly #leases = new Set<Lease>();
  /** Of this process: two clients may lead to one controller. */
  readonly #ids = new Set<string>();
  /** Signs of life and giving up, one after the other: a late sign must not bring an entry back. */
  #turn: Promise<unknown> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SharedLocksOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? defaultLeaseMs;
    this.#settleMs = options.settleMs ?? defaultSettleMs;
    this.#beatMs = options.beatMs ?? defaultBeatMs;
  }

  /** Work under this lock in all these stores. Throws LOCK_TIMEOUT naming the holder; LINSTOR's own errors when a store does not answer. */
  async run<T>(
    lock: string,
    stores: readonly LockStore[],
    work: () => Promise<T>,
    timeoutMs = defaultTimeoutMs,
  ): Promise<T> {
    const held = this.#work.getStore() ?? [];
    const missing = stores
      .filter((store) => !held.some((lease) => lease.lock === lock && lease.store.name === store.name))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const taken: Lease[] = [];
    try {
      for (const store of missing) taken.push(await this.#acquire(store, lock, timeoutMs));
      return await this.#work.run([...held, ...taken], work);
    } finally {
      for (const lease of taken.reverse()) await this.#giveUp(lease);
    }
  }

  /**
   * Are all locks still ours under which this is called, and for a while? Reads the stores, for only they know: a machine that stood still has a
   * clock that stood still. Throws LOCK_LOST; LINSTOR's own errors when a store does not answer.
   */
  async check(): Promise<void> {
    const leases = this.#work.getStore() ?? [];
    for (const [store, group] of Map.groupBy(leases, (lease) => lease.store)) {
      const lost = group.find((lease) => lease.lost);
      if (lost?.lost) throw lost.lost;
      await this.#lookUntilSure(store, group);
    }
  }

  /** An answer that was long under way, or waited for us, says nothing any more: who has taken over waits only so long for what we send now. */
  async #lookUntilSure(store: LockStore, leases: readonly Lease[]): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      const asked = clock.now();
      await this.#look(store, leases);
      if (clock.now() - asked <= this.#settleMs / 2) return;
    }
  }

  /** Marks what is lost; throws the first. */
  async #look(store: LockStore, leases: readonly Lease[]): Promise<void> {
    let seen = readEntries(await store.read());
    const hidden = (lease: Lease): boolean => !isThere(seen, lease) && !isFenced(seen, lease);
    // A list that the controller could not make comes as an empty one (linstor-behaviour §3.15).
    if (leases.some(hidden)) {
      await this.#options.clock.sleep(pauses.first);
      seen = readEntries(await store.read());
    }
    for (const lease of leases) if (!isThere(seen, lease) || isFenced(seen, lease)) this.#lose(lease, seen);
    const lost = leases.find((lease) => lease.lost)?.lost;
    if (lost) throw lost;
  }

  #lose(lease: Lease, seen: Snapshot): void {
    if (lease.lost) return;
    const by = seen.lost.find((each) => isOf(each, lease));
    const why = by
      ? `front-end ${by.by} has taken it over, for it had heard nothing of this one for ${this.#leaseMs / 1000} s`
      : 'its entry is gone from LINSTOR’s key-value store';
    lease.lost = new DriverError(
      'LOCK_LOST',
      `the lock on ${lease.lock} is not held any more: ${why}; nothing more is changed`,
    );
    this.#options.onLost?.(lease.lost);
  }

  async #acquire(store: LockStore, lock: string, timeoutMs: number): Promise<Lease> {
    const { clock } = this.#options;
    const started = clock.now();
    const lease: Lease = { store, lock, id: newId(started), beat: 0, since: started, told: started };
    const watched: Watched = new Map();
    let until = started + timeoutMs;
    let pause: number = pauses.first;
    this.#ids.add(lease.id);
    try {
      await this.#tell(store, [lease]);
      for (let announced = true; ; ) {
        const asked = clock.now();
        const seen = readEntries(await store.read());
        const others = living(seen).filter((entry) => entry.lock === lock && !this.#ids.has(entry.id));
        if (isFenced(seen, lease)) {
          // Others took us for dead while we waited. That id is spent.
          await store.modify({ unset: [heldKey(lease), lostKey(lease)] });
          this.#ids.delete(lease.id);
          lease.id = newId(clock.now());
          this.#ids.add(lease.id);
          announced = false;
        }
        announced &&= isThere(seen, lease);
        const settling = others.length === 0 && (await this.#isSettling(lease, seen, watched, asked));
        if (announced && others.length === 0 && !settling) {
          this.#leases.add(lease);
          this.#arm();
          return lease;
        }
        if (await this.#fenceDead(store, others, watched, asked)) continue;
        // Of those that wait for each other the oldest stays, and the others step back until it is gone.
        const elder = others.some((entry) => entry.id < lease.id);
        if (!elder && (!announced || clock.now() - lease.told >= this.#beatMs)) {
          await this.#tell(store, [lease]);
          if (!announced) pause = pauses.first;
          announced = true;
        }
        if (elder && announced) {
          await store.modify({ unset: [heldKey(lease)] });
          announced = false;
        }
        until = Math.max(until, this.#mayExpire(others, watched));
        // With nobody in the way it is a matter of one more answer, unless our own entry does not show.
        const end = others.length > 0 ? until : until + this.#leaseMs + this.#settleMs;
        if (clock.now() >= end) throw this.#timedOut(lock, timeoutMs, others[0], watched);
        await clock.sleep(spread(pause));
        pause = nextPause(pause, pauses.most);
      }
    } catch (error) {
      await this.#giveUp(lease);
      throw this.#unavailable(lock, store, error);
    }
  }

  /**
   * Is there an owner that was fenced only now? It may have asked just before, and have sent something since: that has `settleMs` to arrive. Whoever
   * has waited so long says so, and nobody waits for that one again.
   */
  async #isSettling(
    { lock, store }: Lease,
    seen: Snapshot,
    watched: Watched,
    asked: number,
  ): Promise<boolean> {
    const fresh = seen.lost.filter((each) => each.lock === lock && !each.settled);
    if (fresh.length === 0) return false;
    const now = this.#options.clock.now();
    const waits = fresh.filter(({ id }) => {
      const key = `lost ${id}`;
      const before = watched.get(key);
      if (!before) watched.set(key, { value: '', since: now });
      return !before || asked - before.since < this.#settleMs;
    });
    if (waits.length > 0) return true;
    const set = Object.fromEntries(
      fresh.map((each) => [lostKey(each), lostValue({ ...each, settled: true })]),
    );
    await store.modify({ set });
    return false;
  }

  /** Owners of whom nothing is heard. True when there was one. */
  async #fenceDead(
    store: LockStore,
    others: readonly Entry[],
    watched: Watched,
    asked: number,
  ): Promise<boolean> {
    const { clock, frontEnd } = this.#options;
    const now = clock.now();
    const dead = others.filter((entry) => {
      // Whoever is here holds this front-end's lock file, which a process gives up only by ending.
      if (entry.identity === frontEnd.identity) return true;
      const value = heldValue(entry);
      const before = watched.get(entry.id);
      // From an answer that was there to a question that was not yet sent: no standing still of ours counts as the owner's silence.
      if (before?.value === value) return asked - before.since >= this.#leaseMs;
      watched.set(entry.id, { value, since: now });
      return false;
    });
    if (dead.length === 0) return false;
    for (const entry of dead)
      this.#options.warn?.(
        `the lock on ${entry.lock} is taken over from process ${entry.pid} (${entry.action}) of front-end ${entry.host}, which is gone`,
      );
    const value = lostValue({ by: frontEnd.name, at: now, settled: false });
    // Over LINBIT's client these are several steps: what fences comes first.
    const doubtful = dead.filter((entry) => entry.identity !== frontEnd.identity);
    if (doubtful.length > 0)
      await store.modify({ set: Object.fromEntries(doubtful.map((entry) => [lostKey(entry), value])) });
    await store.modify({ unset: dead.map(heldKey) });
    return true;
  }

  /** An owner that may be dead is waited for until that is certain. */
  #mayExpire(others: readonly Entry[], watched: Watched): number {
    const now = this.#options.clock.now();
    const silent = others.flatMap((entry) => watched.get(entry.id)?.since ?? []);
    const oldest = Math.min(...silent, now);
    return now - oldest > 2 * this.#beatMs ? oldest + this.#leaseMs + pauses.most : 0;
  }

  #entry(lease: Lease): Entry {
    const { frontEnd, action, pid = process.pid, clock } = this.#options;
    const { lock, id, beat, since } = lease;
    const { identity, name: host } = frontEnd;
    return { lock, id, beat, identity, host, pid, action, since, seen: clock.now() };
  }

  async #tell(store: LockStore, leases: readonly Lease[]): Promise<void> {
    const now = this.#options.clock.now();
    const set: Record<string, string> = {};
    for (const lease of leases) {
      lease.beat += 1;
      set[heldKey(lease)] = heldValue(this.#entry(lease));
    }
    await store.modify({ set });
    for (const lease of leases) lease.told = now;
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#leases.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.beat().finally(() => this.#arm());
    }, this.#beatMs);
    this.#timer.unref?.();
  }

  /** A sign of life for all that is held. A store that does not answer is told the next time: nobody else can watch it meanwhile. */
  beat(): Promise<void> {
    return this.#inTurn(async () => {
      const leases = [...this.#leases].filter((lease) => !lease.lost);
      for (const [store, group] of Map.groupBy(leases, (lease) => lease.store)) {
        try {
          await this.#look(store, group);
          await this.#tell(store, group);
        } catch (error) {
          if (toDriverError(error).code !== 'LOCK_LOST')
            this.#options.warn?.(
              `no sign of life for the locks in ${store.name}: ${toDriverError(error).message}`,
            );
        }
      }
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  /** What cannot be taken away is taken for dead by others after a while, and is cleared away by gc. */
  async #giveUp(lease: Lease): Promise<void> {
    this.#leases.delete(lease);
    if (this.#leases.size === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    try {
      await this.#inTurn(() => lease.store.modify({ unset: [heldKey(lease), lostKey(lease)] }));
    } catch (error) {
      this.#options.warn?.(
        `the lock on ${lease.lock} could not be given back: ${toDriverError(error).message}`,
      );
    } finally {
      this.#ids.delete(lease.id);
    }
  }

  #timedOut(lock: string, timeoutMs: number, holder: Entry | undefined, watched: Watched): DriverError {
    const silent = holder && watched.get(holder.id);
    const heard = silent
      ? `, last heard of ${Math.round((this.#options.clock.now() - silent.since) / 1000)} s ago`
      : '';
    const by = holder
      ? `; held by process ${holder.pid} (${holder.action}) of front-end ${holder.host}${heard}`
      : '';
    return new DriverError('LOCK_TIMEOUT', `no lock on ${lock} after ${timeoutMs / 1000} s${by}`);
  }

  #unavailable(lock: string, store: LockStore, error: unknown): DriverError {
    const cause = toDriverError(error);
    if (cause.code === 'LOCK_TIMEOUT' || cause.code === 'INTERRUPTED') return cause;
    return new DriverError(
      cause.code,
      `${lock} could not be locked in LINSTOR’s key-value store ${store.name}; nothing was changed: ${cause.message}`,
      { details: cause.details, reports: cause.reports, remedy: cause.remedy, cause },
    );
  }
}

/** Sorts by age, as far as the clocks of the front-ends agree; nothing but fairness depends on it. */
const newId = (now: number): string =>
  `${Math.floor(now).toString(36).padStart(9, '0')}-${crypto.randomUUID().slice(0, 13).replace('-', '')}`;

const isOf = (each: { lock: string; id: string }, lease: Lease): boolean =>
  each.lock === lease.lock && each.id === lease.id;
const isThere = (seen: Snapshot, lease: Lease): boolean => seen.held.some((entry) => isOf(entry, lease));
const isFenced = (seen: Snapshot, lease: Lease): boolean => seen.lost.some((each) => isOf(each, lease));
