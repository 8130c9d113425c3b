import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { parseRecord } from './read-log.ts';
import type { ActionRecord } from './record.ts';

/** What is written to the log from now on; a file that is renamed away is read to its end. */
export class LogFollower {
  readonly #path: string;
  #fd: number | undefined;
  #at = 0;
  #rest = '';

  constructor(path: string) {
    this.#path = path;
    this.#open();
    this.#at = this.#fd === undefined ? 0 : fstatSync(this.#fd).size;
  }

  /** Records since the last call. */
  poll(): ActionRecord[] {
    const text = this.#read() + (this.#isReplaced() ? this.#next() : '');
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.flatMap((line) => (line === '' ? [] : (parseRecord(line) ?? [])));
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): void {
    try {
      this.#fd = openSync(this.#path, 'r');
    } catch {
      this.#fd = undefined;
    }
  }

  #isReplaced(): boolean {
    const now = statSync(this.#path, { throwIfNoEntry: false });
    return now !== undefined && (this.#fd === undefined || fstatSync(this.#fd).ino !== now.ino);
  }

  #next(): string {
    this.close();
    this.#open();
    this.#at = 0;
    return this.#read();
  }

  #read(): string {
    if (this.#fd === undefined) return '';
    const decoder = new TextDecoder();
    const chunk = new Uint8Array(256 * 1024);
    let text = '';
    for (;;) {
      const length = readSync(this.#fd, chunk, 0, chunk.length, this.#at);
      if (length === 0) return text;
      this.#at += length;
      text += decoder.decode(chunk.subarray(0, length), { stream: true });
    }
  }
}
