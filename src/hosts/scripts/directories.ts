import { posix } from 'node:path';
import { DriverError } from '../../errors.ts';
import { dialogue, silence, wordSeconds } from '../dialogue.ts';
import type { Hosts } from '../hosts.ts';
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
const packScript = `${markerFunctions}
directory=$1 name=$2 limit=$3; shift 3
[ -d "$directory" ] || { echo none; exit 0; }
cd -- "$directory" || exit 1
if [ "$limit" -gt 0 ] && [ "$(du -sm . 2>/dev/null | cut -f1)" -ge "$limit" ]; then echo large; exit 0; fi
if [ -n "$name" ]; then leave "$(dirname -- "$directory")" "$name" || exit 1; fi
echo there
read -t ${wordSeconds} -r answer || exit ${silence}
[ "$answer" = send ] || exit 0
exclude=()
for name in "$@"; do exclude+=("--exclude=./$name"); done
tar --create --sparse --anchored --no-wildcards "\${exclude[@]}" --file=- .
code=$?
# 1: a file changed while it was read; the logs of a running VM do.
[ "$code" -le 1 ] || exit "$code"
exit 0
`;

/**
 * Argument: directory. Unpacked beside it and put in its place when complete. Links that are already there (`disk.N` made for this host) win over
 * copied ones; everything else that was there is replaced.
 */
const unpackFunction = `
unpack() {
  (
  set -e
  parent=$(dirname -- "$1")
  mkdir -p -- "$parent"
  new=$(mktemp -d "$parent/.linstor_un-XXXXXXXX")
  trap 'rm -rf -- "$new"' EXIT
  tar --extract --sparse --file=- --directory="$new"
  chmod 0755 "$new"
  # Whoever owns the other host may have packed what he likes.
  find "$new" ! -type f ! -type d ! -type l -delete
  find "$new" ! -type l -perm /6000 -exec chmod ug-s -- {} +
  find "$new" -type l -print0 | while IFS= read -r -d '' link; do
    case $(realpath -m -- "$link") in
      "$(realpath -m -- "$new")"/* | "$(realpath -m -- "$1")"/* | /dev/*) ;;
      *) rm -f -- "$link" ;;
    esac
  done
  if [ -d "$1" ]; then
    find "$1" -mindepth 1 -maxdepth 1 -type l -name 'disk.*' -exec cp -dfT -- {} {}.keep \\;
    for link in "$1"/disk.*.keep; do
      [ -L "$link" ] || continue
      name=\${link##*/}
      # A file of that name is another driver's disk: it wins over a link that is left from before.
      if [ -e "$new/\${name%.keep}" ] && [ ! -L "$new/\${name%.keep}" ]; then rm -f -- "$link"; continue; fi
      mv -fT -- "$link" "$new/\${name%.keep}"
    done
    rm -rf --one-file-system -- "$1"
  fi
  mv -T -- "$new" "$1"
  )
}
`;

/** Argument: directory. What comes in by stdin. */
export const unpackScript = `${unpackFunction}
unpack "$1"
`;

const codes = { none: 80, shared: 81, large: 82 } as const;

/** Arguments: directory, marker (or nothing), then as of `link_disks` where there are disks. */
const receiveScript = `${markerFunctions}${unpackFunction}${linkFunctions}
directory=$1 name=$2; shift 2
IFS= read -t ${wordSeconds} -r said || exit ${silence}
state=${codes.none}
case $said in
  none) ;;
  large) state=${codes.large} ;;
  there)
    if [ -n "$name" ] && sees "$(dirname -- "$directory")" "$name"; then
      state=${codes.shared}
      echo stop
    else
      echo send
      # Not in a condition: bash would ignore set -e in it, and half a directory would take the place of a whole one.
      unpack "$directory"
      code=$?
      if [ "$code" -ne 0 ]; then exit "$code"; fi
      state=0
    fi ;;
  *) exit ${silence} ;;
esac
if [ $# -gt 0 ]; then link_disks "$@" >&2; fi
exit "$state"
`;

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
