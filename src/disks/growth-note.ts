import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { varDirectory } from '../identity.ts';

/**
 * Beside LINSTOR's mark (`grown.ts`) the front-end keeps a note of its own: a VM may start while LINSTOR cannot be asked, and a guest that
 * was started on a volume whose new part is still to be zeroed would lose what it writes there. With the note such a start is refused.
 */

const pathOf = (resource: string): string | undefined => {
  const home = varDirectory(process.env);
  return existsSync(home) ? join(home, '.linstor_un/growing', resource.toLowerCase()) : undefined;
};

/** Before the volume grows. Throws what keeps it from being written: then nothing grows. */
export function noteGrowth(resource: string): void {
  const path = pathOf(resource);
  if (path === undefined) return;
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 });
  writeFileSync(path, '', { mode: 0o600 });
}

/** The new part has been zeroed, or the volume is gone. */
export function forgetGrowth(resource: string): void {
  const path = pathOf(resource);
  if (path !== undefined) rmSync(path, { force: true });
}

export function isGrowthNoted(resource: string): boolean {
  const path = pathOf(resource);
  return path !== undefined && existsSync(path);
}
