import * as z from 'zod/mini';
import { DriverError } from '../errors.ts';
import type { XmlElement } from './xml.ts';

/*
 * Zod parts for the texts in OpenNebula's documents, and the one place where a document is held to them. `zod/mini` here and
 * in the documents: every action reads one, and the methods of the classic schemas cost each start 3 ms and 5 MiB.
 */

/** A text of this form, blanks around it ignored. `why` follows the value in the error. */
const form = (pattern: RegExp, why: string) => z.string().check(z.trim(), z.regex(pattern, why));

export const id = z.pipe(form(/^\d{1,9}$/, 'is not an object id'), z.transform(Number));

/** -1 stands for “none”. */
export const idOrNone = z.pipe(form(/^(-1|\d{1,9})$/, 'is not an object id'), z.transform(Number));

export const count = z.pipe(form(/^-?\d{1,15}$/, 'is not a number'), z.transform(Number));

export const size = z.pipe(form(/^\d{1,15}$/, 'is not a size in MB'), z.transform(Number));

export const text = z.string();

export const yesNo = z.pipe(
  form(/^(yes|no|1|0)$/i, 'is neither YES nor NO'),
  z.transform((value: string) => /^(yes|1)$/i.test(value)),
);

/** An element that is empty counts as absent. */
export function optional<T extends z.ZodMiniType>(field: T) {
  return z.pipe(
    z.transform((value: unknown) => (typeof value === 'string' && value.trim() === '' ? undefined : value)),
    z.optional(field),
  );
}

/**
 * The child elements that `schema` names, checked. An element that occurs twice is refused: which of the two was
 * meant decides over data. Throws ONE_INCOMPLETE naming the object and the element.
 */
export function readFields<S extends z.ZodMiniObject>(
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
