import { setStates } from './boot.ts';
import type { DriverCall } from './driver.ts';
import { createSaveAsImage } from './images.ts';
import { diskOf, imageOf, type LabVm, lastRecord, lcm, OneRefusal, vmOf, vmState } from './model.ts';
import { addDisk, type DiskSpec, releaseDisk } from './new-vm.ts';
import { type LabOnedOptions, type Operation, Session } from './oned.ts';
import { isVolatile, runLine } from './transfer.ts';
import { linesOf, mustBe, placeOf } from './vms.ts';

/** One tm call while the VM is in `during`; afterwards it is as it was. */
export async function inState(
  session: Session,
  vm: LabVm,
  during: number,
  call: () => Promise<DriverCall>,
): Promise<DriverCall> {
  setStates(session, vm.id, vmState.ACTIVE, during);
  try {
    return await call();
  } finally {
    setStates(session, vm.id, vm.state, vm.lcmState);
  }
}

export const choose = (vm: LabVm, states: Readonly<Record<number, number>>): number => {
  const during = states[vm.state];
  if (during === undefined) throw new OneRefusal(`Wrong state of virtual machine ${vm.id}: ${vm.state}.`);
  return during;
};

export const mark = (
  session: Session,
  vm: number,
  disk: number,
  attributes: Record<string, string | undefined>,
): void =>
  session.update((state) => {
    const current = diskOf(vmOf(state, vm), disk).attributes;
    for (const [name, value] of Object.entries(attributes)) {
      if (value === undefined) delete current[name];
      else current[name] = value;
    }
  });

/** `onevm disk-attach`, running or powered off. A hypervisor that refuses causes the epilog line as rollback. */
export async function attachDisk(
  options: LabOnedOptions,
  vmId: number,
  spec: DiskSpec,
  how: { readonly hypervisorFails?: boolean } = {},
): Promise<Operation & { readonly disk: number }> {
  const session = new Session(options);
  const command = `onevm disk-attach ${vmId} ${'image' in spec ? `--image ${spec.image}` : `--${spec.volatile} ${spec.sizeMb}`}`;
  const vm = vmOf(session.read(), vmId);
  mustBe(vm, vmState.ACTIVE, vmState.POWEROFF);
  const added = session.update((state) => {
    const current = vmOf(state, vmId);
    const disk = addDisk(state, current, spec);
    disk.attributes['ATTACH'] = 'YES';
    const system = state.datastores.find((each) => each.id === lastRecord(current).datastoreId);
    if (isVolatile(disk) && system) {
      Object.assign(disk.attributes, {
        DATASTORE: system.name,
        DATASTORE_ID: String(system.id),
        TM_MAD: system.tmMad,
        DISK_TYPE: system.template['DISK_TYPE'] ?? 'FILE',
      });
    }
    return disk;
  });
  const lines = linesOf(session, vm);
  const place = placeOf(session, vm);
  const during = vm.state === vmState.ACTIVE ? lcm.HOTPLUG : lcm.HOTPLUG_PROLOG_POWEROFF;
  const call = await inState(session, vm, during, async () => {
    const prolog = await runLine(session, lines.prolog(added, place));
    if (prolog.exitCode === 0 && how.hypervisorFails) await runLine(session, lines.epilog(added, place));
    return prolog;
  });
  if (call.exitCode !== 0 || how.hypervisorFails) {
    session.update((state) => {
      const current = vmOf(state, vmId);
      releaseDisk(state, current, diskOf(current, added.id), { normally: false });
    });
    const failure =
      call.exitCode === 0
        ? session.done(command, 'the hypervisor could not attach the disk')
        : session.failed(command, call);
    return { ...failure, disk: -1 };
  }
  mark(session, vmId, added.id, { ATTACH: undefined });
  return { ...session.done(command), disk: added.id };
}

/** `onevm disk-detach` */
export async function detachDisk(options: LabOnedOptions, vmId: number, diskId: number): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm disk-detach ${vmId} ${diskId}`;
  const vm = vmOf(session.read(), vmId);
  mustBe(vm, vmState.ACTIVE, vmState.POWEROFF);
  const disk = diskOf(vm, diskId);
  const during = vm.state === vmState.ACTIVE ? lcm.HOTPLUG : lcm.HOTPLUG_EPILOG_POWEROFF;
  mark(session, vmId, diskId, { ATTACH: 'YES' });
  const call = await inState(session, vm, during, () =>
    runLine(session, linesOf(session, vm).epilog(disk, placeOf(session, vm))),
  );
  mark(session, vmId, diskId, { ATTACH: undefined });
  if (call.exitCode !== 0) return session.failed(command, call);
  session.update((state) => {
    const current = vmOf(state, vmId);
    releaseDisk(state, current, diskOf(current, diskId), { normally: true });
  });
  return session.done(command);
}

/** `onevm disk-resize`: the documents show the new size already, the old one as SIZE_PREV. */
export async function resizeDisk(
  options: LabOnedOptions,
  vmId: number,
  diskId: number,
  sizeMb: number,
): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm disk-resize ${vmId} ${diskId} ${sizeMb}`;
  const vm = vmOf(session.read(), vmId);
  mustBe(vm, vmState.ACTIVE, vmState.POWEROFF, vmState.UNDEPLOYED);
  const disk = diskOf(vm, diskId);
  const before = disk.attributes['SIZE'] ?? '0';
  if (sizeMb <= Number(before))
    throw new OneRefusal(`New disk size has to be greater than current one (${before}).`);
  const during = choose(vm, {
    [vmState.ACTIVE]: lcm.DISK_RESIZE,
    [vmState.POWEROFF]: lcm.DISK_RESIZE_POWEROFF,
    [vmState.UNDEPLOYED]: lcm.DISK_RESIZE_UNDEPLOYED,
  });
  mark(session, vmId, diskId, { RESIZE: 'YES', SIZE: String(sizeMb), SIZE_PREV: before });
  // Also for an undeployed VM the last host is named, not the front-end.
  const record = lastRecord(vm);
  const place = { host: record.hostname, datastoreId: record.datastoreId };
  const call = await inState(session, vm, during, () =>
    runLine(session, linesOf(session, vm).disk(disk, place, 'resize', sizeMb)),
  );
  const failed = call.exitCode !== 0;
  mark(session, vmId, diskId, {
    RESIZE: undefined,
    SIZE_PREV: undefined,
    SIZE: failed ? before : String(sizeMb),
  });
  return failed ? session.failed(command, call) : session.done(command);
}

/** `onevm disk-saveas`: mkfs makes the SOURCE, cpds the content. `snapshot` -1: the present state. */
export async function saveDiskAs(
  options: LabOnedOptions,
  vmId: number,
  diskId: number,
  spec: { readonly name: string; readonly snapshot?: number; readonly type?: 'OS' | 'DATABLOCK' },
): Promise<Operation & { readonly image: number }> {
  const session = new Session(options);
  const snapshotId = spec.snapshot ?? -1;
  const command = `onevm disk-saveas ${vmId} ${diskId} ${spec.name}${snapshotId < 0 ? '' : ` -s ${snapshotId}`}`;
  const vm = vmOf(session.read(), vmId);
  const disk = diskOf(vm, diskId);
  if (isVolatile(disk)) throw new OneRefusal('Cannot save a volatile disk.');
  const snapshot = vm.snapshots[String(diskId)]?.snapshots.find((each) => each.id === snapshotId);
  if (snapshotId >= 0 && !snapshot) throw new OneRefusal(`Disk ${diskId} has no snapshot ${snapshotId}.`);
  const during = choose(vm, {
    [vmState.ACTIVE]: lcm.HOTPLUG_SAVEAS,
    [vmState.POWEROFF]: lcm.HOTPLUG_SAVEAS_POWEROFF,
    [vmState.SUSPENDED]: lcm.HOTPLUG_SAVEAS_SUSPENDED,
    [vmState.UNDEPLOYED]: lcm.HOTPLUG_SAVEAS_UNDEPLOYED,
    [vmState.STOPPED]: lcm.HOTPLUG_SAVEAS_STOPPED,
  });
  const made = await createSaveAsImage(session, {
    name: spec.name,
    datastore: Number(disk.attributes['DATASTORE_ID']),
    type: spec.type ?? 'OS',
    sizeMb: snapshot?.sizeMb ?? Number(disk.attributes['SIZE']),
    template: {
      SAVED_DISK_ID: String(diskId),
      SAVED_IMAGE_ID: disk.attributes['IMAGE_ID'] ?? '',
      SAVED_VM_ID: String(vmId),
      SAVE_AS_HOT: 'YES',
    },
  });
  if (made.error) return { ...made.error(command), image: made.image };
  const { source } = imageOf(session.read(), made.image);
  const line = linesOf(session, vm).disk(disk, placeOf(session, vm), 'cpds', source, snapshotId);
  const call = await inState(session, vm, during, () => runLine(session, line));
  session.update((state) => {
    const image = imageOf(state, made.image);
    image.state = call.exitCode === 0 ? 1 : 5;
    image.format = 'raw';
  });
  return {
    ...(call.exitCode === 0 ? session.done(command) : session.failed(command, call)),
    image: made.image,
  };
}
