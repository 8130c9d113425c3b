import { afterAll, expect, test } from 'bun:test';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOfSources, isCurrent, stampOf } from '../../src/tools/sources.ts';

const project = Bun.fileURLToPath(new URL('../../', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'own-binary-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The project as it is, with an action that throws on its first line. */
function copyOfProject(): void {
  for (const name of ['src', 'drivers', 'package.json', 'bun.lock', 'tsconfig.json', 'docs'])
    cpSync(join(project, name), join(root, name), { recursive: true, verbatimSymlinks: true });
  symlinkSync(join(project, 'node_modules'), join(root, 'node_modules'));
}

const binary = join(root, 'dist/linstor_un');
const build = (...args: string[]) =>
  Bun.spawnSync([process.execPath, 'src/tools/build.ts', ...args], { cwd: root, stderr: 'pipe' });
const versionOf = () => Bun.spawnSync([binary, '--version']).stdout.toString();

test('a program of other sources is known as such, and built anew before anything runs it', () => {
  copyOfProject();
  expect(isCurrent(root, binary)).toBe(false);
  expect(build().exitCode).toBe(0);
  expect(isCurrent(root, binary)).toBe(true);
  expect(readFileSync(stampOf(binary), 'utf8')).toBe(digestOfSources(root));
  expect(versionOf()).toContain('2.0.0');

  const main = join(root, 'src/main.ts');
  const before = readFileSync(main);
  writeFileSync(main, `console.log('changed');\n${before}`);
  expect(isCurrent(root, binary)).toBe(false);
  const run = Bun.spawnSync(
    [process.execPath, '-e', "console.log((await import('./src/tools/own-binary.ts')).ownBinary())"],
    { cwd: root },
  );
  expect([run.exitCode, run.stdout.toString().trim()]).toEqual([0, binary]);
  expect(versionOf()).toContain('changed');

  // What cannot be built is not run either.
  writeFileSync(main, 'this is no program');
  const failed = Bun.spawnSync(
    [process.execPath, '-e', "(await import('./src/tools/own-binary.ts')).ownBinary()"],
    { cwd: root, stderr: 'pipe' },
  );
  expect(failed.exitCode).not.toBe(0);
  expect(failed.stderr.toString()).toContain('could not be built');
});
