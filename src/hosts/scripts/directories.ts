import { dirname, posix } from 'node:path';
import { DriverError, toDriverError } from '../../errors.ts';
import type { Hosts } from '../hosts.ts';
import { runPipeline } from '../pipeline.ts';

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

/** Arguments: directory (or where it will be), marker name. Markers of calls that were killed are swept. */
const markScript = `
dir=$1
while [ ! -d "$dir" ]; do dir=$(dirname -- "$dir"); [ "$dir" != / ] || exit 71; done
find "$dir" "$dir/.." -maxdepth 1 -type f -name '.linstor_un-*' -mmin +60 -delete 2>/dev/null || :
: >"$dir/$2" && printf '%s' "$dir"
`;
/** A listing makes NFS look again. */
const seeFunction = `
sees() { if [ ! -e "$1/$2" ]; then ls -- "$1" >/dev/null 2>&1; fi; [ -e "$1/$2" ] && rm -f -- "$1/$2"; }
`;
const seeScript = `${seeFunction}
if sees "$1" "$2"; then echo yes; fi
exit 0
`;
/** Arguments: where the marker is, its name, directory. */
const seeOrTellScript = `${seeFunction}
if sees "$1" "$2"; then echo shared; elif [ -d "$3" ]; then echo there; fi
exit 0
`;
const seeOrRemoveScript = `${seeFunction}
if sees "$1" "$2"; then echo shared; else rm -rf --one-file-system -- "$3" || exit 1; fi
`;
const unmarkScript = `rm -f -- "$1/$2"`;

const sameDirMs = 30_000;

/** Leaves a marker in the directory, or where it will be: place and name. Undefined where there is nothing at all. */
async function mark(hosts: Hosts, host: string, directory: string): Promise<[string, string] | undefined> {
  const name = `.linstor_un-${crypto.randomUUID()}`;
  const { exitCode, stdout } = await hosts.run(host, {
    verb: 'same-dir',
    script: markScript,
    args: [directory, name],
    timeoutMs: sameDirMs,
    okCodes: [0, 71],
  });
  return exitCode === 71 ? undefined : [stdout, name];
}

async function unmark(hosts: Hosts, host: string, marker: readonly string[]): Promise<void> {
  await hosts.run(host, { verb: 'same-dir', script: unmarkScript, args: marker, timeoutMs: sameDirMs });
}

/**
 * Is this directory the same on both hosts (NFS, …)? Found out by a file with a random name, because file system
 * types don't tell. Removing the directory on one host would remove it on the other: a shared directory that is
 * taken for a local one destroys a running VM's files.
 */
export async function isSharedDirectory(
  hosts: Hosts,
  one: string,
  other: string,
  directory: string,
): Promise<boolean> {
  if (one === other) return true;
  const marker = await mark(hosts, one, directory);
  if (!marker) return false;
  let shared = false;
  try {
    const seen = await hosts.run(other, {
      verb: 'same-dir',
      script: seeScript,
      args: marker,
      timeoutMs: sameDirMs,
    });
    shared = seen.stdout.trim() === 'yes';
  } finally {
    if (!shared) await unmark(hosts, one, marker);
  }
  return shared;
}

/**
 * Removes a VM directory from `host`, unless it is the very one that `other` has: then it is left. Returns whether it was
 * removed. One session on the host that is left, two on the other.
 */
export async function removeUnlessShared(
  hosts: Hosts,
  host: string,
  other: string,
  directory: string,
): Promise<boolean> {
  const path = vmDirectory(directory);
  if (host === other) return false;
  const marker = await mark(hosts, other, dirname(path));
  if (!marker) {
    await removeDirectories(hosts, host, [path]);
    return true;
  }
  let shared = false;
  try {
    const { stdout } = await hosts.run(host, {
      verb: 'remove-dir',
      script: seeOrRemoveScript,
      args: [...marker, path],
      timeoutMs: 120_000,
    });
    shared = stdout.trim() === 'shared';
  } finally {
    if (!shared) await unmark(hosts, other, marker);
  }
  return !shared;
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
}

/** Arguments: directory, names to leave out. 71: no such directory. Links go as links (never tar -h). */
export const packScript = `
directory=$1; shift
cd -- "$directory" || exit 71
exclude=()
for name in "$@"; do exclude+=("--exclude=./$name"); done
tar --create --sparse --anchored --no-wildcards "\${exclude[@]}" --file=- .
`;

/**
 * Arguments: directory, a marker that has served (or nothing). Unpacked beside it and put in its place when complete. Links that are already there
 * (\`disk.N\` made for this host) win over copied ones; everything else that was there is replaced.
 */
export const unpackScript = `
set -e
if [ -n "\${2-}" ]; then rm -f -- "$2"; fi
parent=$(dirname -- "$1")
mkdir -p -- "$parent"
new=$(mktemp -d "$parent/.linstor_un-XXXXXXXX")
trap 'rm -rf -- "$new"' EXIT
tar --extract --sparse --file=- --directory="$new"
chmod 0755 "$new"
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
`;

/**
 * Copies a VM directory from host to host through the front-end, sparse files as sparse files. Returns false,
 * having done nothing, when both are the same place (also by shared storage) or the source has no such directory.
 * The source stays.
 */
export async function copyDirectory(
  hosts: Hosts,
  from: Place,
  to: Place,
  options: CopyDirectoryOptions = {},
): Promise<boolean> {
  const [source, target] = [vmDirectory(from.directory), vmDirectory(to.directory)];
  if (source === target && from.host === to.host) return false;
  const marker = source === target ? await mark(hosts, to.host, dirname(target)) : undefined;
  let state = '';
  let marked = marker !== undefined;
  try {
    const seen = await hosts.run(from.host, {
      verb: 'same-dir',
      script: seeOrTellScript,
      // Nothing of that name is anywhere.
      args: [...(marker ?? ['/', '.linstor_un-none']), source],
      timeoutMs: sameDirMs,
    });
    state = seen.stdout.trim();
    if (state === 'shared') marked = false;
    if (state !== 'there') return false;
    await sendThrough(hosts, from.host, to.host, { source, target, marker }, options);
    marked = false;
    return true;
  } finally {
    if (marked && marker) await unmark(hosts, to.host, marker);
  }
}

interface Shipment {
  readonly source: string;
  readonly target: string;
  /** Goes with the unpacking, which spares a session. */
  readonly marker: readonly [string, string] | undefined;
}

async function sendThrough(
  hosts: Hosts,
  from: string,
  to: string,
  { source, target, marker }: Shipment,
  { skip = [], timeoutMs = 30 * 60_000, signal, env }: CopyDirectoryOptions,
): Promise<void> {
  const tell = (ms: number, outcome: string): void => {
    for (const [host, verb] of [
      [from, 'pack-dir'],
      [to, 'unpack-dir'],
    ] as const)
      hosts.onCall?.({ kind: hosts.isFrontend(host) ? 'local' : 'ssh', target: host, verb, ms, outcome });
  };
  const started = performance.now();
  const stages = [
    // 1: a file changed while it was read; the logs of a running VM do.
    {
      name: `tar on ${from}`,
      argv: hosts.sshArgv(from, { script: packScript, args: [source, ...skip] }),
      okCodes: [0, 1],
    },
    {
      name: `tar on ${to}`,
      argv: hosts.sshArgv(to, {
        script: unpackScript,
        args: [target, ...(marker ? [`${marker[0]}/${marker[1]}`] : [])],
      }),
    },
  ];
  try {
    await runPipeline(stages, { timeoutMs, ...(signal ? { signal } : {}), ...(env ? { env } : {}) });
    tell(performance.now() - started, 'exit 0');
  } catch (error) {
    tell(performance.now() - started, toDriverError(error).code);
    throw error;
  }
}

/** `copyDirectory`, then the source is removed. Nothing is removed when both are the same place. */
export async function moveDirectory(
  hosts: Hosts,
  from: Place,
  to: Place,
  options: CopyDirectoryOptions = {},
): Promise<boolean> {
  const copied = await copyDirectory(hosts, from, to, options);
  if (copied) await removeDirectories(hosts, from.host, [from.directory]);
  return copied;
}
