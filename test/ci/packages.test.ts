import { expect, test } from 'bun:test';
import { join } from 'node:path';

const root = join(import.meta.dir, '../..');
const { dependencies } = (await Bun.file(join(root, 'package.json')).json()) as {
  dependencies: Record<string, string>;
};

test('the program is built on bun, zod, citty, consola and ofetch', () => {
  expect(Object.keys(dependencies)).toEqual(
    expect.arrayContaining(['bun', 'zod', 'citty', 'consola', 'ofetch']),
  );
});

test('each runtime dependency is imported and has a reason in docs/architecture.md', async () => {
  const sources: string[] = [];
  for await (const path of new Bun.Glob('src/**/*.ts').scan(root))
    sources.push(await Bun.file(join(root, path)).text());
  const all = sources.join('\n');
  const page = await Bun.file(join(root, 'docs/architecture.md')).text();
  const table = page.split('\n').filter((line) => line.startsWith('| '));
  for (const name of Object.keys(dependencies).filter((each) => each !== 'bun')) {
    expect(all).toMatch(new RegExp(`(?:from|import\\() ?'${name}(?:/[\\w-]+)?'`));
    expect(table.some((line) => line.split('|')[1]?.includes(name))).toBe(true);
  }
});
