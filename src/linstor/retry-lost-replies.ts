import { isLinstorError } from './error.ts';
import type { Linstor } from './linstor.ts';
import type { ResourceName } from './names.ts';
import { Outcome } from './outcome.ts';
import { isReplyLost } from './reply-lost.ts';
import {
  awaitSatellites,
  isGivenUp,
  isWithoutSatellite,
  offlineError,
  satellitesAway,
} from './satellites.ts';

/** By method: was the lost request carried out? Undefined: it may simply be sent again (linstor-behaviour §7.1). */
type Check<K extends keyof Linstor> = Linstor[K] extends (...args: infer A) => Promise<Outcome>
  ? ((linstor: Linstor, ...args: A) => Promise<boolean>) | 'repeat'
  : never;

type Settled = { readonly [K in keyof Linstor]?: Check<K> };

/**
 * Writes that a lost answer need not fail. Left out on purpose: `createSnapshot` (a snapshot of that name may be an older one:
 * its caller takes it anew), `restoreResources` (that the replicas are there does not say that they were not made empty), `spawn` and `clone`
 * (several steps in one call).
 */
const settledWrites: Settled = {
  // An existing one is refused with 501; the caller knows its own by a mark.
  createDefinition: 'repeat',
  modifyDefinition: 'repeat',
  deleteDefinition: 'repeat',
  resizeVolume: 'repeat',
  modifyVolume: 'repeat',
  modifyKeyValues: 'repeat',
  place: 'repeat',
  createResource: 'repeat',
  deleteResource: 'repeat',
  makeAvailable: 'repeat',
  unmakeAvailable: 'repeat',
  toggleDisk: 'repeat',
  evacuateNode: 'repeat',
  restoreNode: 'repeat',
  deleteSnapshot: 'repeat',
  rollback: 'repeat',
  createVolume: (linstor, name, number) => hasVolume(linstor, name, number),
  restoreVolumes: (linstor, _from, _snapshot, to) => hasVolume(linstor, to, 0),
};

async function hasVolume(linstor: Linstor, name: ResourceName, number: number): Promise<boolean> {
  const [definition] = await linstor.definitions({ names: [name] });
  return definition?.volumes.some((volume) => volume.number === number) ?? false;
}

/**
 * The same client, for which a connection that breaks before the answer is no failure where the state can tell what
 * happened: a controller that fails over, a proxy that restarts. An answer that is merely late stays one – the controller may be at work
 * on it still. A deletion that failed on a satellite is tried once more.
 */
export function settled(linstor: Linstor, sleep = (ms: number): Promise<void> => Bun.sleep(ms)): Linstor {
  return new Proxy(linstor, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver);
      const check = settledWrites[name as keyof Linstor] as
        | ((linstor: Linstor, ...args: unknown[]) => Promise<boolean>)
        | 'repeat'
        | undefined;
      if (typeof method !== 'function') return method;
      const call = (...args: unknown[]): Promise<unknown> => Reflect.apply(method, target, args);
      if (check === undefined && !callersWrites.has(name)) return call;
      return async (...args: unknown[]) => {
        try {
          return await (check === 'repeat' ? onceMore(() => call(...args)) : call(...args));
        } catch (error) {
          if (isWithoutSatellite(error)) {
            await explainAway(target, sleep, error, check === 'repeat' || name === 'createSnapshot');
            return call(...args);
          }
          if (deletions.has(name) && isLinstorError(error, 'FAIL_UNKNOWN_ERROR')) {
            await sleep(settlingMs);
            return call(...args);
          }
          if (check === undefined || !isReplyLost(error) || error.late) throw error;
          if (check !== 'repeat' && (await check(target, ...args))) return new Outcome([]);
          return call(...args);
        }
      };
    },
  });
}

/**
 * What these remove is marked before satellites work on it, and stays marked when one fails: the same call again goes on
 * where it stopped. DRBD refuses to forget a peer that is going away at that moment, and a busy node's tools run into
 * LINSTOR's time limit.
 */
const deletions: ReadonlySet<string | symbol> = new Set<keyof Linstor>([
  'deleteDefinition',
  'deleteResource',
  'deleteSnapshot',
]);
const settlingMs = 3000;

/** A write that may be carried out twice, whose satellite was given up while it waited for it. */
async function onceMore(write: () => Promise<unknown>): Promise<unknown> {
  try {
    return await write();
  } catch (error) {
    if (!isGivenUp(error)) throw error;
    return write();
  }
}

/** Writes whose lost answers are their callers' business. */
const callersWrites: ReadonlySet<string | symbol> = new Set<keyof Linstor>([
  'createSnapshot',
  'restoreResources',
  'spawn',
  'clone',
]);

/** Returns when the write may be sent again, because the satellites that were away are back. Throws otherwise. */
async function explainAway(
  linstor: Linstor,
  sleep: (ms: number) => Promise<void>,
  error: unknown,
  mayRepeat: boolean,
): Promise<void> {
  const away = await satellitesAway(linstor);
  if (away.length === 0) throw error;
  if (!mayRepeat) throw offlineError(error, away);
  const still = await awaitSatellites(linstor, sleep);
  if (still.length > 0) throw offlineError(error, still);
}
