import { UNPARSABLE } from './codes.ts';
import type { FieldType, SchemaName } from './schema.ts';
import { schemaOf } from './schema.ts';

/**
 * Strict reading of request bodies, as the controller's parser does it: unknown fields fail the request,
 * scalars are converted where that is unambiguous (`"2"` is 2), null means absent (linstor-behaviour §0.4).
 */
export class Unparsable extends Error {
  readonly details: string;
  readonly retCode = UNPARSABLE;
  constructor(details: string) {
    super('Unable to parse input json.');
    this.details = details;
  }
}

export type Body = Record<string, unknown>;

const classPrefix = 'com.linbit.linstor.api.rest.v1.serializer.JsonGenTypes$';
const source = (line: number, column?: number): string =>
  `\n at [Source: REDACTED (\`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION\` disabled); line: ${line}${
    column === undefined ? '' : `, column: ${column}`
  }]`;

function position(text: string, needle: string): [number, number] {
  const at = Math.max(0, text.indexOf(needle));
  const before = text.slice(0, at).split('\n');
  return [before.length, (before.at(-1)?.length ?? 0) + needle.length + 2];
}

/** Parses `text` as `schema` (or a list of it). Throws {@link Unparsable}. */
export function readBody(text: string, schema: SchemaName, rest: number): Body {
  return readObject(parse(text), schema, { text, rest, chain: '' });
}

export function readBodyList(text: string, schema: SchemaName, rest: number): Body[] {
  const value = parse(text);
  const list = Array.isArray(value) ? value : [value];
  return list.map((item) => readObject(item, schema, { text, rest, chain: '' }));
}

function parse(text: string): unknown {
  if (text.trim() === '') throw new Unparsable(`No content to map due to end-of-input${source(1)}`);
  try {
    return JSON.parse(text);
  } catch {
    throw new Unparsable(
      `Unexpected end-of-input within/between Object entries${source(1, text.length + 1)}`,
    );
  }
}

interface Reading {
  readonly text: string;
  readonly rest: number;
  /** How we came here, for the message. */
  readonly chain: string;
}

function readObject(value: unknown, name: SchemaName, reading: Reading): Body {
  const schema = schemaOf(name);
  const className = `${classPrefix}${schema.className}`;
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new Unparsable(
      `Cannot deserialize value of type \`${className}\` from ${describe(value)} value${source(1, 1)}`,
    );
  }
  const known = Object.entries(schema.fields).filter(([, field]) => (field.since ?? 0) <= reading.rest);
  const body: Body = {};
  for (const [key, item] of Object.entries(value)) {
    const field = known.find(([fieldName]) => fieldName === key)?.[1];
    const chain = `${reading.chain}${reading.chain ? '->' : ''}${className}["${key}"]`;
    if (!field)
      throw unknownField(
        key,
        className,
        known.map(([fieldName]) => fieldName),
        reading.text,
        chain,
      );
    if (item !== null) body[key] = convert(item, field.type, { ...reading, chain });
  }
  return body;
}

function unknownField(
  key: string,
  className: string,
  known: readonly string[],
  text: string,
  chain: string,
): Unparsable {
  const names = known.map((name) => `"${name}"`).join(', ');
  const [line, column] = position(text, `"${key}"`);
  return new Unparsable(
    `Unrecognized field "${key}" (class ${className}), not marked as ignorable ` +
      `(${known.length} known properties: ${names})${source(line, column)} (through reference chain: ${chain})`,
  );
}

function convert(value: unknown, type: FieldType, reading: Reading): unknown {
  if (typeof type === 'object') {
    if ('one' in type) return readObject(value, type.one, reading);
    return asList(value, reading).map((item) => readObject(item, type.many, reading));
  }
  switch (type) {
    case 'any':
      return value;
    case 'string':
      return scalar(value, 'java.lang.String', reading);
    case 'bool':
      return toBoolean(value, reading);
    case 'int':
    case 'long':
      return toNumber(value, type === 'int' ? 'java.lang.Integer' : 'java.lang.Long', reading, true);
    case 'double':
      return toNumber(value, 'java.lang.Double', reading, false);
    case 'strings':
      return asList(value, reading).map((item) => scalar(item, 'java.lang.String', reading));
    case 'longs':
      return asList(value, reading).map((item) => toNumber(item, 'java.lang.Long', reading, true));
    case 'map':
      return toMap(value, reading, (item) =>
        item === null ? '' : scalar(item, 'java.lang.String', reading),
      );
    case 'intmap':
      return toMap(value, reading, (item) => toNumber(item, 'java.lang.Integer', reading, true));
  }
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'Array';
  if (value === null) return 'Null';
  return (
    { object: 'Object', string: 'String', number: 'Integer', boolean: 'Boolean' }[typeof value as string] ??
    'Object'
  );
}

function mismatch(value: unknown, java: string, reading: Reading): Unparsable {
  return new Unparsable(
    `Cannot deserialize value of type \`${java}\` from ${describe(value)} value${source(1, 1)} (through reference chain: ${reading.chain})`,
  );
}

function scalar(value: unknown, java: string, reading: Reading): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw mismatch(value, java, reading);
}

function toBoolean(value: unknown, reading: Reading): boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'string' && /^(true|false)$/i.test(value.trim()))
    return value.trim().toLowerCase() === 'true';
  throw mismatch(value, 'java.lang.Boolean', reading);
}

function toNumber(value: unknown, java: string, reading: Reading, whole: boolean): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || Number.isNaN(number)) throw mismatch(value, java, reading);
  return whole ? Math.trunc(number) : number;
}

function asList(value: unknown, reading: Reading): unknown[] {
  if (!Array.isArray(value)) throw mismatch(value, 'java.util.ArrayList<java.lang.String>', reading);
  return value;
}

function toMap<T>(value: unknown, reading: Reading, item: (value: unknown) => T): Record<string, T> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw mismatch(value, 'java.util.LinkedHashMap<java.lang.String,java.lang.String>', reading);
  }
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, item(entry)]));
}
