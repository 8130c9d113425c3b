import type { Hosts } from '../hosts.ts';
import sectorNoteText from '../shell/sector-note.sh' with { type: 'text' };
import { alienCode, alienDevice, type HostDevice, identityFunctions } from './identity.ts';

/** Arguments: device, what it is. Prints the kind of partition table that counts in sectors of 512 bytes, if there is one. */
const script = `${identityFunctions}\n${sectorNoteText}`;

/** Does the device hold partitions that are counted in sectors of 512 bytes? Where its own are larger, nobody finds them. */
export async function countsIn512(
  hosts: Hosts,
  host: string,
  { device, identity }: HostDevice,
): Promise<boolean> {
  const { exitCode, stdout, stderr } = await hosts.run(host, {
    verb: 'partitions',
    script,
    args: [device, identity],
    timeoutMs: 30_000,
    okCodes: [0, alienCode],
  });
  if (exitCode === alienCode) throw alienDevice(device, host, stderr);
  return stdout.trim() !== '';
}
