import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { silence, wordSeconds } from '../../src/hosts/dialogue.ts';
import { greeting } from '../../src/hosts/greeting.ts';
import { alienCode } from '../../src/hosts/scripts/identity.ts';
import { linkCodes } from '../../src/hosts/scripts/link-disks.ts';
import { gapBytes, mostPieces, windowBytes, wireCodes } from '../../src/transfer/wire.ts';

/** Shell stands in files of its own, with numbers that the program knows by name. */

const src = Bun.fileURLToPath(new URL('../../src', import.meta.url));
const shell = (name: string): string => readFileSync(join(src, name), 'utf8');
const codesOf = (name: string): number[] => [
  ...new Set([...shell(name).matchAll(/\b(?:exit|return) (7\d|8\d)\b/g)].map(([, code]) => Number(code))),
];

test.each([
  'wire-sender',
  'wire-receiver',
  'nbd-sender',
  'nbd-receiver',
  'local-copy',
  'stream-writer',
  'zero-device',
])('%s ends with codes of the table', (name) => {
  const known: readonly number[] = Object.values(wireCodes);
  const codes = codesOf(`transfer/shell/${name}.sh`);
  expect(codes.length).toBeGreaterThan(0);
  expect(codes.filter((code) => !known.includes(code))).toEqual([]);
});

test('the other numbers', () => {
  const sender = shell('transfer/shell/wire-sender.sh');
  expect(sender).toContain(`window=${windowBytes} gap=${gapBytes} most=${mostPieces}\n`);
  expect(codesOf('hosts/shell/identity.sh')).toEqual([alienCode]);
  expect(codesOf('hosts/shell/link-disks.sh').sort()).toEqual([...linkCodes].sort());
  for (const name of ['receive-directory', 'look-for-marker', 'look-or-remove']) {
    expect(shell(`hosts/shell/${name}.sh`)).toContain(`read -t ${wordSeconds} -r said || exit ${silence}`);
  }
  expect(shell('hosts/shell/hear.sh')).toContain(`"$line" = ${greeting} ]`);
  expect(shell('transfer/shell/nbd-sender.sh')).toContain(
    `${wireCodes.noDevice} | ${wireCodes.tooLarge} | ${alienCode})`,
  );
});
