import { DriverError } from '../errors.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { alienCode, alienDevice, type HostDevice, identityFunctions } from '../hosts/scripts/identity.ts';
import { sizeFunctions } from '../hosts/scripts/records.ts';
import type { Bytes } from '../units.ts';
import zeroDeviceText from './shell/zero-device.sh' with { type: 'text' };
import { wireCodes, zeroFunctions } from './wire.ts';

/**
 * Arguments: device, what it is, from where on. A guest may have the device open and write up to there: the block that the two share is not
 * read and written back, as the page cache would.
 */
const script = `${sizeFunctions}${identityFunctions}${zeroFunctions}\n${zeroDeviceText}`;

/**
 * Makes the whole device read as zero: for new volumes of thick pools, before a file system is made on them or they are
 * handed to a guest as they are; `from`: for what has grown. Thin volumes stay thin where they can.
 */
export async function zeroDevice(
  hosts: Hosts,
  host: string,
  { device, identity }: HostDevice,
  options: { readonly from?: Bytes; readonly timeoutMs?: number } = {},
): Promise<void> {
  const { from = 0, timeoutMs = 12 * 3600 * 1000 } = options;
  const { exitCode, stderr } = await hosts.run(host, {
    verb: 'zero',
    script,
    args: [device, identity, String(from)],
    timeoutMs,
    okCodes: [0, wireCodes.noDevice, alienCode],
  });
  if (exitCode === alienCode) throw alienDevice(device, host, stderr);
  if (exitCode !== 0) throw new DriverError('DEVICE_MISSING', `there is no device ${device} on ${host}`);
}
