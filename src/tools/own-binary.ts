import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isCurrent } from './sources.ts';

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
const binary = join(root, 'dist/linstor_un');

/**
 * `dist/linstor_un`, made of the sources as they are now: built first where it is not there or is of other sources. Whoever runs the
 * program to prove something asks for it here.
 */
export function ownBinary(): string {
  if (isCurrent(root, binary)) return binary;
  mkdirSync(dirname(binary), { recursive: true });
  // Runs beside each other build one after the other; the second finds it made.
  const built = Bun.spawnSync(
    [
      'flock',
      join(dirname(binary), '.lock'),
      process.execPath,
      join(root, 'src/tools/build.ts'),
      '--if-needed',
    ],
    { cwd: root, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' },
  );
  if (!built.success || !isCurrent(root, binary))
    throw new Error(
      `${binary} is not of these sources, and could not be built: ${built.stderr}${built.stdout}`,
    );
  return binary;
}
