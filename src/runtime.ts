import type { Context } from './context.ts';
import type { Clock, Log } from './effects.ts';
import { DriverError } from './errors.ts';
import { guarded } from './guarded.ts';
import type { Hosts } from './hosts/hosts.ts';
import { SshHosts } from './hosts/ssh.ts';
import { configuredName } from './hosts/this-machine.ts';
import { type ClientSettings, clientSettings } from './linstor/client-config.ts';
import type { Ledger } from './linstor/ledger.ts';
import type { Linstor } from './linstor/linstor.ts';
import { lockStore } from './linstor/locks/entries.ts';
import { changesSomething } from './linstor/readings.ts';
import { ActionLocks } from './locks.ts';
import { type DriverConfig, readConfig } from './opennebula/config-file.ts';
import { misspeltIn, misspeltText } from './opennebula/misspelt.ts';
import type { One } from './opennebula/one.ts';
import { readSettings, secretsOf } from './opennebula/read-settings.ts';
import { findRemotes } from './opennebula/remotes.ts';
import type { ControllerSettings, Settings } from './opennebula/settings.ts';
import { readVersion } from './opennebula/version.ts';
import { Undo } from './undo.ts';

export interface RuntimeOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Shown to whoever waits for a lock: `tm/clone 7`. */
  readonly action: string;
  /** Told the passwords and tokens that must not appear in what is written. */
  readonly onSecrets?: (secrets: readonly string[]) => void;
}

export interface Environment {
  readonly config: DriverConfig;
  readonly remotes?: string;
  readonly oneVersion?: string;
}

/** Where we are (`argv0`: the path by which the program was called): configuration file, remotes, release. Throws BAD_CONFIG. */
export function readEnvironment(options: { argv0: string; env: RuntimeOptions['env'] }): Environment {
  const remotes = findRemotes({ argv0: options.argv0, cwd: process.cwd(), env: options.env });
  const oneVersion = remotes === undefined ? undefined : readVersion(remotes);
  const config = readConfig({ env: options.env, ...(remotes === undefined ? {} : { remotes }) });
  return {
    config: withClient(config, options.env),
    ...(remotes === undefined ? {} : { remotes }),
    ...(oneVersion === undefined ? {} : { oneVersion }),
  };
}

/** The client's own configuration is read with the first settings: an action that needs none does not look for four files. */
function withClient(config: DriverConfig, env: RuntimeOptions['env']): DriverConfig {
  let client: ClientSettings | undefined;
  return {
    ...config,
    get client() {
      client ??= clientSettings({ env });
      return client;
    },
  };
}

/** The real effects. Nothing is contacted until it is used. */
export function createContext(options: RuntimeOptions, environment: Environment): Context {
  const { log, env } = options;
  const lost = new AbortController();
  const signal = AbortSignal.any([options.signal, lost.signal]);
  const clock = createClock(signal);
  const onCall: Log['call'] = (entry) => log.call(entry);
  const clients = new Map<string, Opened>();
  const ownSettings = (): Settings => readSettings(environment.config);
  const locks = new ActionLocks({
    env,
    clock,
    log,
    action: options.action,
    wanted: () => ownSettings().sharedLocks,
    stores: () => {
      const store = lockStore(ownSettings().namePrefix);
      return [...clients.values()].map(({ plain, name }) => ({
        name: `${store} of ${name}`,
        read: async () => (await plain()).keyValues(store),
        modify: async (change) => (await plain()).modifyKeyValues(store, change),
      }));
    },
    onLost: (error) => lost.abort(error),
  });
  const check = (): Promise<void> => locks.check();
  const ledgers: Ledger[] = [];
  const undo = new Undo(log);
  const warned = new Set<string>();
  const warnOnce = (template: Readonly<Record<string, string>>): void => {
    for (const found of misspeltIn(template)) {
      const text = misspeltText(template, found);
      if (!warned.has(text)) log.warn(text);
      warned.add(text);
    }
  };
  return {
    log,
    clock,
    signal,
    undo,
    one: lazily<One>(async () => {
      const { createOne } = await import('./opennebula/oned.ts');
      return createOne({
        env,
        version: environment.oneVersion,
        onCall,
        signal,
        sleep: clock.sleep,
        ...varLocation(env),
      });
    }),
    hosts: guarded<Hosts>(
      new SshHosts({ onCall, signal, nameByOned: () => configuredName(env) }),
      (method) => method === 'run' || method === 'local',
      check,
    ),
    ...(environment.remotes === undefined ? {} : { remotes: environment.remotes }),
    ...(environment.oneVersion === undefined ? {} : { oneVersion: environment.oneVersion }),
    linstor: (settings) =>
      cachedClient(clients, settings, () => {
        const open = once(async () => {
          const [{ openLinstor }, { settled }, { Ledger }] = await Promise.all([
            import('./linstor/open.ts'),
            import('./linstor/retry-lost-replies.ts'),
            import('./linstor/ledger.ts'),
          ]);
          const plain = openLinstor(settings, { onCall, signal, env, sleep: clock.sleep });
          // Asked before each request, one that is sent again too.
          const checked = guarded(plain, changesSomething, check);
          const ledger = new Ledger(settled(checked, clock.sleep));
          ledgers.push(ledger);
          return { plain: settled(plain, clock.sleep), client: ledger.client };
        });
        const { transport, controllers } = settings;
        return {
          name: controllers.join(','),
          plain: async () => (await open()).plain,
          client: lazily<Linstor>(async () => (await open()).client, { transport }),
        };
      }),
    settings: (...templates): Settings => {
      const settings = readSettings(environment.config, ...templates);
      options.onSecrets?.(secretsOf(settings));
      if (warns(options.action)) for (const template of templates) warnOnce(template);
      return settings;
    },
    confirm: async () => {
      for (const ledger of ledgers) await ledger.confirm();
    },
    // What a failure leaves is taken back before the lock is given away: a retry may be waiting for it.
    lock: (name, work, timeoutMs) => locks.run(name, () => undo.within(work), timeoutMs),
  };
}

/** Not every minute, and not beside what doctor says. */
const warns = (action: string): boolean => action.includes('/') && !action.endsWith('/monitor');

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/**
 * An object of asynchronous methods that is loaded with the first call of one: an action that only reads its message, or fails
 * at that, pays for no client. `known`: properties that are no methods.
 */
function lazily<T extends object>(load: () => Promise<T>, known: Partial<T> = {}): T {
  const loaded = once(load);
  return new Proxy(known as T, {
    get(target, name, receiver) {
      // Never mistaken for a promise.
      if (name === 'then' || name in target) return Reflect.get(target, name, receiver);
      return async (...args: unknown[]) => {
        const object = await loaded();
        const method: unknown = Reflect.get(object, name);
        if (typeof method !== 'function') throw new TypeError(`${String(name)} is not a method`);
        return Reflect.apply(method, object, args);
      };
    },
  });
}

/** Self-contained installations keep oneadmin's files below ONE_LOCATION. */
function varLocation(env: RuntimeOptions['env']): { varLocation?: string } {
  const location = env['ONE_LOCATION']?.trim();
  return location ? { varLocation: `${location}/var` } : {};
}

/** A LINSTOR that the action may use. */
interface Opened {
  /** Of its controllers; the same on every front-end. */
  readonly name: string;
  readonly client: Linstor;
  /** For the locks themselves. */
  readonly plain: () => Promise<Linstor>;
}

function cachedClient(
  clients: Map<string, Opened>,
  settings: ControllerSettings,
  open: () => Opened,
): Linstor {
  const { controllers, certFile, keyFile, caFile, token, username, password, transport, linstorCommand } =
    settings;
  const key = JSON.stringify([
    controllers,
    certFile,
    keyFile,
    caFile,
    token,
    username,
    password,
    transport,
    linstorCommand,
  ]);
  const known = clients.get(key);
  if (known) return known.client;
  const opened = open();
  clients.set(key, opened);
  return opened.client;
}

/** A wait that has begun ends with the action; one that begins later belongs to an undo step and runs its course. */
export function createClock(signal: AbortSignal): Clock {
  return {
    now: () => Date.now(),
    sleep: (ms) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          setTimeout(resolve, ms);
          return;
        }
        const stop = (): void => {
          clearTimeout(timer);
          reject(new DriverError('INTERRUPTED', 'the action was stopped while it waited'));
        };
        const timer = setTimeout(() => {
          signal.removeEventListener('abort', stop);
          resolve();
        }, ms);
        signal.addEventListener('abort', stop, { once: true });
      }),
  };
}
