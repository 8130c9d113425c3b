import type { Log } from '../../effects.ts';
import type { RunClient } from '../cli/run.ts';
import type { Deadlines } from './http.ts';

export type CallHook = Log['call'];

/** What the caller lends to a `Linstor`. Everything is optional; tests set deadlines and the runner. */
export interface LinstorHooks {
  /** Called once for each external call, after it: the log line, and the count in tests. */
  readonly onCall?: CallHook;
  /** Ends calls when the action is stopped. */
  readonly signal?: AbortSignal;
  readonly deadlines?: Partial<Deadlines>;
  readonly sleep?: (ms: number) => Promise<void>;
  /** Runs LINBIT's client (TRANSPORT=cli). */
  readonly run?: RunClient;
  /** The environment that the client is given, without our own changes; default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export function sleepOf(hooks: LinstorHooks): (ms: number) => Promise<void> {
  return hooks.sleep ?? ((ms) => Bun.sleep(ms));
}
