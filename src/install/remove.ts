import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { move, replaceContent } from './files.ts';
import { type Layout, onDisk } from './layout.ts';
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
  const disk = onDisk(layout, entry.path);
  const stat = lstatSync(disk, { throwIfNoEntry: false });
  switch (entry.did) {
    case 'directory':
      return [{ do: 'rmdir', path: entry.path }];
    case 'link':
      if (!stat) return [];
      if (stat.isSymbolicLink() && readlinkSync(disk) === entry.target)
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
  const changed = path !== layout.binary && sha256(readFileSync(onDisk(layout, path))) !== entry.sha256;
  if (changed && !purge) return { do: 'keep', path, why: 'it was changed since; --purge removes it too' };
  return { do: 'unlink', path };
}

function planRevert(layout: Layout, entry: EditEntry): RemovalStep[] {
  const before = readFileSync(onDisk(layout, entry.path), 'utf8');
  const backup = onDisk(layout, entry.backup);
  const exact = sha256(before) === entry.sha256 && existsSync(backup);
  const after = exact ? readFileSync(backup, 'utf8') : revertFile(layout, entry.path, before, entry.edits);
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
  rmSync(onDisk(layout, layout.manifest), { force: true });
  if (left.length === 0) rmSync(onDisk(layout, layout.backups), { recursive: true, force: true });
  for (const step of steps) {
    if (step.do === 'rmdir') removeEmpty(onDisk(layout, step.path));
  }
  removeEmpty(onDisk(layout, layout.home));
  return left;
}

function undo(layout: Layout, step: RemovalStep, left: string[]): void {
  const disk = onDisk(layout, step.path);
  if (step.do === 'unlink') rmSync(disk, { force: true });
  if (step.do === 'revert') replaceContent(disk, step.after);
  if (step.do !== 'restore') return;
  const backup = onDisk(layout, step.backup);
  if (!existsSync(backup) && !lstatSync(backup, { throwIfNoEntry: false })) return;
  // A directory of ours may stand where a linked directory was.
  removeEmpty(disk);
  if (lstatSync(disk, { throwIfNoEntry: false })) {
    left.push(`${step.path}: something stands there; its backup is ${step.backup}`);
    return;
  }
  mkdirSync(dirname(disk), { recursive: true });
  move(backup, disk);
}

function removeEmpty(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory() && readdirSync(path).length === 0) rmdirSync(path);
}
