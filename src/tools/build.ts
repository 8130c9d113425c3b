/** `bun run build`: `dist/linstor_un` for this machine (or `--target bun-linux-arm64 --out FILE`). */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { sealProgram } from './seal.ts';

const { values } = parseArgs({
  args: Bun.argv.slice(2),
  options: { target: { type: 'string' }, out: { type: 'string', default: 'dist/linstor_un' } },
});

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
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
    values.out,
  ],
  { cwd: root, stdout: 'inherit', stderr: 'inherit' },
);
if (result.exitCode !== 0) process.exit(result.exitCode ?? 1);
const path = resolve(root, values.out);
sealProgram(path);
const { size } = Bun.file(path);
console.log(`built ${values.out} (${Math.round(size / 1e6)} MB)`);
