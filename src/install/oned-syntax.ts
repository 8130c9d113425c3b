import { DriverError } from '../errors.ts';

/**
 * The syntax of oned.conf, read with positions and nothing lost: an edit touches the characters that must change
 * and no others. The rules are those of OpenNebula's own lexer:
 * names are letters, digits and `_`; a value is `"…"` (over several lines, `\"` inside) or a bare word; a vector is
 * `[ A = x, B = y ]`; `#` starts a comment wherever a name could stand, also inside a vector and after a value.
 */

/** Half-open range of offsets in the text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Value {
  /** Without quotes; escapes as written. */
  readonly text: string;
  /** Of `text`, so without the quotes. */
  readonly inner: Span;
  /** With the quotes. */
  readonly outer: Span;
}

export interface Assignment extends Span {
  /** Upper case: OpenNebula ignores case in names. */
  readonly name: string;
  readonly nameSpan: Span;
  readonly value: Value;
}

export interface Single extends Assignment {
  readonly kind: 'single';
}

export interface Vector extends Span {
  readonly kind: 'vector';
  readonly name: string;
  readonly nameSpan: Span;
  /** Just behind `[`. */
  readonly open: number;
  /** Of `]`. */
  readonly close: number;
  readonly attributes: readonly Assignment[];
}

export type Entry = Single | Vector;

class Reader {
  readonly #text: string;
  at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.at >= this.#text.length;
  }

  peek(): string {
    return this.#text[this.at] ?? '';
  }

  fail(message: string): never {
    const line = this.#text.slice(0, this.at).split('\n').length;
    throw new DriverError('BAD_CONFIG', `line ${line}: ${message}`, {
      remedy: `correct line ${line}; oned would not read the file either`,
    });
  }

  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  /** Blanks, line ends and comments. */
  skip(): void {
    for (;;) {
      if (this.match(/[\s]+/y) === undefined && this.match(/#[^\n]*/y) === undefined) return;
    }
  }

  name(): { name: string; nameSpan: Span } {
    const start = this.at;
    const found = this.match(/[A-Za-z0-9_]+/y);
    if (found === undefined) this.fail(`a name was expected and “${this.peek()}” was found`);
    return { name: found.toUpperCase(), nameSpan: { start, end: this.at } };
  }

  equals(): void {
    this.match(/[ \t]*/y);
    if (this.match(/=[ \t]*/y) === undefined) this.fail('“=” was expected after the name');
  }

  value(): Value {
    const start = this.at;
    const quoted = this.match(/"(?:\\"|[^"])*"/y);
    if (quoted !== undefined) return span(this.#text, start + 1, this.at - 1, 1);
    if (this.peek() === '"') this.fail('the quoted value does not end');
    this.match(/[^=#\s,[\]]+/y);
    return span(this.#text, start, this.at, 0);
  }
}

function span(text: string, start: number, end: number, quotes: number): Value {
  return {
    text: text.slice(start, end),
    inner: { start, end },
    outer: { start: start - quotes, end: end + quotes },
  };
}

/** Throws BAD_CONFIG with the line number. */
export function parseOnedConf(text: string): Entry[] {
  const reader = new Reader(text);
  const entries: Entry[] = [];
  for (reader.skip(); !reader.done; reader.skip()) entries.push(entry(reader));
  return entries;
}

function entry(reader: Reader): Entry {
  const { name, nameSpan } = reader.name();
  reader.equals();
  if (reader.match(/\[/y) !== undefined) return vector(reader, name, nameSpan);
  const value = reader.value();
  return { kind: 'single', name, nameSpan, value, start: nameSpan.start, end: value.outer.end };
}

function vector(reader: Reader, name: string, nameSpan: Span): Vector {
  const open = reader.at;
  const attributes: Assignment[] = [];
  for (;;) {
    reader.skip();
    if (reader.done) reader.fail(`the section ${name} is not closed by “]”`);
    if (reader.peek() === ']') break;
    attributes.push(attribute(reader));
    reader.skip();
    if (reader.peek() === ']') break;
    if (reader.done) continue;
    if (reader.match(/,/y) === undefined) reader.fail(`“,” or “]” was expected in section ${name}`);
  }
  const close = reader.at;
  reader.at += 1;
  return { kind: 'vector', name, nameSpan, open, close, attributes, start: nameSpan.start, end: reader.at };
}

function attribute(reader: Reader): Assignment {
  const { name, nameSpan } = reader.name();
  reader.equals();
  const value = reader.value();
  return { name, nameSpan, value, start: nameSpan.start, end: value.outer.end };
}

/** The value of an attribute of a section; names are compared without case. */
export function attributeOf(section: Vector, name: string): Assignment | undefined {
  return section.attributes.find((item) => item.name === name);
}

export function vectorsOf(entries: readonly Entry[], name: string): Vector[] {
  return entries.filter((item): item is Vector => item.kind === 'vector' && item.name === name);
}

export function singlesOf(entries: readonly Entry[], name: string): Single[] {
  return entries.filter((item): item is Single => item.kind === 'single' && item.name === name);
}

export function splice(text: string, at: Span, replacement: string): string {
  return text.slice(0, at.start) + replacement + text.slice(at.end);
}

/** The line ending that the file uses. */
export function lineEnding(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}
