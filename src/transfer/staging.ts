import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What lies on this machine while an image passes: as little as possible, and nothing large under a name. */

/** Ours begin like this; the process that made it and its world follow. */
const namePrefix = '.linstor_un-';
/** Of another image on its way. */
export const isScratch = (name: string): boolean => name.startsWith(namePrefix);

/** Longer than any transfer: what another machine or container left in a shared directory cannot be asked for. */
const staleMs = 25 * 3600 * 1000;

/** Where process numbers mean what they mean to us: this boot of this machine, this container. */
function world(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  const namespace = readlinkSync('/proc/self/ns/pid');
  return new Bun.CryptoHasher('sha1').update(`${boot} ${namespace}`).digest('hex').slice(0, 12);
}

const ownPrefix = (): string => `${namePrefix}${process.pid}-${world()}-`;

/**
 * Removes what processes left that were ended by kill -9: a FIFO, the head of an image, results. Large files never have a
 * name. Only what nobody uses: its process was one of our world and is gone, or it is old.
 */
function sweep(stagingDir: string): void {
  const ours = world();
  for (const name of readdirSync(stagingDir)) {
    const [, pid, where] = /^\.linstor_un-(\d+)-(?:([0-9a-f]{12})-)?/.exec(name) ?? [];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const path = join(stagingDir, name);
    const info = lstatSync(path, { throwIfNoEntry: false });
    if (info?.uid !== process.getuid?.()) continue;
    if (where === ours || Date.now() - (info?.mtimeMs ?? 0) > staleMs)
      rmSync(path, { recursive: true, force: true });
  }
}

/** What names of files for a moment begin with, directory and all. */
export function scratchPrefix(stagingDir: string = tmpdir()): string {
  mkdirSync(stagingDir, { recursive: true });
  sweep(stagingDir);
  return join(stagingDir, ownPrefix());
}

/** A private directory for FIFO and results. Nothing large is ever in it. */
export function privateDirectory(stagingDir: string = tmpdir()): string {
  mkdirSync(stagingDir, { recursive: true });
  sweep(stagingDir);
  return mkdtempSync(join(stagingDir, ownPrefix()));
}

/** A file without a name: it vanishes with the last process that has it open, also after kill -9. */
export function namelessFile(stagingDir: string = tmpdir()): { fd: number; close(): void } {
  mkdirSync(stagingDir, { recursive: true });
  const path = join(stagingDir, `${ownPrefix()}${crypto.randomUUID()}`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return { fd, close: () => closeSync(fd) };
}
