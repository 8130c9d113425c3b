import type { Clock } from '../effects.ts';
import { nextPause } from '../pause.ts';

/**
 * Asks again in short, growing pauses (0.1 s to 2 s) until `probe` gives a value; undefined after `timeoutMs`. The last look is after that
 * time, never before: a probe that has used it up with work of its own is followed by another.
 * LINSTOR has no event for "resource ready", "clone done" or "in sync" (linstor-behaviour §3.18).
 */
export async function poll<T>(
  clock: Clock,
  timeoutMs: number,
  probe: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const end = clock.now() + timeoutMs;
  for (let pause = 100; ; pause = nextPause(pause)) {
    const isLast = clock.now() >= end;
    const value = await probe();
    if (value !== undefined) return value;
    if (isLast) return undefined;
    await clock.sleep(Math.max(0, Math.min(pause, end - clock.now())));
  }
}

/**
 * Tried again, after pauses that grow to 5 s, until it is done or `forMs` have passed; the last failure is thrown. `isFinal` tells a failure
 * that no repetition mends.
 */
export async function untilDone<T>(
  clock: Clock,
  forMs: number,
  work: () => Promise<T>,
  isFinal: (error: unknown) => boolean = () => false,
): Promise<T> {
  const end = clock.now() + forMs;
  for (let pause = 200; ; pause = nextPause(pause, 5_000)) {
    try {
      return await work();
    } catch (error) {
      if (isFinal(error) || clock.now() + pause > end) throw error;
      try {
        await clock.sleep(pause);
      } catch {
        // Stopped: what is told is what went wrong.
        throw error;
      }
    }
  }
}

const hiccupPauses = [100, 500] as const;

/** What is safe to repeat and must not fail for a hiccup is tried again after short, growing pauses: nobody comes back to it later. */
export async function persistently<T>(clock: Clock, work: () => Promise<T>): Promise<T> {
  for (const pause of hiccupPauses) {
    try {
      return await work();
    } catch {
      await clock.sleep(pause);
    }
  }
  return work();
}
