import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { timeProgram } from './process.ts';

/** What a call used of the machine, all its processes together; memory is that of the largest of them. */
export interface Usage {
  readonly cpuMs: number;
  readonly memoryMib: number;
}

/** Measures calls that follow one another by GNU time, where it is installed. */
export class UsageMeter {
  /** What driver calls are handed to. */
  readonly runner: readonly string[];
  readonly #file: string;

  constructor(directory: string) {
    this.#file = join(directory, 'usage');
    this.runner = existsSync(timeProgram) ? [timeProgram, '-q', '-o', this.#file, '-f', '%U %S %M'] : [];
  }

  /** Of the call that has just ended. */
  take(): Usage | undefined {
    if (!existsSync(this.#file)) return undefined;
    const [user = 0, system = 0, kib = 0] = readFileSync(this.#file, 'utf8').trim().split(' ').map(Number);
    rmSync(this.#file);
    return { cpuMs: (user + system) * 1000, memoryMib: kib / 1024 };
  }
}
