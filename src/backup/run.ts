import type { Context } from '../context.ts';
import { type Machines, readMachines } from '../disks/bridge.ts';
import { diskSettings } from '../disks/disk-call.ts';
import { notedRestores } from '../disks/restore-note.ts';
import { DriverError, toDriverError } from '../errors.ts';
import type { Linstor, ResourceName, Snapshot } from '../linstor/linstor.ts';
import { type BackupConfig, readBackupConfig } from '../opennebula/backup-config.ts';
import type { BackupMessage } from '../opennebula/backup-message.ts';
import { type Bytes, bytes, humanSize } from '../units.ts';
import { sameName } from '../volumes/replicas.ts';
import { dropSnapshot } from '../volumes/snapshot.ts';
import { makeDirectory, saveTpm } from './directory.ts';
import { type BackupDisk, chosenDisks, onlyController, viewBackupDisks } from './disks.ts';
import { type Export, exportDisk, type Finished, finishFiles } from './export.ts';
import type { FreezeWindow } from './freeze.ts';
import { withLocks } from './locks.ts';
import { requireReverted } from './one-moment.ts';
import { inParallel } from './parallel.ts';
import { type BackupPlace, backupPlace } from './place.ts';
import { type BackupKind, backupKind, pointName, superfluous, usableParent } from './points.ts';
import { takeTogether } from './take.ts';
import { requireWanted, whileWanted } from './while-wanted.ts';

interface Backup {
  readonly message: BackupMessage;
  readonly config: BackupConfig;
  readonly kind: BackupKind;
  readonly live: boolean;
  readonly place: BackupPlace;
  readonly linstor: Linstor;
  readonly disks: readonly BackupDisk[];
  readonly window: FreezeWindow;
  readonly parallel: number;
}

/**
 * All disks of a backup, of one moment, as files for the backup datastore (backup contract B3 to B7). What can be known beforehand is checked
 * before anything is changed; the guest is held for one call to LINSTOR.
 */
export const backUp = (ctx: Context, message: BackupMessage, live: boolean): Promise<void> =>
  ctx.lock(`backup-vm-${message.vmId}`, () => run(ctx, message, live));

async function run(ctx: Context, message: BackupMessage, live: boolean): Promise<void> {
  const backup = await prepare(ctx, message, live);
  const { place, kind } = backup;
  const machines = await readMachines(ctx, backup.linstor);
  await makeDirectory(ctx, place, message.xml);
  if (hasTpm(message.xml))
    await saveTpm(
      ctx,
      { host: message.host, directory: message.directory, domain: live ? (message.deployId ?? '') : '' },
      place,
    );
  const snapshots = await withLocks(ctx, backup.disks, () => takePoints(ctx, backup));
  await whileWanted(ctx, message.vmId, (wanted) =>
    inParallel(backup.disks, backup.parallel, async (disk) => {
      await requireWanted(ctx, message.vmId);
      await exportDisk(wanted, exportOf(wanted, backup, disk, snapshots, machines));
    }),
  );
  const files = await finishFiles(ctx, place, backup.disks, kind.number);
  if (kind.take === 'full') await dropAll(ctx, snapshots, backup.linstor);
  for (const file of files) ctx.log.info(described(kind, file));
}

/** A restore was broken off, and the VM has not been started since: that would have brought back what the disks held. */
async function requireWhole(disks: readonly BackupDisk[], vmId: number): Promise<void> {
  const [half] = await notedRestores(disks);
  if (!half) return;
  throw new DriverError(
    'SNAPSHOT',
    `disk ${half.disk.id} of VM ${vmId} (${half.resource}) may hold a part of an older backup: a restore was broken off; nothing is backed up`,
    { remedy: 'start the VM, which brings back what its disks held before, or repeat `onevm restore`' },
  );
}

async function prepare(ctx: Context, message: BackupMessage, live: boolean): Promise<Backup> {
  const { vm, vmId, datastoreId } = message;
  const config = readBackupConfig(vm);
  if (config.interactive)
    throw new DriverError(
      'NOT_SUPPORTED',
      `VM ${vmId} is to be backed up interactively (OneBEX), which this driver does not serve`,
      {
        remedy:
          'set INTERACTIVE to NO in the backup configuration of the VM and use an rsync or restic datastore',
      },
    );
  const kind = backupKind(config);
  const place = backupPlace(ctx, message, config);
  const [chosen, settings] = await Promise.all([
    chosenDisks(ctx, vm, { directory: message.directory, systemDatastoreId: datastoreId }, message.diskIds),
    diskSettings(ctx, datastoreId, datastoreId),
  ]);
  const linstor = onlyController(vm, chosen);
  const disks = await viewBackupDisks(linstor, vm, chosen);
  for (const disk of disks) requireSnapshots(disk, vmId, kind, live);
  const where = { vm, directory: message.directory, systemDatastoreId: datastoreId };
  await requireReverted(ctx, where, linstor, disks, '; nothing is backed up');
  if (!live) await requireWhole(disks, vmId);
  return {
    message,
    config,
    kind,
    live,
    place,
    linstor,
    disks,
    parallel: settings.backupParallel,
    window: {
      host: message.host,
      mode: config.freeze,
      seconds: settings.backupFreezeSeconds,
      ...(live && message.deployId !== undefined ? { domain: message.deployId } : {}),
    },
  };
}

function requireSnapshots(disk: BackupDisk, vmId: number, kind: BackupKind, live: boolean): void {
  if (disk.canSnapshot) return;
  const what = `disk ${disk.disk.id} of VM ${vmId} (${disk.resource}) is in a storage pool without snapshots`;
  if (kind.take !== 'full')
    throw new DriverError('LINSTOR_UNSUPPORTED', `${what}, so that there is nothing to compare with`, {
      remedy: 'set MODE=FULL in the backup configuration of the VM, or move the disk to a thin pool',
    });
  if (live)
    throw new DriverError(
      'LINSTOR_UNSUPPORTED',
      `${what} and cannot be read consistently while the VM runs`,
      {
        remedy: 'power the VM off and back it up then, or move the disk to a thin pool',
      },
    );
}

const hasTpm = (xml: string): boolean => /<TPM>.*?<MODEL>/s.test(xml);

/** Bookkeeping and the new snapshots; the other actions on these resources wait meanwhile. */
async function takePoints(ctx: Context, backup: Backup): Promise<readonly Snapshot[]> {
  const { disks, kind, linstor, message } = backup;
  const snapshotted = disks.filter((disk) => disk.canSnapshot);
  for (const disk of snapshotted) {
    for (const snapshot of superfluous(disk.snapshots, disk.chain, kind)) {
      ctx.log.info(
        `snapshot ${snapshot.name} of ${disk.resource} is of no use to this backup and is deleted`,
      );
      await dropSnapshot(ctx, linstor, disk.resource, snapshot.name);
    }
  }
  if (snapshotted.length === 0) return [];
  if (!backup.live) ctx.log.debug(`VM ${message.vmId} does not run; nothing is frozen`);
  return takeTogether(ctx, {
    linstor,
    window: backup.window,
    points: distinct(
      snapshotted.map((disk) => ({ resource: disk.resource, snapshot: pointName(disk.chain, kind.take) })),
    ),
  });
}

interface Point {
  readonly resource: ResourceName;
  readonly snapshot: string;
}

/** Two disks of a VM may be the same image. */
const distinct = (points: readonly Point[]): Point[] =>
  points.filter(
    (point, index) => points.findIndex((other) => sameName(other.resource, point.resource)) === index,
  );

function exportOf(
  ctx: Context,
  { message, kind, place }: Backup,
  disk: BackupDisk,
  snapshots: readonly Snapshot[],
  machines: Machines,
): Export {
  const common = { vmId: message.vmId, disk, place, machines };
  const snapshot = snapshots.find((each) => sameName(each.resource, disk.resource));
  if (!snapshot) return { ...common, how: 'full' };
  if (kind.parent === undefined) return { ...common, snapshot, how: 'full' };
  const parent = usableParent(disk.snapshots, disk.chain, kind, disk.readable);
  if (parent) return { ...common, snapshot, how: 'difference', parent };
  ctx.log.warn(
    `${pointName(disk.chain, kind.parent)} of ${disk.resource} is gone (restored, moved or deleted): increment ${kind.number} of disk ${disk.disk.id} holds the whole disk`,
  );
  return { ...common, snapshot, how: 'whole' };
}

async function dropAll(ctx: Context, snapshots: readonly Snapshot[], linstor: Linstor): Promise<void> {
  for (const { resource, name } of snapshots) {
    await dropSnapshot(ctx, linstor, resource, name).catch((error: unknown) =>
      ctx.log.warn(
        `snapshot ${name} of ${resource} stays until the next backup: ${toDriverError(error).message}`,
      ),
    );
  }
}

function described(kind: BackupKind, { diskId, virtualBytes, fileBytes }: Finished): string {
  const what = kind.take === 'full' || kind.parent === undefined ? 'in full' : `increment ${kind.number}`;
  const size = (value: Bytes): string => humanSize(bytes(value));
  return `disk ${diskId} (${size(virtualBytes)}), ${what}: ${size(fileBytes)}`;
}
