/** `bun run docs`: writes docs/reference.md from the tables of the code. `--check` only compares. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { renderCurrentReference } from './docs/current.ts';

const path = Bun.fileURLToPath(new URL('../../docs/reference.md', import.meta.url));
const wanted = await renderCurrentReference();
const present = existsSync(path) ? readFileSync(path, 'utf8') : '';

if (Bun.argv.includes('--check')) {
  if (present !== wanted) console.error('docs/reference.md is not current: bun run docs');
  process.exit(present === wanted ? 0 : 1);
}
writeFileSync(path, wanted);
console.log(present === wanted ? 'docs/reference.md was current' : 'docs/reference.md written');
