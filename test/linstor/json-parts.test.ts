import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Json } from '../../src/linstor/json.ts';
import { JsonParts } from '../../src/linstor/json-parts.ts';

/** What the parts give together, and in how many parts, when `text` arrives in pieces of `size` bytes. */
function read(text: string, size: number): { list: Json[]; parts: number } {
  const list: Json[] = [];
  let count = 0;
  const parts = new JsonParts('GET /v1/view/resources', (part) => {
    count += 1;
    list.push(...(Array.isArray(part) ? part : [part]));
  });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) parts.add(bytes.subarray(at, at + size));
  parts.end();
  return { list, parts: count };
}

const resource = (index: number) => ({
  name: `one-vm-${index}-disk-0`,
  note: '},{"name":"in a text',
  umlaut: 'Träger',
  // Nested lists whose elements look like those of the list itself: a cut here would be wrong.
  children: [{ name: 'a' }, { name: 'b' }, { name: 'c', pad: 'x'.repeat(400) }],
});

describe('a long list that arrives in pieces', () => {
  const long = Array.from({ length: 6_000 }, (_, index) => resource(index));

  test('gives its elements in order, several parts before it has ended', () => {
    for (const size of [10_007, 65_536, 1 << 21]) {
      const { list, parts } = read(JSON.stringify(long), size);
      expect(list).toEqual(long as never);
      expect(parts).toBeGreaterThan(1);
    }
  });

  test('written with blanks between its elements: in one part, but whole', () => {
    const { list } = read(JSON.stringify(long, null, 1), 65_536);
    expect(list).toEqual(long as never);
  });

  test('whose elements end in what looks like a seam', () => {
    const nested = Array.from({ length: 3_000 }, () => ({
      name: [{ name: 'x'.repeat(400) }, { name: 1 }, { name: 2 }],
    }));
    expect(read(JSON.stringify(nested), 65_536).list).toEqual(nested as never);
  });

  test('keeps integers that no double holds', () => {
    const text = `[${Array.from({ length: 40_000 }, (_, index) => `{"ret_code":-46116860184273879${10 + (index % 80)},"message":"m"}`).join(',')}]`;
    const { list, parts } = read(text, 65_536);
    expect(parts).toBeGreaterThan(1);
    expect(list[39_999]).toEqual({ ret_code: -4611686018427387989n, message: 'm' });
  });

  test('cut short is an error, wherever', () => {
    const text = JSON.stringify(long);
    for (const at of [1, 5_000, text.length >> 1, text.length - 1])
      expect(() => read(text.slice(0, at), 65_536)).toThrow('GET /v1/view/resources was answered with');
  });

  test('whatever the pieces', () => {
    const text = JSON.stringify(long.slice(0, 3_000));
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 3_000_000 }), (size) => {
        expect(read(text, size).list).toHaveLength(3_000);
      }),
      { numRuns: 10 },
    );
  });
});

test.each(['[]', '{"error":"x"}', '[{"name":"a"}]', ' [ ] '])('a short document: %s', (text) => {
  const parsed = JSON.parse(text) as Json;
  expect(read(text, 3).list).toEqual(Array.isArray(parsed) ? [...parsed] : [parsed]);
});
