import { setStates } from './boot.ts';
import { actionData, datastoreXml, vmXml } from './documents.ts';
import type { DriverCall } from './driver.ts';
import {
  datastoreOf,
  imageOf,
  type LabVm,
  lastRecord,
  lcm,
  noSnapshots,
  OneRefusal,
  vmOf,
  vmState,
} from './model.ts';
import { firstLine, type LabOnedOptions, now, type Operation, Session } from './oned.ts';
import { isVolatile } from './transfer.ts';
import { linesOf, mustBe, placeOf } from './vms.ts';

interface BackupCommon {
  /** Backup job id; default none. */
  readonly job?: number;
  /** The data are stored, but oned loses the reply: the chain stays where it was (backup contract B3). */
  readonly unrecorded?: boolean;
  readonly disks?: readonly number[];
}

export interface CollectedBackup extends BackupCommon {
  /**
   * Stands for the backup datastore's driver: gets what prebackup left behind. `false` or a throw fails the
   * backup; postbackup is called all the same.
   */
  readonly collect: (place: { host: string; directory: string }) => boolean | Promise<boolean>;
}

export interface StoredBackup extends BackupCommon {
  /** A backup datastore: its driver is called. */
  readonly datastore: number;
}

export type BackupOptions = CollectedBackup | StoredBackup;

export interface BackupOperation extends Operation {
  /** The backup image; -1 when there is none. */
  readonly image: number;
}

interface Stored {
  readonly id: string;
  readonly sizeMb: number;
}

/** `onevm backup`: prebackup, the backup datastore, postbackup (contract §4.1). Documents are raw on stdin. */
export async function backupVm(
  options: LabOnedOptions,
  id: number,
  how: BackupOptions,
): Promise<BackupOperation> {
  const session = new Session(options);
  const command = `onevm backup ${id}`;
  const vm = vmOf(session.read(), id);
  mustBe(vm, vmState.ACTIVE, vmState.POWEROFF);
  const live = vm.state === vmState.ACTIVE;
  const place = placeOf(session, vm);
  const directory = session.vmDirectory(place.datastoreId, id);
  const wanted = vm.disks
    .filter((disk) => !isVolatile(disk) || vm.backup['BACKUP_VOLATILE'] === 'YES')
    .filter((disk) => disk.attributes['TYPE'] !== 'CDROM' && disk.attributes['TYPE'] !== 'swap')
    .map((disk) => disk.id)
    .filter((disk) => how.disks?.includes(disk) ?? true);
  const argv = [
    `${place.host}:${directory}`,
    wanted.join(':'),
    // Empty for a VM that never ran, and then the word vanishes (contract §3.2).
    ...(vm.deployId === '' ? [] : [vm.deployId]),
    ...(session.generation === '6.6' ? [] : [how.job === undefined ? '-' : String(how.job)]),
    String(id),
    String(place.datastoreId),
  ];
  const document = (failed = false): string =>
    vmXml(vmOf(session.read(), id), {
      history: 'last',
      ...(failed ? { backupResult: 'FAILURE' } : {}),
    });
  const step = (action: string, failed = false): Promise<DriverCall> =>
    session.call({
      kind: 'tm',
      driver: lastRecord(vm).tmMad,
      action: `${action}${live ? '_live' : ''}`,
      argv,
      stdin: { encoding: 'raw', text: document(failed) },
    });
  setStates(session, id, vmState.ACTIVE, live ? lcm.BACKUP : lcm.BACKUP_POWEROFF);
  const prebackup = await step('prebackup');
  const stored: Stored | string =
    prebackup.exitCode === 0
      ? await store(session, how, { host: place.host, directory, argv, document })
      : '';
  await step('postbackup', typeof stored === 'string');
  setStates(session, id, vm.state, vm.lcmState);
  if (prebackup.exitCode !== 0) return { ...session.failed(command, prebackup), image: -1 };
  if (typeof stored === 'string') return { ...session.done(command, stored), image: -1 };
  const image = how.unrecorded ? -1 : record(session, vm, how, stored, wanted);
  return { ...session.done(command), image };
}

interface Prepared {
  readonly host: string;
  readonly directory: string;
  readonly argv: readonly string[];
  readonly document: () => string;
}

/** What the backup datastore replied, or why it failed. */
async function store(session: Session, how: BackupOptions, prepared: Prepared): Promise<Stored | string> {
  if ('datastore' in how) {
    const state = session.read();
    const datastore = datastoreOf(state, how.datastore);
    const call = await session.call({
      kind: 'datastore',
      driver: datastore.dsMad,
      action: 'backup',
      argv: prepared.argv,
      stdin: {
        encoding: 'raw',
        text: actionData(datastoreXml(state, datastore, session.options.location), prepared.document()),
      },
    });
    const [id = '', size = ''] = firstLine(call).split(' ');
    if (call.exitCode !== 0 || id === '') return `datastore/backup failed: ${call.stderr.trim()}`;
    return { id, sizeMb: Number(size) };
  }
  try {
    const { host, directory } = prepared;
    return (await how.collect({ host, directory }))
      ? { id: 'collected', sizeMb: 0 }
      : 'the backup datastore refused';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A new backup image, or one more increment of the chain's. */
function record(
  session: Session,
  vm: LabVm,
  how: BackupOptions,
  stored: Stored,
  disks: readonly number[],
): number {
  const incremental = vm.backup['MODE'] === 'INCREMENT';
  const last = Number(vm.backup['LAST_INCREMENT_ID'] ?? '-1');
  return session.update((state) => {
    const current = vmOf(state, vm.id);
    const chain = incremental && last >= 0 ? Number(current.backup['INCREMENTAL_BACKUP_ID'] ?? '-1') : -1;
    if (incremental) current.backup['LAST_INCREMENT_ID'] = String(last + 1);
    if (!('datastore' in how)) return -1;
    if (chain >= 0) {
      imageOf(state, chain).increments?.push({ id: last + 1, source: stored.id });
      return chain;
    }
    const id = state.nextId.image++;
    if (incremental) current.backup['INCREMENTAL_BACKUP_ID'] = String(id);
    state.images.push({
      id,
      name: `${vm.name} ${stored.id}`,
      type: 6,
      persistent: false,
      persistentType: '',
      regtime: now(),
      source: stored.id,
      path: '',
      format: 'raw',
      fs: '',
      sizeMb: stored.sizeMb,
      state: 1,
      cloningId: -1,
      targetSnapshot: -1,
      datastoreId: how.datastore,
      vms: [vm.id],
      template: {},
      snapshots: noSnapshots('NO'),
      backupDisks: disks,
      ...(incremental ? { increments: [{ id: 0, source: stored.id }] } : {}),
    });
    return id;
  });
}

/** `onevm updateconf` of the backup configuration, and what it does to a chain. */
export function configureBackup(
  options: LabOnedOptions,
  id: number,
  config: Readonly<Record<string, string>>,
): void {
  new Session(options).update((state) => {
    const { backup } = vmOf(state, id);
    const resets = config['MODE'] !== undefined && config['MODE'] !== (backup['MODE'] ?? 'FULL');
    Object.assign(backup, config);
    if (resets) resetChain(backup);
  });
}

/** The next backup begins a new chain; the driver is not told. */
export function resetChain(backup: Record<string, string>): void {
  backup['LAST_INCREMENT_ID'] = '-1';
  backup['INCREMENTAL_BACKUP_ID'] = '-1';
}

/** `onevm restore`, in place: powered off only. Snapshot lists of all non-persistent disks are dropped afterwards, and the chain ends. */
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
    delete current.systemSnapshots;
    resetChain(current.backup);
  });
  return session.done(command);
}
