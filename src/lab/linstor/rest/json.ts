/**
 * JSON with whole 64-bit integers. A `bigint` is printed as a number with all its digits: LINSTOR's
 * return codes and the capacity of diskless pools do not fit a double (linstor-behaviour §0.4).
 */

interface RawJson {
  rawJSON(text: string): unknown;
}

export function encode(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? (JSON as unknown as RawJson).rawJSON(item.toString()) : item,
  );
}

/** 2^63 − 1: what LINSTOR reports as capacity of a diskless pool. */
export const UNLIMITED = 9223372036854775807n;

/** Leaves out what LINSTOR leaves out: undefined, empty strings, empty lists, empty maps (linstor-behaviour §0.4). */
export function compact<T extends Record<string, unknown>>(fields: T): Partial<T> {
  const kept: Partial<T> = {};
  for (const key of Object.keys(fields) as (keyof T)[]) {
    if (!isEmpty(fields[key])) kept[key] = fields[key];
  }
  return kept;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
