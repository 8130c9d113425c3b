/** `bun run pictures`: docs/pictures/, recorded from a terminal in a lab. `--out DIR` elsewhere. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { recordPictures } from './pictures/record.ts';

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));
const { values } = parseArgs({
  args: Bun.argv.slice(2),
  options: { out: { type: 'string', default: 'docs/pictures' } },
});
const out = resolve(root, values.out);
mkdirSync(out, { recursive: true });
for (const [name, svg] of await recordPictures()) {
  writeFileSync(join(out, `${name}.svg`), svg);
  console.log(join(values.out, `${name}.svg`));
}
