import { allDone } from '../all-done.ts';
import type { Context } from '../context.ts';
import { ensureDiskAttached } from '../disks/ensure-attached.ts';
import type { VmDisk } from '../disks/migration-disks.ts';
import { revert } from '../disks/revert.ts';
import { toDriverError } from '../errors.ts';
import { Undo } from '../undo.ts';
import { kibToBytes } from '../units.ts';

/**
 * All the disks hold again what they held when `snapshot` was taken. Every one of them is tried, also when another has failed; the first failure
 * is thrown. A rollback makes the volumes anew, and takes diskless replicas away: they are attached again, as after any revert.
 */
export async function bringBack(
  outer: Context,
  host: string,
  disks: readonly Pick<VmDisk, 'settings' | 'linstor' | 'resource' | 'link'>[],
  snapshot: string,
): Promise<void> {
  // What is attached here stays, also where this is itself a step of the undo.
  const ctx: Context = { ...outer, undo: new Undo(outer.log) };
  await allDone(
    disks.map(async ({ settings, linstor, resource, link }) => {
      try {
        const size = await revert(ctx, { settings, linstor, resource, snapshot, hosts: [host] });
        if (ctx.hosts.isFrontend(host)) return;
        const wanted = { resource, linstor, settings, link, keepsLink: true, minBytes: kibToBytes(size) };
        await ensureDiskAttached(ctx, wanted, host).catch((error: unknown) => {
          ctx.log.warn(`${resource} is not attached on ${host} for now: ${toDriverError(error).message}`);
        });
      } catch (error) {
        ctx.log.warn(`${resource} does not hold again what it held before: ${toDriverError(error).message}`);
        throw error;
      }
    }),
  );
}
