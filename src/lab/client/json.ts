/**
 * JSON whose whole numbers survive: return codes and the capacity of diskless pools do not fit a double
 * (linstor-behaviour §0.4). Such numbers are `bigint` here.
 */
export type Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

export function parseJson(text: string): Json {
  // The third argument of a reviver holds the number as it was written.
  const reviver = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context?.source ?? '0')
      : value;
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown) as Json;
}

/** Indented by two like the real client's; everything beyond ASCII as `\uXXXX`, as Python writes it. */
export function printJson(value: Json, indent = 2): string {
  const raw = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;
  const text =
    JSON.stringify(
      value,
      (_key, item: unknown) => (typeof item === 'bigint' ? raw(String(item)) : item),
      indent,
    ) ?? 'null';
  return text.replaceAll(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const asList = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);
export const asObject = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});
export const asText = (value: Json | undefined): string =>
  value === undefined || value === null ? '' : String(value);
