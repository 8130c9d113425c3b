import { expect, test } from 'bun:test';
import {
  type ObjectKind,
  type Operation,
  retCode,
  type Severity,
} from '../../../src/lab/linstor/rest/codes.ts';
import { encode } from '../../../src/lab/linstor/rest/json.ts';

// Values of linstor-behaviour §2.4, seen in recordings.
const table: [Severity, number, Operation | undefined, ObjectKind | undefined, string][] = [
  ['success', 1, 'create', 'definition', '20447233'],
  ['success', 2, 'delete', 'definition', '54001666'],
  ['error', 501, 'create', 'definition', '-4611686018406940171'],
  ['warning', 3000, 'delete', 'definition', '-9223372036800771144'],
  ['error', 514, 'delete', 'definition', '-4611686018373385726'],
  ['error', 503, 'create', 'volume-definition', '-4611686018407464457'],
  ['warning', 1023, 'modify', 'volume-definition', '-9223372036818074625'],
  ['info', 10008, 'create', 'resource', '4611686018447583000'],
  ['error', 996, 'create', 'resource', '-4611686018407201820'],
  ['warning', 1006, 'create', 'resource', '-9223372036834589714'],
  ['error', 996, 'create', 'group', '-4611686018406153244'],
  ['error', 995, 'modify', 'snapshot', '-4611686018393046045'],
  ['error', 522, 'create', 'group', '-4611686018406153718'],
  ['success', 3, 'modify', 'controller', '34603011'],
  ['error', 300, undefined, undefined, '-4611686018427387604'],
  ['warning', 1002, undefined, undefined, '-9223372036854774806'],
];

test.each(table)('%s %i of %s %s is %s', (severity, code, operation, object, expected) => {
  expect(retCode(severity, code, { operation, object }).toString()).toBe(expected);
});

test('whole 64-bit integers leave the encoder with all their digits', () => {
  expect(encode({ ret_code: -4611686018406940171n, list: [9223372036854775807n] })).toBe(
    '{"ret_code":-4611686018406940171,"list":[9223372036854775807]}',
  );
});
