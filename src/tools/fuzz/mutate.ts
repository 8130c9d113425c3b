import type { Random } from '../soak/random.ts';

/** Changes to bytes, of the kinds by which parsers are surprised. */

const words = [
  '',
  '0',
  '-1',
  '4294967296',
  '18446744073709551615',
  '9223372036854775808',
  '1e309',
  'NaN',
  'null',
  '[]',
  '{}',
  '"',
  "'",
  '\\',
  '\0',
  '\r\n',
  '\n',
  '<![CDATA[',
  ']]>',
  '<!--',
  '<!DOCTYPE x [<!ENTITY a "b">]>',
  '&a;',
  '&#0;',
  '&lt;',
  '</',
  '/>',
  '../',
  '$(id)',
  '`id`',
  '%00',
  '\u202e',
  '\u001b[2J',
  'Infinity',
  'true',
  '__proto__',
  'constructor',
  ',',
  ':',
  '=',
  '://',
  '@',
  '-',
  ' ',
  '\t',
  '\ufeff',
  '\ud800',
].map((word) => new TextEncoder().encode(word));

const numbers = [0, 1, 0x7f, 0x80, 0xff];

type Change = (data: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const join = (...parts: readonly Uint8Array[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** Most of what decides stands in front. */
const place = (data: Uint8Array, random: Random): number =>
  random.below(random.chance(0.5) ? Math.min(data.length, 512) + 1 : data.length + 1);

const changes: readonly Change[] = [
  (data, random) => {
    const copy = data.slice();
    if (copy.length > 0) {
      const at = Math.min(place(data, random), copy.length - 1);
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    }
    return copy;
  },
  (data, random) => {
    const copy = data.slice();
    const at = place(data, random);
    copy.fill(random.pick(numbers) ?? 0, at, at + random.between(1, 8));
    return copy;
  },
  (data, random) => data.slice(0, place(data, random)),
  (data, random) => {
    const at = place(data, random);
    return join(data.subarray(0, at), data.subarray(at + random.between(1, 64)));
  },
  (data, random) => {
    const at = place(data, random);
    return join(data.subarray(0, at), random.pick(words) ?? data, data.subarray(at));
  },
  (data, random) => {
    const [at, from] = [place(data, random), place(data, random)];
    const part = data.subarray(from, from + random.between(1, 256));
    return join(
      data.subarray(0, at),
      ...new Array<Uint8Array>(random.between(1, 40)).fill(part),
      data.subarray(at),
    );
  },
  (data, random, other) => {
    const [at, from] = [place(data, random), place(other, random)];
    return join(data.subarray(0, at), other.subarray(from));
  },
];

/** One to some changes, one after the other. */
export function mutate(data: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  let result = data;
  for (let count = random.between(1, 5); count > 0; count -= 1) {
    const change = random.pick(changes);
    if (change) result = change(result, random, other);
    // What grows without end is another test's matter.
    if (result.length > 8 * 1024 * 1024) return data;
  }
  return result;
}
