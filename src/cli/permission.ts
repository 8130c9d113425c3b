import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DriverError } from '../errors.ts';
import { type Layout, onDisk } from '../install/layout.ts';
import type { CliEnvironment } from './command.ts';

const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** Throws PERMISSION, with the command line that works, before anything is read or written. */
export function mustBeAllowed(
  layout: Layout,
  { executable, env }: Pick<CliEnvironment, 'executable' | 'env'>,
  words: readonly string[],
): void {
  if (process.geteuid?.() === 0) return;
  const dryRun = words.includes('--dry-run');
  const wanted: readonly (readonly [path: string, mode: number])[] = dryRun
    ? [[layout.onedConf, constants.R_OK]]
    : [layout.home, layout.remotes, layout.command, layout.onedConf, layout.vmmExecrc].map(
        (path) => [path, constants.W_OK] as const,
      );
  const denied = wanted.map(([path, mode]) => deniedAt(onDisk(layout, path), mode)).find(Boolean);
  if (denied === undefined) return;
  throw new DriverError('PERMISSION', `${words[0]} needs the rights of root: ${denied}`, {
    remedy: rootCommand([executable, ...words], env),
  });
}

/** What is missing to read or write the path, or to make it; undefined: nothing. */
function deniedAt(path: string, mode: number): string | undefined {
  let here = path;
  while (!existsSync(here) && here !== '/') here = dirname(here);
  const needed = here === path ? mode : constants.W_OK | constants.X_OK;
  // Where it is not there, nothing can be read: what comes later says so.
  if (here !== path && mode === constants.R_OK) return traversable(path);
  try {
    accessSync(here, needed);
    return undefined;
  } catch {
    return `${here} cannot be ${mode === constants.R_OK ? 'read' : 'written'} by this user`;
  }
}

function traversable(path: string): string | undefined {
  try {
    accessSync(path, constants.F_OK);
    return undefined;
  } catch (error) {
    const isHidden = (error as { code?: unknown }).code === 'EACCES';
    return isHidden ? `${path} cannot be read by this user` : undefined;
  }
}

/** `sudo …`, or by su where there is no sudo. */
export function rootCommand(words: readonly string[], env: CliEnvironment['env']): string {
  const line = words.map(quoted).join(' ');
  const hasSudo = Bun.which('sudo', { PATH: env['PATH'] ?? '' }) !== null;
  return hasSudo ? `sudo ${line}` : `su -c ${quoted(line)}`;
}
