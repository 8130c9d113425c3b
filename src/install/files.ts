import {
  chmodSync,
  chownSync,
  copyFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Files are replaced by renaming, so that a reader sees the old one or the new one and never a part. */

/** Over file systems too; keeps mode, times and links. */
export function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    const copied = Bun.spawnSync(['cp', '-a', '--', from, to]);
    if (copied.exitCode !== 0) throw new Error(copied.stderr.toString().trim());
    rmSync(from, { recursive: true });
  }
}

export function temporary(path: string): string {
  return join(dirname(path), `.${basename(path)}.linstor_un.${process.pid}`);
}

export function copyAtomically(source: string, target: string): void {
  const partial = temporary(target);
  copyFileSync(source, partial);
  chmodSync(partial, 0o755);
  renameSync(partial, target);
}

export function writeAtomically(path: string, content: string, mode: number): void {
  const partial = temporary(path);
  writeFileSync(partial, content, { mode, flag: 'wx' });
  chmodSync(partial, mode);
  renameSync(partial, path);
}

/** Keeps owner, group and mode; follows a link to the file that is meant. */
export function replaceContent(path: string, content: string): void {
  const real = realpathSync(path);
  const stat = statSync(real);
  const partial = temporary(real);
  writeFileSync(partial, content, { mode: 0o600, flag: 'wx' });
  try {
    chownSync(partial, stat.uid, stat.gid);
  } catch (error) {
    if (process.getuid?.() === 0) throw error;
  }
  chmodSync(partial, stat.mode & 0o7777);
  renameSync(partial, real);
}
