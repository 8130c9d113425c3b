import type { BackupDisk } from '../backup/disks.ts';
import { withLocks } from '../backup/locks.ts';
import { takeOnce, takeTogether } from '../backup/take.ts';
import type { Context } from '../context.ts';
import { requireOneMoment } from '../disks/revert-note.ts';
import { DriverError } from '../errors.ts';
import { vmState } from '../opennebula/states.ts';
import { sameName } from '../volumes/replicas.ts';
import { dropSnapshot, usableSnapshot } from '../volumes/snapshot.ts';
import { whenSnapshottable } from '../volumes/snapshot-ready.ts';
import { type Hypervisor, whileSaved } from './memory.ts';
import type { SnapshotVm } from './vm-disks.ts';

/**
 * A snapshot of that name of all disks, of one moment; its removal is on the undo stack. A guest that runs is held for the one call to LINSTOR
 * that takes it: frozen by its agent, or paused where LINSTOR can take the snapshots only one after the other. One that cannot be frozen is
 * snapshotted as it is; LINSTOR stops the I/O of all disks together.
 *
 * Errors: those of `requireSnapshots` and `takeTogether`.
 */
export async function takePoint(
  ctx: Context,
  target: SnapshotVm,
  name: string,
  memory?: WithMemory,
): Promise<void> {
  const { vm, place, linstor, settings, disks } = target;
  requireSnapshots(target);
  const runs = vm.state === vmState.ACTIVE && vm.deployId !== '';
  const together = disks.length === 1 || (await linstor.capabilities()).multiSnapshot;
  await withLocks(ctx, disks, async () => {
    // Neither OpenNebula nor a policy has asked for that one: a try that was cut off has left it.
    for (const { resource, snapshots } of disks) {
      const left = snapshots.find((each) => sameName(each.name, name));
      if (!left) continue;
      ctx.log.info(`snapshot ${name} of ${resource} is a leftover and is taken again`);
      await dropSnapshot(ctx, linstor, resource, left.name);
    }
    if (memory) {
      await takeSaved(ctx, target, name, memory);
      return;
    }
    await takeTogether(ctx, {
      linstor,
      points: disks.map(({ resource }) => ({ resource, snapshot: name })),
      window: {
        host: place.host,
        mode: together ? 'AGENT' : 'SUSPEND',
        seconds: settings.backupFreezeSeconds,
        of: 'snapshot',
        ...(runs ? { domain: vm.deployId } : {}),
      },
    });
  });
}

/** The guest's memory is saved too, and the disks are taken while the guest is not there. */
export interface WithMemory {
  readonly id: number;
  readonly hypervisor: Hypervisor;
}

/** What has to pass is waited for before the guest is saved: without it LINSTOR is asked once. */
async function takeSaved(
  ctx: Context,
  target: SnapshotVm,
  name: string,
  { id, hypervisor }: WithMemory,
): Promise<void> {
  const { linstor, disks } = target;
  const points = disks.map(({ resource }) => ({ resource, snapshot: name }));
  for (const { resource } of disks)
    await whenSnapshottable(ctx, linstor, resource, `snapshot ${name} of ${resource} is not taken`);
  const stale = await whileSaved(ctx, target, id, hypervisor, () => takeOnce(ctx, { linstor, points }));
  if (stale.length > 0)
    throw new DriverError('SNAPSHOT', `snapshot ${name} is an older one on some node; nothing was kept`, {
      remedy: 'linstor_un gc --apply, then repeat it',
    });
  const all = await linstor.snapshots({ names: disks.map(({ resource }) => resource) });
  for (const { resource } of disks) usableSnapshot(all, resource, name);
}

/** Throws SNAPSHOT for disks of different moments, LINSTOR_UNSUPPORTED for pools without snapshots, LINSTOR_IN_USE during a live migration. */
export function requireSnapshots({ vm, disks }: Pick<SnapshotVm, 'vm' | 'disks'>): void {
  requireOneMoment(vm, disks);
  for (const disk of disks) {
    const what = `disk ${disk.disk.id} of VM ${vm.id} (${disk.resource})`;
    if (!disk.canSnapshot)
      throw new DriverError(
        'LINSTOR_UNSUPPORTED',
        `${what} is in a storage pool without snapshots; the VM cannot be snapshotted as a whole`,
        { remedy: 'move the disk to a thin pool' },
      );
    const users = usersOf(disk);
    if (users.length > 1)
      throw new DriverError(
        'LINSTOR_IN_USE',
        `${what} is open on ${users.join(' and ')}: a live migration is under way`,
        { remedy: 'repeat when the migration has ended' },
      );
  }
}

const usersOf = ({ view }: BackupDisk): string[] =>
  view.filter(({ inUse }) => inUse === true).map(({ node }) => node);
