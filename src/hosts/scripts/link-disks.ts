import { DriverError } from '../../errors.ts';
import { type Bytes, bytes, humanSize } from '../../units.ts';
import type { Hosts } from '../hosts.ts';
import linkDisksText from '../shell/link-disks.sh' with { type: 'text' };
import { alienDevice, type DeviceIdentity, type HostDevice, identityFunctions } from './identity.ts';
import { records, sizeFunctions, sizeSaid } from './records.ts';

/** A disk that must be usable on a host, and where the domain finds it. */
export interface DiskLink {
  /** Absolute path of the symlink, `<vmdir>/disk.0`; absent: only wait for the device. */
  readonly link?: string;
  /** The device must be at least as large; it is waited for (a resize arrives late). */
  readonly minBytes: Bytes;
  /** In order of preference: `/dev/drbd/by-res/<name>/0`, then what LINSTOR reports for the node. */
  readonly candidates: readonly string[];
  /** What the device has to be. */
  readonly identity: DeviceIdentity;
}

/** The candidate that was there. */
export interface LinkedDisk extends HostDevice {
  readonly bytes: Bytes;
  /** Of one of its sectors. */
  readonly sector: Bytes;
}

const codes = { missing: 71, small: 72, link: 73, stray: 74, alien: 77 } as const;

/** Exit codes by which `link_disks` refuses. */
export const linkCodes: readonly number[] = Object.values(codes);

/** Arguments of `link_disks`: seconds to wait, then per disk: link, minimum, what it is, number of candidates, candidates. It exits when it refuses. */
export const linkFunctions = `${sizeFunctions}${identityFunctions}\n${linkDisksText}`;

const script = `${linkFunctions}
link_disks "$@"
`;

/** Milliseconds that a device node is waited for; udev lags behind LINSTOR (linstor-server#456). */
const usualWaitMs = 10_000;

/** Arguments of `link_disks`; none for no disks. */
export function linkArguments(disks: readonly DiskLink[], waitMs = usualWaitMs): string[] {
  if (disks.length === 0) return [];
  const each = disks.flatMap(({ link = '', minBytes, identity, candidates }) => [
    link,
    String(minBytes),
    identity,
    String(candidates.length),
    ...candidates,
  ]);
  return [String(Math.ceil(waitMs / 1000)), ...each];
}

/** What an exit code of `link_disks` means; undefined for others. `printed`: by it, maybe behind other text. */
export function linkRefusal(
  host: string,
  exitCode: number,
  printed: string,
  stderr: string,
): DriverError | undefined {
  if (!linkCodes.includes(exitCode)) return undefined;
  const [path = '', size = '0'] = printed.split('\0').slice(-3, -1);
  if (exitCode === codes.alien) return alienDevice(path.slice(path.lastIndexOf('\n') + 1), host, size);
  return failure(host, exitCode, path.slice(path.lastIndexOf('\n') + 1), bytes(Number(size) || 0), stderr);
}

function failure(host: string, exitCode: number, path: string, size: Bytes, stderr: string): DriverError {
  switch (exitCode) {
    case codes.small:
      return new DriverError('DEVICE_SIZE', `device ${path} on ${host} is too small: ${humanSize(size)}`);
    case codes.stray:
      return new DriverError('DEVICE_MISSING', `${path} on ${host} is a regular file and no device`, {
        remedy: `look at the file, remove it on ${host}, then retry: something wrote there while the device was absent`,
      });
    case codes.link:
      return new DriverError('HOST_COMMAND', `the link ${path} cannot be made on ${host}: ${stderr.trim()}`);
    default:
      return new DriverError('DEVICE_MISSING', `device ${path} did not appear on ${host}`);
  }
}

/**
 * Waits for all the devices, then points the links at them; one ssh session for any number of disks. No link is
 * made or changed unless every device is there and large enough.
 *
 * Throws DEVICE_MISSING, DEVICE_IDENTITY, DEVICE_SIZE, HOST_COMMAND (a link could not be made).
 */
export async function linkDisks(
  hosts: Hosts,
  host: string,
  disks: readonly DiskLink[],
  waitMs = usualWaitMs,
): Promise<LinkedDisk[]> {
  if (disks.length === 0) return [];
  const result = await hosts.run(host, {
    verb: 'link-disk',
    script,
    args: linkArguments(disks, waitMs),
    timeoutMs: waitMs + 30_000,
    okCodes: [0, ...linkCodes],
  });
  const refusal = linkRefusal(host, result.exitCode, result.stdout, result.stderr);
  if (refusal) throw refusal;
  const rows = records(result.stdout, 3);
  return disks.map(({ identity }, index) => {
    const [device = '', size = '', sector = ''] = rows[index] ?? [];
    return { device, bytes: sizeSaid(host, size), sector: sizeSaid(host, sector), identity };
  });
}

/** Waits for one device without making a link; the first candidate that is there. */
export async function waitForDevice(
  hosts: Hosts,
  host: string,
  wanted: Omit<DiskLink, 'link'>,
  waitMs = usualWaitMs,
): Promise<LinkedDisk> {
  const [disk] = await linkDisks(hosts, host, [wanted], waitMs);
  if (!disk)
    throw new DriverError('DEVICE_MISSING', `device ${wanted.candidates[0] ?? ''} did not appear on ${host}`);
  return disk;
}
