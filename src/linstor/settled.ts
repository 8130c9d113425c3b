import type { Linstor } from './linstor.ts';
import { Outcome } from './outcome.ts';
import { isReplyLost } from './reply-lost.ts';

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
  place: 'repeat',
  createResource: 'repeat',
  deleteResource: 'repeat',
  makeAvailable: 'repeat',
  unmakeAvailable: 'repeat',
  toggleDisk: 'repeat',
  deleteSnapshot: 'repeat',
  rollback: 'repeat',
  createVolume: (linstor, name, number) => hasVolume(linstor, name, number),
  restoreVolumes: (linstor, _from, _snapshot, to) => hasVolume(linstor, to, 0),
};

async function hasVolume(linstor: Linstor, name: string, number: number): Promise<boolean> {
  const [definition] = await linstor.definitions({ names: [name] });
  return definition?.volumes.some((volume) => volume.number === number) ?? false;
}

/**
 * The same client, for which a connection that breaks before the answer is no failure where the state can tell what
 * happened: a controller that fails over, a proxy that restarts. An answer that is merely late stays one – the controller may be at work
 * on it still.
 */
export function settled(linstor: Linstor): Linstor {
  return new Proxy(linstor, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver);
      const check = settledWrites[name as keyof Linstor] as
        | ((linstor: Linstor, ...args: unknown[]) => Promise<boolean>)
        | 'repeat'
        | undefined;
      if (typeof method !== 'function') return method;
      const call = (...args: unknown[]): Promise<unknown> => Reflect.apply(method, target, args);
      if (check === undefined) return call;
      return async (...args: unknown[]) => {
        try {
          return await call(...args);
        } catch (error) {
          if (!isReplyLost(error) || error.late) throw error;
          if (check !== 'repeat' && (await check(target, ...args))) return new Outcome([]);
          return call(...args);
        }
      };
    },
  });
}
