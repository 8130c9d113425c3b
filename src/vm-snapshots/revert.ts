import { withLocks } from '../backup/locks.ts';
import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { SystemSnapshotMessage } from '../opennebula/vmm-message.ts';
import { vmSnapshotName } from '../volumes/names.ts';
import { whenSnapshottable } from '../volumes/snapshot-ready.ts';
import { requireAwaited } from './create.ts';
import { type Domain, documentOf, isAbsent, startDomain, stopDomain } from './domain.ts';
import { type Hypervisor, memoryOf, resumeFromMemory } from './memory.ts';
import { requireOnAll, rollBackTogether, type Wholeness } from './roll-back.ts';
import { isReverting, settleLocked } from './settle.ts';
import { requireSnapshots } from './take-point.ts';
import { requireNoTpm } from './tpm.ts';
import { type DisksOfVm, openSnapshotVm, type VmPlace, vmLock } from './vm-disks.ts';

export interface RevertRequest {
  readonly message: SystemSnapshotMessage;
  readonly place: VmPlace;
  readonly disks: DisksOfVm;
  readonly hypervisor: Hypervisor;
}

/**
 * `onevm snapshot-revert` of a running VM (contract §5.9): all disks or none. What can be known is known before the guest is ended; until all
 * disks hold the snapshot, failure and signals bring back what they held and start the guest on that. OpenNebula takes the VM for running
 * whatever we answer.
 */
export const revertVm = (ctx: Context, request: RevertRequest): Promise<void> =>
  ctx.lock(vmLock(request.message.vmId), async () => {
    const { message, place } = request;
    const { vm, vmId } = message;
    requireNoTpm(vm);
    const known = await openSnapshotVm(vm, place, request.disks);
    const id = snapshotIdOf(message);
    const name = vmSnapshotName(vmId, id);
    await withLocks(ctx, known.disks, async () => {
      let target = known;
      if (isReverting(known.disks)) {
        await settleLocked(ctx, known.linstor, vm, place.host, request.disks.ours);
        target = await openSnapshotVm(vm, place, request.disks);
      }
      requireOnAll(target, name);
      requireSnapshots(target);
      for (const { resource } of target.disks)
        await whenSnapshottable(ctx, target.linstor, resource, `VM ${vmId} is not reverted`);
      const memory = await memoryOf(target, id);
      await requireAwaited(ctx, vmId, 'revert');
      const domain: Domain = {
        host: place.host,
        deployId: message.deployId,
        directory: place.directory,
        config: request.hypervisor.config,
        resources: target.disks.map(({ resource }) => resource),
      };
      const disks: Wholeness = { whole: true };
      const forget = ctx.undo.push(`start ${domain.deployId} on ${domain.host} again`, async () => {
        if (!disks.whole)
          throw new DriverError('SNAPSHOT', `VM ${vmId} is not started: its disks are of different moments`, {
            remedy: `start it with onevm resume ${vmId} once LINSTOR answers: that brings back what they held`,
          });
        await startDomain(ctx, domain);
      });
      await stopDomain(ctx, domain);
      const rolled = await rollBackTogether(ctx, target, name, () => isAbsent(ctx, domain), disks);
      await rolled.noteDone();
      if (memory) await resumeFromMemory(ctx, target, id, memory, request.hypervisor, documentOf(domain));
      else await startDomain(ctx, domain);
      forget();
      await rolled.finish();
    });
  });

/** As it was answered when it was made; after `onevm recover --success`, OpenNebula has its own number instead. Throws SNAPSHOT. */
export function snapshotIdOf({ word, vmId }: Pick<SystemSnapshotMessage, 'word' | 'vmId'>): number {
  const match = /^(?:one-vm-(\d{1,9})-snapshot-|snap-)?(\d{1,9})$/i.exec(word);
  if (match?.[2] !== undefined && (match[1] === undefined || Number(match[1]) === vmId))
    return Number(match[2]);
  throw new DriverError('SNAPSHOT', `“${word}” is not a snapshot of VM ${vmId}`);
}
