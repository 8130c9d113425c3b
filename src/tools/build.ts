/**
 * `bun run build`: `dist/linstor_un` for this machine (or `--target bun-linux-arm64 --out FILE`); `--if-needed`: unless it is there
 * and made of these sources. What it was made of stands beside it, so that no test runs a program of yesterday.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { sealProgram } from './seal.ts';
import { digestOfSources, isCurrent, stampOf } from './sources.ts';

const { values } = parseArgs({
  args: Bun.argv.slice(2),
  options: {
    target: { type: 'string' },
    out: { type: 'string', default: 'dist/linstor_un' },
    'if-needed': { type: 'boolean', default: false },
  },
});

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
const path = resolve(root, values.out);
if (values['if-needed'] && isCurrent(root, path)) process.exit(0);
// Before the compiler reads them: a source that changes meanwhile makes the next look say "not current".
const digest = digestOfSources(root);
// Beside its place, then moved there: whoever runs the old one goes on, and nobody runs half of the new one.
mkdirSync(dirname(path), { recursive: true });
const scratch = mkdtempSync(join(dirname(path), '.build-'));
const made = join(scratch, basename(path));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
const result = Bun.spawnSync(
  [
    process.execPath,
    'build',
    '--compile',
    '--minify',
    '--bytecode',
    // A start runs everything once: nothing of it is worth compiling. `src/jit.ts` goes back to the usual.
    '--compile-jit-policy=10',
    '--sourcemap=none',
    // One chunk an action: what is not called is not even read.
    '--splitting',
    '--format=esm',
    ...(values.target ? [`--target=${values.target}`] : []),
    // The binary must not pick up a .env or bunfig.toml of whatever directory OpenNebula starts it in.
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
    'src/main.ts',
    '--outfile',
    made,
  ],
  { cwd: root, stdout: 'inherit', stderr: 'inherit' },
);
if (result.exitCode !== 0) process.exit(result.exitCode ?? 1);
sealProgram(made);
rmSync(stampOf(path), { force: true });
renameSync(made, path);
writeFileSync(stampOf(path), digest);
const { size } = Bun.file(path);
console.log(`built ${values.out} (${Math.round(size / 1e6)} MB)`);
