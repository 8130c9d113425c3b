import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sealProgram } from '../../src/tools/seal.ts';

/** The built program and what may lie about where it is started: it runs nothing of that. */

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
let dir: string;
let program: string;
const loaded = (): boolean => existsSync(join(dir, 'loaded'));

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'linstor_un-seal-'));
  program = join(dir, 'linstor_un');
  const built = Bun.spawnSync([process.execPath, 'src/tools/build.ts', '--out', program], { cwd: root });
  if (built.exitCode !== 0) throw new Error(built.stderr.toString());
  const evil = `require('node:fs').writeFileSync(${JSON.stringify(join(dir, 'loaded'))}, '')`;
  const here = join(dir, 'here');
  mkdirSync(join(here, 'node_modules/evil'), { recursive: true });
  for (const file of ['evil.js', 'node_modules/evil/index.js', 'preload.ts'])
    writeFileSync(join(here, file), evil);
  writeFileSync(join(here, 'bunfig.toml'), 'preload = ["./evil.js"]\n');
  writeFileSync(join(here, '.env'), 'LINSTOR_UN_CONF=/nonexistent\nBUN_OPTIONS=--preload ./evil.js\n');
  writeFileSync(join(here, 'package.json'), '{"name":"x","imports":{"#x":"./evil.js"},"main":"./evil.js"}');
  writeFileSync(join(here, 'tsconfig.json'), '{"compilerOptions":{"paths":{"*":["./evil.js"]}}}');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const version = (env: Record<string, string>) =>
  Bun.spawnSync([program, 'version'], {
    cwd: join(dir, 'here'),
    env: { PATH: '/usr/bin:/bin', ...env },
    stdin: 'ignore',
  });

describe('the built program', () => {
  test('runs nothing of the directory it is started in', () => {
    const run = version({});
    expect(run.stdout.toString()).toStartWith('linstor_un ');
    expect(loaded()).toBe(false);
  });

  for (const [name, value] of [
    ['BUN_OPTIONS', '--preload ./evil.js'],
    ['BUN_OPTIONS', '-r ./evil.js'],
    ['BUN_OPTIONS', '--import=./evil.js'],
    ['BUN_OPTIONS', '--config=./bunfig.toml'],
    ['BUN_OPTIONS', '--version'],
    ['BUN_BE_BUN', '1'],
    ['BUN_INSPECT', 'ws://127.0.0.1:0/x'],
    ['BUN_INSPECT_PRELOAD', './evil.js'],
    ['NODE_OPTIONS', '--require ./evil.js'],
    ['NODE_PATH', './node_modules'],
  ] as const) {
    test(`runs nothing that ${name}=${value} names`, () => {
      expect(version({ [name]: value }).stdout.toString()).toStartWith('linstor_un ');
      expect(loaded()).toBe(false);
    });
  }

  test('cannot be sealed when Bun asks for other names', () => {
    writeFileSync(join(dir, 'other'), 'no such name');
    expect(() => sealProgram(join(dir, 'other'))).toThrow('BUN_OPTIONS');
  });
});
