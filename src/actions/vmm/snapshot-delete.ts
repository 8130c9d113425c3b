import { deleteVmSnapshot } from '../../vm-snapshots/forget.ts';
import { removeMemory } from '../../vm-snapshots/memory.ts';
import { snapshotIdOf } from '../../vm-snapshots/revert.ts';
import { vmLock } from '../../vm-snapshots/vm-disks.ts';
import { vmSnapshotName } from '../../volumes/names.ts';
import type { ActionHandler } from '../action.ts';
import { onOurs } from './system-snapshot.ts';

/** `snapshot_delete_linstor_un <deploy id> <hypervisor id> <vm> <host>`; also while the VM is powered off (contract §5.9). */
export const snapshotDelete: ActionHandler = (call, ctx) =>
  onOurs(call, ctx, 'snapshot_delete', async ({ message, disks }) => {
    const { vmId } = message;
    const id = snapshotIdOf(message);
    await ctx.lock(vmLock(vmId), async () => {
      await deleteVmSnapshot(ctx, disks.ours, vmSnapshotName(vmId, id));
      const [first] = disks.ours;
      if (first) await removeMemory(ctx, first.linstor, first.settings, vmId, id);
    });
    return undefined;
  });
