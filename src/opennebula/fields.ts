import { isDigits } from '../digits.ts';
import { DriverError } from '../errors.ts';
import type { XmlElement } from './xml.ts';

/*
 * The texts in OpenNebula's documents, and the one place where a document is held to them. Not zod, which checks everything that
 * has a structure: here is one text an element, every action reads at least one document, and loading zod/mini and its first
 * check took longer than all else that the action did (docs/performance.md).
 */

/** Value of an element from its text, undefined when there is no such element. Throws `Refused`. */
export type Field<T> = (value: string | undefined) => T;

export type FieldValues<S> = { readonly [Name in keyof S]: S[Name] extends Field<infer T> ? T : never };

/** What is wrong with a text; follows the value in the error. */
class Refused extends Error {}

export const text: Field<string> = (value) => {
  if (value === undefined) throw new Refused('is missing');
  return value;
};

/** A text that is not empty. */
export const nonEmpty: Field<string> = (value) => {
  if (text(value) === '') throw new Refused('is empty');
  return text(value);
};

const isId = (value: string): boolean => isDigits(value, 9);

export const id = form(isId, 'is not an object id', Number);

/** -1 stands for “none”. */
export const idOrNone = form((value) => value === '-1' || isId(value), 'is not an object id', Number);

export const count = form(
  (value) => isDigits(value.startsWith('-') ? value.slice(1) : value, 15),
  'is not a number',
  Number,
);

export const size = form((value) => isDigits(value, 15), 'is not a size in MB', Number);

const answers: Readonly<Record<string, boolean>> = { YES: true, '1': true, NO: false, '0': false };

export const yesNo = form(
  (value) => Object.hasOwn(answers, value.toUpperCase()),
  'is neither YES nor NO',
  (value) => answers[value.toUpperCase()] === true,
);

/** An element that is empty counts as absent. */
export function optional<T>(field: Field<T>): Field<T | undefined> {
  return (value) => (value === undefined || value.trim() === '' ? undefined : field(value));
}

/** An element that is empty does not count as absent. */
export function orElse<T>(field: Field<T>, absent: T): Field<T> {
  return (value) => (value === undefined ? absent : field(value));
}

/**
 * The child elements that `fields` names, checked. An element that occurs twice is refused: which of the two was
 * meant decides over data. Throws ONE_INCOMPLETE naming the object and the element.
 */
export function readFields<S extends Readonly<Record<string, Field<unknown>>>>(
  element: XmlElement,
  fields: S,
  object: string,
): FieldValues<S> {
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) values[name] = read(element, name, field, object);
  return values as FieldValues<S>;
}

export function incomplete(object: string, reason: string): DriverError {
  return new DriverError('ONE_INCOMPLETE', `OpenNebula’s document of ${object} cannot be used: ${reason}`);
}

function read(element: XmlElement, name: string, field: Field<unknown>, object: string): unknown {
  const found = element.all(name);
  if (found.length > 1) throw incomplete(object, `${name} occurs ${found.length} times`);
  const value = found[0]?.text;
  try {
    return field(value);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw incomplete(
      object,
      value === undefined ? `${name} is missing` : `${name} “${value}” ${error.message}`,
    );
  }
}

/** A text of some form, blanks around it ignored. `why` follows the value in the error. */
function form<T>(has: (value: string) => boolean, why: string, convert: (value: string) => T): Field<T> {
  return (value) => {
    const trimmed = text(value).trim();
    if (!has(trimmed)) throw new Refused(why);
    return convert(trimmed);
  };
}
