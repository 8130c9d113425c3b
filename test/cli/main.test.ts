import { describe, expect, test } from 'bun:test';
import { actions } from '../../src/actions/registry.ts';
import { runCli } from '../../src/cli/main.ts';
import { suggest } from '../../src/cli/suggest.ts';
import { editDistance } from '../../src/edit-distance.ts';
import { World } from './world.ts';

async function run(...argv: string[]): Promise<{ code: number; out: string; messages: string[] }> {
  const world = new World();
  const code = await runCli(argv, world.environment());
  return { code, out: world.text, messages: world.messages };
}

describe('the command line', () => {
  test('help lists every command and fits the screen', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(0);
    for (const name of [
      'install',
      'upgrade',
      'uninstall',
      'doctor',
      'status',
      'gc',
      'trace',
      'lab',
      'actions',
      'version',
    ])
      expect(out).toContain(`\n  ${name} `);
    expect(out.split('\n').every((line) => line.length <= 80)).toBe(true);
    expect((await run('help')).out).toBe(out);
    expect((await run('-h')).out).toBe(out);
  });

  test('no command at all shows the help and is no success', async () => {
    const { code, out } = await run();
    expect(code).toBe(64);
    expect(out).toContain('COMMANDS');
  });

  test.each(['install', 'upgrade', 'uninstall', 'doctor', 'status', 'gc', 'trace', 'actions'])(
    '%s --help has its options and examples',
    async (name) => {
      const { code, out } = await run(name, '--help');
      expect(code).toBe(0);
      expect(out).toContain(`linstor_un ${name}`);
      expect(out).toContain('--json');
      expect(out).toContain('EXAMPLES');
      expect(out).not.toContain('\u001b');
      expect((await run('help', name)).out).toBe(out);
    },
  );

  test.each([
    ['statsu', 'status'],
    ['instal', 'install'],
    ['unistall', 'uninstall'],
    ['docter', 'doctor'],
    ['DOCTOR', 'doctor'],
    ['act', 'actions'],
  ])('%s: did you mean %s', async (typed, meant) => {
    const { code, out, messages } = await run(typed);
    expect([code, out]).toEqual([64, '']);
    expect(messages.join()).toContain(`did you mean “linstor_un ${meant}”?`);
  });

  test('nothing is suggested for what is like nothing, and names of Object are no commands', async () => {
    expect((await run('frobnicate')).messages.join()).toContain('see linstor_un --help');
    expect((await run('constructor')).code).toBe(64);
  });

  test.each([
    [['gc', '--aply'], 'did you mean --apply?'],
    [['install', '--dry-rum'], 'did you mean --dry-run?'],
    [['trace', '--vm'], '--vm needs a value'],
    [['trace', '--vm', 'x'], 'is not a whole number'],
    [['status', 'vm'], 'status vm: missing ID or name'],
    [['status', 'node'], 'status node: missing name'],
    [['status', 'vms', '7'], 'did you mean “linstor_un status vm 7”?'],
    [['status', 'vm', '7', '8'], 'unexpected argument “8”'],
    [['gc', '--name', 'x'], '--name goes with --apply'],
    [['actions', 'all'], 'unexpected argument “all”'],
  ])('%j is refused and nothing is done', async (argv, message) => {
    const { code, out, messages } = await run(...argv);
    expect(code).toBe(64);
    expect(out).toBe('');
    expect(messages.join()).toContain(message);
  });

  test('version', async () => {
    expect((await run('version')).out).toBe('linstor_un 2.0.0\n');
    expect((await run('--version')).out).toBe('linstor_un 2.0.0\n');
    expect(JSON.parse((await run('version', '--json')).out)).toMatchObject({ version: '2.0.0' });
  });
});

describe('actions', () => {
  test('--json is the table', async () => {
    const { code, out } = await run('actions', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual(actions.map(({ kind, name, variants }) => ({ kind, name, variants })));
  });

  test('a line for each, within the screen but for long suffix lists', async () => {
    const { out } = await run('actions');
    expect(out.trimEnd().split('\n')).toHaveLength(actions.length);
    expect(out).toMatch(/^datastore {2}clone +copy an image into a new image$/m);
  });
});

describe('suggestions', () => {
  test.each([
    ['abc', 'abc', 0],
    ['abc', 'acb', 1],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['ab', 'ba', 1],
  ])('distance of %s and %s is %i', (left, right, distance) => {
    expect(editDistance(left, right)).toBe(distance);
    expect(editDistance(right, left)).toBe(distance);
  });

  test('a beginning counts only when it is of one word', () => {
    expect(suggest('inst', ['install', 'instance'])).toBeUndefined();
    expect(suggest('inst', ['install', 'status'])).toBe('install');
  });
});

test('leader tells by its exit code', async () => {
  const world = new World();
  expect(await runCli(['leader'], world.environment())).toBe(0);
  world.leads = false;
  expect(await runCli(['leader'], world.environment())).toBe(1);
  expect(world.text).toBe('');
});
