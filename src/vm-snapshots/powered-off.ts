import { withLocks } from '../backup/locks.ts';
import type { Context } from '../context.ts';
import { DriverError, toDriverError } from '../errors.ts';
import { noteUnfinished } from '../hosts/vm-directory.ts';
import { vmState } from '../opennebula/states.ts';
import { requireOnAll, rollBackTogether } from './roll-back.ts';
import { isReverting, settleLocked } from './settle.ts';
import { requireSnapshots } from './take-point.ts';
import { disksOfVm, openSnapshotVm, vmLock } from './vm-disks.ts';
import { placeOfVm } from './vm-place.ts';

/** The disks of a powered-off VM become what the snapshot holds, all of them or none. Safe to repeat. */
export const revertPoweredOff = (ctx: Context, vmId: number, name: string): Promise<void> =>
  ctx.lock(vmLock(vmId), async () => {
    const [vm, datastores] = await Promise.all([ctx.one.vm(vmId), ctx.one.datastores()]);
    if (vm.state !== vmState.POWEROFF)
      throw new DriverError('IN_USE', `VM ${vmId} is not powered off`, {
        remedy: `onevm poweroff ${vmId}; a running VM is reverted with onevm snapshot-revert`,
      });
    const place = placeOfVm(vm, datastores);
    const found = await disksOfVm(ctx, vm, place);
    const known = await openSnapshotVm(vm, place, found);
    await withLocks(ctx, known.disks, async () => {
      let target = known;
      if (isReverting(known.disks)) {
        await settleLocked(ctx, known.linstor, vm, place.host, found.ours);
        target = await openSnapshotVm(vm, place, found);
      }
      requireOnAll(target, name);
      requireSnapshots(target);
      const onHost = (isUnfinished: boolean): Promise<void> =>
        ctx.hosts.isFrontend(place.host)
          ? Promise.resolve()
          : noteUnfinished(ctx.hosts, place.host, target.disks, 'reverting', isUnfinished);
      await onHost(true);
      const rolled = await rollBackTogether(ctx, target, name, async () => true);
      await rolled.noteDone();
      await rolled.finish();
      await onHost(false).catch((error: unknown) => {
        ctx.log.info(`a note of the revert stays on ${place.host}: ${toDriverError(error).message}`);
      });
    });
  });
