import { writeFileSync } from 'node:fs';
import { requireSuccess, runMeasured } from './process.ts';

const root = Bun.fileURLToPath(new URL('../../../', import.meta.url));
const environment = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/root' };

/** The program as it is released, from the sources as they are. */
export async function buildDriver(out: string): Promise<void> {
  const argv = [process.execPath, 'src/tools/build.ts', '--out', out];
  requireSuccess('the build', await runMeasured({ argv, env: environment, cwd: root }));
}

/** What any compiled program costs: the same compiler, one line. */
export async function buildHello(out: string): Promise<void> {
  const source = `${out}.ts`;
  writeFileSync(source, "console.log('hello');\n");
  const argv = [process.execPath, 'build', '--compile', '--minify', '--bytecode', source, '--outfile', out];
  requireSuccess('the build of hello', await runMeasured({ argv, env: environment }));
}
