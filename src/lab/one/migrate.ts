import { setStates } from './boot.ts';
import { vmXml } from './documents.ts';
import type { DriverCall, DriverInput } from './driver.ts';
import { datastoreOf, lastRecord, lcm, OneRefusal, vmOf, vmState } from './model.ts';
import { type LabOnedOptions, type Operation, Session } from './oned.ts';
import { addRecord, finish, linesOf, moveAll, placeOf, saveVm, type Target } from './vms.ts';

export interface ColdMigration {
  /** RUNNING: by power off instead of saving the memory. */
  readonly poweroff?: boolean;
  /** The host of the VM is dead (state 60 of the fault tolerance hook). */
  readonly unknown?: boolean;
}

/** `onevm migrate`, in every state that allows it. Host, system datastore or both may change. */
export async function migrateVm(
  options: LabOnedOptions,
  id: number,
  target: Target,
  how: ColdMigration = {},
): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm migrate${how.poweroff ? ' --poff' : ''} ${id} ${target.host} ${target.datastore}`;
  const before = vmOf(session.read(), id);
  const running = before.state === vmState.ACTIVE;
  if (running && before.lcmState !== lcm.RUNNING && !how.unknown)
    throw new OneRefusal(`Virtual machine ${id} cannot migrate now.`);
  if (running && !how.poweroff && !how.unknown) {
    const failure = await saveVm(session, id, lcm.SAVE_MIGRATE);
    if (failure) return session.failed(command, failure);
  }
  const from = placeOf(session, before);
  session.update((state) => addRecord(state, vmOf(state, id), target));
  const vm = vmOf(session.read(), id);
  const lines = moveAll(vm, linesOf(session, vm), from, { host: target.host, datastoreId: target.datastore });
  const script = { operation: command, lines };
  if (how.unknown) {
    return finish(session, command, id, {
      ...script,
      lcmState: lcm.PROLOG_MIGRATE_UNKNOWN,
      failureState: lcm.PROLOG_MIGRATE_UNKNOWN_FAILURE,
      next: 'boot',
    });
  }
  if (before.state === vmState.POWEROFF) {
    return finish(session, command, id, {
      ...script,
      lcmState: lcm.PROLOG_MIGRATE_POWEROFF,
      failureState: lcm.PROLOG_MIGRATE_POWEROFF_FAILURE,
      next: 'poweroff',
    });
  }
  if (before.state === vmState.SUSPENDED) {
    return finish(session, command, id, {
      ...script,
      lcmState: lcm.PROLOG_MIGRATE_SUSPEND,
      failureState: lcm.PROLOG_MIGRATE_SUSPEND_FAILURE,
      next: 'suspended',
    });
  }
  if (!running) throw new OneRefusal(`Virtual machine ${id} cannot migrate in state ${before.state}.`);
  return finish(session, command, id, {
    ...script,
    lcmState: lcm.PROLOG_MIGRATE,
    failureState: lcm.PROLOG_MIGRATE_FAILURE,
    next: how.poweroff ? 'boot' : 'resume',
  });
}

/** Arguments and stdin of pre-, post- and failmigrate (contract §5.4). */
function migrationCall(
  session: Session,
  id: number,
  action: string,
  source: string,
  target: Target,
): Promise<DriverCall> {
  const state = session.read();
  const vm = vmOf(state, id);
  const document = vmXml(vm, { history: 'last' });
  const encoded = Buffer.from(document).toString('base64');
  const stdin: DriverInput = { encoding: 'base64', text: document };
  return session.call({
    kind: 'tm',
    driver: datastoreOf(state, target.datastore).tmMad,
    action,
    argv: [
      source,
      target.host,
      session.vmDirectory(target.datastore, id),
      String(id),
      String(target.datastore),
      ...(session.generation === '5.8' ? [encoded] : []),
    ],
    ...(session.generation === '5.8' ? {} : { stdin }),
  });
}

export interface LiveMigration {
  /** What the hypervisor does between pre- and postmigrate; `false`: it fails. Default: succeeds. */
  readonly hypervisor?: () => boolean | Promise<boolean>;
}

/** `onevm migrate --live`; a failure of postmigrate is ignored. */
export async function liveMigrateVm(
  options: LabOnedOptions,
  id: number,
  target: Target,
  how: LiveMigration = {},
): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm migrate --live ${id} ${target.host} ${target.datastore}`;
  const before = vmOf(session.read(), id);
  if (before.state !== vmState.ACTIVE || before.lcmState !== lcm.RUNNING)
    throw new OneRefusal(`Virtual machine ${id} is not running.`);
  const source = lastRecord(before).hostname;
  session.update((state) => addRecord(state, vmOf(state, id), target));
  setStates(session, id, vmState.ACTIVE, lcm.MIGRATE);

  const fail = async (reason: DriverCall | string): Promise<Operation> => {
    await migrationCall(session, id, 'failmigrate', source, target);
    session.update((state) => {
      const vm = vmOf(state, id);
      vm.history.pop();
      vm.lcmState = lcm.RUNNING;
    });
    return typeof reason === 'string' ? session.done(command, reason) : session.failed(command, reason);
  };

  const premigrate = await migrationCall(session, id, 'premigrate', source, target);
  if (premigrate.exitCode !== 0) return fail(premigrate);
  if ((await how.hypervisor?.()) === false) return fail('the hypervisor could not migrate the domain');
  await migrationCall(session, id, 'postmigrate', source, target);
  setStates(session, id, vmState.ACTIVE, lcm.RUNNING);
  return session.done(command);
}
