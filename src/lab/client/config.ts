import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePythonConfig } from '../../linstor/python-config.ts';

/**
 * Options of the client's configuration file, put before the arguments (linstor-behaviour §8): the user's file, or
 * else the system's. `--disable-config` skips it.
 */
export function clientConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  if (argv.includes('--disable-config')) return [];
  const paths = [
    ...(env['HOME'] ? [join(env['HOME'], '.config/linstor/linstor-client.conf')] : []),
    '/etc/linstor/linstor-client.conf',
  ];
  for (const path of paths) {
    try {
      return readGlobals(readFileSync(path, 'utf8'));
    } catch {
      // The next one, or none.
    }
  }
  return [];
}

function readGlobals(text: string): string[] {
  const options = Object.entries(parsePythonConfig(text).get('global') ?? {});
  return options.flatMap(([key, value]) => [`--${key}`, ...(value === '' ? [] : [value])]);
}
