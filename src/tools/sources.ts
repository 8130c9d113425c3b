import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

/** From what a binary was built: two programs with the same digest are the same program. */

/** What the compiler reads, and what decides what it makes of it. */
const inputs = ['src', 'drivers', 'package.json', 'bun.lock', 'tsconfig.json'];

function filesOf(root: string, path: string): string[] {
  const full = join(root, path);
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** Digest of the contents and names of all sources, and of the compiler's version. */
export function digestOfSources(root: string): string {
  const hash = createHash('sha256').update(Bun.version);
  for (const file of inputs.flatMap((path) => filesOf(root, path))) {
    hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

/** Beside the binary: the digest of what it was built from. */
export const stampOf = (binary: string): string => `${binary}.sources`;

/** Is the binary there, and the one that the sources of now make? */
export function isCurrent(root: string, binary: string): boolean {
  const stamp = stampOf(binary);
  return existsSync(binary) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digestOfSources(root);
}
