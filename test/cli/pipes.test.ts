import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const main = Bun.fileURLToPath(new URL('../../src/main.ts', import.meta.url));

test('a JSON document of megabytes reaches a slow reader whole', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'pipes-'));
  try {
    const file = join(dir, 'log');
    const record = (n: number): string =>
      JSON.stringify({
        time: '2026-01-01T00:00:00.000Z',
        id: String(n),
        argv: [],
        action: 'tm/clone',
        object: { vm: n },
        ms: 1,
        result: 'ok',
        calls: [],
        notes: [{ level: 'info', text: 'x'.repeat(1000), at: 1 }],
      });
    const count = 3000;
    await Bun.write(file, `${Array.from({ length: count }, (_, n) => record(n)).join('\n')}\n`);
    const child = Bun.spawn(
      [
        'bash',
        '-c',
        'set -o pipefail; "$0" "$1" trace --json --last 0 --file "$2" | { for i in 1 2 3; do sleep 0.2; dd bs=65536 count=1 iflag=fullblock status=none; done; cat; }',
        process.execPath,
        main,
        file,
      ],
      { stdout: 'pipe', stderr: 'pipe' },
    );
    const text = await child.stdout.text();
    expect(await child.stderr.text()).toBe('');
    expect(await child.exited).toBe(0);
    const records = JSON.parse(text) as { object: { vm: number } }[];
    expect(records.map(({ object }) => object.vm)).toEqual(Array.from({ length: count }, (_, n) => n));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('a reader that goes early ends nothing with an error', async () => {
  const child = Bun.spawn(['bash', '-c', '"$0" "$1" --help | head -n 1', process.execPath, main], {
    stdout: 'pipe',
    stderr: 'pipe',
  });
  expect(await child.stdout.text()).toContain('linstor_un');
  expect(await child.stderr.text()).toBe('');
});
