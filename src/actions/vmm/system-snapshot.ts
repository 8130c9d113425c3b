import type { Call } from '../../call.ts';
import type { Context } from '../../context.ts';
import { driverName } from '../../opennebula/driver-name.ts';
import { readSystemSnapshotMessage, type SystemSnapshotMessage } from '../../opennebula/vmm-message.ts';
import { type DisksOfVm, disksOfVm, type VmPlace } from '../../vm-snapshots/vm-disks.ts';
import { replyLine } from '../foreign-script.ts';
import { runNative } from './native.ts';

/** A call about the snapshots of a VM, with the disks that are ours. */
export interface SystemSnapshotCall {
  readonly message: SystemSnapshotMessage;
  readonly place: VmPlace;
  readonly disks: DisksOfVm;
}

/**
 * The three actions are called for every KVM VM of the site: one that writes to no disk of ours goes to OpenNebula's own script, unchanged
 * (contract §5.9).
 */
export async function onOurs(
  call: Call,
  ctx: Context,
  script: 'snapshot_create' | 'snapshot_revert' | 'snapshot_delete',
  work: (call: SystemSnapshotCall) => Promise<string | undefined>,
): Promise<string | undefined> {
  const message = await readSystemSnapshotMessage(call);
  const { vm, datastore, host, directory } = message;
  const place = { host, directory, systemDatastoreId: datastore.id, whole: datastore.tmMad === driverName };
  const disks = await disksOfVm(ctx, vm, place);
  return disks.ours.length === 0
    ? replyLine(await runNative(ctx, script, call.argv, message))
    : work({ message, place, disks });
}
