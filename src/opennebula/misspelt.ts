import { editDistance } from '../edit-distance.ts';
import { type AttributeName, attributeNames, namesOf } from './attributes.ts';
import type { Attributes } from './one.ts';
import { ownerOf } from './template-owner.ts';

/**
 * An attribute that is not in the table has no effect, and nothing says so: `ENCRYPTON=yes` leaves disks unencrypted. What looks like one
 * of ours is named.
 */
export interface Misspelt {
  readonly key: string;
  /** What was probably meant. */
  readonly meant?: AttributeName;
  /** Overlooking it puts data where it must not be, or fewer copies of it. */
  readonly isDangerous: boolean;
}

const ours: ReadonlySet<string> = new Set(attributeNames.flatMap(namesOf));

/** OpenNebula's own, and those of its drivers, in datastores (contract §7). */
const ofOpenNebula: ReadonlySet<string> = new Set([
  ...['ALLOW_ORPHANS', 'BASE_PATH', 'CLONE_TARGET', 'COMPATIBLE_SYS_DS', 'CONTEXT_DISK_TYPE', 'DISK_TYPE'],
  ...[
    'DATASTORE_CAPACITY_CHECK',
    'DRIVER',
    'DS_MAD',
    'DS_MIGRATE',
    'LABELS',
    'LIMIT_MB',
    'LN_TARGET',
    'NAME',
  ],
  ...[
    'PASSWORD',
    'PERSISTENT_ONLY',
    'PROVIDER',
    'QCOW2_OPTIONS',
    'REPLICA_HOST',
    'SHARED',
    'SPARSE',
    'TM_MAD',
  ],
  ...['TM_MAD_SYSTEM', 'TYPE', 'USER_INPUTS', 'USERNAME'],
]);

const dangerous: ReadonlySet<AttributeName> = new Set([
  'ENCRYPTION',
  'LAYER_LIST',
  'REPLICA_COUNT',
  'RESTRICTED_DIRS',
  'LS_CAFILE',
] satisfies AttributeName[]);

export function misspeltIn(template: Attributes): Misspelt[] {
  return Object.entries(template).flatMap(([key, value]) => {
    if (ours.has(key) || ofOpenNebula.has(key) || value.trim() === '') return [];
    const meant = meantBy(key);
    if (meant === undefined && !/^(?:LS|LINSTOR)_/.test(key)) return [];
    return [
      {
        key,
        ...(meant === undefined ? {} : { meant }),
        isDangerous: meant !== undefined && dangerous.has(meant),
      },
    ];
  });
}

/** Our attribute that is nearest, if it is near enough to be meant. */
export function meantBy(key: string): AttributeName | undefined {
  let best: { name: AttributeName; distance: number } | undefined;
  for (const name of attributeNames)
    for (const spelling of namesOf(name)) {
      const distance = distanceBetween(key.toUpperCase(), spelling);
      if (distance !== undefined && (best === undefined || distance < best.distance))
        best = { name, distance };
    }
  return best?.name;
}

/** Undefined when it is too large for a slip of the fingers, or of the memory: `ENCRYPT`, `ENCRYPTED`. */
function distanceBetween(key: string, name: string): number | undefined {
  const begins = commonStart(key, name) >= 0.6 * name.length && key.length >= 6;
  const most = begins ? 3 : name.length < 5 ? 0 : Math.max(1, Math.floor(name.length / 5));
  if (Math.abs(key.length - name.length) > most) return undefined;
  const distance = editDistance(key, name);
  return distance <= most ? distance : undefined;
}

function commonStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}

/** For the log of an action. */
export function misspeltText(template: Attributes, { key, meant }: Misspelt): string {
  const suggestion = meant === undefined ? '' : `; ${meant} is probably meant`;
  return `${key} of ${ownerOf(template)} is not an attribute of this driver and has no effect${suggestion}`;
}
