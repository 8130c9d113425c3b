import { dirname } from 'node:path';
import { DriverError } from '../errors.ts';
import {
  infoOf,
  installProgram,
  layLink,
  makeDirectory,
  move,
  readBytes,
  replaceContent,
  writeFile,
} from './disk.ts';
import type { Layout } from './layout.ts';
import { type Manifest, type ManifestEntry, readManifest, sha256 } from './manifest.ts';
import type { Step } from './plan.ts';
import { planRemoval, remove } from './remove.ts';

/**
 * Carries a plan out. The record is written as it goes, so that an installation that was cut off can be
 * continued or taken back; a step that fails takes back what this run did.
 */
export function applyPlan(layout: Layout, steps: readonly Step[], version: string, now: Date): Manifest {
  const earlier = readManifest(layout);
  const entries: ManifestEntry[] = [...(earlier?.entries ?? [])];
  const record = (): Manifest => {
    const manifest: Manifest = { format: 1, version, installedAt: now.toISOString(), entries };
    writeRecord(layout, manifest);
    return manifest;
  };
  try {
    // Links are recorded before they are laid, all at once: one that is missing is no harm when it is taken back.
    for (const step of steps) if (step.do === 'link') remember(entries, linkEntry(step));
    for (const step of steps) {
      const entry = carryOut(layout, step);
      if (step.do === 'link') continue;
      remember(entries, entry);
      record();
    }
    return record();
  } catch (error) {
    if (!earlier) remove(layout, planRemoval(layout, { entries }, { purge: true }));
    throw new DriverError(
      'BAD_CONFIG',
      `the installation failed: ${error instanceof Error ? error.message : String(error)}`,
      {
        remedy: earlier
          ? 'fix what is reported and run it again; the earlier installation is still recorded'
          : 'fix what is reported (root is needed for a system-wide installation) and run it again; the changes were rolled back',
        cause: error,
      },
    );
  }
}

/** A path has one entry of a kind; the first `set-aside` of a path is the one that counts. */
function remember(entries: ManifestEntry[], entry: ManifestEntry): void {
  const at = entries.findIndex((item) => item.did === entry.did && item.path === entry.path);
  if (at < 0) entries.push(entry);
  else if (entry.did !== 'set-aside') entries[at] = entry;
}

function linkEntry({ path, target }: Extract<Step, { do: 'link' }>): ManifestEntry {
  return { did: 'link', path, target };
}

function carryOut(layout: Layout, step: Step): ManifestEntry {
  switch (step.do) {
    case 'directory':
      makeDirectory(layout, step.path);
      return { did: 'directory', path: step.path };
    case 'binary':
      installProgram(layout, step.path, step.source);
      return { did: 'file', path: step.path, sha256: sha256(readBytes(layout, step.path)) };
    case 'file':
      writeFile(layout, step.path, step.content, step.mode);
      return { did: 'file', path: step.path, sha256: sha256(step.content) };
    case 'link':
      layLink(layout, step.path, step.target);
      return linkEntry(step);
    case 'set-aside':
      return setAside(layout, step);
    case 'edit': {
      const backup = layout.backups + step.path;
      makeDirectory(layout, dirname(backup), 0o700);
      // oned.conf may hold the password of the database.
      writeFile(layout, backup, step.base, 0o600);
      replaceContent(layout, step.path, step.after);
      return { did: 'edit', path: step.path, backup, sha256: sha256(step.after), edits: step.edits };
    }
  }
}

function setAside(layout: Layout, step: Extract<Step, { do: 'set-aside' }>): ManifestEntry {
  const backup = freeName(layout, step.backup);
  makeDirectory(layout, dirname(backup), 0o700);
  move(layout, step.path, backup);
  return { did: 'set-aside', path: step.path, backup };
}

/** An earlier backup of that name is never overwritten. */
function freeName(layout: Layout, path: string): string {
  for (let index = 0; ; index += 1) {
    const name = index === 0 ? path : `${path}.${index}`;
    if (!infoOf(layout, name)) return name;
  }
}

function writeRecord(layout: Layout, manifest: Manifest): void {
  makeDirectory(layout, dirname(layout.manifest));
  writeFile(layout, layout.manifest, `${JSON.stringify(manifest, null, 2)}\n`, 0o644);
}
