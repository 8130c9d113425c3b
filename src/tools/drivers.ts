/** `bun run drivers`: writes the symlink tree `drivers/` from the action table. `--check` only compares. */
import { mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { driverLinks } from './driver-links.ts';

const root = Bun.fileURLToPath(new URL('../../drivers/', import.meta.url));
const wanted = driverLinks();
const present = await existingLinks(root);
const missing = [...wanted].filter(([path, to]) => present.get(path) !== to);
const surplus = [...present.keys()].filter((path) => !wanted.has(path));

if (Bun.argv.includes('--check')) {
  for (const [path] of missing) console.error(`missing or wrong: drivers/${path}`);
  for (const path of surplus) console.error(`not in the action table: drivers/${path}`);
  process.exit(missing.length + surplus.length === 0 ? 0 : 1);
}
for (const path of surplus) await rm(join(root, path));
for (const [path, to] of missing) {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await rm(join(root, path), { force: true });
  await symlink(to, join(root, path));
}
console.log(`drivers: ${wanted.size} links, ${missing.length} written, ${surplus.length} removed`);

async function existingLinks(folder: string): Promise<Map<string, string>> {
  const links = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    links.set(path.slice(folder.length), await readlink(path));
  }
  return links;
}
