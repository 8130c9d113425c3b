import { readdirSync, readFileSync } from 'node:fs';

const root = Bun.fileURLToPath(new URL('../../', import.meta.url));

/** README, CONTRIBUTING, SECURITY and docs/, by path from the project's root. */
export function readPages(): Map<string, string> {
  const docs = readdirSync(`${root}docs`).filter((name) => name.endsWith('.md'));
  const paths = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...docs.map((name) => `docs/${name}`)];
  return new Map(paths.map((path) => [path, readFileSync(`${root}${path}`, 'utf8')]));
}

/** Studies of others' systems, which comments cite: they name files and commands that are not ours. */
export const studies = {
  contract: 'docs/opennebula-contract.md',
  'backup-contract': 'docs/backup-contract.md',
  'linstor-behaviour': 'docs/linstor-behaviour.md',
  users: 'docs/user-requests.md',
} as const;

/** The pages about the driver that people write. */
export function handWritten(pages: ReadonlyMap<string, string>): [string, string][] {
  const others: readonly string[] = ['docs/reference.md', ...Object.values(studies)];
  return [...pages].filter(([path]) => !others.includes(path));
}
