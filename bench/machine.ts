import { cpus, loadavg, release, totalmem } from 'node:os';
import type { Machine } from './row.ts';

/** Figures mean nothing without the machine that they come from. */
export function describeMachine(): Machine {
  const [load = 0] = loadavg();
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    memoryMib: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    bun: Bun.version,
    load: Number(load.toFixed(2)),
  };
}
