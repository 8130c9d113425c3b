import type { OptionSpec, ParsedArguments, PositionalSpec } from './arguments.ts';
import { arg, type CommandSpec, entries, flag, pastable } from './command.ts';
import type { RestRequest } from './controller.ts';
import { asList, asObject, type Json, type JsonObject } from './json.ts';

/**
 * `list-properties` and `set-property` of one kind of object. The real client names the same object differently in the two
 * (`resource_name` here, `name` there), so each has positionals of its own.
 */
export interface PropertyKind {
  readonly list: {
    readonly positionals?: readonly PositionalSpec[];
    /** Besides `--pastable`. */
    readonly options?: readonly OptionSpec[];
    readonly request: (given: ParsedArguments) => Omit<RestRequest, 'method' | 'body'>;
    /** Where the answer has them; default: the first element of a list. */
    readonly pick?: (answer: Json, given: ParsedArguments) => Json | undefined;
  };
  readonly set: PropertyChange;
}

interface PropertyChange {
  readonly positionals?: readonly PositionalSpec[];
  readonly method?: 'POST';
  readonly path: (given: ParsedArguments) => string;
  /** Sent before the change. */
  readonly body?: JsonObject;
}

/** `what` with its article, for the summaries. */
export function propertyCommands(
  words: readonly string[],
  what: string,
  { list, set }: PropertyKind,
): readonly CommandSpec[] {
  const pick = list.pick ?? firstProps;
  return [
    {
      words: [words, ['list-properties', 'lp']],
      summary: `properties of ${what}`,
      options: [pastable, ...(list.options ?? [])],
      ...(list.positionals ? { positionals: list.positionals } : {}),
      plan: (given) => ({
        requests: [{ method: 'GET', ...list.request(given) }],
        reply: { kind: 'properties', pick: (answer) => pick(answer, given) },
      }),
    },
    setProperty(words, what, set),
  ];
}

/** Alone for a kind whose properties the lab does not list. */
export function setProperty(words: readonly string[], what: string, set: PropertyChange): CommandSpec {
  return {
    words: [words, ['set-property', 'sp']],
    summary: `set or delete a property of ${what}`,
    options: [flag('--aux')],
    positionals: [...(set.positionals ?? []), arg('key'), arg('value', '?')],
    plan: (given) =>
      entries({
        method: set.method ?? 'PUT',
        path: set.path(given),
        body: { ...set.body, ...propertyChange(given) },
      }),
  };
}

/** `--aux` puts the key below Aux/; an empty value deletes the property. */
export function propertyChange(given: ParsedArguments): { override_props: Json } | { delete_props: Json } {
  const key = `${given.has('aux') ? 'Aux/' : ''}${given.text('key')}`;
  const text = given.one('value') ?? '';
  return text === '' ? { delete_props: [key] } : { override_props: { [key]: text } };
}

const firstProps = (answer: Json) => asObject(asList(answer)[0])['props'];

export const numberedProps = (list: Json | undefined, wanted: string): Json | undefined =>
  asObject(asList(list).find((each) => String(asObject(each)['volume_number']) === wanted))['props'];
