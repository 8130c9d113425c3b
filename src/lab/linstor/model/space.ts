import { statSync } from 'node:fs';
import { backingKib } from './drbd.ts';
import { sameName } from './name.ts';
import { type LabPool, traitsOf } from './pool.ts';
import type { LabVolume } from './resource.ts';
import type { ClusterState } from './state.ts';

/** A fresh FILE_THIN volume takes this much (recorded). */
const EMPTY_VOLUME = 8;

export function roundUp(size: number, step: number): number {
  return Math.ceil(size / step) * step;
}

/** KiB a file really takes. */
export function allocatedKib(path: string | undefined): number {
  if (path === undefined) return 0;
  try {
    return Math.ceil((statSync(path).blocks * 512) / 1024);
  } catch {
    return 0;
  }
}

function* volumesIn(
  state: ClusterState,
  pool: LabPool,
): Generator<{ volume: LabVolume; sizeKib: number; drbd: boolean }> {
  for (const definition of state.definitions) {
    for (const resource of definition.resources) {
      if (!sameName(resource.node, pool.node)) continue;
      for (const volume of resource.volumes) {
        if (!sameName(volume.pool, pool.name)) continue;
        const sizeKib = definition.volumes.find((item) => item.number === volume.number)?.sizeKib ?? 0;
        yield { volume, sizeKib, drbd: resource.layers.includes('DRBD') };
      }
    }
  }
}

/** What the volumes of a pool take now: thin ones what was written, thick ones their size. KiB. */
export function usedKib(state: ClusterState, pool: LabPool): number {
  const thin = traitsOf(pool.provider).thin;
  let used = 0;
  for (const { volume, sizeKib, drbd } of volumesIn(state, pool)) {
    used += thin
      ? Math.max(EMPTY_VOLUME, volume.made ? allocatedKib(volume.file) : 0)
      : fullKib(pool, sizeKib, drbd);
  }
  return used;
}

/** What the volumes of a pool may grow to: the measure of over-subscription. KiB. */
export function promisedKib(state: ClusterState, pool: LabPool): number {
  let promised = 0;
  for (const { sizeKib, drbd } of volumesIn(state, pool)) promised += fullKib(pool, sizeKib, drbd);
  return promised;
}

function fullKib(pool: LabPool, sizeKib: number, drbd: boolean): number {
  return roundUp(drbd ? backingKib(sizeKib) : sizeKib, pool.granularityKib);
}
