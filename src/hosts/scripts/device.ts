import { DriverError } from '../../errors.ts';
import type { Hosts } from '../hosts.ts';
import makeFileSystemText from '../shell/make-file-system.sh' with { type: 'text' };
import { alienCode, alienDevice, type HostDevice, identityFunctions } from './identity.ts';
import { flushFunction, sizeFunctions } from './records.ts';

/** Making file systems on devices of a host. */

/** SUPPORTED_FS of OpenNebula's datastore.conf as it is shipped. */
export const supportedFileSystems = ['ext2', 'ext3', 'ext4', 'xfs'] as const;

/** Options that keep mkfs from asking when it finds an old signature. */
const quietOptions: Readonly<Record<string, readonly string[]>> = {
  ext2: ['-q', '-F'],
  ext3: ['-q', '-F'],
  ext4: ['-q', '-F'],
  xfs: ['-q', '-f'],
  btrfs: ['-q', '-f'],
  ntfs: ['-Q', '-F', '-q'],
  vfat: ['-I'],
};

const missing = 71;
/** Arguments: device, what it is, program, its options. */
const makeScript = `${sizeFunctions}${identityFunctions}${flushFunction}\n${makeFileSystemText}`;

async function make(
  hosts: Hosts,
  host: string,
  { device, identity }: HostDevice,
  argv: readonly string[],
): Promise<void> {
  const [verb = ''] = argv;
  const { exitCode, stderr } = await hosts.run(host, {
    verb,
    script: makeScript,
    args: [device, identity, ...argv],
    // Thick volumes of many TiB take their time to be discarded.
    timeoutMs: 30 * 60_000,
    okCodes: [0, missing, alienCode],
  });
  if (exitCode === alienCode) throw alienDevice(device, host, stderr);
  if (exitCode === missing)
    throw new DriverError('DEVICE_MISSING', `there is no device ${device} on ${host}`);
}

/**
 * A file system on the whole device. `options` come from FS_OPTS_<fs> of datastore.conf; `supported` from its
 * SUPPORTED_FS. `swap` makes swap space.
 *
 * Throws BAD_ARGUMENT for a file system that is not supported, DEVICE_MISSING, HOST_COMMAND.
 */
export async function makeFileSystem(
  hosts: Hosts,
  host: string,
  device: HostDevice,
  fs: string,
  options: readonly string[] = [],
  supported: readonly string[] = supportedFileSystems,
): Promise<void> {
  const name = fs.toLowerCase();
  if (name === 'swap') return makeSwap(hosts, host, device);
  if (!/^[a-z0-9]+$/.test(name) || !supported.includes(name)) {
    throw new DriverError('BAD_ARGUMENT', `file system ${JSON.stringify(fs)} is not supported`, {
      remedy: `use one of ${supported.join(', ')}, or add it to SUPPORTED_FS in datastore.conf`,
    });
  }
  await make(hosts, host, device, [`mkfs.${name}`, ...(quietOptions[name] ?? []), ...options]);
}

export async function makeSwap(hosts: Hosts, host: string, device: HostDevice): Promise<void> {
  await make(hosts, host, device, ['mkswap', '-f']);
}
