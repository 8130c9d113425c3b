import { posix } from 'node:path';
import { DriverError } from '../../errors.ts';
import { dialogue } from '../dialogue.ts';
import type { Hosts } from '../hosts.ts';
import packText from '../shell/pack.sh' with { type: 'text' };
import receiveDirectoryText from '../shell/receive-directory.sh' with { type: 'text' };
import unpackText from '../shell/unpack.sh' with { type: 'text' };
import { type DiskLink, linkArguments, linkCodes, linkFunctions, linkRefusal } from './link-disks.ts';
import { markerFunctions, markerName, removeWhereNotShared } from './shared-marker.ts';

/** VM directories on hosts (contract §3.5, §5.4): removing, comparing, moving. Disks are never followed. */

/**
 * Only absolute paths with some depth are ever removed or replaced: an empty variable must not become `/`.
 * Returns the path without double slashes.
 */
function vmDirectory(path: string): string {
  const clean = posix.normalize(path).replace(/\/+$/, '');
  if (!clean.startsWith('/') || clean.split('/').length < 4) {
    throw new DriverError('BAD_ARGUMENT', `${JSON.stringify(path)} is not the directory of a VM`);
  }
  return clean;
}

const removeScript = `
for path in "$@"; do rm -rf --one-file-system -- "$path" || exit 1; done
`;

/** Removes directories with what is in them; links are removed, not followed. What is not there is fine. */
export async function removeDirectories(
  hosts: Hosts,
  host: string,
  directories: readonly string[],
): Promise<void> {
  if (directories.length === 0) return;
  await hosts.run(host, {
    verb: 'remove-dir',
    script: removeScript,
    args: directories.map(vmDirectory),
    timeoutMs: 120_000,
  });
}

/**
 * Removes a VM directory from `host`, unless it is the very one that `other` has: then it is left. Returns whether it was
 * removed. One session on each.
 */
export async function removeUnlessShared(
  hosts: Hosts,
  host: string,
  other: string,
  directory: string,
  options: Pick<CopyDirectoryOptions, 'signal' | 'env'> = {},
): Promise<boolean> {
  const path = vmDirectory(directory);
  if (host === other) return false;
  return !(await removeWhereNotShared(hosts, host, other, path, options));
}

export interface Place {
  readonly host: string;
  readonly directory: string;
}

export interface CopyDirectoryOptions {
  /** Names in the directory that stay behind: our own `disk.N` links, which are made anew for the other host. */
  readonly skip?: readonly string[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Linked at the target in the same session, whether the directory was copied or not. */
  readonly links?: readonly DiskLink[];
  /** MiB from which a directory is left alone: there is a better way for it. */
  readonly limitMib?: number;
}

/**
 * Arguments: directory, marker (or nothing, where both cannot be one place), limit in MiB (0: none), names to leave out. Says what it has, and
 * sends it when told to. Links go as links (never tar -h).
 */
const packScript = `${markerFunctions}\n${packText}`;

/**
 * Argument: directory. Unpacked beside it and put in its place when complete. Links that are already there (`disk.N` made for this host) win over
 * copied ones; everything else that was there is replaced.
 */
const unpackFunction = `\n${unpackText}`;

/** Argument: directory. What comes in by stdin. */
export const unpackScript = `${unpackFunction}
unpack "$1"
`;

const codes = { none: 80, shared: 81, large: 82 } as const;

/** Arguments: directory, marker (or nothing), then as of `link_disks` where there are disks. */
const receiveScript = `${markerFunctions}${unpackFunction}${linkFunctions}\n${receiveDirectoryText}`;

/**
 * Copies a VM directory from host to host through the front-end, sparse files as sparse files. Returns false,
 * having copied nothing, when both are the same place (also by shared storage), the source has no such directory or one over the limit.
 * The source stays. One session on each, in which the links are made as well.
 *
 * Throws HOST_UNREACHABLE, HOST_TIMEOUT, HOST_COMMAND; with links what `linkDisks` throws: the directory is there then.
 */
export async function copyDirectory(
  hosts: Hosts,
  from: Place,
  to: Place,
  options: CopyDirectoryOptions = {},
): Promise<boolean> {
  return (await copy(hosts, from, to, options)) === 'copied';
}

async function copy(
  hosts: Hosts,
  from: Place,
  to: Place,
  { skip = [], timeoutMs = 30 * 60_000, signal, env, links = [], limitMib = 0 }: CopyDirectoryOptions,
): Promise<'copied' | 'large' | 'nothing'> {
  const [source, target] = [vmDirectory(from.directory), vmDirectory(to.directory)];
  if (source === target && from.host === to.host) return 'nothing';
  const name = source === target ? markerName() : '';
  const { codes: ended, stderr } = await dialogue(
    hosts,
    {
      host: from.host,
      verb: 'pack-dir',
      script: packScript,
      args: [source, name, String(limitMib), ...skip],
    },
    {
      host: to.host,
      verb: 'unpack-dir',
      script: receiveScript,
      args: [target, name, ...linkArguments(links)],
      okCodes: [0, ...Object.values(codes), ...(links.length > 0 ? linkCodes : [])],
    },
    { timeoutMs, ...(signal ? { signal } : {}), ...(env ? { env } : {}) },
  );
  const code = ended[1];
  const refusal =
    links.length > 0 ? linkRefusal(to.host, code, stderr, stderr.replaceAll('\0', ' ')) : undefined;
  if (refusal) throw refusal;
  if (code === 0) return 'copied';
  return code === codes.large ? 'large' : 'nothing';
}

/**
 * `copyDirectory`, then the source is removed: by a session of its own, because only the end of the first one tells that everything has
 * arrived. Nothing is removed when both are the same place, or the source is over the limit.
 */
export async function moveDirectory(
  hosts: Hosts,
  from: Place,
  to: Place,
  options: CopyDirectoryOptions = {},
): Promise<'moved' | 'large' | 'nothing'> {
  const done = await copy(hosts, from, to, options);
  if (done !== 'copied') return done;
  await removeDirectories(hosts, from.host, [from.directory]);
  return 'moved';
}
