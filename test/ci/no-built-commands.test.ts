import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = Bun.fileURLToPath(new URL('../..', import.meta.url));
const rule =
  /a command is built from a string|a shell script is built from a string|text of a script must be constant|builds a shell command/;

/** Lints `code` as a file of the project: plugins are not applied to standard input in a readable way. */
function lint(code: string): string {
  const folder = mkdtempSync(join(root, 'test/ci/sample-'));
  try {
    writeFileSync(join(folder, 'sample.ts'), code);
    const result = Bun.spawnSync(
      ['node_modules/.bin/biome', 'lint', '--colors=off', join(folder, 'sample.ts')],
      {
        cwd: root,
        stdout: 'pipe',
        stderr: 'pipe',
      },
    );
    return `${result.stdout}${result.stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// Written in pieces, or the rule would find them here.
const value = '$' + '{x}';
const bad = [
  `spawn(\`ls ${value}\`);`,
  "execSync('rm ' + x);",
  `Bun.spawn(['bash', '-c', \`echo ${value}\`]);`,
  `Bun.spawnSync(['/bin/sh', '-lc', 'echo ' + x]);`,
  `Bun.$\`ls ${value}\`;`,
  `export const spec = { script: \`echo ${value}\` };`,
];
const good = [
  `Bun.spawn(['bash', '-c', 'echo "$1"', 'name', x]);`,
  `export const spec = { script: 'echo "$1"', args: [x] };`,
  'spawn("ls", [x]);',
];

test.each(bad)('refused: %s', (code) => {
  expect(lint(`export const x = 'a';\n${code}\n`)).toMatch(rule);
});

test.each(good)('allowed: %s', (code) => {
  expect(lint(`export const x = 'a';\n${code}\n`)).not.toMatch(rule);
});
