import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A flush through a descriptor that only reads fails with EIO on a DRBD device that is not open otherwise: it stays
 * Secondary. `sync FILE` and `blockdev --flushbufs` open for reading; so does a dd that is told to flush and writes nowhere.
 */

const src = Bun.fileURLToPath(new URL('../../src', import.meta.url));

const command = String.raw`(?:^|[;&|({!]|\b(?:then|else|do|exec|if|while|until|command|time)\b)[ \t]*`;
const readOnlyFlushes: readonly RegExp[] = [
  new RegExp(String.raw`${command}sync(?=[ \t]+["'$/<>-]|[ \t]*(?:[;&|)}]|$))`, 'm'),
  /\[\s*['"](?:\/[^'"]*\/)?sync['"]/,
  /--flushbufs/,
];

/** What is wrong in a source text, by line. */
function found(text: string): string[] {
  const lines = text.replaceAll(/\\\n\s*/g, ' ').split('\n');
  return lines.filter((line) => {
    if (/^\s*(?:\*|\/\/|\/\*|#)/.test(line)) return false;
    if (readOnlyFlushes.some((pattern) => pattern.test(line))) return true;
    return /\bdd\b.*conv=\S*f(?:data)?sync/.test(line) && !/\bof=/.test(line);
  });
}

test('no program of ours flushes through a descriptor that only reads', async () => {
  const wrong: string[] = [];
  for await (const name of new Bun.Glob('**/*.{ts,sh}').scan(src)) {
    for (const line of found(readFileSync(join(src, name), 'utf8'))) wrong.push(`${name}: ${line.trim()}`);
  }
  expect(wrong).toEqual([]);
});

test.each([
  'sync -- "$device"',
  'mkfs.ext4 "$1" >/dev/null && sync "$1"',
  '"$program" "$device" || exit 1; sync',
  'if sync -f "$1"; then :; fi',
  'blockdev --flushbufs "$1"',
  'dd if=/dev/null conv=nocreat,fsync',
  "runMeasured({ argv: ['sync', device] })",
])('refused: %s', (line) => {
  expect(found(line)).toEqual([line]);
});

test.each([
  'dd if=/dev/null of="$1" conv=nocreat,notrunc,fsync status=none',
  'flush "$device" || exit 1',
  '# sync "$1" would not do',
  'linstor rd wait-sync "$1"',
  'export async function sync(): Promise<void> {',
])('allowed: %s', (line) => {
  expect(found(line)).toEqual([]);
});
