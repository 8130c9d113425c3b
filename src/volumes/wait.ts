import type { Clock } from '../context.ts';

/**
 * Asks again in short, growing pauses (0.1 s to 2 s) until `probe` gives a value; undefined after `timeoutMs`.
 * LINSTOR has no event for "resource ready", "clone done" or "in sync" (linstor-behaviour §3.18).
 */
export async function poll<T>(
  clock: Clock,
  timeoutMs: number,
  probe: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const end = clock.now() + timeoutMs;
  for (let pause = 100; ; pause = Math.min(pause * 1.6, 2000)) {
    const value = await probe();
    if (value !== undefined) return value;
    const left = end - clock.now();
    if (left <= 0) return undefined;
    await clock.sleep(Math.min(pause, left));
  }
}
