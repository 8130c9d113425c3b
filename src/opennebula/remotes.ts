import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Environment } from './session.ts';

export interface RemotesOptions {
  /** Name that the program was called by: a path below remotes when OpenNebula calls. */
  readonly argv0: string;
  readonly cwd: string;
  readonly env: Environment;
  readonly exists?: (path: string) => boolean;
}

/**
 * OpenNebula's `remotes` directory: the one we were called from, else that of a self-contained installation
 * ($ONE_LOCATION), else /var/lib/one/remotes. Undefined when none of them exists.
 */
export function findRemotes({ argv0, cwd, env, exists = existsSync }: RemotesOptions): string | undefined {
  const location = env['ONE_LOCATION']?.trim();
  const candidates = [
    ...called(argv0, cwd),
    ...(location ? [join(location, 'var/remotes')] : []),
    '/var/lib/one/remotes',
  ];
  return candidates.find((directory) => exists(directory));
}

/** `<remotes>/{datastore,tm,vmm}/<driver or hypervisor>/<action>`. The path as called counts, not where links lead. */
function called(argv0: string, cwd: string): string[] {
  if (!argv0.includes('/')) return [];
  const path = resolve(cwd, argv0);
  return /\/(datastore|tm|vmm)\/[^/]+\/[^/]+$/.test(path) ? [dirname(dirname(dirname(path)))] : [];
}
