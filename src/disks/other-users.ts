import { posix } from 'node:path';
import type { Context } from '../context.ts';
import { deviceUse, isOpen } from '../hosts/scripts/device-use.ts';

export interface SharedDevice {
  /** Every name that the device may have on the host (linstor-behaviour §5). */
  readonly paths: readonly string[];
  /** The link of the VM that leaves; it says nothing about others. */
  readonly ownLink: string;
}

/**
 * Which of these devices does somebody else have on the host: it is open, or another VM's directory has a link to it? For
 * CD-ROM, immutable and shareable images, of whose readers LINSTOR does not tell. One session for all. `directory`: of the VM
 * that leaves.
 */
export async function usedByOthers(
  ctx: Context,
  host: string,
  directory: string,
  devices: readonly SharedDevice[],
): Promise<boolean[]> {
  const datastores = posix.resolve(directory, '../..');
  const paths = devices.flatMap((device) => device.paths);
  const uses = await deviceUse(ctx.hosts, host, paths, datastores);
  return devices.map((device) =>
    uses.some(
      (use) =>
        device.paths.includes(use.path) &&
        (isOpen(use) || use.otherLinks.some((link) => link !== device.ownLink)),
    ),
  );
}
