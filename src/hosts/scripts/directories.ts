import { dirname, posix } from 'node:path';
import { DriverError } from '../../errors.ts';
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

/** Arguments: directory (or where it will be), marker name. */
const markScript = `
dir=$1
while [ ! -d "$dir" ]; do dir=$(dirname -- "$dir"); [ "$dir" != / ] || exit 71; done
: >"$dir/$2" && printf '%s' "$dir"
`;
const seeScript = `
if [ -e "$1/$2" ]; then rm -f -- "$1/$2"; echo yes; else ls -- "$1" >/dev/null 2>&1; [ -e "$1/$2" ] && { rm -f -- "$1/$2"; echo yes; }; fi
exit 0
`;
const unmarkScript = `rm -f -- "$1/$2"`;

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
  const marker = `.linstor_un-${crypto.randomUUID()}`;
  const timeoutMs = 30_000;
  const marked = await hosts.run(one, {
    verb: 'same-dir',
    script: markScript,
    args: [directory, marker],
    timeoutMs,
    okCodes: [0, 71],
  });
  if (marked.exitCode === 71) return false;
  const args = [marked.stdout, marker];
  let shared = false;
  try {
    const seen = await hosts.run(other, { verb: 'same-dir', script: seeScript, args, timeoutMs });
    shared = seen.stdout.trim() === 'yes';
  } finally {
    if (!shared) await hosts.run(one, { verb: 'same-dir', script: unmarkScript, args, timeoutMs });
  }
  return shared;
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
 * Arguments: directory. Unpacked beside it and put in its place when complete. Links that are already there
 * (\`disk.N\` made for this host) win over copied ones; everything else that was there is replaced.
 */
export const unpackScript = `
set -e
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
  if (source === target && (await isSharedDirectory(hosts, to.host, from.host, dirname(target))))
    return false;
  const { skip = [], timeoutMs = 30 * 60_000, signal, env } = options;
  const exists = await hosts.run(from.host, {
    verb: 'move-dir',
    script: '[ -d "$1" ]',
    args: [source],
    timeoutMs: 30_000,
    okCodes: [0, 1],
  });
  if (exists.exitCode !== 0) return false;
  await runPipeline(
    [
      // 1: a file changed while it was read; the logs of a running VM do.
      {
        name: `tar on ${from.host}`,
        argv: hosts.sshArgv(from.host, { script: packScript, args: [source, ...skip] }),
        okCodes: [0, 1],
      },
      {
        name: `tar on ${to.host}`,
        argv: hosts.sshArgv(to.host, { script: unpackScript, args: [target] }),
      },
    ],
    { timeoutMs, ...(signal ? { signal } : {}), ...(env ? { env } : {}) },
  );
  return true;
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
