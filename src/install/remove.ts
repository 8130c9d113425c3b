import { dirname } from 'node:path';
import {
  exists,
  infoOf,
  linkTarget,
  makeDirectory,
  move,
  readBytes,
  readText,
  removeEmpty,
  removeTree,
  replaceContent,
  unlink,
} from './disk.ts';
import type { Layout } from './layout.ts';
import { type EditEntry, type Manifest, type ManifestEntry, sha256 } from './manifest.ts';
import { revertFile } from './plan.ts';

/** What taking an installation back is going to do, newest first. */
export type RemovalStep =
  | { readonly do: 'unlink'; readonly path: string }
  | { readonly do: 'rmdir'; readonly path: string }
  | { readonly do: 'restore'; readonly path: string; readonly backup: string }
  | {
      readonly do: 'revert';
      readonly path: string;
      readonly before: string;
      readonly after: string;
      readonly exact: boolean;
    }
  | { readonly do: 'keep'; readonly path: string; readonly why: string };

export function planRemoval(
  layout: Layout,
  manifest: Pick<Manifest, 'entries'>,
  options: { purge: boolean },
): RemovalStep[] {
  return manifest.entries.toReversed().flatMap((entry) => planEntry(layout, entry, options.purge));
}

function planEntry(layout: Layout, entry: ManifestEntry, purge: boolean): RemovalStep[] {
  const stat = infoOf(layout, entry.path);
  switch (entry.did) {
    case 'directory':
      return [{ do: 'rmdir', path: entry.path }];
    case 'link':
      if (!stat) return [];
      if (stat.isSymbolicLink() && linkTarget(layout, entry.path) === entry.target)
        return [{ do: 'unlink', path: entry.path }];
      return [{ do: 'keep', path: entry.path, why: 'it was replaced since by something else' }];
    case 'file':
      return stat ? [planFile(layout, entry, purge)] : [];
    case 'set-aside':
      return [{ do: 'restore', path: entry.path, backup: entry.backup }];
    case 'edit':
      return stat ? planRevert(layout, entry) : [];
  }
}

function planFile(
  layout: Layout,
  entry: Extract<ManifestEntry, { did: 'file' }>,
  purge: boolean,
): RemovalStep {
  const { path } = entry;
  const changed = path !== layout.binary && sha256(readBytes(layout, path)) !== entry.sha256;
  if (changed && !purge) return { do: 'keep', path, why: 'it was changed since; --purge removes it too' };
  return { do: 'unlink', path };
}

function planRevert(layout: Layout, entry: EditEntry): RemovalStep[] {
  const before = readText(layout, entry.path);
  const exact = sha256(before) === entry.sha256 && exists(layout, entry.backup);
  const after = exact ? readText(layout, entry.backup) : revertFile(layout, entry.path, before, entry.edits);
  return before === after ? [] : [{ do: 'revert', path: entry.path, before, after, exact }];
}

/** Carries it out, and removes the record and the backups last. Returns what could not be put back. */
export function remove(layout: Layout, steps: readonly RemovalStep[]): string[] {
  const left: string[] = [];
  // What is ours goes before what stood in its place comes back.
  const [ours, rest] = [
    steps.filter((item) => item.do === 'unlink'),
    steps.filter((item) => item.do !== 'unlink' && item.do !== 'rmdir'),
  ];
  for (const step of [...ours, ...rest]) undo(layout, step, left);
  unlink(layout, layout.manifest);
  if (left.length === 0) removeTree(layout, layout.backups);
  for (const step of steps) {
    if (step.do === 'rmdir') removeEmpty(layout, step.path);
  }
  removeEmpty(layout, layout.home);
  return left;
}

function undo(layout: Layout, step: RemovalStep, left: string[]): void {
  if (step.do === 'unlink') unlink(layout, step.path);
  if (step.do === 'revert') replaceContent(layout, step.path, step.after);
  if (step.do !== 'restore' || !infoOf(layout, step.backup)) return;
  // A directory of ours may stand where a linked directory was.
  removeEmpty(layout, step.path);
  if (infoOf(layout, step.path)) {
    left.push(`${step.path}: something else is there now; its backup is ${step.backup}`);
    return;
  }
  makeDirectory(layout, dirname(step.path));
  move(layout, step.backup, step.path);
}
