import { createVmSnapshot } from '../../vm-snapshots/create.ts';
import type { ActionHandler } from '../action.ts';
import { hypervisorOf } from './native.ts';
import { onOurs } from './system-snapshot.ts';

/** `snapshot_create_linstor_un <deploy id> <snapshot id> <vm> <host>`: all disks of a running VM, of one moment. */
export const snapshotCreate: ActionHandler = (call, ctx) =>
  onOurs(call, ctx, 'snapshot_create', ({ message, place, disks }) =>
    createVmSnapshot(ctx, message, place, disks, hypervisorOf(ctx)),
  );
