import { cpus, loadavg, release, totalmem } from 'node:os';
import packageJson from '../../../package.json' with { type: 'json' };
import type { Machine } from './row.ts';

/** Figures mean nothing without the machine that they come from, and what ran on it. */
export function describeMachine(): Machine {
  const [load = 0] = loadavg();
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    memoryMib: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    bun: Bun.version,
    load: Number(load.toFixed(2)),
    time: new Date().toISOString(),
    version: sourceVersion(),
  };
}

function sourceVersion(): string {
  const cwd = Bun.fileURLToPath(new URL('../../../', import.meta.url));
  try {
    const git = Bun.spawnSync(['git', 'describe', '--always', '--dirty', '--tags'], {
      cwd,
      stderr: 'ignore',
    });
    if (git.success) return git.stdout.toString().trim();
  } catch {
    // No git: not a checkout.
  }
  return packageJson.version;
}
