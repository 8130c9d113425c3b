import type { Hosts } from '../hosts.ts';
import { records } from './records.ts';

/** Who uses a device on a host. */
export interface DeviceUse {
  /** The link or device that was asked about. */
  readonly path: string;
  /** What it leads to; empty when nothing is there. */
  readonly device: string;
  /** Processes that have it open. */
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
  /** Other block devices on top of it (device mapper, loop, DRBD). */
  readonly holders: readonly string[];
  readonly mounts: readonly string[];
  /** Other `disk.*` links below the datastores that lead to it: another VM's attachment. */
  readonly otherLinks: readonly string[];
  /** False when there are processes of other users whose open files we may not see. */
  readonly complete: boolean;
}

/** Open, mounted or built upon. Another VM's link alone is no use, but a reason not to take the device away. */
export function isOpen(use: DeviceUse): boolean {
  return use.processes.length > 0 || use.holders.length > 0 || use.mounts.length > 0;
}

/**
 * A device's identity is its number: QEMU under libvirt opens it through a private /dev, where the inode differs.
 * A regular file's is file system and inode.
 */
const useFunctions = `
report() { printf '%s\\0' "$1" "$2" "$3" "$4"; }
identities() { # paths, NUL separated, on stdin -> identity|path
  local type number inode name
  xargs -0r stat -Lc '%F|%t:%T|%d:%i|%n' 2>/dev/null |
    while IFS='|' read -r type number inode name; do
      case $type in
        'block special file') echo "b$number|$name" ;;
        'regular file' | 'regular empty file') echo "f$inode|$name" ;;
      esac
    done
  return 0
}
open_files() { find /proc/[0-9]*/fd -mindepth 1 -maxdepth 1 -lname '/*' -print0 2>/dev/null | identities; }
disk_links() {
  if [ -d "$1" ]; then
    find "$1/" -mindepth 3 -maxdepth 3 -name 'disk.*' -type l -print0 2>/dev/null | identities
  fi
}
upper_layers() { # index identity
  local number=\${2#b} major minor holder field mount
  major=$((16#\${number%%:*})) minor=$((16#\${number##*:}))
  for holder in "/sys/dev/block/$major:$minor/holders/"*; do
    if [ -e "$holder" ]; then report H "$1" "\${holder##*/}" ''; fi
  done
  while read -r _ _ field _ mount _; do
    if [ "$field" = "$major:$minor" ]; then report M "$1" "$mount" ''; fi
  done </proc/self/mountinfo
}
use_of() { # datastores directory, paths...
  local datastores=$1 files links index=0 path id found name pid command
  shift
  files=$(open_files)
  links=$(disk_links "$datastores")
  if [ "$(id -u)" != 0 ] && ! ls /proc/1/fd >/dev/null 2>&1; then report V 0 '' ''; fi
  for path in "$@"; do
    id=$(printf '%s\\0' "$path" | identities) id=\${id%%|*}
    if [ -z "$id" ]; then report D "$index" '' ''; index=$((index + 1)); continue; fi
    report D "$index" "$(readlink -f -- "$path")" ''
    while IFS='|' read -r found name; do
      if [ "$found" != "$id" ]; then continue; fi
      pid=\${name#/proc/} pid=\${pid%%/*} command=
      { read -r command <"/proc/$pid/comm"; } 2>/dev/null
      report P "$index" "$pid" "$command"
    done <<<"$files"
    case $id in b*) upper_layers "$index" "$id" ;; esac
    while IFS='|' read -r found name; do
      if [ "$found" = "$id" ]; then report L "$index" "$name" ''; fi
    done <<<"$links"
    index=$((index + 1))
  done
}
`;

const useScript = `${useFunctions}
use_of "$@"
`;

/** Arguments: datastores directory, links. The use is looked at after the links are gone. */
const unlinkScript = `${useFunctions}
datastores=$1; shift
targets=()
for link in "$@"; do
  if [ -L "$link" ]; then
    targets+=("$(readlink -f -- "$link")")
    report R 0 "$link" "$(readlink -- "$link")"
    rm -f -- "$link" || exit 74
  elif [ -e "$link" ]; then
    report N 0 "$link" ''; targets+=('')
  else
    targets+=('')
  fi
done
if [ -n "$datastores" ]; then use_of "$datastores" "\${targets[@]}"; fi
`;

function parseUse(paths: readonly string[], rows: readonly string[][]): DeviceUse[] {
  const complete = !rows.some(([kind]) => kind === 'V');
  return paths.map((path, index) => {
    const own = rows.filter(([kind, at]) => kind !== 'V' && at === String(index));
    const values = (kind: string): string[] =>
      own.filter(([own_kind]) => own_kind === kind).map(([, , value = '']) => value);
    const seen = new Map<number, string>();
    for (const [kind, , pid = '', command = ''] of own) if (kind === 'P') seen.set(Number(pid), command);
    return {
      path,
      device: values('D')[0] ?? '',
      processes: [...seen].map(([pid, command]) => ({ pid, command })),
      holders: values('H'),
      mounts: [...new Set(values('M'))],
      otherLinks: values('L').filter((link) => !paths.includes(link)),
      complete,
    };
  });
}

/** Slashes as find(1) prints them: OpenNebula's own paths hold double ones. */
const tidy = (path: string): string => path.replaceAll(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');

/**
 * Who has these devices (or what these links lead to) open. `datastores`: OpenNebula's datastores directory on the
 * host, below which other VMs' `disk.*` links are looked for; empty to skip that.
 */
export async function deviceUse(
  hosts: Hosts,
  host: string,
  paths: readonly string[],
  datastores = '',
): Promise<DeviceUse[]> {
  if (paths.length === 0) return [];
  const tidied = paths.map(tidy);
  const result = await hosts.run(host, {
    verb: 'device-use',
    script: useScript,
    args: [tidy(datastores), ...tidied],
    timeoutMs: 60_000,
  });
  return parseUse(tidied, records(result.stdout, 4));
}

export interface Unlinked {
  readonly removed: readonly { readonly link: string; readonly target: string }[];
  /** What is there but is no symlink; left alone. */
  readonly kept: readonly string[];
  /** Use of the devices behind the links, in the order of the links; empty when it was not asked for. */
  readonly uses: readonly DeviceUse[];
}

/**
 * Removes symlinks (never a file or a directory); what is not there is fine. With `datastores` it also
 * tells, in the same session, who still uses the devices behind them.
 */
export async function unlinkDisks(
  hosts: Hosts,
  host: string,
  links: readonly string[],
  datastores = '',
): Promise<Unlinked> {
  if (links.length === 0) return { removed: [], kept: [], uses: [] };
  const tidied = links.map(tidy);
  const result = await hosts.run(host, {
    verb: 'unlink-disk',
    script: unlinkScript,
    args: [tidy(datastores), ...tidied],
    timeoutMs: 60_000,
  });
  const rows = records(result.stdout, 4);
  const uses = rows.filter(([kind]) => kind !== 'R' && kind !== 'N');
  return {
    removed: rows.filter(([kind]) => kind === 'R').map(([, , link = '', target = '']) => ({ link, target })),
    kept: rows.filter(([kind]) => kind === 'N').map(([, , link = '']) => link),
    uses: datastores === '' ? [] : parseUse(tidied, uses),
  };
}
