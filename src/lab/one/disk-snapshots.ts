import { choose, inState, mark } from './disks.ts';
import {
  diskOf,
  type LabDisk,
  type LabVm,
  lcm,
  noSnapshots,
  OneRefusal,
  type SnapshotList,
  vmOf,
  vmState,
} from './model.ts';
import { allowOrphansOf } from './new-vm.ts';
import { type LabOnedOptions, now, type Operation, Session } from './oned.ts';
import { addToTree, removeFromTree, revertTree } from './snapshot-tree.ts';
import { isVolatile, runLine } from './transfer.ts';
import { linesOf, mustBe, placeOf } from './vms.ts';

const snapshotsOf = (vm: LabVm, disk: LabDisk): SnapshotList => {
  vm.snapshots[String(disk.id)] ??= noSnapshots(allowOrphansOf(disk));
  return vm.snapshots[String(disk.id)] as SnapshotList;
};

function mustAllowSnapshots(disk: LabDisk): void {
  const { READONLY, SHAREABLE } = disk.attributes;
  if (isVolatile(disk) || READONLY === 'YES' || SHAREABLE === 'YES')
    throw new OneRefusal(`Disk ${disk.id} cannot have snapshots.`);
}

/** `onevm disk-snapshot-create`, running, powered off or suspended. */
export async function createSnapshot(
  options: LabOnedOptions,
  vmId: number,
  diskId: number,
  name: string,
): Promise<Operation & { readonly snapshot: number }> {
  const session = new Session(options);
  const command = `onevm disk-snapshot-create ${vmId} ${diskId} ${name}`;
  const vm = vmOf(session.read(), vmId);
  mustBe(vm, vmState.ACTIVE, vmState.POWEROFF, vmState.SUSPENDED);
  const disk = diskOf(vm, diskId);
  mustAllowSnapshots(disk);
  const live = vm.state === vmState.ACTIVE;
  const during = choose(vm, {
    [vmState.ACTIVE]: lcm.DISK_SNAPSHOT,
    [vmState.POWEROFF]: lcm.DISK_SNAPSHOT_POWEROFF,
    [vmState.SUSPENDED]: lcm.DISK_SNAPSHOT_SUSPENDED,
  });
  const id = session.update((state) => {
    const current = vmOf(state, vmId);
    return addToTree(snapshotsOf(current, disk), {
      name,
      date: now(),
      sizeMb: Number(disk.attributes['SIZE']),
    });
  });
  mark(session, vmId, diskId, { DISK_SNAPSHOT_ACTIVE: 'YES' });
  const line = linesOf(session, vm).disk(
    disk,
    placeOf(session, vm),
    live ? 'snap_create_live' : 'snap_create',
    id,
  );
  const call = await inState(session, vm, during, () => runLine(session, line));
  mark(session, vmId, diskId, { DISK_SNAPSHOT_ACTIVE: undefined });
  if (call.exitCode === 0) return { ...session.done(command), snapshot: id };
  session.update((state) => removeFromTree(snapshotsOf(vmOf(state, vmId), disk), id));
  return { ...session.failed(command, call), snapshot: -1 };
}

/** `onevm disk-snapshot-revert`: powered off only. The disk gets the size of the snapshot. */
export async function revertSnapshot(
  options: LabOnedOptions,
  vmId: number,
  diskId: number,
  id: number,
): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm disk-snapshot-revert ${vmId} ${diskId} ${id}`;
  const vm = vmOf(session.read(), vmId);
  mustBe(vm, vmState.POWEROFF);
  const disk = diskOf(vm, diskId);
  const snapshot = vm.snapshots[String(diskId)]?.snapshots.find((each) => each.id === id);
  if (!snapshot) throw new OneRefusal(`Disk ${diskId} has no snapshot ${id}.`);
  const line = linesOf(session, vm).disk(disk, placeOf(session, vm), 'snap_revert', id);
  const call = await inState(session, vm, lcm.DISK_SNAPSHOT_REVERT_POWEROFF, () => runLine(session, line));
  if (call.exitCode !== 0) return session.failed(command, call);
  session.update((state) => revertTree(snapshotsOf(vmOf(state, vmId), disk), id));
  mark(session, vmId, diskId, { SIZE: String(snapshot.sizeMb) });
  return session.done(command);
}

/** `onevm disk-snapshot-delete`: also on a running VM by the plain action. */
export async function deleteSnapshot(
  options: LabOnedOptions,
  vmId: number,
  diskId: number,
  id: number,
): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm disk-snapshot-delete ${vmId} ${diskId} ${id}`;
  const vm = vmOf(session.read(), vmId);
  mustBe(vm, vmState.ACTIVE, vmState.POWEROFF, vmState.SUSPENDED);
  const disk = diskOf(vm, diskId);
  if (!vm.snapshots[String(diskId)]?.snapshots.some((each) => each.id === id))
    throw new OneRefusal(`Disk ${diskId} has no snapshot ${id}.`);
  const during = choose(vm, {
    [vmState.ACTIVE]: lcm.DISK_SNAPSHOT_DELETE,
    [vmState.POWEROFF]: lcm.DISK_SNAPSHOT_DELETE_POWEROFF,
    [vmState.SUSPENDED]: lcm.DISK_SNAPSHOT_DELETE_SUSPENDED,
  });
  const line = linesOf(session, vm).disk(disk, placeOf(session, vm), 'snap_delete', id);
  const call = await inState(session, vm, during, () => runLine(session, line));
  if (call.exitCode !== 0) return session.failed(command, call);
  session.update((state) => removeFromTree(snapshotsOf(vmOf(state, vmId), disk), id));
  return session.done(command);
}
