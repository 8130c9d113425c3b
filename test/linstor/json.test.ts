import { describe, expect, test } from 'bun:test';
import { isDriverError } from '../../src/errors.ts';
import { describeText, parseExact, parseReply } from '../../src/linstor/json.ts';

describe('parseExact', () => {
  test('keeps a ret_code to the bit, where JSON.parse does not', () => {
    const text = '[{"ret_code":-4611686018406940171}]';
    expect(parseExact(text)).toEqual([{ ret_code: -4611686018406940171n }]);
    expect(BigInt((JSON.parse(text) as { ret_code: number }[])[0]?.ret_code ?? 0)).not.toBe(
      -4611686018406940171n,
    );
  });

  test('the ends of the 64 bit range, wherever they stand', () => {
    const text = '{"a":9223372036854775807,"b":[ -9223372036854775808],"c":\n-9223372036834589714}';
    expect(parseExact(text)).toEqual({
      a: 9223372036854775807n,
      b: [-9223372036854775808n],
      c: -9223372036834589714n,
    });
  });

  test('safe integers, fractions and exponents stay numbers', () => {
    const text = '{"safe":9007199254740991,"unsafe":9007199254740993,"small":20447233,"half":0.5,"big":1e30}';
    expect(parseExact(text)).toEqual({
      safe: 9007199254740991,
      unsafe: 9007199254740993n,
      small: 20447233,
      half: 0.5,
      big: 1e30,
    });
  });

  test('long digits inside of strings are text', () => {
    const text = '{"message":"code:-4611686018406940171, -4611686018406940171","ret_code":1}';
    expect(parseExact(text)).toEqual({
      message: 'code:-4611686018406940171, -4611686018406940171',
      ret_code: 1,
    });
  });
});

describe('parseReply names what came instead of JSON', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'an empty answer'],
    ['<!DOCTYPE html>\n<html><title>Sign in</title>', 'a web page'],
    ['<html><body>502 Bad Gateway', 'a web page'],
    ['[{"ret_code":-4611686018406940171,"mess', 'JSON cut short or damaged'],
    ['upstream connect error', 'text that is no JSON (upstream connect error)'],
  ];
  test.each(cases)('%p', (text, words) => {
    expect(describeText(text)).toContain(words);
    const work = () => parseReply(text, 'GET /v1/nodes');
    expect(work).toThrow(words);
    expect(work).toThrow('GET /v1/nodes');
    try {
      work();
    } catch (error) {
      expect(isDriverError(error, 'LINSTOR_REPLY')).toBe(true);
    }
  });
});
