import { DriverError } from '../../errors.ts';
import identityText from '../shell/identity.sh' with { type: 'text' };

/**
 * Is a device the volume that is meant? What LINSTOR reports as a path may be of the past (a loop or DRBD number that another volume has by now) or
 * a lie, so the kernel is asked on the host, in the session that reads or writes, before the first byte: DRBD's resource, device mapper's
 * name, the file behind a loop device, the zvol, the NVMe subsystem.
 */
export const identityFunctions = `\n${identityText}`;

declare const made: unique symbol;

/** Words for `require_volume` (identity.sh). Made by `deviceIdentity`. */
export type DeviceIdentity = string & { readonly [made]: true };

/** The layer by which a device is known, and the volume. */
export type IdentityKind = 'drbd' | 'nvme' | 'luks' | 'cache' | 'storage';

export function deviceIdentity(kind: IdentityKind, resource: string, volume = 0): DeviceIdentity {
  return `${kind} ${resource} ${volume}` as DeviceIdentity;
}

/** A device of a host that is to be read or written. */
export interface HostDevice {
  readonly device: string;
  readonly identity: DeviceIdentity;
}

/** Exit code of every script whose device is another one than meant. */
export const alienCode = 77;

/** `said`: what identity.sh found, the last line of stderr. */
export function alienDevice(device: string, host: string, said: string): DriverError {
  return new DriverError(
    'DEVICE_IDENTITY',
    `${device} on ${host} was not touched: ${said || 'it is another device than meant'}`,
  );
}
