import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Beginnings of images, as qemu-img makes them. */

const kinds: readonly (readonly string[])[] = [
  ['qcow2'],
  ['qcow2', '-o', 'compat=0.10'],
  ['vmdk'],
  ['vmdk', '-o', 'subformat=streamOptimized'],
  ['vdi'],
  ['vhdx'],
  ['vpc'],
];

function made(options: readonly (readonly string[])[]): Uint8Array[] {
  const dir = mkdtempSync(join(tmpdir(), 'linstor_un-fuzz-'));
  try {
    return options.map((words, index) => {
      const path = join(dir, String(index));
      const run = Bun.spawnSync(['qemu-img', 'create', '-q', '-f', ...words, path, '64M']);
      if (!run.success) throw new Error(run.stderr.toString());
      return new Uint8Array(readFileSync(path).subarray(0, 4 * 1024 * 1024));
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export const imageHeads = (): Uint8Array[] => made(kinds);

export const hostileHeads = (): Uint8Array[] => made([['qcow2', '-u', '-b', '/etc/passwd', '-F', 'raw']]);
