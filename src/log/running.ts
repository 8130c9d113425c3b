import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Subject } from './subject.ts';

/**
 * What an action that runs for long is doing: a small file beside the log, written when the action has lasted some seconds and then
 * seldom, removed at its end. One that is left behind by a dead process says that the action ended without a record.
 */
export interface RunningState {
  /** As in the log. */
  readonly time: string;
  readonly id: string;
  readonly action: string;
  readonly argv: readonly string[];
  readonly object: Subject;
  readonly pid: number;
  /** When that process was started, in ticks since boot: a pid comes back. */
  readonly startedTicks: string;
  /** Epoch milliseconds of what follows. */
  readonly at: number;
  /** The last call that has ended. */
  readonly last?: { readonly text: string; readonly at: number };
  readonly progress: readonly { readonly label: string; readonly text: string; readonly percent?: number }[];
  /** The newest ones, of which the log will have all. */
  readonly notes: readonly string[];
}

const everyMs = 5000;
/** Files of dead processes are evidence for so long. */
const keepMs = 7 * 24 * 3_600_000;

export const runningDirectory = (logPath: string): string => `${logPath}.running`;

/** `undefined`: there is no such process. */
export function startedTicks(pid: number): string | undefined {
  try {
    // Behind the name, which may hold anything: state is field 3, the start is field 22.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export const isAlive = ({ pid, startedTicks: ticks }: Pick<RunningState, 'pid' | 'startedTicks'>): boolean =>
  startedTicks(pid) === ticks;

/** Nothing here may fail an action. */
export class RunningFile {
  readonly #path: string;
  readonly #look: () => RunningState;
  #written = '';
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(logPath: string, look: () => RunningState) {
    this.#path = join(runningDirectory(logPath), `${look().id}.json`);
    this.#look = look;
  }

  start(): void {
    this.#sweep();
    this.write();
    this.#timer = setInterval(() => this.write(), everyMs);
    this.#timer.unref();
  }

  write(): void {
    try {
      const state = this.#look();
      const text = JSON.stringify({ ...state, at: 0 });
      if (text === this.#written) return;
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o750 });
      writeFileSync(`${this.#path}.new`, JSON.stringify(state), { mode: 0o640 });
      renameSync(`${this.#path}.new`, this.#path);
      this.#written = text;
    } catch {
      // A full disk, or a directory that is not ours.
    }
  }

  end(): void {
    clearInterval(this.#timer);
    try {
      rmSync(this.#path, { force: true });
    } catch {
      // Its process will be gone: whoever reads it sees that.
    }
  }

  #sweep(): void {
    try {
      const directory = dirname(this.#path);
      for (const name of readdirSync(directory)) {
        const path = join(directory, name);
        if (Date.now() - statSync(path).mtimeMs > keepMs) rmSync(path, { force: true });
      }
    } catch {
      // There is none yet.
    }
  }
}
