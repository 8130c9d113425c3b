import { DriverError } from '../errors.ts';

/** JSON as LINSTOR writes it: integers that a double cannot hold are bigints (linstor-behaviour §0.4). */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Cheap test for a document that needs the exact, slower way: 16 digits in a row outside of most names. */
const longInteger = /[:[,\s]-?\d{16,}/;

function exactInteger(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? '';
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/**
 * Parses a document and keeps every integer to the bit: safe ones as numbers, others as bigints. `JSON.parse`
 * alone rounds `ret_code`s to multiples of 512, which destroys the code in their low bits.
 * @throws SyntaxError as JSON.parse does
 */
export function parseExact(text: string): Json {
  return (longInteger.test(text) ? JSON.parse(text, exactInteger) : JSON.parse(text)) as Json;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What came instead of JSON, in a few words. */
export function describeText(text: string): string {
  const trimmed = text.trim();
  if (trimmed === '') return 'an empty answer';
  const start = trimmed.slice(0, 80).replaceAll(/\s+/g, ' ');
  if (/^<(!doctype|html|\?xml|head|body)/i.test(trimmed)) return `a web page (${start}…)`;
  if (trimmed.startsWith('[') || trimmed.startsWith('{')) {
    return `JSON cut short or damaged after ${trimmed.length} characters (…${trimmed.slice(-40)})`;
  }
  return `text that is no JSON (${start})`;
}

/** @throws LINSTOR_REPLY naming what came. `what` says which call was answered. */
export function parseReply(text: string, what: string): Json {
  try {
    return parseExact(text);
  } catch (cause) {
    throw new DriverError('LINSTOR_REPLY', `${what} was answered with ${describeText(text)}`, { cause });
  }
}
