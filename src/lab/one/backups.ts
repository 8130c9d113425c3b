import { setStates } from './boot.ts';
import { vmXml } from './documents.ts';
import type { DriverCall } from './driver.ts';
import { lastRecord, lcm, noSnapshots, OneRefusal, vmOf, vmState } from './model.ts';
import { type LabOnedOptions, type Operation, Session } from './oned.ts';
import { isVolatile } from './transfer.ts';
import { linesOf, mustBe, placeOf } from './vms.ts';

export interface BackupOptions {
  /**
   * Stands for the backup datastore's driver: gets what prebackup left behind. `false` or a throw fails the
   * backup; postbackup is called all the same.
   */
  readonly collect: (place: { host: string; directory: string }) => boolean | Promise<boolean>;
  /** Backup job id; default none. */
  readonly job?: number;
}

/** `onevm backup`: prebackup, the collector, postbackup (contract §4.1). Documents are raw on stdin. */
export async function backupVm(options: LabOnedOptions, id: number, how: BackupOptions): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm backup ${id}`;
  const vm = vmOf(session.read(), id);
  mustBe(vm, vmState.ACTIVE, vmState.POWEROFF);
  const live = vm.state === vmState.ACTIVE;
  const place = placeOf(session, vm);
  const directory = session.vmDirectory(place.datastoreId, id);
  const wanted = vm.disks
    .filter((disk) => !isVolatile(disk) || vm.backup['BACKUP_VOLATILE'] === 'YES')
    .filter((disk) => disk.attributes['TYPE'] !== 'CDROM' && disk.attributes['TYPE'] !== 'swap');
  const argv = [
    `${place.host}:${directory}`,
    wanted.map((disk) => disk.id).join(':'),
    // Empty for a VM that never ran, and then the word vanishes (contract §3.2).
    ...(vm.deployId === '' ? [] : [vm.deployId]),
    ...(session.generation === '6.6' ? [] : [how.job === undefined ? '-' : String(how.job)]),
    String(id),
    String(place.datastoreId),
  ];
  const step = (action: string, failed = false): Promise<DriverCall> =>
    session.call({
      kind: 'tm',
      driver: lastRecord(vm).tmMad,
      action: `${action}${live ? '_live' : ''}`,
      argv,
      stdin: {
        encoding: 'raw',
        text: vmXml(vmOf(session.read(), id), {
          history: 'last',
          ...(failed ? { backupResult: 'FAILURE' } : {}),
        }),
      },
    });
  setStates(session, id, vmState.ACTIVE, live ? lcm.BACKUP : lcm.BACKUP_POWEROFF);
  const prebackup = await step('prebackup');
  let collected = false;
  let reason = '';
  if (prebackup.exitCode === 0) {
    try {
      collected = await how.collect({ host: place.host, directory });
      if (!collected) reason = 'the backup datastore refused';
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  await step('postbackup', !collected);
  setStates(session, id, vm.state, vm.lcmState);
  if (prebackup.exitCode !== 0) return session.failed(command, prebackup);
  return session.done(command, collected ? undefined : reason);
}

/** `onevm restore`, in place: powered off only. Snapshot lists of all non-persistent disks are dropped afterwards. */
export async function restoreVm(
  options: LabOnedOptions,
  id: number,
  backup: { readonly image: number; readonly increment?: number; readonly disk?: number },
): Promise<Operation> {
  const session = new Session(options);
  const command = `onevm restore ${id} ${backup.image}`;
  const vm = vmOf(session.read(), id);
  if (vm.state !== vmState.POWEROFF) throw new OneRefusal(`Virtual machine ${id} is not powered off.`);
  setStates(session, id, vmState.ACTIVE, lcm.RESTORE);
  const call = await session.call({
    kind: 'tm',
    driver: lastRecord(vm).tmMad,
    action: 'restore',
    argv: [
      linesOf(session, vm).directory(placeOf(session, vm)),
      String(id),
      String(backup.image),
      String(backup.increment ?? -1),
      String(backup.disk ?? -1),
    ],
  });
  setStates(session, id, vmState.POWEROFF, lcm.INIT);
  if (call.exitCode !== 0) return session.failed(command, call);
  session.update((state) => {
    const current = vmOf(state, id);
    for (const disk of current.disks) {
      const list = current.snapshots[String(disk.id)];
      if (list && disk.attributes['SAVE'] !== 'YES')
        current.snapshots[String(disk.id)] = noSnapshots(list.allowOrphans);
    }
  });
  return session.done(command);
}
