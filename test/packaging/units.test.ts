import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCommands } from '../../src/tools/docs/commands.ts';

const source = Bun.fileURLToPath(new URL('../../packaging/systemd/', import.meta.url));
const names = readdirSync(source).sort();
const textOf = (name: string): string => readFileSync(join(source, name), 'utf8');
const analyze = Bun.which('systemd-analyze');
const program = '/usr/bin/linstor_un';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'units-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('each timer has its service, each service its timer', () => {
  const stems = (suffix: string): string[] =>
    names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
  expect(stems('.timer')).toEqual(stems('.service'));
  expect(names.filter((name) => !/^linstor_un-\w+\.(?:timer|service)$/.test(name))).toEqual([]);
});

test('services run as oneadmin, on the front-end that leads, for a bounded time', () => {
  for (const name of names.filter((each) => each.endsWith('.service'))) {
    const text = textOf(name);
    expect(text).toContain('\nUser=oneadmin\n');
    expect(text).toContain(`\nExecCondition=${program} leader\n`);
    expect(text).toMatch(/^TimeoutStartSec=\d+min$/m);
  }
});

test('what they call is a command with these options', async () => {
  const commands = new Map((await readCommands()).map(({ name, help }) => [name, help]));
  const called = names.flatMap((name) =>
    [...textOf(name).matchAll(/^Exec\w+=(\S+) (\S+)(.*)$/gm)].map(([, path, command = '', rest = '']) => ({
      path,
      command,
      options: rest.match(/--[\w-]+/g) ?? [],
    })),
  );
  expect(called.length).toBeGreaterThanOrEqual(4);
  for (const { path, command, options } of called) {
    expect(path).toBe(program);
    expect(commands.has(command)).toBe(true);
    for (const option of options) expect(commands.get(command)).toContain(option);
  }
});

/** The program of the package is not here: another stands for it. All else is as it is installed. */
test.skipIf(analyze === null)('systemd-analyze verify has no remark', () => {
  for (const name of names)
    writeFileSync(join(folder, name), textOf(name).replaceAll(`=${program} `, '=/usr/bin/true '));
  const paths = names.map((name) => join(folder, name));
  const { exitCode, stdout, stderr } = Bun.spawnSync([
    'systemd-analyze',
    'verify',
    '--man=no',
    '--recursive-errors=yes',
    ...paths,
  ]);
  const ours = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('linstor_un'));
  expect({ exitCode, ours }).toEqual({ exitCode: 0, ours: [] });
});

if (analyze === null) console.warn('not run: systemd-analyze verify, which is not installed');
