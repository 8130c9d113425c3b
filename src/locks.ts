import type { Clock, Log } from './effects.ts';
import type { DriverError } from './errors.ts';
import { isOneOfSeveral, thisFrontEnd } from './hosts/front-end.ts';
import type { Locks } from './hosts/lock.ts';
import type { LockStore, SharedLocks } from './linstor/locks/shared.ts';

export interface ActionLocksOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
  /** Shown to whoever waits: `tm/clone`. */
  readonly action: string;
  /** SHARED_LOCKS */
  readonly wanted: () => 'auto' | 'yes' | 'no';
  /** Of the LINSTORs that have been opened so far. */
  readonly stores: () => readonly LockStore[];
  readonly onLost: (error: DriverError) => void;
}

interface Both {
  readonly local: Locks;
  /** Absent where this front-end is the only one. */
  readonly shared?: SharedLocks;
}

/** The locks of an action: those of this front-end, and within them, where there are others, those that hold across front-ends. */
export class ActionLocks {
  readonly #options: ActionLocksOptions;
  #both: Promise<Both> | undefined;
  #shared: SharedLocks | undefined;

  constructor(options: ActionLocksOptions) {
    this.#options = options;
  }

  async run<T>(name: string, work: () => Promise<T>, timeoutMs?: number): Promise<T> {
    this.#both ??= this.#load();
    const { local, shared } = await this.#both;
    const stores = shared ? this.#options.stores() : [];
    const inner = shared && stores.length > 0 ? () => shared.run(name, stores, work, timeoutMs) : work;
    return local.run(name, inner, timeoutMs);
  }

  /** Throws LOCK_LOST. Costs nothing where nothing is locked across front-ends. */
  async check(): Promise<void> {
    await this.#shared?.check();
  }

  async #load(): Promise<Both> {
    const { env, clock, log, action, wanted, onLost } = this.#options;
    const { lockDirectory, Locks: LocalLocks } = await import('./hosts/lock.ts');
    // Several OpenNebulas on one machine (a lab, a test) must not wait for each other.
    const directory = env['LINSTOR_UN_LOCKS'] || lockDirectory();
    const local = new LocalLocks({ clock, action, directory });
    const choice = wanted();
    if (choice === 'no' || (choice === 'auto' && !isOneOfSeveral(env))) return { local };
    const { SharedLocks: Across } = await import('./linstor/locks/shared.ts');
    const frontEnd = thisFrontEnd(directory);
    this.#shared = new Across({ clock, action, frontEnd, onLost, warn: (text) => log.warn(text) });
    return { local, shared: this.#shared };
  }
}
