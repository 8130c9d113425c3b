import { isSecretKey, redact } from '../../log/redact.ts';
import { attributeNames, attributes, namesOf } from '../../opennebula/attributes.ts';

/** A value that a document of the report is made of. */
export type Plain =
  | string
  | number
  | boolean
  | null
  | readonly Plain[]
  | { readonly [key: string]: Plain | undefined };

export const hidden = '***';

/**
 * Whoever reads a report is a stranger: every text that goes into one passes here, whatever wrote it. Values behind telling keys go as
 * a whole, and what is known to be secret wherever it stands.
 */
export function withoutSecrets(value: Plain, secrets: readonly string[]): Plain {
  if (typeof value === 'string') return redact(value, secrets);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Plain[]).map((item) => withoutSecrets(item, secrets));
  return Object.fromEntries(
    Object.entries(value as { readonly [key: string]: Plain | undefined }).flatMap(([key, item]) => {
      if (item === undefined) return [];
      const secret = typeof item === 'string' && item !== '' && isSecretKey(key);
      return [[redact(key, secrets), secret ? hidden : withoutSecrets(item, secrets)]];
    }),
  );
}

const known: ReadonlyMap<string, boolean> = new Map(
  attributeNames.flatMap((name) => namesOf(name).map((each) => [each, attributes[name].secret] as const)),
);

/** What OpenNebula itself keeps in a datastore of ours; no secret among them. */
const plainKeys: ReadonlySet<string> = new Set([
  'ALLOW_ORPHANS',
  'CLONE_TARGET',
  'CLONE_TARGET_SSH',
  'CLONE_TARGET_SHARED',
  'DATASTORE_CAPACITY_CHECK',
  'DISK_TYPE',
  'DISK_TYPE_SSH',
  'DISK_TYPE_SHARED',
  'DRIVER',
  'DS_LIVE_MIGRATE',
  'DS_MAD',
  'DS_MIGRATE',
  'DS_MIGRATE_SNAP',
  'LIMIT_MB',
  'LN_TARGET',
  'LN_TARGET_SSH',
  'LN_TARGET_SHARED',
  'PERSISTENT_ONLY',
  'SHARED',
  'TM_MAD',
  'TM_MAD_SYSTEM',
  'TYPE',
]);

/** Attributes by their names; what neither OpenNebula nor the driver defines is the site's own, and its value stays here. */
export function shownAttributes(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([key, value]) => {
        const secret = known.get(key) ?? !plainKeys.has(key);
        return [key, secret && value !== '' ? hidden : value];
      }),
  );
}

/** Values that must not stand anywhere in a report. */
export function secretValues(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values)
    .filter(([key, value]) => value !== '' && (known.get(key) ?? isSecretKey(key)))
    .map(([, value]) => value);
}
