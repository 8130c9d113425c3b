import type { Context } from '../context.ts';
import { DriverError, toDriverError } from '../errors.ts';
import { inLcm } from '../opennebula/states.ts';
import type { SystemSnapshotMessage } from '../opennebula/vmm-message.ts';
import { vmSnapshotName } from '../volumes/names.ts';
import { type Hypervisor, removeMemory, wantsMemory } from './memory.ts';
import { takePoint } from './take-point.ts';
import { requireNoTpm } from './tpm.ts';
import { type DisksOfVm, openSnapshotVm, type VmPlace, vmLock } from './vm-disks.ts';

/** `onevm snapshot-create` (contract §5.9). Returns the name by which OpenNebula asks for the snapshot again. */
export const createVmSnapshot = (
  ctx: Context,
  message: SystemSnapshotMessage,
  place: VmPlace,
  disks: DisksOfVm,
  hypervisor: Hypervisor,
): Promise<string> =>
  ctx.lock(vmLock(message.vmId), async () => {
    const { vm, vmId } = message;
    requireNoTpm(vm);
    const target = await openSnapshotVm(vm, place, disks);
    const id = newId(message);
    const name = vmSnapshotName(vmId, id);
    const memory = wantsMemory(vm, target.settings);
    // A number comes again (contract §5.9): the memory of an earlier snapshot is not this one's.
    if (!memory) await removeMemory(ctx, target.linstor, target.settings, vmId, id);
    await takePoint(ctx, target, name, memory ? { id, hypervisor } : undefined);
    await requireAwaited(ctx, vmId, 'snapshot');
    return name;
  });

function newId({ word, vmId }: SystemSnapshotMessage): number {
  if (/^\d{1,9}$/.test(word)) return Number(word);
  throw new DriverError('BAD_MESSAGE', `“${word}” is not the id of a snapshot of VM ${vmId}`);
}

/** `onevm recover` ends the wait of OpenNebula without ending us: what it has forgotten is not made. Throws INTERRUPTED. */
export async function requireAwaited(ctx: Context, vmId: number, what: 'snapshot' | 'revert'): Promise<void> {
  const vm = await ctx.one.vm(vmId).catch((error: unknown) => toDriverError(error));
  if (vm instanceof DriverError) {
    ctx.log.warn(`whether the ${what} is still wanted is not known: ${vm.message}`);
    return;
  }
  if (!inLcm(vm.lcmState, 'HOTPLUG_SNAPSHOT'))
    throw new DriverError('INTERRUPTED', `the ${what} of VM ${vmId} was given up in OpenNebula`);
}
