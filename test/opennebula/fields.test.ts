import { describe, expect, test } from 'bun:test';
import { isDriverError } from '../../src/errors.ts';
import {
  count,
  type Field,
  id,
  idOrNone,
  nonEmpty,
  optional,
  orElse,
  readFields,
  size,
  text,
  yesNo,
} from '../../src/opennebula/fields.ts';
import { parseXml } from '../../src/opennebula/xml.ts';

function read<T>(field: Field<T>, inside: string): T {
  return readFields(parseXml(`<VM>${inside}</VM>`, 'VM'), { A: field }, 'VM 7').A;
}

/** The reason alone: what follows the object in the message. */
function refusal(field: Field<unknown>, inside: string): string {
  try {
    read(field, inside);
  } catch (error) {
    if (isDriverError(error, 'ONE_INCOMPLETE'))
      return error.message.replace(/^.* of VM 7 cannot be used: /, '');
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('what a text may be', () => {
  test.each<[string, Field<unknown>, string, unknown]>([
    ['id', id, '0', 0],
    ['id, of nine digits', id, '999999999', 999_999_999],
    ['id with blanks around it', id, ' \n7\t', 7],
    ['no id', idOrNone, '-1', -1],
    ['id or none', idOrNone, '12', 12],
    ['count', count, '-3', -3],
    ['count', count, '1700000000', 1_700_000_000],
    ['size', size, '1024', 1024],
    ['yes', yesNo, 'Yes', true],
    ['yes as a number', yesNo, '1', true],
    ['no', yesNo, 'NO', false],
    ['no as a number', yesNo, ' 0 ', false],
    ['text, as it is', text, ' a ', ' a '],
    ['text, empty', text, '', ''],
    ['text that is not empty', nonEmpty, 'a', 'a'],
    ['optional and empty', optional(id), ' ', undefined],
    ['optional and there', optional(id), '3', 3],
    ['with another value, and there', orElse(count, 5), '4', 4],
  ])('%s', (_name, field, value, expected) => {
    expect(read(field, `<A>${value}</A>`)).toBe(expected);
  });

  test('an element that is not there', () => {
    expect(read(optional(id), '')).toBeUndefined();
    expect(read(orElse(count, 5), '')).toBe(5);
    expect(read(orElse(text, ''), '<B>x</B>')).toBe('');
  });
});

describe('what is refused, and in which words', () => {
  test.each<[Field<unknown>, string, string]>([
    [id, '', 'A is missing'],
    [text, '', 'A is missing'],
    [yesNo, '<A></A>', 'A “” is neither YES nor NO'],
    [id, '<A>-1</A>', 'A “-1” is not an object id'],
    [id, '<A>1234567890</A>', 'A “1234567890” is not an object id'],
    [id, '<A>7x</A>', 'A “7x” is not an object id'],
    [id, '<A>7\n8</A>', 'A “7\n8” is not an object id'],
    [idOrNone, '<A>-2</A>', 'A “-2” is not an object id'],
    [count, '<A>1.5</A>', 'A “1.5” is not a number'],
    [orElse(count, 0), '<A></A>', 'A “” is not a number'],
    [size, '<A>-1</A>', 'A “-1” is not a size in MB'],
    [optional(size), '<A>1G</A>', 'A “1G” is not a size in MB'],
    [yesNo, '<A>true</A>', 'A “true” is neither YES nor NO'],
    [nonEmpty, '<A></A>', 'A “” is empty'],
    [text, '<A>1</A><A>1</A>', 'A occurs 2 times'],
  ])('%p %s', (field, inside, reason) => {
    expect(refusal(field, inside)).toBe(reason);
  });

  test('the first of several, in the order of the table', () => {
    const fields = { B: id, A: id };
    expect(() => readFields(parseXml('<VM><A>x</A></VM>', 'VM'), fields, 'VM 7')).toThrow(/B is missing/);
  });
});
