import type { Clock, Context, Log } from './context.ts';
import { DriverError } from './errors.ts';
import { Locks } from './hosts/lock.ts';
import { SshHosts } from './hosts/ssh.ts';
import { clientSettings } from './linstor/client-config.ts';
import type { Linstor } from './linstor/linstor.ts';
import { openLinstor } from './linstor/open.ts';
import { type DriverConfig, readConfig } from './opennebula/config-file.ts';
import { createOne } from './opennebula/oned.ts';
import { readSettings, secretsOf } from './opennebula/read-settings.ts';
import { findRemotes } from './opennebula/remotes.ts';
import type { ControllerSettings, Settings } from './opennebula/settings.ts';
import { readVersion } from './opennebula/version.ts';
import { Undo } from './undo.ts';

export interface RuntimeOptions {
  /** Name that the program was called by. */
  readonly argv0: string;
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

/** Where we are: configuration file, remotes, release. Throws BAD_CONFIG. */
export function readEnvironment(options: Pick<RuntimeOptions, 'argv0' | 'env'>): Environment {
  const remotes = findRemotes({ argv0: options.argv0, cwd: process.cwd(), env: options.env });
  const oneVersion = remotes === undefined ? undefined : readVersion(remotes);
  const config = readConfig({ env: options.env, client: clientSettings({ env: options.env }), ...(remotes === undefined ? {} : { remotes }) });
  return { config, ...(remotes === undefined ? {} : { remotes }), ...(oneVersion === undefined ? {} : { oneVersion }) };
}

/** The real effects. Nothing is contacted until it is used. */
export function createContext(options: RuntimeOptions, environment: Environment): Context {
  const { log, signal, env } = options;
  const clock = createClock(signal);
  const onCall: Log['call'] = (entry) => log.call(entry);
  const locks = new Locks({ clock, action: options.action });
  const clients = new Map<string, Linstor>();
  const undo = new Undo(log);
  return {
    log,
    clock,
    signal,
    undo,
    one: createOne({ env, version: environment.oneVersion, onCall, signal, ...varLocation(env) }),
    hosts: new SshHosts({ onCall, signal }),
    ...(environment.remotes === undefined ? {} : { remotes: environment.remotes }),
    ...(environment.oneVersion === undefined ? {} : { oneVersion: environment.oneVersion }),
    linstor: (settings) => cachedClient(clients, settings, () => openLinstor(settings, { onCall, signal, env })),
    settings: (...templates): Settings => {
      const settings = readSettings(environment.config, ...templates);
      options.onSecrets?.(secretsOf(settings));
      return settings;
    },
    // What a failure leaves is taken back before the lock is given away: a retry may be waiting for it.
    lock: (name, work, timeoutMs) =>
      locks.run(
        name,
        async () => {
          try {
            return await work();
          } catch (error) {
            await undo.rollback();
            throw error;
          }
        },
        timeoutMs,
      ),
  };
}

/** Self-contained installations keep oneadmin's files below ONE_LOCATION. */
function varLocation(env: RuntimeOptions['env']): { varLocation?: string } {
  const location = env['ONE_LOCATION']?.trim();
  return location ? { varLocation: `${location}/var` } : {};
}

function cachedClient(clients: Map<string, Linstor>, settings: ControllerSettings, open: () => Linstor): Linstor {
  const { controllers, certFile, keyFile, caFile, token, username, password, transport, linstorCommand } = settings;
  const key = JSON.stringify([controllers, certFile, keyFile, caFile, token, username, password, transport, linstorCommand]);
  const known = clients.get(key);
  if (known) return known;
  const client = open();
  clients.set(key, client);
  return client;
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
