import type { Context } from '../context.ts';
import type { VmDisk } from '../disks/migration-disks.ts';
import { toDriverError } from '../errors.ts';
import type { Linstor, ResourceName, Snapshot } from '../linstor/linstor.ts';
import { parsePolicySnapshot, parseVmSnapshot } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { dropSnapshot } from '../volumes/snapshot.ts';
import { persistently } from '../volumes/wait.ts';

/** A snapshot of the VM as a whole, taken by OpenNebula. */
export const isOfVm = ({ name }: Pick<Snapshot, 'name'>, vmId: number): boolean =>
  parseVmSnapshot(name)?.vmId === vmId;

/** The same, or by a policy. */
export const isOfVmOrPolicy = (snapshot: Pick<Snapshot, 'name'>, vmId: number): boolean =>
  isOfVm(snapshot, vmId) || parsePolicySnapshot(snapshot.name)?.vmId === vmId;

/** `onevm snapshot-delete`: gone from all disks that have it. Safe to repeat. */
export async function deleteVmSnapshot(ctx: Context, disks: readonly VmDisk[], name: string): Promise<void> {
  for (const [linstor, group] of Map.groupBy(disks, (disk) => disk.linstor)) {
    const names = group.map(({ resource }) => resource);
    const all = await linstor.snapshots({ names });
    for (const { resource } of all.filter((each) => sameName(each.name, name)))
      await dropSnapshot(ctx, linstor, resource, name);
  }
}

/**
 * A disk leaves its VM, or OpenNebula has dropped the VM's list without a word (contract §5.9): the snapshots of the VM on it have no use any
 * more. What stays is told; gc finds it.
 */
export async function forgetVmSnapshots(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  resource: ResourceName,
  snapshots: readonly Snapshot[],
  isForgotten: (snapshot: Snapshot) => boolean,
): Promise<void> {
  for (const { name } of snapshots.filter((each) => sameName(each.resource, resource) && isForgotten(each))) {
    try {
      await persistently(ctx.clock, () => dropSnapshot(ctx, linstor, resource, name));
    } catch (error) {
      ctx.log.warn(`snapshot ${name} of ${resource} stays: ${toDriverError(error).message}`);
    }
  }
}
