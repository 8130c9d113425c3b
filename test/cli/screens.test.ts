import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { hasUtf8, plain } from '../../src/cli/glyphs.ts';
import { runCli } from '../../src/cli/main.ts';
import { paintFor } from '../../src/cli/paint.ts';
import { widthOf } from '../../src/cli/table.ts';
import { Waiting, watched } from '../../src/cli/waiting.ts';
import { World } from './world.ts';

const commands = ['install', 'upgrade', 'uninstall', 'doctor', 'status', 'gc', 'trace', 'metrics', 'version'];
const ofLab = ['demo', 'up', 'status', 'break', 'mend', 'story', 'down'];

async function screen(columns: number, ...argv: string[]): Promise<string> {
  const world = new World();
  world.columns = columns;
  await runCli(argv, world.environment());
  return world.text;
}

describe('help fits the screen', () => {
  const pages = [[], ...commands.map((name) => [name]), ['lab'], ...ofLab.map((name) => ['lab', name])];

  test.each([60, 80, 200])('at %i columns', async (columns) => {
    for (const page of pages) {
      const text = await screen(columns, ...page, '--help');
      expect(text).toContain('USAGE');
      // A word that is longer than the line stands alone: a path in an example.
      const tooLong = text
        .split('\n')
        .filter((line) => widthOf(line) > columns && /\S\s+\S/.test(line.trim()));
      expect([page, tooLong]).toEqual([page, []]);
    }
  });

  test('a wide screen has one line for each option', async () => {
    const wide = await screen(200, 'lab', 'up', '--help');
    expect(wide).toContain('LINSTOR: 1.20, 1.27, 1.31, 1.33 or 1.35 (default: 1.33)\n');
    expect(await screen(60, 'lab', 'up', '--help')).toMatch(
      /--nodes 5 --pool \\\n {4}thin=LVM_THIN:20G,fat=LVM --generation 1.31\n {6}another cluster/,
    );
  });
});

describe('signs', () => {
  test.each([
    [{ LANG: 'de_DE.UTF-8' }, true],
    [{ LANG: 'C.utf8' }, true],
    [{ LANG: 'de_DE.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'C', LC_CTYPE: 'en_GB.UTF-8' }, true],
    [{ LANG: '' }, false],
    [{}, false],
  ])('%j has UTF-8: %p', (env, expected) => {
    expect(hasUtf8(env)).toBe(expected);
  });

  test('ours are replaced, letters of others are not, and cut words keep their width', () => {
    expect(plain('“Jürgen” – 1 · 2 … → ≥ 3')).toBe('"Jürgen" - 1 . 2 ... > >= 3');
    expect(plain('one-vm-…-disk-0')).toBe('one-vm-~-disk-0');
    expect(plain('link-di… node1')).toBe('link-di~ node1');
    expect(plain('GROUP=…, “…” and more …')).toBe('GROUP=..., "..." and more ...');
    expect(plain('██████░░░░')).toBe('######....');
  });

  const run = (
    locale: string,
    call: string,
  ): {
    out: string;
    err: string;
  } => {
    const module = join(import.meta.dir, '../../src/cli/terminal.ts');
    const text = `const { openTerminal } = await import(process.argv[1]); const terminal = await openTerminal(process.env); ${call}`;
    const { stdout, stderr } = Bun.spawnSync([process.execPath, '-e', text, module], {
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: locale },
    });
    return { out: stdout.toString(), err: stderr.toString() };
  };

  test('a screen and a message follow the locale, what programs read does not', () => {
    expect(run('C', "terminal.out('“a” – b\\n')").out).toBe('"a" - b\n');
    expect(run('C.UTF-8', "terminal.out('“a” – b\\n')").out).toBe('“a” – b\n');
    expect(run('C', "terminal.message('error', 'no “x”')").err).toBe('linstor_un: no "x"\n');
    expect(run('C.UTF-8', "terminal.message('warn', 'no “x”')").err).toBe('linstor_un: warning: no “x”\n');
    expect(run('C', 'terminal.data(\'{"what": "“a”"}\\n\')').out).toBe('{"what": "“a”"}\n');
  });

  test('no sign of any text of the program lacks its replacement', async () => {
    const glob = new Bun.Glob('src/**/*.ts');
    const root = join(import.meta.dir, '../..');
    const strange = new Set<string>();
    for await (const file of glob.scan(root)) {
      if (/src\/(?:tools|cli\/glyphs)/.test(file)) continue;
      const text = (await Bun.file(join(root, file)).text())
        .replaceAll(/\/\*[\s\S]*?\*\//g, '')
        .replaceAll(/\/\/.*/g, '');
      for (const sign of plain(text).match(/[^\u0000-\u007f]/g) ?? []) strange.add(sign);
    }
    expect([...strange]).toEqual([]);
  });
});

test('colours are legible on white and on black', () => {
  const { good, warn, bad, faint, strong } = paintFor(true);
  const codes = [good, warn, bad, faint, strong].map((paint) => paint('x').match(/\[(\d+)m/)?.[1]);
  for (const code of codes) expect(['33', '37', '90', '93', '97']).not.toContain(code);
});

describe('waiting', () => {
  test('is told after two seconds, with what is waited for, and cleared', async () => {
    let now = 0;
    const shown: string[] = [];
    const waiting = new Waiting(
      (text) => shown.push(text),
      () => now,
    );
    const held = Promise.withResolvers<string>();
    const world = new World();
    const context = watched(
      { ...world.context(), hosts: { ...world.ssh(), run: () => held.promise as never } },
      waiting,
    );
    const answer = context.hosts.run('node2', { verb: 'x', script: '', args: [], timeoutMs: 1 } as never);
    const quick = waiting.during('LINSTOR', async () => 1);
    await quick;
    now = 1900;
    waiting.tick();
    expect(shown).toEqual([]);
    now = 4200;
    waiting.tick();
    expect(shown).toEqual(['waiting for ssh to node2 (4 s)']);
    held.resolve('done');
    await answer;
    expect(shown).toEqual(['waiting for ssh to node2 (4 s)', '']);
  });

  test('what fails is no longer waited for', async () => {
    let now = 0;
    const shown: string[] = [];
    const waiting = new Waiting(
      (text) => shown.push(text),
      () => now,
    );
    const failing = waiting.during('OpenNebula', async () => {
      now = 3000;
      waiting.tick();
      throw new Error('refused');
    });
    expect(await failing.catch((error: Error) => error.message)).toBe('refused');
    expect(shown).toEqual(['waiting for OpenNebula (3 s)', '']);
  });
});
