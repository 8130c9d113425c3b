import { DriverError } from '../errors.ts';
import type { Hosts } from './hosts.ts';
import { identityFunctions } from './scripts/identity.ts';
import { records, sizeFunctions } from './scripts/records.ts';
import checkLinksText from './shell/check-links.sh' with { type: 'text' };
import noteUnfinishedText from './shell/note-unfinished.sh' with { type: 'text' };
import relocateText from './shell/relocate.sh' with { type: 'text' };
import removeLinkToText from './shell/remove-link-to.sh' with { type: 'text' };

/** What moving and booting a VM asks of its directory on one host. Moving between hosts is in scripts/directories.ts. */

/** Arguments: from, to, names that stay behind. 71: no such directory. An entry that is in the way is replaced. */
const relocateScript = `\n${relocateText}`;

/**
 * Moves a VM directory to another place on the same host, by renaming where it can: another system datastore.
 * Returns false when there is nothing to move. Throws HOST_COMMAND.
 */
export async function relocateDirectory(
  hosts: Hosts,
  host: string,
  from: string,
  to: string,
  skip: readonly string[],
): Promise<boolean> {
  for (const path of [from, to]) {
    if (!/^\/.+\/\d+\/\d+$/.test(path)) {
      throw new DriverError('BAD_ARGUMENT', `${JSON.stringify(path)} is not the directory of a VM`);
    }
  }
  if (from === to) return false;
  const { exitCode } = await hosts.run(host, {
    verb: 'move-dir',
    script: relocateScript,
    args: [from, to, ...skip],
    timeoutMs: 60 * 60_000,
    okCodes: [0, 71],
  });
  return exitCode === 0;
}

export interface LinkState {
  readonly link: string;
  /** What the link says, unresolved; empty when it is no link. */
  readonly target: string;
  /** A device of some size is behind it. */
  readonly present: boolean;
  /** Which volume that device is, as the host says (identity.ts); empty where it does not. */
  readonly volume: string;
  /** What had begun with the disk, and has not been seen to end (`noteUnfinished`). */
  readonly unfinished?: Unfinished;
}

const checkScript = `${sizeFunctions}${identityFunctions}\n${checkLinksText}`;

/** What the disk links of a VM lead to. One session, nothing is opened. */
export async function checkLinks(
  hosts: Hosts,
  host: string,
  links: readonly { readonly link: string; readonly resource: string }[],
): Promise<LinkState[]> {
  if (links.length === 0) return [];
  const { stdout } = await hosts.run(host, {
    verb: 'check-disk',
    script: checkScript,
    args: links.flatMap(({ link, resource }) => [link, resource]),
    timeoutMs: 30_000,
  });
  const rows = records(stdout, 4);
  return links.map(({ link }, index) => {
    const [target = '', present = '0', volume = '', note = ''] = rows[index] ?? [];
    const unfinished = unfinishedWords.find((word) => word === note);
    return { link, target, present: present === '1', volume, ...(unfinished ? { unfinished } : {}) };
  });
}

/** A resize of the disk, or a restore of a backup onto it: no guest may start on what one that was broken off has left. */
const unfinishedWords = ['growing', 'restoring', 'reverting'] as const;
export type Unfinished = (typeof unfinishedWords)[number];

/** Arguments: which note, whether it shall be there; then for each disk: link, resource. */
const noteScript = `\n${noteUnfinishedText}`;

/**
 * A note beside the link of each disk that its new part is still to be zeroed, or that it may hold a part of a backup. LINSTOR knows so too, but
 * a VM may start while that cannot be asked, and then on this host alone: whichever front-end starts it finds the note there. Throws what
 * keeps it from being written.
 */
export async function noteUnfinished(
  hosts: Hosts,
  host: string,
  disks: readonly { readonly link: string; readonly resource: string }[],
  what: Unfinished,
  isUnfinished: boolean,
): Promise<void> {
  await hosts.run(host, {
    verb: 'note-unfinished',
    script: noteScript,
    args: [what, isUnfinished ? 'yes' : 'no', ...disks.flatMap(({ link, resource }) => [link, resource])],
    timeoutMs: 30_000,
  });
}

const regularFileScript = `if [ -f "$1" ] && [ ! -L "$1" ]; then echo yes; fi`;

/** Is there an ordinary file (not a link) of that name? */
export async function isRegularFile(hosts: Hosts, host: string, path: string): Promise<boolean> {
  const { stdout } = await hosts.run(host, {
    verb: 'check-file',
    script: regularFileScript,
    args: [path],
    timeoutMs: 30_000,
  });
  return stdout.trim() === 'yes';
}

const removeLinkScript = `if [ -L "$1" ]; then rm -f -- "$1"; fi`;

/** Removes a symlink, nothing else. */
export async function removeLink(hosts: Hosts, host: string, path: string): Promise<void> {
  await hosts.run(host, { verb: 'unlink', script: removeLinkScript, args: [path], timeoutMs: 30_000 });
}

/** Arguments: link, what it may lead to. */
const removeLinkToScript = `\n${removeLinkToText}`;

/** Removes a symlink that leads to one of these devices; one that leads elsewhere is somebody else's by now. */
export async function removeLinkTo(
  hosts: Hosts,
  host: string,
  path: string,
  devices: readonly string[],
): Promise<void> {
  await hosts.run(host, {
    verb: 'unlink',
    script: removeLinkToScript,
    args: [path, ...devices],
    timeoutMs: 30_000,
  });
}
