import { z } from 'zod';
import { DriverError } from '../errors.ts';
import { exists, readText } from './disk.ts';
import type { Layout } from './layout.ts';

/** What an installation did, so that it can be taken back. Paths are without the root. */
const option = z.object({ short: z.string(), long: z.string() });
const edit = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('list'),
    section: z.string(),
    key: z.string(),
    option,
    items: z.array(z.string()),
    created: z.string(),
  }),
  z.object({ kind: z.literal('section'), section: z.string(), inserted: z.string() }),
  z.object({ kind: z.literal('attribute'), section: z.string(), name: z.string(), inserted: z.string() }),
  z.object({ kind: z.literal('single'), name: z.string(), value: z.string(), inserted: z.string() }),
  z.object({ kind: z.literal('placer'), before: z.string() }),
  z.object({ kind: z.literal('pairs'), pairs: z.array(z.string()), inserted: z.string() }),
]);
export type Edit = z.infer<typeof edit>;

const entry = z.discriminatedUnion('did', [
  z.object({ did: z.literal('directory'), path: z.string() }),
  z.object({ did: z.literal('file'), path: z.string(), sha256: z.string() }),
  z.object({ did: z.literal('link'), path: z.string(), target: z.string() }),
  z.object({ did: z.literal('set-aside'), path: z.string(), backup: z.string() }),
  z.object({
    did: z.literal('edit'),
    path: z.string(),
    /** Copy of the file before our first edit. */
    backup: z.string(),
    /** Of the file as we left it. */
    sha256: z.string(),
    edits: z.array(edit),
  }),
]);
export type ManifestEntry = z.infer<typeof entry>;
export type EditEntry = Extract<ManifestEntry, { did: 'edit' }>;

const manifest = z.object({
  format: z.literal(1),
  version: z.string(),
  installedAt: z.string(),
  /** In the order in which it was done. */
  entries: z.array(entry),
});
export type Manifest = z.infer<typeof manifest>;

/** Undefined when nothing is installed. Throws BAD_CONFIG for a record that cannot be read. */
export function readManifest(layout: Layout): Manifest | undefined {
  if (!exists(layout, layout.manifest)) return undefined;
  try {
    return manifest.parse(JSON.parse(readText(layout, layout.manifest)));
  } catch (error) {
    throw new DriverError('BAD_CONFIG', `the record of the installation ${layout.manifest} cannot be read`, {
      remedy: `move ${layout.manifest} away and run “linstor_un install” again; backups are in ${layout.backups}`,
      cause: error,
    });
  }
}

export function sha256(data: string | Uint8Array): string {
  return new Bun.CryptoHasher('sha256').update(data).digest('hex');
}
