import type { Hosts } from '../hosts.ts';
import deviceUseText from '../shell/device-use.sh' with { type: 'text' };
import unlinkDisksText from '../shell/unlink-disks.sh' with { type: 'text' };
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
const useFunctions = `\n${deviceUseText}`;

const useScript = `${useFunctions}
use_of "$@"
`;

/** Arguments: datastores directory, links. The use is looked at after the links are gone. */
const unlinkScript = `${useFunctions}\n${unlinkDisksText}`;

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
