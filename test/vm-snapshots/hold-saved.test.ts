import { afterAll, beforeEach, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import script from '../../src/hosts/shell/hold-saved.sh' with { type: 'text' };

/** The script that keeps a guest saved, with a virsh, a save and a restore that write down what they were told. */
const root = mkdtempSync(join(tmpdir(), 'linstor_un-saved-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(root, 'case-'));
  const program = (name: string, text: string): void =>
    writeFileSync(join(dir, name), `#!/bin/bash\n${text}\n`, { mode: 0o755 });
  program(
    'virsh',
    `shift 2; case $1 in domstate) [ ! -e '${dir}/off' ] || exit 1; echo running ;; list) exit 0 ;; esac`,
  );
  program(
    'save',
    `[ ! -e '${dir}/fail' ] || { echo no space >&2; exit 1; }; echo "save $*" >>'${dir}/told'; touch '${dir}/off'`,
  );
  program('restore', `echo "restore $*" >>'${dir}/told'; rm -f '${dir}/off'`);
});

const told = (): string[] =>
  existsSync(join(dir, 'told')) ? readFileSync(join(dir, 'told'), 'utf8').trim().split('\n') : [];

async function start(seconds: number) {
  const child = Bun.spawn(
    [
      'bash',
      '-c',
      script,
      'hold',
      '/none',
      join(dir, 'save'),
      join(dir, 'restore'),
      'one-7',
      '/m',
      'h1',
      '7',
      String(seconds),
    ],
    {
      env: { ...process.env, PATH: `${dir}:${process.env['PATH']}` },
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'pipe',
    },
  );
  const reader = child.stdout.getReader();
  // What it says may come in pieces.
  let said = '';
  while (!said.endsWith('ready\n')) {
    const { value, done } = await reader.read();
    if (done) break;
    said += new TextDecoder().decode(value);
  }
  return { child, said };
}

async function until(wanted: () => boolean): Promise<void> {
  for (let waited = 0; !wanted() && waited < 400; waited += 1) await Bun.sleep(50);
  expect(wanted()).toBe(true);
}

const both = ['save one-7 /m h1 7 h1', 'restore /m h1 one-7 7 h1'];

test('it goes on when it is told to', async () => {
  const { child, said } = await start(60);
  expect([said, told()]).toEqual(['saved\nready\n', both.slice(0, 1)]);
  child.stdin.write('go\n');
  await child.stdin.end();
  expect(await child.exited).toBe(0);
  expect(told()).toEqual(both);
});

test('it goes on when the driver is gone, and when the time is up', async () => {
  const gone = await start(60);
  await gone.child.stdin.end();
  expect([await gone.child.exited, told()]).toEqual([0, both]);
  rmSync(join(dir, 'told'));
  const late = await start(1);
  expect([await late.child.exited, told()]).toEqual([76, both]);
});

test('it goes on when the script itself is killed', async () => {
  const { child } = await start(60);
  child.kill('SIGKILL');
  await until(() => told().length === 2);
  expect(told()).toEqual(both);
});

test('what is stopped by a signal goes on first; what could not be saved was never held', async () => {
  const { child } = await start(60);
  child.kill('SIGTERM');
  expect([await child.exited, told()]).toEqual([143, both]);
  writeFileSync(join(dir, 'fail'), '');
  const failed = await start(60);
  expect([await failed.child.exited, failed.said]).toEqual([1, '']);
  expect(await new Response(failed.child.stderr).text()).toContain('no space');
  expect(told()).toEqual(both);
});
