import { z } from 'zod';
import { DriverError } from '../errors.ts';
import type { XmlElement } from './xml.ts';

/** Zod parts for the texts in OpenNebula's documents, and the one place where a document is held to them. */

export const id = z
  .string()
  .trim()
  .regex(/^\d{1,9}$/, 'is not an object id')
  .transform(Number);

/** -1 stands for “none”. */
export const idOrNone = z
  .string()
  .trim()
  .regex(/^(-1|\d{1,9})$/, 'is not an object id')
  .transform(Number);

export const count = z
  .string()
  .trim()
  .regex(/^-?\d{1,15}$/, 'is not a number')
  .transform(Number);

export const size = z
  .string()
  .trim()
  .regex(/^\d{1,15}$/, 'is not a size in MB')
  .transform(Number);

export const text = z.string();

export const yesNo = z
  .string()
  .trim()
  .regex(/^(yes|no|1|0)$/i, 'is neither YES nor NO')
  .transform((value) => /^(yes|1)$/i.test(value));

/** An element that is empty counts as absent. */
export function optional<T extends z.ZodType>(field: T) {
  return z.preprocess(
    (value) => (typeof value === 'string' && value.trim() === '' ? undefined : value),
    field.optional(),
  );
}

/**
 * The child elements that `schema` names, checked. An element that occurs twice is refused: which of the two was
 * meant decides over data. Throws ONE_INCOMPLETE naming the object and the element.
 */
export function readFields<S extends z.ZodObject>(
  element: XmlElement,
  schema: S,
  object: string,
): z.output<S> {
  const values: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const found = element.all(name);
    if (found.length > 1) throw incomplete(object, `${name} stands there ${found.length} times`);
    const only = found[0];
    if (only !== undefined) values[name] = only.text;
  }
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const name = String(issue?.path[0] ?? '');
  const value = values[name];
  const reason = value === undefined ? 'is missing' : `“${value}” ${issue?.message ?? 'is wrong'}`;
  throw incomplete(object, `${name} ${reason}`);
}

export function incomplete(object: string, reason: string): DriverError {
  return new DriverError('ONE_INCOMPLETE', `OpenNebula’s document of ${object} cannot be used: ${reason}`);
}
