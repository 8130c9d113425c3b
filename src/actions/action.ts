import type { ActionKind, Call } from '../call.ts';
import type { Context } from '../context.ts';

export type { ActionKind, Call };

/**
 * Does the action. Resolves with the one reply line for stdout (without line break), or with nothing. Throws
 * to fail; the dispatcher then runs the undo stack and reports the error.
 */
export type ActionHandler = (call: Call, context: Context) => Promise<string | undefined>;

export interface ActionDefinition {
  readonly kind: ActionKind;
  readonly name: string;
  /** Suffixes that are installed as names of their own (`clone.ssh`); contract §1.3, §3.1. */
  readonly variants: readonly string[];
  readonly summary: string;
  /** Loaded on demand: an action pays only for itself. */
  readonly load: () => Promise<ActionHandler>;
}
