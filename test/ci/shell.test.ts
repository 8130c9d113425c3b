import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { Glob } from 'bun';

const root = Bun.fileURLToPath(new URL('../..', import.meta.url));

/** The lab and the developers' tools write shell for this machine alone. */
const outside = /^src\/(lab|tools)\//;

/** Lines that only shell has, as they begin or end a command. */
const shellLine = [
  /^#!\/bin\/(ba)?sh/,
  /^\s*(fi|done|esac|set -[eu]+)\b/,
  /^\s*(if|while|until) .*; ?(then|do)$/,
  /^\s*for \w+( in .*)?; ?do\b/,
  /^\s*case \S+ in\b/,
  /^\s*(exec|trap|printf|echo|umask|exit|shift|cd|rm|mv|cat|mkdir|tar) ['"$\d-]/,
  /^\s*\w+=("?\$[\w@#{(]|$)/,
  />&2|\|\| (exit|return)\b|[<>]\/dev\/null/,
  /^\s*\[ .* \] (&&|\|\|) /,
];

/** Literals of the code with more than three lines of which at least two are shell. */
function inlineScripts(code: string): string[] {
  // Comments hold backticks that open nothing.
  const bare = new Bun.Transpiler({ loader: 'ts', minifyWhitespace: false }).transformSync(code);
  const literals = bare.match(/`(?:\\[\s\S]|[^`\\])*`|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g) ?? [];
  return literals.filter((literal) => {
    const lines = literal
      .slice(1, -1)
      .replaceAll('\\n', '\n')
      .split('\n')
      .filter((line) => line.trim() !== '');
    return lines.length > 3 && lines.filter((line) => shellLine.some((each) => each.test(line))).length > 1;
  });
}

test('a script of more than three lines is in a file of its own, which shellcheck reads', async () => {
  const found: string[] = [];
  for (const file of new Glob('src/**/*.ts').scanSync(root)) {
    if (outside.test(file)) continue;
    for (const script of inlineScripts(await Bun.file(join(root, file)).text()))
      found.push(`${file}: ${script.slice(0, 120)}`);
  }
  expect(found).toEqual([]);
});

test.each([
  'const s = `\nset -e\numask 077\ncd -- "$1"\nrm -rf -- x\n`;',
  'const s = "count=$1\\nshift\\nwhile read -r x; do\\n  echo \\"$x\\"\\ndone\\n";',
  'const s = `$' + '{head}\nout=$1\ncase $2 in\n  a) exit 1 ;;\nesac\n`;',
])('found: %s', (code) => {
  expect(inlineScripts(`/** A \`word\`, it's one. */\n${code}\nexport default s;\n`)).toHaveLength(1);
});

test.each(['const s = `\ncat >"$1" && [ -s "$1" ]\n`;', 'const s = `a\nb\nc\nd\ne`;'])(
  'not found: %s',
  (code) => {
    expect(inlineScripts(`${code}\nexport default s;\n`)).toEqual([]);
  },
);

test.skipIf(Bun.which('shellcheck') === null)('shellcheck has nothing to say of the scripts', () => {
  const files = [...new Glob('src/**/*.sh').scanSync(root)].sort();
  const { stdout } = Bun.spawnSync(['shellcheck', '-f', 'gcc', ...files], { cwd: root, stdout: 'pipe' });
  expect(files.length).toBeGreaterThan(40);
  expect(stdout.toString()).toBe('');
});
