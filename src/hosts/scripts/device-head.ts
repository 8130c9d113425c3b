import { DriverError } from '../../errors.ts';
import type { Hosts } from '../hosts.ts';
import deviceHeadText from '../shell/device-head.sh' with { type: 'text' };
import { alienCode, alienDevice, type HostDevice, identityFunctions } from './identity.ts';

/** Arguments: device, what it is, blocks of 4 KiB. Prints them, in base64. */
const script = `${identityFunctions}\n${deviceHeadText}`;

const missing = 71;

/** The first `kib` KiB of the device, fewer of a smaller one. Throws DEVICE_MISSING, DEVICE_IDENTITY. */
export async function readDeviceHead(
  hosts: Hosts,
  host: string,
  { device, identity }: HostDevice,
  kib: number,
): Promise<Uint8Array> {
  const { exitCode, stdout, stderr } = await hosts.run(host, {
    verb: 'device-head',
    script,
    args: [device, identity, String(Math.ceil(kib / 4))],
    timeoutMs: 60_000,
    okCodes: [0, missing, alienCode],
  });
  if (exitCode === alienCode) throw alienDevice(device, host, stderr);
  if (exitCode === missing)
    throw new DriverError('DEVICE_MISSING', `there is no device ${device} on ${host}`);
  return new Uint8Array(Buffer.from(stdout.trim(), 'base64'));
}
