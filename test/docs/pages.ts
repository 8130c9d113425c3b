import { readdirSync, readFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url).pathname;

/** README, CONTRIBUTING and docs/, by path from the project's root. */
export function readPages(): Map<string, string> {
  const docs = readdirSync(`${root}docs`).filter((name) => name.endsWith('.md'));
  const paths = ['README.md', 'CONTRIBUTING.md', ...docs.map((name) => `docs/${name}`)];
  return new Map(paths.map((path) => [path, readFileSync(`${root}${path}`, 'utf8')]));
}

/** The pages that people write. */
export function handWritten(pages: ReadonlyMap<string, string>): [string, string][] {
  return [...pages].filter(([path]) => path !== 'docs/reference.md');
}
