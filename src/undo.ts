import type { Log } from './context.ts';

/**
 * Compensation stack of one action. A step that changed something pushes how to take it back; failure and
 * signals run the stack in reverse, success forgets it.
 */
export class Undo {
  readonly #steps: { label: string; run: () => Promise<unknown> }[] = [];
  readonly #log: Log;
  readonly #failed: string[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** Returns a function that forgets this one step (e.g. after a thaw that has been done). */
  push(label: string, run: () => Promise<unknown>): () => void {
    const step = { label, run };
    this.#steps.push(step);
    return () => {
      const index = this.#steps.indexOf(step);
      if (index >= 0) this.#steps.splice(index, 1);
    };
  }

  get size(): number {
    return this.#steps.length;
  }

  /** Success: nothing is taken back any more. */
  commit(): void {
    this.#steps.length = 0;
  }

  /** Steps that could not be taken back. */
  get failed(): readonly string[] {
    return this.#failed;
  }

  /** Failure: newest first; a step that fails is logged and the others still run. */
  async rollback(): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        this.#log.info(`undo: ${step.label}`);
        await step.run();
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#log.warn(`undo failed: ${step.label}: ${reason}`);
        this.#failed.push(step.label);
      }
    }
  }
}
