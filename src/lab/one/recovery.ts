import { setStates } from './boot.ts';
import { diskOf, type LabVm, lcm, OneRefusal, vmOf, vmState } from './model.ts';
import { releaseDisk } from './new-vm.ts';
import { type LabOnedOptions, type Operation, Session } from './oned.ts';
import { runLine, runLines } from './transfer.ts';
import { finish, linesOf, placeOf } from './vms.ts';

/** `onevm recover --retry`: the whole script again. */
export async function retryVm(options: LabOnedOptions, id: number): Promise<Operation> {
  const session = new Session(options);
  const { pending } = vmOf(session.read(), id);
  if (!pending) throw new OneRefusal(`Virtual machine ${id} has nothing to retry.`);
  return finish(session, `onevm recover ${id} --retry`, id, pending);
}

/** Clean-up: DELETE for every disk on every host in question; failures are swallowed (contract §3.4). */
async function cleanUp(session: Session, vm: LabVm): Promise<void> {
  if (vm.history.length === 0) return;
  const lines = linesOf(session, vm);
  const places = [placeOf(session, vm)];
  const previous = vm.history.at(-2);
  const migrating = [
    lcm.PROLOG_MIGRATE,
    lcm.PROLOG_MIGRATE_FAILURE,
    lcm.PROLOG_MIGRATE_POWEROFF_FAILURE,
  ].some((each) => each === vm.lcmState);
  if (migrating && previous) places.push({ host: previous.hostname, datastoreId: previous.datastoreId });
  for (const place of places) {
    for (const disk of vm.disks) await runLine(session, lines.delete(disk, place));
    await runLines(session, [lines.whole('delete', place)]);
  }
}

/** `onevm recover --delete`: the VM is DONE before its disks are deleted. */
export async function deleteVm(options: LabOnedOptions, id: number): Promise<Operation> {
  const session = new Session(options);
  const vm = vmOf(session.read(), id);
  setStates(session, id, vmState.DONE, lcm.INIT);
  await cleanUp(session, vm);
  session.update((state) => {
    const current = vmOf(state, id);
    for (const disk of [...current.disks]) releaseDisk(state, current, disk, { normally: false });
    delete current.pending;
  });
  return session.done(`onevm recover ${id} --delete`);
}

/** `onevm recover --recreate`: clean-up, then PENDING with the same id. Undeployed VMs get no DELETE (contract §3.4). */
export async function recreateVm(options: LabOnedOptions, id: number): Promise<Operation> {
  const session = new Session(options);
  const vm = vmOf(session.read(), id);
  const resting = vm.state === vmState.UNDEPLOYED || vm.state === vmState.STOPPED;
  setStates(session, id, vmState.ACTIVE, lcm.CLEANUP_RESUBMIT);
  if (!resting) await cleanUp(session, vm);
  session.update((state) => {
    const current = vmOf(state, id);
    Object.assign(current, { state: vmState.PENDING, lcmState: lcm.INIT, deployId: '' });
    // The list of a disk that is created again is dropped with its counter: ids start at 0 again.
    current.snapshots = Object.fromEntries(
      Object.entries(current.snapshots).filter(
        ([id]) => diskOf(current, Number(id)).attributes['SAVE'] === 'YES',
      ),
    );
    delete current.systemSnapshots;
    delete current.pending;
  });
  return session.done(`onevm recover ${id} --recreate`);
}
