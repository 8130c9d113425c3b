import { afterAll, expect, test } from 'bun:test';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const directory = mkdtempSync(join(tmpdir(), 'standard-io-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const module = Bun.fileURLToPath(new URL('../src/standard-io.ts', import.meta.url));
const program = `import { readStdin, writeTo } from ${JSON.stringify(module)}; writeTo(1, await readStdin());`;

type Stdin = number | Blob | 'ignore';

function echoed(stdin: Stdin): Promise<string> {
  return Bun.spawn([process.execPath, '-e', program], { stdin, stdout: 'pipe' }).stdout.text();
}

test('a message longer than a pipe holds, with characters across the borders of what is read at once', async () => {
  const text = `x${'ü€😀'.repeat(60_000)}`;
  expect(await echoed(new Blob([text]))).toBe(text);
});

test('a file', async () => {
  const path = join(directory, 'message');
  await Bun.write(path, 'PFZNPg==\n');
  const file = openSync(path, 'r');
  expect(await echoed(file)).toBe('PFZNPg==\n');
  closeSync(file);
});

test('nothing, and no standard input at all', async () => {
  expect(await echoed(new Blob([]))).toBe('');
  expect(await echoed('ignore')).toBe('');
  const closed = Bun.spawn(['sh', '-c', 'exec "$0" -e "$1" <&-', process.execPath, program], {
    stdout: 'pipe',
  });
  expect(await closed.stdout.text()).toBe('');
});

test('a pipe that does not block is waited for', async () => {
  const fifo = join(directory, 'fifo');
  Bun.spawnSync(['mkfifo', fifo]);
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(fifo, 'w');
  const answer = echoed(reader);
  closeSync(reader);
  await Bun.sleep(100);
  writeSync(writer, 'first ');
  await Bun.sleep(300);
  writeSync(writer, 'second');
  closeSync(writer);
  expect(await answer).toBe('first second');
});
