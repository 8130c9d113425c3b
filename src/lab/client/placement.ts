import type { OptionSpec, ParsedArguments } from './arguments.ts';
import { any, commaList, layerOption, providerOption } from './command.ts';
import type { Json } from './json.ts';

/** The placement options that resource groups, spawn, auto-place and queries share. */
export const placementOptions = (providers: readonly string[]): readonly OptionSpec[] => [
  any('--storage-pool', '-s'),
  any('--diskless-storage-pool'),
  any('--do-not-place-with'),
  { names: ['--do-not-place-with-regex'], arity: '?' },
  any('--replicas-on-same'),
  any('--replicas-on-different'),
  any('--x-replicas-on-different'),
  { names: ['--diskless-on-remaining'], arity: '?' },
  layerOption,
  providerOption(...providers),
];

/** Every key is put below Aux/, also one that is there already. */
const aux = (given: ParsedArguments, name: string): Json | undefined =>
  given.has(name) ? given.many(name).map((key) => `Aux/${key}`) : undefined;

function counts(given: ParsedArguments): Json | undefined {
  if (!given.has('x-replicas-on-different')) return undefined;
  const words = given.many('x-replicas-on-different');
  const map: Record<string, Json> = {};
  for (let at = 0; at + 1 < words.length; at += 2) map[`Aux/${words[at]}`] = Number(words[at + 1]);
  return map;
}

export const disklessOnRemaining = (given: ParsedArguments): boolean | undefined =>
  given.has('diskless-on-remaining')
    ? given.one('diskless-on-remaining')?.toLowerCase() !== 'false'
    : undefined;

/** `select_filter`; a given option without values clears the list. */
export function selectFilter(
  given: ParsedArguments,
  count: Readonly<Record<string, Json | undefined>>,
): Record<string, Json> {
  const list = (name: string): Json | undefined => (given.has(name) ? [...given.many(name)] : undefined);
  const fields: Record<string, Json | undefined> = {
    ...count,
    diskless_on_remaining: disklessOnRemaining(given),
    storage_pool_list: list('storage-pool'),
    not_place_with_rsc: list('do-not-place-with'),
    not_place_with_rsc_regex: given.one('do-not-place-with-regex'),
    replicas_on_same: aux(given, 'replicas-on-same'),
    replicas_on_different: aux(given, 'replicas-on-different'),
    x_replicas_on_different_map: counts(given),
    layer_stack: commaList(given.one('layer-list')),
    provider_list: commaList(given.one('providers')),
  };
  return Object.fromEntries(
    Object.entries(fields).filter((pair): pair is [string, Json] => pair[1] !== undefined),
  );
}

/** `2` places two, `+1` one more. Numbers in the auto-place call, texts in groups: as the real client sends them. */
export function placeCount(text: string | undefined): Readonly<Record<string, Json | undefined>> {
  if (text === undefined) return {};
  return text.startsWith('+')
    ? { additional_place_count: Number(text.slice(1)) }
    : { place_count: Number(text) };
}
