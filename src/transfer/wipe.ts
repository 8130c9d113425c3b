import { DriverError } from '../errors.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { alienCode, alienDevice, type HostDevice, identityFunctions } from '../hosts/scripts/identity.ts';
import { sizeFunctions } from '../hosts/scripts/records.ts';
import { wireCodes, zeroFunctions } from './wire.ts';

/** Arguments: device, what it is. */
const script = `${sizeFunctions}${identityFunctions}${zeroFunctions}
case $(kind_of "$1") in block|file) ;; *) exit ${wireCodes.noDevice} ;; esac
require_volume "$1" "$2"
capacity=$(size_of "$1") || exit ${wireCodes.noDevice}
zero_range "$1" 0 "$capacity" && flush "$1"
`;

/**
 * Makes the whole device read as zero: for new volumes of thick pools, before a file system is made on them or they are
 * handed to a guest as they are. Thin volumes stay thin where they can.
 */
export async function zeroDevice(
  hosts: Hosts,
  host: string,
  { device, identity }: HostDevice,
  timeoutMs = 12 * 3600 * 1000,
): Promise<void> {
  const { exitCode, stderr } = await hosts.run(host, {
    verb: 'zero',
    script,
    args: [device, identity],
    timeoutMs,
    okCodes: [0, wireCodes.noDevice, alienCode],
  });
  if (exitCode === alienCode) throw alienDevice(device, host, stderr);
  if (exitCode !== 0) throw new DriverError('DEVICE_MISSING', `there is no device ${device} on ${host}`);
}
