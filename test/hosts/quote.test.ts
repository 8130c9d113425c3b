import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { quote, quoteAll } from '../../src/hosts/quote.ts';
import { bytesOfText, hasRawBytes, textOfBytes } from '../../src/hosts/raw-text.ts';

const throughBash = (words: readonly string[]): Buffer =>
  // The only command that is built as text: it is what is tested.
  Bun.spawnSync(['bash', '-c', ["printf '%s\\0'", quoteAll(words)].join(' ')], { stdin: 'ignore' }).stdout;

const nasty = [
  '',
  ' ',
  '-rf',
  '--',
  "it's",
  `"`,
  '`id`',
  '$(id)',
  '$HOME',
  '!!',
  '\\',
  '\n',
  'a\nb\n',
  '\t',
  '*',
  '~',
  '#',
  '=x',
  'a=b',
  '\u{1F480}\u{1F600}',
  'ü',
  '\x01\x7f',
  "'\\''",
  ';reboot',
  '&',
  '|',
  '<>',
  '\r\n',
  '{a,b}',
  '[x]',
];

describe('quote', () => {
  test('leaves ordinary words readable', () => {
    expect(quote('/var/lib/one/disk.0')).toBe('/var/lib/one/disk.0');
    expect(quote('host1:3370')).toBe('host1:3370');
  });

  test('does not leave words bare that a shell would expand', () => {
    for (const word of nasty) expect(quote(word)).toMatch(/^'|^a=b$|^-/);
  });

  test('round-trips every listed word through bash', () => {
    expect(throughBash(nasty).toString().split('\0').slice(0, -1)).toEqual(nasty);
  });

  test('round-trips any text without NUL through bash', () => {
    const word = fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 12 }), (words) => {
        expect(throughBash(words).toString().split('\0').slice(0, -1)).toEqual(words);
      }),
      { numRuns: 60 },
    );
  });

  test('round-trips any bytes without NUL through bash', () => {
    const data = fc.uint8Array({ min: 1, minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(data, (expected) => {
        const out = throughBash([textOfBytes(expected)]);
        expect(Buffer.compare(out.subarray(0, -1), expected)).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test('refuses NUL', () => {
    expect(() => quote('a\0b')).toThrow('NUL');
  });
});

describe('text of bytes', () => {
  test('is reversible for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (data) => {
        expect(Buffer.compare(bytesOfText(textOfBytes(data)), data)).toBe(0);
      }),
    );
  });

  test('knows escapes from the halves of ordinary characters', () => {
    expect(hasRawBytes('\u{1F480}')).toBe(false);
    expect(hasRawBytes(textOfBytes(Uint8Array.of(0x61, 0xff)))).toBe(true);
  });
});
