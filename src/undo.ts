import type { AsyncLocalStorage } from 'node:async_hooks';
import type { Log } from './effects.ts';

interface Step {
  readonly label: string;
  readonly run: () => Promise<unknown>;
  /** Works in which it was pushed, outermost first. */
  readonly works: readonly symbol[];
  readonly about: About;
}

/** What a step is about, where one step makes another needless. */
export interface About {
  /** Removes this object as a whole. */
  readonly removes?: string;
  /** Changes this object only: not worth while if it is removed next. */
  readonly part?: string;
}

/**
 * Compensation stack of one action. A step that changed something pushes how to take it back; failure and
 * signals run the stack in reverse, success forgets it.
 */
export class Undo {
  #steps: Step[] = [];
  /** Made by the first `within`: until then nothing can stand in one. */
  #works: AsyncLocalStorage<readonly symbol[]> | undefined;
  readonly #log: Log;
  readonly #failed: string[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** Returns a function that forgets this one step (e.g. after a thaw that has been done). */
  push(label: string, run: () => Promise<unknown>, about: About = {}): () => void {
    const step = { label, run, works: this.#present(), about };
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
    this.#steps = [];
  }

  /** Steps that could not be taken back. */
  get failed(): readonly string[] {
    return this.#failed;
  }

  /** Failure: newest first; a step that fails is logged and the others still run. */
  async rollback(): Promise<void> {
    await this.#takeBack(() => true);
  }

  /**
   * When `work` fails, what was pushed in it is taken back before this throws – and only that: what runs beside it may still be
   * changing what its own steps would take back.
   */
  async within<T>(work: () => Promise<T>): Promise<T> {
    const own = Symbol();
    const works = [...this.#present(), own];
    // Loaded here, not with the action: many end without a lock.
    const { AsyncLocalStorage } = await import('node:async_hooks');
    this.#works ??= new AsyncLocalStorage();
    return this.#works.run(works, async () => {
      try {
        return await work();
      } catch (error) {
        await this.#takeBack((step) => step.works.includes(own));
        throw error;
      }
    });
  }

  #present(): readonly symbol[] {
    return this.#works?.getStore() ?? [];
  }

  async #takeBack(concerned: (step: Step) => boolean): Promise<void> {
    for (;;) {
      const step = this.#steps.findLast(concerned);
      if (!step) return;
      this.#steps.splice(this.#steps.lastIndexOf(step), 1);
      const { part } = step.about;
      if (part !== undefined && this.#steps.some((each) => each.about.removes === part && concerned(each)))
        continue;
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
