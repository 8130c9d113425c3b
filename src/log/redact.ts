import { printable } from '../printable.ts';

/**
 * What must not stand in a log or a message: passwords, tokens, session keys, the queries of addresses (a presigned one is a key).
 * Driver messages come in as base64 of a document that holds the datastore's secrets, so long words are shown by their
 * length alone.
 *
 * One pass over the text and no expression that could go back: a tenant chooses texts that come here, and the time must
 * grow with their length and no faster.
 */

const longWord = 200;

const hidden = '***';

/** A value behind a key with one of these is secret. */
const tellingKey = /token|passw(?:or)?d|passphrase|secret/;
/** Elements of OpenNebula's documents. */
const tellingElement = /token|passw|pass$|passphrase|secret|auth/;

const isSpace = (unit: number): boolean => unit === 32 || (unit >= 9 && unit <= 13);
const isDigitOrLetter = (unit: number): boolean =>
  (unit >= 48 && unit <= 57) || (unit >= 65 && unit <= 90) || (unit >= 97 && unit <= 122);
const isWord = (unit: number): boolean => isDigitOrLetter(unit) || unit === 95 || unit === 45;
const of = (characters: string): ((unit: number) => boolean) => {
  const units = new Set(Array.from(characters, (character) => character.charCodeAt(0)));
  return (unit) => units.has(unit);
};
const isQuote = of('"\'');
const isCredentialMark = of('._~+/=-');
const endsValue = of(',;&"\'}<');
const endsAuthority = of('/?#"\'<>');
const endsAddress = of('"\'<>');

class Redaction {
  readonly #text: string;
  #at = 0;
  #kept = 0;
  #parts: string[] = [];
  /** Characters looked at, for the test that says how this grows. */
  looked = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): string {
    while (this.#at < this.#text.length) {
      const unit = this.#unit(this.#at);
      if (isWord(unit)) this.#word();
      else if (unit === 58) this.#address();
      else if (unit === 60) this.#element();
      else this.#at += 1;
    }
    this.#parts.push(this.#text.slice(this.#kept));
    return this.#parts.join('');
  }

  #unit(at: number): number {
    this.looked += 1;
    return at < this.#text.length ? this.#text.charCodeAt(at) : -1;
  }

  /** First place from `at` on where `test` does not hold. */
  #skip(at: number, test: (unit: number) => boolean): number {
    let end = at;
    while (end < this.#text.length && test(this.#unit(end))) end += 1;
    return end;
  }

  #hide(from: number, to: number): void {
    if (to > from) {
      this.#parts.push(this.#text.slice(this.#kept, from), hidden);
      this.#kept = to;
    }
    this.#at = Math.max(this.#at, to);
  }

  /** `Bearer …`, or a key and its value: `password=…`, `"token": "…"`, `LS_PASSWORD = "…"`. */
  #word(): void {
    const from = this.#at;
    const to = this.#skip(from, isWord);
    this.#at = to;
    const word = this.#text.slice(from, to).toLowerCase();
    if (word === 'bearer' || word === 'basic') {
      const start = this.#skip(to, isSpace);
      if (start === to) return;
      const end = this.#skip(start, (unit) => isDigitOrLetter(unit) || isCredentialMark(unit));
      this.#hide(start, end);
    } else if (tellingKey.test(word)) {
      this.#value(to);
    }
  }

  #value(behindKey: number): void {
    const sign = this.#skip(this.#pastQuote(behindKey), isSpace);
    const unit = this.#unit(sign);
    // `token://` is an address.
    if (unit !== 61 && (unit !== 58 || this.#text.startsWith('//', sign + 1))) return;
    const start = this.#skip(sign + 1, isSpace);
    const inside = this.#pastQuote(start);
    if (inside === start) {
      this.#hide(
        start,
        this.#skip(start, (each) => !isSpace(each) && !endsValue(each)),
      );
      return;
    }
    const quote = this.#unit(inside - 1);
    // In a text inside a text the quotes are escaped themselves.
    const escaped = inside - start > 1;
    let end = inside;
    while (end < this.#text.length) {
      const each = this.#unit(end);
      if (each === quote) break;
      end += each === 92 && !escaped ? 2 : 1;
    }
    this.#hide(inside, Math.min(end, this.#text.length));
  }

  /** Behind a quote with the backslashes before it; `at` when there is none. */
  #pastQuote(at: number): number {
    const quote = this.#skip(at, (unit) => unit === 92);
    return isQuote(this.#unit(quote)) ? quote + 1 : at;
  }

  /** `://user:password@host/path?query`: who and what for, no more. */
  #address(): void {
    if (!this.#text.startsWith('://', this.#at)) {
      this.#at += 1;
      return;
    }
    const from = this.#at + 3;
    const host = this.#skip(from, (unit) => !isSpace(unit) && !endsAuthority(unit));
    const at = this.#text.slice(from, host).lastIndexOf('@');
    this.looked += host - from;
    if (at > 0) this.#hide(from, from + at);
    const query = this.#skip(host, (unit) => !isSpace(unit) && !endsAddress(unit) && unit !== 63);
    this.#at = query;
    if (this.#unit(query) !== 63) return;
    this.#hide(
      query + 1,
      this.#skip(query + 1, (unit) => !isSpace(unit) && !endsAddress(unit)),
    );
  }

  /** `<LS_TOKEN>…</LS_TOKEN>`, also with CDATA, also without an end. */
  #element(): void {
    const from = this.#at + 1;
    const to = this.#skip(from, isWord);
    this.#at = to;
    if (this.#unit(to) !== 62 || !tellingElement.test(this.#text.slice(from, to).toLowerCase())) return;
    const start = to + 1;
    const cdata = '<![CDATA[';
    const end = this.#text.startsWith(cdata, start)
      ? this.#text.indexOf(']]>', start)
      : this.#text.indexOf('<', start);
    const stop = end < 0 ? this.#text.length : end;
    this.looked += stop - start;
    this.#hide(start, this.#text.startsWith(']]>', stop) ? stop + 3 : stop);
  }
}

/** As it is, and as it stands in addresses, JSON and XML. Short ones are left: `a` would blank out the whole text. */
function spellings(secret: string): string[] {
  if (secret.length < 4) return [];
  const xml = secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return [
    ...new Set([secret, encodeURIComponent(secret.toWellFormed()), JSON.stringify(secret).slice(1, -1), xml]),
  ];
}

/** All places first, then hidden together: secrets may overlap. */
function withoutKnown(text: string, secrets: readonly string[]): string {
  const places: [from: number, to: number][] = [];
  for (const secret of secrets.flatMap(spellings)) {
    for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1))
      places.push([at, at + secret.length]);
  }
  if (places.length === 0) return text;
  places.sort(([a], [b]) => a - b);
  const parts: string[] = [];
  let kept = 0;
  for (const [from, to] of places) {
    if (from > kept || parts.length === 0) parts.push(text.slice(kept, from), hidden);
    kept = Math.max(kept, to);
  }
  return parts.join('') + text.slice(kept);
}

/** Is what stands behind this key a secret? */
export const isSecretKey = (key: string): boolean =>
  tellingKey.test(key.toLowerCase()) || tellingElement.test(key.toLowerCase());

/** Every place needs one of these; most texts have none, and one look is cheaper. */
const telling = /:\/\/|bearer|basic|token|pass|secret|auth/i;

export function redact(text: string, secrets: readonly string[] = []): string {
  return redactCounting(text, secrets).text;
}

/** Also how many characters were looked at. */
export function redactCounting(
  text: string,
  secrets: readonly string[] = [],
): { readonly text: string; readonly looked: number } {
  const known = withoutKnown(text, secrets);
  if (!telling.test(known)) return { text: known, looked: text.length };
  const redaction = new Redaction(known);
  return { text: redaction.run(), looked: redaction.looked };
}

/** One printable line, of which nothing is secret: what logs and messages are made of. */
export function oneLine(text: string, secrets: readonly string[] = []): string {
  return printable(redact(text, secrets));
}

/** One argument of an action. */
export function oneArgument(argument: string, secrets: readonly string[] = []): string {
  return argument.length > longWord ? `<${argument.length} characters>` : oneLine(argument, secrets);
}
