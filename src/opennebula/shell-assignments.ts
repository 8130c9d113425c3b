import { DriverError } from '../errors.ts';
import type { Environment } from './session.ts';

export interface Assignment {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

/**
 * `KEY=value` lines as a shell would read them, without ever running anything: comments, quotes, `export`, line
 * continuation, and `$X`, `${X}`, `${X:-default}`, `${X-default}` from the lines before and from `env`. Anything
 * that a shell would have to run, or that is no assignment, is BAD_CONFIG with the line's number.
 */
export function parseAssignments(text: string, file: string, env: Environment): Assignment[] {
  const known = new Map<string, string>();
  const found: Assignment[] = [];
  for (const { line, content } of logicalLines(text)) {
    const fail = (reason: string): never => {
      throw new DriverError('BAD_CONFIG', `${file}, line ${line}: ${reason}`, {
        remedy: `correct line ${line}; it may hold KEY=value only, nothing in it is executed`,
      });
    };
    const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(content);
    if (!assignment) {
      if (/^\s*(#|$)/.test(content)) continue;
      return fail('this is not an assignment');
    }
    const [, key = '', rest = ''] = assignment;
    const value = new ValueReader(rest, (name) => known.get(name) ?? env[name], fail).read();
    known.set(key, value);
    found.push({ key, value, line });
  }
  return found;
}

/** Joins lines that end in a backslash. Quoted values do not go over several lines. */
function logicalLines(text: string): { line: number; content: string }[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const joined: { line: number; content: string }[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = index + 1;
    let content = lines[index] ?? '';
    while (/^[^#]*(?<!\\)(\\\\)*\\$/.test(content) && index + 1 < lines.length) {
      index += 1;
      content = content.slice(0, -1) + (lines[index] ?? '');
    }
    joined.push({ line, content });
  }
  return joined;
}

type Lookup = (name: string) => string | undefined;
type Fail = (reason: string) => never;

class ValueReader {
  readonly #text: string;
  readonly #lookup: Lookup;
  readonly #fail: Fail;
  #at = 0;

  constructor(text: string, lookup: Lookup, fail: Fail) {
    this.#text = text;
    this.#lookup = lookup;
    this.#fail = fail;
  }

  /** One shell word; after it only a comment may follow. */
  read(): string {
    const value = this.#word();
    const rest = this.#text.slice(this.#at);
    if (!/^\s*$|^\s+#/.test(rest))
      this.#fail(`“${rest.trim()}” after the value; quote a value that has blanks`);
    return value;
  }

  #word(): string {
    let value = '';
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at] as string;
      if (/\s/.test(character)) break;
      this.#at += 1;
      if (character === "'") value += this.#single();
      else if (character === '"') value += this.#double();
      else if (character === '\\') value += this.#next();
      else if (character === '$') value += this.#expansion();
      else if (/[;&|<>()`]/.test(character)) this.#fail(`“${character}” would have to be executed; quote it`);
      else value += character;
    }
    return value;
  }

  #next(): string {
    const character = this.#text[this.#at] ?? '';
    this.#at += 1;
    return character;
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) this.#fail('a quote is not closed');
    const value = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return value;
  }

  #double(): string {
    let value = '';
    while (this.#at < this.#text.length) {
      const character = this.#next();
      if (character === '"') return value;
      if (character === '\\') value += /["\\$`]/.test(this.#text[this.#at] ?? '') ? this.#next() : '\\';
      else if (character === '$') value += this.#expansion();
      else if (character === '`') this.#fail('a command substitution is not executed');
      else value += character;
    }
    return this.#fail('a quote is not closed');
  }

  /** After the `$`. */
  #expansion(): string {
    const rest = this.#text.slice(this.#at);
    if (rest.startsWith('(')) this.#fail('a command substitution is not executed');
    const plain = /^[A-Za-z_][A-Za-z0-9_]*/.exec(rest);
    if (plain) {
      this.#at += plain[0].length;
      return this.#lookup(plain[0]) ?? '';
    }
    if (!rest.startsWith('{')) return '$';
    return this.#braced(rest);
  }

  #braced(rest: string): string {
    const form = /^\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?)-([^{}$`"'\\]*))?\}/.exec(rest);
    if (!form) return this.#fail(`“$${rest.split(/[\s}]/, 1)[0]}” is not one of $X, \${X}, \${X:-default}`);
    this.#at += form[0].length;
    const [, name = '', colon = '', fallback] = form;
    const value = this.#lookup(name);
    const unset = value === undefined || (colon === ':' && value === '');
    return unset ? (fallback ?? '') : value;
  }
}
