import { revertVm } from '../../vm-snapshots/revert.ts';
import type { ActionHandler } from '../action.ts';
import { hypervisorOf } from './native.ts';
import { onOurs } from './system-snapshot.ts';

/** `snapshot_revert_linstor_un <deploy id> <hypervisor id> <vm> <host>`: all disks of a running VM, or none. */
export const snapshotRevert: ActionHandler = (call, ctx) =>
  onOurs(call, ctx, 'snapshot_revert', async (found) => {
    await revertVm(ctx, { ...found, hypervisor: hypervisorOf(ctx) });
    return undefined;
  });
