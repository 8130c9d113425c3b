import { type Json, parseReply } from './json.ts';

/** How much text is gathered before it is parsed, in characters. */
const partLength = 1 << 18;

/** Places tried from the end, where the last ones lie deeper. */
const tries = 4;

/**
 * A long JSON list that is parsed while it arrives: neither its text nor its values are ever in memory as a whole. `take`
 * gets its elements in order, some at a time; a document that is no list is given whole, as its only call.
 *
 * A list is cut where an element ends and one begins with the first element's first characters (`},{"name":`). Whether such a
 * place lies between elements and not deeper is told by the parser: brackets of a piece that was cut deeper do not match.
 * Where no such place is found, more is gathered – at worst all of it.
 */
export class JsonParts {
  readonly #take: (part: Json) => void;
  readonly #what: string;
  readonly #decoder = new TextDecoder();
  #pieces: string[] = [];
  #length = 0;
  #enough = partLength;
  #seam: string | undefined;
  #cut = false;

  constructor(what: string, take: (part: Json) => void) {
    this.#what = what;
    this.#take = take;
  }

  add(bytes: Uint8Array): void {
    this.#gather(this.#decoder.decode(bytes, { stream: true }));
    if (this.#length >= this.#enough) this.#parseSome();
  }

  /** @throws LINSTOR_REPLY when the document was damaged or cut short */
  end(): void {
    this.#gather(this.#decoder.decode());
    this.#take(parseReply(this.#text(), this.#what));
  }

  #gather(text: string): void {
    this.#pieces.push(text);
    this.#length += text.length;
  }

  #text(): string {
    return (this.#cut ? '[' : '') + this.#pieces.join('');
  }

  #parseSome(): void {
    const text = this.#text();
    this.#seam ??= /^\s*\[\s*(\{\s*"[^"\\]*"\s*:)/.exec(text)?.[1];
    let at = text.length;
    let part: Json | undefined;
    for (let left = tries; part === undefined && left > 0 && at > 0; left -= 1) {
      at = this.#seam === undefined ? -1 : text.lastIndexOf(`},${this.#seam}`, at - 1);
      if (at > 0) part = elements(`${text.slice(0, at + 1)}]`, this.#what);
    }
    if (part === undefined) {
      // Doubled, so that a document without seams is not tried again and again.
      this.#enough = this.#length * 2;
      return;
    }
    const rest = text.slice(at + 2);
    this.#pieces = [rest];
    this.#length = rest.length;
    this.#enough = partLength;
    this.#cut = true;
    this.#take(part);
  }
}

function elements(text: string, what: string): Json | undefined {
  try {
    return parseReply(text, what);
  } catch {
    return undefined;
  }
}
