/**
 * Command line parsing in the manner of the real client's parser (Python's argparse, linstor-behaviour §4.1): greedy
 * lists, prefixes of long options, `-ovalue`, `--option=value`, `--`, positionals that are matched as far as possible
 * between options. What it refuses, this refuses, with exit code 2.
 */

/** How many words: exactly one, optional one, any number, at least one. */
export type Arity = 1 | '?' | '*' | '+';

export interface OptionSpec {
  /** `['--storage-pool', '-s']` */
  readonly names: readonly string[];
  /** Absent: a switch. */
  readonly arity?: Arity;
  readonly int?: boolean;
  readonly choices?: readonly string[];
  readonly required?: boolean;
  /** What is wrong with a value, as the real client says it. */
  readonly problem?: (text: string) => string | undefined;
}

export interface PositionalSpec {
  readonly name: string;
  readonly arity: Arity;
  readonly int?: boolean;
}

export interface CommandSyntax {
  /** `linstor resource create`, for messages. */
  readonly program: string;
  readonly options: readonly OptionSpec[];
  readonly positionals: readonly PositionalSpec[];
}

/** A usage error: exit code 2, text on stderr. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Values by name: the first long name without dashes, or the positional's name. */
export class ParsedArguments {
  readonly #values = new Map<string, readonly string[]>();

  set(name: string, values: readonly string[]): void {
    this.#values.set(name, values);
  }
  has(name: string): boolean {
    return this.#values.has(name);
  }
  /** `undefined`: not given, or given without a value. */
  one(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }
  /** Of a required positional. */
  text(name: string): string {
    return this.one(name) ?? '';
  }
  many(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}

export const optionName = (option: OptionSpec): string =>
  (option.names.find((name) => name.startsWith('--')) ?? option.names[0] ?? '').replace(/^-+/, '');

const metavar = (option: OptionSpec): string =>
  option.choices ? `{${option.choices.join(',')}}` : optionName(option).toUpperCase().replaceAll('-', '_');

function words(name: string, arity: Arity): string {
  return { 1: name, '?': `[${name}]`, '*': `[${name} [${name} ...]]`, '+': `${name} [${name} ...]` }[arity];
}

/** `usage: linstor node list [-h] [-p] …`, broken at 80 columns like the real one. */
export function usageOf(syntax: CommandSyntax): string {
  const parts = ['[-h]'];
  for (const option of syntax.options) {
    const shown =
      option.arity === undefined
        ? option.names[0]
        : `${option.names[0]} ${words(metavar(option), option.arity)}`;
    parts.push(option.required ? String(shown) : `[${shown}]`);
  }
  for (const { name, arity } of syntax.positionals) parts.push(words(name, arity));
  const indent = `usage: ${syntax.program} `;
  const lines = [indent.trimEnd()];
  for (const part of parts) {
    const line = lines.at(-1) ?? '';
    if (line.length + part.length + 1 > 80 && line.trim() !== '')
      lines.push(`${' '.repeat(indent.length)}${part}`);
    else lines[lines.length - 1] = `${line} ${part}`;
  }
  return `${lines.join('\n')}\n`;
}

const fail = (syntax: CommandSyntax, message: string): never => {
  throw new UsageError(`${usageOf(syntax)}${syntax.program}: error: ${message}\n`);
};

interface FoundOption {
  readonly option: OptionSpec;
  readonly attached: string | undefined;
}

function findOption(syntax: CommandSyntax, word: string): FoundOption | undefined {
  const exact = syntax.options.find((option) => option.names.includes(word));
  if (exact) return { option: exact, attached: undefined };
  const equals = word.indexOf('=');
  const name = equals < 0 ? word : word.slice(0, equals);
  const attached = equals < 0 ? undefined : word.slice(equals + 1);
  if (word.startsWith('--')) {
    const full = syntax.options.filter((option) => option.names.includes(name));
    const matching =
      full.length > 0
        ? full
        : syntax.options.filter((option) => option.names.some((each) => each.startsWith(name)));
    if (matching.length > 1) {
      const names = matching.flatMap((option) => option.names.filter((each) => each.startsWith(name)));
      fail(syntax, `ambiguous option: ${name} could match ${names.join(', ')}`);
    }
    const [option] = matching;
    return option && { option, attached };
  }
  const short = syntax.options.find((option) => option.names.includes(word.slice(0, 2)));
  return short && { option: short, attached: word.slice(2).replace(/^=/, '') };
}

type Kind = 'option' | 'word' | 'end';

/** What stands where, before anything is consumed: `--` makes all that follows words. */
function classify(syntax: CommandSyntax, argv: readonly string[]): Kind[] {
  let ended = false;
  return argv.map((word) => {
    if (ended) return 'word';
    if (word === '--') {
      ended = true;
      return 'end';
    }
    if (!word.startsWith('-') || word === '-') return 'word';
    if (findOption(syntax, word)) return 'option';
    if (/^-\d+$|^-\d*\.\d+$/.test(word) || word.includes(' ')) return 'word';
    return 'option';
  });
}

/** Regular expressions over the kinds: `A` a word, `O` an option, `-` the end of options. */
const pattern: Readonly<Record<Arity, string>> = {
  1: '(-*A)',
  '?': '(-*A?)',
  '*': '(-*[A-]*)',
  '+': '(-*A[A-]*)',
};
const optionPattern: Readonly<Record<Arity, string>> = { 1: '(A)', '?': '(A?)', '*': '(A*)', '+': '(AA*)' };

interface State {
  readonly syntax: CommandSyntax;
  readonly argv: readonly string[];
  readonly letters: string;
  readonly result: ParsedArguments;
  readonly unknown: string[];
  waiting: PositionalSpec[];
}

function check(
  state: State,
  label: string,
  values: readonly string[],
  spec: Partial<OptionSpec>,
): readonly string[] {
  for (const value of values) {
    const problem = spec.problem?.(value);
    if (problem !== undefined) throw new UsageError(`${problem}\n`);
    if (spec.int && !/^\s*[-+]?\d+\s*$/.test(value))
      fail(state.syntax, `argument ${label}: invalid int value: '${value}'`);
    if (spec.choices && !spec.choices.includes(value.toLowerCase())) {
      fail(
        state.syntax,
        `argument ${label}: invalid choice: '${value}' (choose from ${spec.choices.map((each) => `'${each}'`).join(', ')})`,
      );
    }
  }
  return values;
}

/** As many positionals as the words up to here allow; returns the new place. */
function takePositionals(state: State, from: number): number {
  const rest = state.letters.slice(from);
  for (let count = state.waiting.length; count > 0; count -= 1) {
    const match = new RegExp(
      `^${state.waiting
        .slice(0, count)
        .map(({ arity }) => pattern[arity])
        .join('')}`,
    ).exec(rest);
    if (!match) continue;
    let at = from;
    for (const [index, positional] of state.waiting.slice(0, count).entries()) {
      const length = match[index + 1]?.length ?? 0;
      const taken = state.argv
        .slice(at, at + length)
        .filter((_, offset) => state.letters[at + offset] !== '-');
      if (taken.length > 0 || positional.arity === '*')
        state.result.set(positional.name, check(state, positional.name, taken, positional));
      at += length;
    }
    state.waiting = state.waiting.slice(count);
    return at;
  }
  return from;
}

const label = (option: OptionSpec): string => option.names.join('/');

function takeOption(state: State, at: number): number {
  const word = state.argv[at] ?? '';
  if (word === '-h' || word === '--help') throw new HelpRequest(state.syntax);
  const found = findOption(state.syntax, word);
  if (!found) {
    state.unknown.push(word);
    return at + 1;
  }
  const { option, attached } = found;
  if (option.arity === undefined) {
    if (attached !== undefined && word.startsWith('--'))
      fail(state.syntax, `argument ${label(option)}: ignored explicit argument '${attached}'`);
    state.result.set(optionName(option), []);
    // `-ab`: several switches in one word.
    if (attached) return takeOption({ ...state, argv: state.argv.with(at, `-${attached}`) }, at);
    return at + 1;
  }
  if (attached !== undefined) {
    state.result.set(optionName(option), check(state, label(option), [attached], option));
    return at + 1;
  }
  const match = new RegExp(`^${optionPattern[option.arity]}`).exec(state.letters.slice(at + 1));
  if (!match)
    fail(
      state.syntax,
      `argument ${label(option)}: expected ${option.arity === 1 ? 'one argument' : 'at least one argument'}`,
    );
  const length = match?.[1]?.length ?? 0;
  const values = state.argv.slice(at + 1, at + 1 + length);
  state.result.set(optionName(option), check(state, label(option), values, option));
  return at + 1 + length;
}

/** `--help` was asked for. */
export class HelpRequest extends Error {
  override readonly name = 'HelpRequest';
  readonly syntax: CommandSyntax;
  constructor(syntax: CommandSyntax) {
    super('help');
    this.syntax = syntax;
  }
}

export interface Parsed {
  readonly values: ParsedArguments;
  /** Reported by the top-level parser, with its own usage. */
  readonly unknown: readonly string[];
}

/** Throws UsageError and HelpRequest. */
export function parseArguments(syntax: CommandSyntax, argv: readonly string[]): Parsed {
  const kinds = classify(syntax, argv);
  const letters = kinds.map((kind) => (kind === 'option' ? 'O' : kind === 'end' ? '-' : 'A')).join('');
  const state: State = {
    syntax,
    argv,
    letters,
    result: new ParsedArguments(),
    unknown: [],
    waiting: [...syntax.positionals],
  };
  let at = 0;
  let nextOption = letters.indexOf('O');
  while (nextOption >= 0) {
    if (at < nextOption) {
      const moved = takePositionals(state, at);
      if (moved > at) at = moved;
      else {
        state.unknown.push(...argv.slice(at, nextOption));
        at = nextOption;
      }
    }
    if (letters[at] === 'O') at = takeOption(state, at);
    nextOption = letters.indexOf('O', at);
  }
  const end = takePositionals(state, at);
  state.unknown.push(...argv.slice(end).filter((_, offset) => letters[end + offset] !== '-'));
  const missing = state.waiting.filter(({ arity }) => arity === 1 || arity === '+');
  if (missing.length > 0) fail(syntax, 'too few arguments');
  for (const option of syntax.options) {
    if (option.required && !state.result.has(optionName(option)))
      fail(syntax, `argument ${label(option)} is required`);
  }
  return { values: state.result, unknown: state.unknown };
}
