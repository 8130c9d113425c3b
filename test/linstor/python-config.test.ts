import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { ConfigRefused, parsePythonConfig } from '../../src/linstor/python-config.ts';

type Read = Record<string, Record<string, string>> | null;

/** What Python's own configparser answered (fixtures/python-config.py). */
const answers = (await Bun.file(join(import.meta.dir, 'fixtures/python-config.json')).json()) as [
  string,
  Read,
][];

function read(text: string): Read {
  try {
    return Object.fromEntries(parsePythonConfig(text));
  } catch (error) {
    if (error instanceof ConfigRefused) return null;
    throw error;
  }
}

describe('as Python reads it', () => {
  test('there is something of everything', () => {
    expect(answers.length).toBeGreaterThan(600);
    expect(answers.filter(([, answer]) => answer === null).length).toBeGreaterThan(100);
    expect(answers.filter(([, answer]) => answer !== null).length).toBeGreaterThan(100);
  });

  test.each(answers)('%j', (text, answer) => {
    expect(read(text)).toEqual(answer);
  });
});

test('what is refused says where', () => {
  expect(() => parsePythonConfig('[a]\nb=1\nb=2\n')).toThrow('line 3: option b is there twice');
});
