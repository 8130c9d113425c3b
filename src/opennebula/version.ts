import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `6.10.0.1` as numbers; undefined for what is no version. */
export function parseVersion(text: string): readonly number[] | undefined {
  const match = /^\s*v?(\d{1,4}(?:\.\d{1,6}){1,5})/.exec(text);
  return match?.[1]?.split('.').map(Number);
}

/** `atLeast('6.10.0', 6, 9)`. An unknown version counts as the newest: shapes decide, not numbers (contract §0.1). */
export function atLeast(version: string | undefined, ...wanted: readonly number[]): boolean {
  const own = version === undefined ? undefined : parseVersion(version);
  if (!own) return true;
  for (const [index, part] of wanted.entries()) {
    const difference = (own[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/**
 * Version of the OpenNebula that calls us, from `<remotes>/VERSION`: the driver is never told it. Undefined when
 * the file is missing or holds no version.
 */
export function readVersion(remotes: string): string | undefined {
  try {
    const text = readFileSync(join(remotes, 'VERSION'), 'utf8').trim();
    return parseVersion(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/**
 * How stderr becomes the text that a user sees (contract §1.5).
 * `markers`: up to 6.0.2, what stands between two marker lines.
 * `joined`: 6.0.3 to 6.10, all of it, in one.
 * `split`: since 6.99.80 (7.0), the lines without a level; lines with a level go to the log.
 */
export type Generation = 'markers' | 'joined' | 'split';

export function generationOf(version: string | undefined): Generation {
  if (atLeast(version, 6, 99, 80)) return 'split';
  return atLeast(version, 6, 0, 3) ? 'joined' : 'markers';
}
