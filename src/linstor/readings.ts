import type { Linstor } from './linstor.ts';

const readings: ReadonlySet<string | symbol> = new Set<keyof Linstor>([
  'transport',
  'capabilities',
  'absences',
  'nodes',
  'storagePools',
  'resourceGroup',
  'resourceGroups',
  'sizeInfo',
  'definitions',
  'replicas',
  'resources',
  'allocations',
  'snapshots',
  'cloneStatus',
  'synced',
  'encryption',
  'controllerProperties',
  'keyValues',
]);

/** Whatever the interface has beside these changes something; a method that is new counts so until it is listed. */
export const changesSomething = (method: string | symbol): boolean => !readings.has(method);
