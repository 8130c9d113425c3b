import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { emptyState, type OneState } from './model.ts';

/**
 * Where the lab's oned keeps its objects. `update` is synchronous and whole: read, change, write, so that several
 * processes (operations, the XML-RPC server, a person's commands) can share one store.
 */
export interface OneStore {
  read(): OneState;
  update<T>(change: (state: OneState) => T): T;
}

export class MemoryStore implements OneStore {
  #state: OneState;
  constructor(state: OneState) {
    this.#state = state;
  }
  read(): OneState {
    return structuredClone(this.#state);
  }
  update<T>(change: (state: OneState) => T): T {
    const next = structuredClone(this.#state);
    const result = change(next);
    this.#state = next;
    return result;
  }
}

/** How long another process may hold the lock; a change takes milliseconds. */
const lockDeadlineMs = 10_000;

export class FileStore implements OneStore {
  readonly #path: string;
  constructor(path: string) {
    this.#path = path;
  }

  /** Makes the file unless it is there. */
  static create(path: string, session: string): FileStore {
    mkdirSync(dirname(path), { recursive: true });
    if (!existsSync(path)) writeFileSync(path, JSON.stringify(emptyState(session)));
    return new FileStore(path);
  }

  read(): OneState {
    return JSON.parse(readFileSync(this.#path, 'utf8')) as OneState;
  }

  update<T>(change: (state: OneState) => T): T {
    const unlock = this.#lock();
    try {
      const state = this.read();
      const result = change(state);
      // A reader sees the old or the new state, never a half.
      const next = `${this.#path}.${process.pid}`;
      writeFileSync(next, JSON.stringify(state, undefined, 1));
      renameSync(next, this.#path);
      return result;
    } finally {
      unlock();
    }
  }

  #lock(): () => void {
    const path = `${this.#path}.lock`;
    const deadline = Date.now() + lockDeadlineMs;
    for (;;) {
      try {
        const file = openSync(path, 'wx');
        writeSync(file, String(process.pid));
        closeSync(file);
        return () => rmSync(path, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        removeIfOrphaned(path);
        if (Date.now() > deadline) throw new Error(`${path} is held by another process`);
        Bun.sleepSync(2);
      }
    }
  }
}

/** A holder that was killed leaves its lock behind. */
function removeIfOrphaned(path: string): void {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') rmSync(path, { force: true });
  }
}
