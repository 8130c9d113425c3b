import type { CommandSyntax, OptionSpec, ParsedArguments, PositionalSpec } from './arguments.ts';
import type { RestRequest } from './controller.ts';
import type { Json } from './json.ts';

/**
 * What is done with the answers:
 *
 * - `entries`: ApiCallRc entries, printed as they are
 * - `list`: a list reply, printed inside another list
 * - `object`: printed as it is, on one line for `version`
 * - `query`: a query result, wrapped (`max`) or not (`size`)
 * - `properties`: key and value pairs of one object
 * - the rest have a handling of their own
 */
export type Reply =
  | { readonly kind: 'entries' }
  | { readonly kind: 'list'; readonly v0: V0Kind; readonly table: TableKind }
  | { readonly kind: 'flat-list'; readonly table: TableKind }
  | { readonly kind: 'version' }
  | { readonly kind: 'query'; readonly wrapped: boolean }
  | { readonly kind: 'properties'; readonly pick: (answer: Json) => Json | undefined }
  | { readonly kind: 'report' }
  | { readonly kind: 'clone'; readonly noWait: boolean; readonly timeoutSeconds: number | undefined }
  | { readonly kind: 'wait-sync'; readonly timeoutSeconds: number | undefined }
  | { readonly kind: 'key-values'; readonly instance: string | undefined }
  | { readonly kind: 'which' };

export type V0Kind = 'nodes' | 'pools' | 'definitions' | 'resources' | 'snapshots' | 'plain';
export type TableKind =
  | 'nodes'
  | 'pools'
  | 'groups'
  | 'volume-groups'
  | 'definitions'
  | 'volume-definitions'
  | 'resources'
  | 'volumes'
  | 'snapshots'
  | 'reports'
  | 'json';

export interface Plan {
  readonly requests: readonly RestRequest[];
  readonly reply: Reply;
}

export interface CommandSpec {
  /** Name, then aliases, for every word of the command. */
  readonly words: readonly (readonly string[])[];
  readonly summary: string;
  readonly options?: readonly OptionSpec[];
  readonly positionals?: readonly PositionalSpec[];
  readonly plan: (given: ParsedArguments) => Plan;
}

export const syntaxOf = (command: CommandSpec): CommandSyntax => ({
  program: ['linstor', ...command.words.map(([name]) => name)].join(' '),
  options: command.options ?? [],
  positionals: command.positionals ?? [],
});

export const entries = (...requests: readonly RestRequest[]): Plan => ({
  requests,
  reply: { kind: 'entries' },
});

/** Leaves out what is undefined: the real client sends no nulls but the one that is named. */
export function body(fields: Readonly<Record<string, Json | undefined>>): Json {
  return Object.fromEntries(
    Object.entries(fields).filter((pair): pair is [string, Json] => pair[1] !== undefined),
  );
}

export const number = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text);
export const path = (...parts: readonly (string | number)[]): string =>
  `/v1/${parts.map((part) => encodeURIComponent(String(part))).join('/')}`;

// Options that many commands share.
export const flag = (...names: string[]): OptionSpec => ({ names });
export const value = (...names: string[]): OptionSpec => ({ names, arity: 1 });
export const integer = (...names: string[]): OptionSpec => ({ names, arity: 1, int: true });
export const any = (...names: string[]): OptionSpec => ({ names, arity: '*' });
export const some = (...names: string[]): OptionSpec => ({ names, arity: '+' });
export const arg = (name: string, arity: PositionalSpec['arity'] = 1): PositionalSpec => ({ name, arity });
export const intArg = (name: string): PositionalSpec => ({ name, arity: 1, int: true });

const layers = new Set(['bcache', 'drbd', 'cache', 'storage', 'writecache', 'luks', 'nvme']);
const providers = new Set([
  ...['lvm', 'lvm_thin', 'zfs', 'zfs_thin', 'diskless', 'file', 'file_thin', 'spdk', 'remote_spdk'],
  ...['storage_spaces', 'storage_spaces_thin', 'ebs_target', 'ebs_init'],
]);

export const commaList = (text: string | undefined): string[] | undefined =>
  text?.split(',').map((word) => word.trim());
const firstUnknown =
  (kind: string, known: ReadonlySet<string>) =>
  (text: string): string | undefined => {
    const wrong = commaList(text)?.find((word) => !known.has(word.toLowerCase()));
    return wrong === undefined ? undefined : `${kind} "${wrong}" not valid`;
  };

export const layerOption: OptionSpec = {
  ...value('-l', '--layer-list'),
  problem: firstUnknown('Layer name', layers),
};
export const providerOption = (...names: string[]): OptionSpec => ({
  ...value(...names),
  problem: firstUnknown('Provider', providers),
});

export const pastable = flag('-p', '--pastable');
export const listOptions = [pastable, some('-g', '--groupby'), some('--props'), value('--from-file')];

export function filters(given: ParsedArguments, names: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(names).flatMap(([query, option]) =>
    given.many(option).map((text): [string, string] => [query, text]),
  );
}
