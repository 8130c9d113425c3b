import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What lies on this machine while an image passes: as little as possible, and nothing large under a name. */

/** Ours begin like this; the process that made it follows. */
const namePrefix = '.linstor_un-';
const staleMs = 3600 * 1000;

/**
 * Removes what processes left that were ended by kill -9: a FIFO, the head of an image, results. Large files never have a
 * name. Only what is old and whose process is gone.
 */
function sweep(stagingDir: string): void {
  for (const name of readdirSync(stagingDir)) {
    const pid = name.startsWith(namePrefix)
      ? /^\d+(?=-)/.exec(name.slice(namePrefix.length))?.[0]
      : undefined;
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const path = join(stagingDir, name);
    const info = lstatSync(path, { throwIfNoEntry: false });
    if (info && info.uid === process.getuid?.() && Date.now() - info.mtimeMs > staleMs) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

/** A private directory for FIFO and results. Nothing large is ever in it. */
export function privateDirectory(stagingDir: string = tmpdir()): string {
  mkdirSync(stagingDir, { recursive: true });
  sweep(stagingDir);
  return mkdtempSync(join(stagingDir, `${namePrefix}${process.pid}-`));
}

/** A file without a name: it vanishes with the last process that has it open, also after kill -9. */
export function namelessFile(stagingDir: string = tmpdir()): { fd: number; close(): void } {
  mkdirSync(stagingDir, { recursive: true });
  const path = join(stagingDir, `${namePrefix}${process.pid}-${crypto.randomUUID()}`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return { fd, close: () => closeSync(fd) };
}
