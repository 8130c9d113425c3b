import {
  closeSync,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  statSync,
  writeSync,
} from 'node:fs';
import type { ActionRecord } from './record.ts';

/**
 * The log of actions: a file of JSON lines. Up to 45 actions run at once (contract §1.4): a record is one write in
 * append mode, and only one process at a time renames the file away. Nothing here may fail an action.
 */
export interface JsonLogOptions {
  readonly path: string;
  /** Bytes; a file of that size is renamed away before the next record. */
  readonly maxBytes?: number;
  /** How many renamed files are kept: `<path>.1` is the newest. */
  readonly keep?: number;
}

const defaultMaxBytes = 16 * 1024 * 1024;
const defaultKeep = 4;
/** A rotation takes milliseconds; a lock of this age is of a process that died. */
const staleLockMs = 30_000;

export class JsonLog {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #keep: number;

  constructor(options: JsonLogOptions) {
    this.path = options.path;
    this.#maxBytes = options.maxBytes ?? defaultMaxBytes;
    this.#keep = options.keep ?? defaultKeep;
  }

  /** False when the record could not be written; never throws. */
  write(record: ActionRecord): boolean {
    try {
      this.#rotate();
      const line = new TextEncoder().encode(`${JSON.stringify(record)}\n`);
      const file = openSync(this.path, 'a', 0o640);
      try {
        const stat = fstatSync(file);
        // The umask of oned is not ours to rely on. Only a new file: its owner may have chosen another mode.
        if (stat.size === 0) fchmodSync(file, 0o640);
        return writeSync(file, line) === line.length;
      } finally {
        closeSync(file);
      }
    } catch {
      return false;
    }
  }

  #tooLarge(): boolean {
    return (statSync(this.path, { throwIfNoEntry: false })?.size ?? 0) >= this.#maxBytes;
  }

  #rotate(): void {
    if (!this.#tooLarge() || !this.#lock()) return;
    try {
      // Another process may have rotated between the look and the lock.
      if (!this.#tooLarge()) return;
      for (let index = this.#keep; index > 0; index -= 1) {
        const from = index === 1 ? this.path : `${this.path}.${index - 1}`;
        if (statSync(from, { throwIfNoEntry: false })) renameSync(from, `${this.path}.${index}`);
      }
    } finally {
      rmdirSync(this.#lockPath);
    }
  }

  get #lockPath(): string {
    return `${this.path}.rotating`;
  }

  /** Does not wait: whoever does not get it appends to the large file. */
  #lock(): boolean {
    try {
      mkdirSync(this.#lockPath);
      return true;
    } catch {
      const held = statSync(this.#lockPath, { throwIfNoEntry: false });
      if (held && Date.now() - held.mtimeMs > staleLockMs) rmdirSync(this.#lockPath);
      return false;
    }
  }
}

/** LINSTOR_UN_LOG (empty: no log), else OpenNebula's log directory. */
export function logPath(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const chosen = env['LINSTOR_UN_LOG'];
  if (chosen !== undefined) return chosen === '' ? undefined : chosen;
  const one = env['ONE_LOCATION'];
  return one ? `${one}/var/linstor_un.log` : '/var/log/one/linstor_un.log';
}
