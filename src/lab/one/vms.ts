import { boot, setStates, vmmCall } from './boot.ts';
import type { DriverCall } from './driver.ts';
import {
  type Completion,
  datastoreOf,
  type LabVm,
  lastRecord,
  lcm,
  OneRefusal,
  type OneState,
  type PendingScript,
  type TransferLine,
  vmOf,
  vmState,
} from './model.ts';
import { releaseDisk } from './new-vm.ts';
import { type LabOnedOptions, now, type Operation, Session } from './oned.ts';
import { isVolatile, Lines, type Place, runScript } from './transfer.ts';

/** Names are unique in the lab. */
export interface Target {
  readonly host: string;
  readonly datastore: number;
}

export function placeOf(session: Session, vm: LabVm): Place {
  const record = lastRecord(vm);
  const resting = vm.state === vmState.STOPPED || vm.state === vmState.UNDEPLOYED;
  return { host: resting ? session.frontend : record.hostname, datastoreId: record.datastoreId };
}

export function linesOf(session: Session, vm: LabVm): Lines {
  return new Lines(session, vm, lastRecord(vm).tmMad);
}

/** A new history record; volatile disks move into the system datastore's attributes. */
export function addRecord(state: OneState, vm: LabVm, target: Target): void {
  const datastore = datastoreOf(state, target.datastore);
  if (datastore.type !== 1) throw new OneRefusal(`Datastore ${datastore.id} is not a system datastore.`);
  const host = state.hosts.find((each) => each.name === target.host);
  if (!host) throw new OneRefusal(`There is no host ${target.host}.`);
  vm.history.push({
    seq: vm.history.length,
    hostname: host.name,
    hostId: host.id,
    datastoreId: datastore.id,
    tmMad: datastore.tmMad,
    stime: now(),
  });
  for (const disk of vm.disks) {
    if (isVolatile(disk)) {
      Object.assign(disk.attributes, {
        CLUSTER_ID: '0',
        DATASTORE: datastore.name,
        DATASTORE_ID: String(datastore.id),
        DISK_TYPE: datastore.template['DISK_TYPE'] ?? 'FILE',
        TM_MAD: datastore.tmMad,
      });
    } else if (datastore.tmMad !== disk.attributes['TM_MAD']) {
      disk.attributes['TM_MAD_SYSTEM'] = datastore.tmMad;
    } else {
      delete disk.attributes['TM_MAD_SYSTEM'];
    }
  }
}

/** What follows a transfer script that went well. */
const completions: Readonly<
  Record<Completion, (session: Session, id: number) => Promise<DriverCall | undefined>>
> = {
  boot: (session, id) => boot(session, id, 'new', lcm.BOOT),
  resume: (session, id) => boot(session, id, 'checkpoint', lcm.BOOT_STOPPED),
  async done(session, id) {
    session.update((state) => {
      const vm = vmOf(state, id);
      for (const disk of [...vm.disks]) releaseDisk(state, vm, disk, { normally: true });
      Object.assign(vm, { state: vmState.DONE, lcmState: lcm.INIT });
    });
    return undefined;
  },
  stopped: async (session, id) => void setStates(session, id, vmState.STOPPED, lcm.INIT),
  undeployed: async (session, id) => void setStates(session, id, vmState.UNDEPLOYED, lcm.INIT),
  poweroff: async (session, id) => void setStates(session, id, vmState.POWEROFF, lcm.INIT),
  suspended: async (session, id) => void setStates(session, id, vmState.SUSPENDED, lcm.INIT),
};

/** Script, then what follows it. */
export async function finish(
  session: Session,
  command: string,
  id: number,
  script: PendingScript,
): Promise<Operation> {
  const failure = (await runScript(session, id, script)) ?? (await completions[script.next](session, id));
  return failure ? session.failed(command, failure) : session.done(command);
}

/** `onevm deploy`: a new VM, or one that was stopped or undeployed. */
export async function deployVm(options: LabOnedOptions, id: number, target: Target): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm deploy ${id} ${target.host} ${target.datastore}`;
  const before = vmOf(session.read(), id);
  const { STOPPED, UNDEPLOYED, PENDING } = vmState;
  if (![PENDING, STOPPED, UNDEPLOYED].some((state) => state === before.state)) {
    throw new OneRefusal(`Virtual machine ${id} cannot be deployed in state ${before.state}.`);
  }
  const from = before.state === PENDING ? undefined : placeOf(session, before);
  session.update((state) => addRecord(state, vmOf(state, id), target));
  const vm = vmOf(session.read(), id);
  const to: Place = { host: target.host, datastoreId: target.datastore };
  const lines = linesOf(session, vm);
  const script: PendingScript = from
    ? {
        operation: command,
        lines: moveAll(vm, lines, from, to),
        lcmState: before.state === STOPPED ? lcm.PROLOG_RESUME : lcm.PROLOG_UNDEPLOY,
        failureState: before.state === STOPPED ? lcm.PROLOG_RESUME_FAILURE : lcm.PROLOG_UNDEPLOY_FAILURE,
        next: before.state === STOPPED ? 'resume' : 'boot',
      }
    : {
        operation: command,
        lines: vm.disks.map((disk) => lines.prolog(disk, to)),
        lcmState: lcm.PROLOG,
        failureState: lcm.PROLOG_FAILURE,
        next: 'boot',
      };
  return finish(session, command, id, script);
}

/** Every disk in template order, the directory last. */
export function moveAll(vm: LabVm, lines: Lines, from: Place, to: Place): TransferLine[] {
  return [...vm.disks.map((disk) => lines.move(disk, from, to)), lines.whole('mv', to, from)];
}

/** `onevm terminate`; from any state in which the VM has disks on a host or on the front-end. */
export async function terminateVm(options: LabOnedOptions, id: number): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm terminate ${id}`;
  const vm = vmOf(session.read(), id);
  if (vm.history.length === 0) {
    await completions.done(session, id);
    return session.done(command);
  }
  const place = placeOf(session, vm);
  const lines = linesOf(session, vm);
  return finish(session, command, id, {
    operation: command,
    lines: [...vm.disks.map((disk) => lines.epilog(disk, place)), lines.whole('delete', place)],
    lcmState: lcm.EPILOG,
    failureState: lcm.EPILOG_FAILURE,
    next: 'done',
  });
}

/** `onevm poweroff`: no storage driver is called. */
export function poweroffVm(options: LabOnedOptions, id: number): Operation {
  const session = new Session(options);
  mustBe(vmOf(session.read(), id), vmState.ACTIVE);
  setStates(session, id, vmState.POWEROFF, lcm.INIT);
  return session.done(`onevm poweroff ${id}`);
}

/** `onevm suspend` */
export async function suspendVm(options: LabOnedOptions, id: number): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm suspend ${id}`;
  mustBe(vmOf(session.read(), id), vmState.ACTIVE);
  const failure = await saveVm(session, id, lcm.SAVE_SUSPEND);
  if (failure) return session.failed(command, failure);
  setStates(session, id, vmState.SUSPENDED, lcm.INIT);
  return session.done(command);
}

/** Failure leaves the VM running (contract §5.1). */
export async function saveVm(
  session: Session,
  id: number,
  lcmState: number,
): Promise<DriverCall | undefined> {
  setStates(session, id, vmState.ACTIVE, lcmState);
  const failure = await vmmCall(session, vmOf(session.read(), id), 'save');
  if (failure) setStates(session, id, vmState.ACTIVE, lcm.RUNNING);
  return failure;
}

/** `onevm resume` of a VM that is powered off or suspended: context only. */
export async function resumeVm(options: LabOnedOptions, id: number): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm resume ${id}`;
  const { state } = vmOf(session.read(), id);
  if (state !== vmState.POWEROFF && state !== vmState.SUSPENDED)
    throw new OneRefusal(`Virtual machine ${id} cannot be resumed.`);
  const suspended = state === vmState.SUSPENDED;
  const failure = await boot(
    session,
    id,
    suspended ? 'checkpoint' : 'new',
    suspended ? lcm.BOOT_SUSPENDED : lcm.BOOT_POWEROFF,
  );
  if (!failure) return session.done(command);
  setStates(session, id, state, lcm.INIT);
  return session.failed(command, failure);
}

/** `onevm stop` (saves the memory) and `onevm undeploy`: disks and directory go to the front-end. */
export async function parkVm(
  options: LabOnedOptions,
  id: number,
  how: 'stop' | 'undeploy',
): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm ${how} ${id}`;
  const vm = vmOf(session.read(), id);
  const running = vm.state === vmState.ACTIVE && vm.lcmState === lcm.RUNNING;
  if (
    !running &&
    !(how === 'undeploy' && vm.state === vmState.POWEROFF) &&
    !(how === 'stop' && vm.state === vmState.SUSPENDED)
  ) {
    throw new OneRefusal(`Virtual machine ${id} cannot ${how} now.`);
  }
  if (how === 'stop' && running) {
    const failure = await saveVm(session, id, lcm.SAVE_STOP);
    if (failure) return session.failed(command, failure);
  }
  const from = placeOf(session, vm);
  const to: Place = { host: session.frontend, datastoreId: from.datastoreId };
  return finish(session, command, id, {
    operation: command,
    lines: moveAll(vm, linesOf(session, vm), from, to),
    lcmState: how === 'stop' ? lcm.EPILOG_STOP : lcm.EPILOG_UNDEPLOY,
    failureState: how === 'stop' ? lcm.EPILOG_STOP_FAILURE : lcm.EPILOG_UNDEPLOY_FAILURE,
    next: how === 'stop' ? 'stopped' : 'undeployed',
  });
}

export function mustBe(vm: LabVm, ...states: readonly number[]): void {
  const running = vm.state !== vmState.ACTIVE || vm.lcmState === lcm.RUNNING;
  if (!states.includes(vm.state) || !running) {
    throw new OneRefusal(`Wrong state of virtual machine ${vm.id}: ${vm.state}/${vm.lcmState}.`);
  }
}
