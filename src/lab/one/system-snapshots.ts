import { localAction, setStates } from './boot.ts';
import type { DriverCall } from './driver.ts';
import { type LabSystemSnapshot, type LabVm, lcm, OneRefusal, vmOf, vmState } from './model.ts';
import { firstLine, type LabOnedOptions, now, type Operation, Session } from './oned.ts';
import { mustBe } from './vms.ts';

const listOf = (vm: LabVm): LabSystemSnapshot[] => {
  vm.systemSnapshots ??= [];
  return vm.systemSnapshots;
};

function requireSnapshot(vm: LabVm, id: number): LabSystemSnapshot {
  const found = listOf(vm).find((each) => each.id === id);
  if (!found) throw new OneRefusal(`Could not find snapshot ${id} of VM ${vm.id}, it does not exist.`);
  return found;
}

/** `onevm snapshot-create`: running VMs only, and none whose backups are incremental. A number that is free again is given anew. */
export async function createSystemSnapshot(
  options: LabOnedOptions,
  vmId: number,
  name = '',
): Promise<Operation & { readonly snapshot: number }> {
  const session = new Session(options);
  const command = `onevm snapshot-create ${vmId}${name === '' ? '' : ` ${name}`}`;
  const vm = vmOf(session.read(), vmId);
  mustBe(vm, vmState.ACTIVE);
  if (vm.backup['MODE'] === 'INCREMENT')
    throw new OneRefusal('Action "snapshot-create" is not compatible with incremental backups');
  const id = session.update((state) => {
    const list = listOf(vmOf(state, vmId));
    const next = Math.max(-1, ...list.map((each) => each.id)) + 1;
    list.push({
      id: next,
      name: name || `snapshot-${next}`,
      time: now(),
      hypervisorId: '',
      action: 'CREATE',
    });
    return next;
  });
  const call = await during(session, vmId, 'snapshot_create_linstor_un', String(id));
  session.update((state) => {
    const list = listOf(vmOf(state, vmId));
    const made = list.find((each) => each.id === id);
    if (!made) return;
    delete made.action;
    if (call.exitCode === 0) made.hypervisorId = firstLine(call).split(/\s+/)[0] ?? '';
    else list.splice(list.indexOf(made), 1);
  });
  return call.exitCode === 0
    ? { ...session.done(command), snapshot: id }
    : { ...session.failed(command, call), snapshot: -1 };
}

/** `onevm snapshot-revert`: running VMs only; to OpenNebula the VM runs afterwards, whatever the driver has answered. */
export async function revertSystemSnapshot(
  options: LabOnedOptions,
  vmId: number,
  id: number,
): Promise<Operation> {
  const session = new Session(options);
  const vm = vmOf(session.read(), vmId);
  mustBe(vm, vmState.ACTIVE);
  return change(session, vm, id, 'REVERT', `onevm snapshot-revert ${vmId} ${id}`);
}

/** `onevm snapshot-delete`; with KEEP_SNAPSHOTS, which is the default for KVM, also of a VM that is powered off. */
export async function deleteSystemSnapshot(
  options: LabOnedOptions,
  vmId: number,
  id: number,
): Promise<Operation> {
  const session = new Session(options);
  const vm = vmOf(session.read(), vmId);
  mustBe(vm, vmState.ACTIVE, vmState.POWEROFF);
  const operation = await change(session, vm, id, 'DELETE', `onevm snapshot-delete ${vmId} ${id}`);
  if (operation.ok)
    session.update((state) => {
      const list = listOf(vmOf(state, vmId));
      list.splice(list.indexOf(requireSnapshot(vmOf(state, vmId), id)), 1);
    });
  return operation;
}

async function change(
  session: Session,
  vm: LabVm,
  id: number,
  action: 'REVERT' | 'DELETE',
  command: string,
): Promise<Operation> {
  const { hypervisorId } = requireSnapshot(vm, id);
  const mark = (value: LabSystemSnapshot['action']): void =>
    session.update((state) => {
      const found = listOf(vmOf(state, vm.id)).find((each) => each.id === id);
      if (found && value) found.action = value;
      else if (found) delete found.action;
    });
  mark(action);
  const call = await during(session, vm.id, `snapshot_${action.toLowerCase()}_linstor_un`, hypervisorId);
  mark(undefined);
  return call.exitCode === 0 ? session.done(command) : session.failed(command, call);
}

/** The call while the VM is in HOTPLUG_SNAPSHOT. */
async function during(session: Session, vmId: number, action: string, word: string): Promise<DriverCall> {
  const before = vmOf(session.read(), vmId);
  setStates(session, vmId, before.state, lcm.HOTPLUG_SNAPSHOT);
  const vm = vmOf(session.read(), vmId);
  const call = await localAction(session, vm, action, [vm.deployId, word]);
  setStates(session, vmId, before.state, before.state === vmState.ACTIVE ? lcm.RUNNING : lcm.INIT);
  return call;
}
