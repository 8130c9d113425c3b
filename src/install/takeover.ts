import { toDriverError } from '../errors.ts';
import { parseConfig } from '../opennebula/config-file.ts';
import { exists, infoOf, linkTarget, namesIn, readText } from './disk.ts';
import type { Layout } from './layout.ts';

/**
 * The bash driver of the same name, where it is installed: which of its files make room, and what of its
 * configuration goes on to mean something.
 */
export interface BashDriver {
  readonly present: boolean;
  /** Files (and linked directories) that stand where ours go, or belong to the bash driver alone. */
  readonly files: readonly string[];
  /** Its configuration, when it lies beside the scripts, where its README does not leave it. */
  readonly strayConfig?: string;
}

/** What only the bash driver has in its directories. */
const ownFiles = ['datastore/linstor_un/linstor_utils.sh', 'datastore/linstor_un/linstor_un.conf'];

/** `targets`: paths that we are going to lay. */
export function findBashDriver(layout: Layout, targets: readonly string[]): BashDriver {
  const folders = [`${layout.remotes}/datastore/linstor_un`, `${layout.remotes}/tm/linstor_un`];
  const linked = folders.filter((path) => infoOf(layout, path)?.isSymbolicLink());
  const inside = (path: string): boolean => linked.some((folder) => path.startsWith(`${folder}/`));
  const candidates = [...targets, ...ownFiles.map((file) => `${layout.remotes}/${file}`)].filter(
    (path) => !inside(path),
  );
  const files = [...linked, ...new Set(candidates)].filter((path) => isForeign(layout, path));
  const stray = `${layout.remotes}/datastore/linstor_un/linstor_un.conf`;
  const present =
    folders.some((path) => exists(layout, `${path}/linstor_utils.sh`)) ||
    files.some((path) => isBash(layout, path));
  return { present, files, ...(exists(layout, stray) ? { strayConfig: stray } : {}) };
}

/** Anything but a link of ours: ours are links to `launcher`, and the launcher itself. */
function isForeign(layout: Layout, path: string): boolean {
  const stat = infoOf(layout, path);
  if (!stat) return false;
  if (path === layout.launcher)
    return stat.isDirectory() || !readText(layout, path).includes('linstor_un: passes the name');
  if (!stat.isSymbolicLink()) return true;
  return !/(?:^|\/)launcher$/.test(linkTarget(layout, path));
}

function isBash(layout: Layout, path: string): boolean {
  if (!infoOf(layout, path)?.isFile()) return false;
  return readText(layout, path).startsWith('#!/bin/bash');
}

/** Files in our two directories that are neither ours nor the bash driver's; they are left alone. */
export function unknownFiles(layout: Layout, known: ReadonlySet<string>): string[] {
  return ['datastore/linstor_un', 'tm/linstor_un'].flatMap((folder) => {
    const path = `${layout.remotes}/${folder}`;
    if (!infoOf(layout, path)?.isDirectory()) return [];
    return namesIn(layout, path)
      .map((name) => `${path}/${name}`)
      .filter((file) => !known.has(file))
      .sort();
  });
}

export interface ConfigReview {
  readonly kept: readonly string[];
  readonly withoutEffect: readonly string[];
}

/** What the settings of a configuration file that exists come to, one line each. */
export function reviewConfig(text: string, file: string): ConfigReview {
  try {
    const { values, ignored, linstorCommand } = parseConfig(text, file, {});
    const kept = Object.entries(values).map(([key, value]) => `${key}=${isSecret(key) ? '…' : value}`);
    return {
      kept: linstorCommand === 'linstor' ? kept : [...kept, `LINSTOR=${linstorCommand}`],
      withoutEffect: ignored.map(({ key, reason }) => `${key}: ${reason}`),
    };
  } catch (error) {
    return { kept: [], withoutEffect: [`the file cannot be read as it is: ${toDriverError(error).message}`] };
  }
}

function isSecret(name: string): boolean {
  return /TOKEN|PASS|SECRET/.test(name);
}
