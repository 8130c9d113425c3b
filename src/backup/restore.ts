import type { Context } from '../context.ts';
import { attachForCopy, type BridgeDevice, readMachines, releaseAfterCopy } from '../disks/bridge.ts';
import { requireClosed } from '../disks/in-use.ts';
import { vmDisks } from '../disks/migration-disks.ts';
import { forgetRestore, notedRestores, noteRestore } from '../disks/restore-note.ts';
import { DriverError, toDriverError } from '../errors.ts';
import { noteUnfinished } from '../hosts/vm-directory.ts';
import type { Linstor } from '../linstor/linstor.ts';
import type { ResourceName } from '../linstor/names.ts';
import { type BackupImage, parseBackupImage } from '../opennebula/backup-image.ts';
import type { Vm } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { imageType, inLcm, vmState } from '../opennebula/states.ts';
import { importFile } from '../transfer/import.ts';
import { withProgress } from '../transfer/progress.ts';
import type { FileSource } from '../transfer/source.ts';
import { bytesToKib, type KiB, kibToBytes } from '../units.ts';
import { knownReplicas } from '../volumes/known-view.ts';
import { parseVmSnapshot, restoreSnapshotName, snapshotId } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { growVolume } from '../volumes/resize.ts';
import { dropSnapshot } from '../volumes/snapshot.ts';
import { persistently } from '../volumes/wait.ts';
import { bringBack } from './bring-back.ts';
import { bringBackLocked, withOldContent } from './broken-restore.ts';
import { type BackupDisk, chosenDisks, onlyController, viewBackupDisks } from './disks.ts';
import { fetchDisk, fetchTpm } from './fetch.ts';
import { type BackupContent, listBackup } from './list.ts';
import { withLocks } from './locks.ts';
import { requireReverted } from './one-moment.ts';
import { pointsOf } from './points.ts';
import { takeTogether } from './take.ts';
import { putTpm } from './tpm.ts';

export interface RestoreRequest {
  readonly host: string;
  readonly directory: string;
  readonly systemDatastoreId: number;
  readonly vmId: number;
  readonly imageId: number;
  /** -1: the last one. */
  readonly increment: number;
  /** -1: all of them. */
  readonly diskId: number;
}

/**
 * The disks of a powered-off VM become what a backup holds (backup contract B10). Everything is fetched and checked before the first byte
 * changes; what the disks held before is in a snapshot until all of them are written, and comes back when one fails.
 */
export const restoreInPlace = (ctx: Context, request: RestoreRequest): Promise<RestoredVm> =>
  ctx.lock(`backup-vm-${request.vmId}`, () => restore(ctx, request));

/** Whose disks have been restored, as it was before. */
export interface RestoredVm {
  readonly vm: Vm;
  readonly linstor: Linstor;
  readonly settings: Pick<Settings, 'namePrefix'>;
}

async function restore(ctx: Context, request: RestoreRequest): Promise<RestoredVm> {
  const [vm, image] = await Promise.all([
    ctx.one.vm(request.vmId),
    ctx.one.document('image', request.imageId).then(parseBackupImage),
  ]);
  requireStopped(vm);
  requireOwnBackup(image, request);
  const content = await listBackup(ctx, image, request.increment, vm);
  const disks = await disksToRestore(ctx, request, vm, image, content);
  const [first] = disks;
  if (!first)
    throw new DriverError('BAD_ARGUMENT', `backup ${image.id} holds no disk that VM ${vm.id} still has`);
  const linstor = onlyController(vm, disks);
  // The next start would bring the content of before the revert back over what is restored.
  await requireReverted(ctx, { ...request, vm }, linstor, disks, '; nothing is restored');
  const half = await notedRestores(disks);
  const whole = await withOldContent(half);
  if (whole.length > 0) await bringBackLocked(ctx, request.host, whole);
  // What the others held is lost: they are written anew, or stay disks that nobody starts on.
  const lost = half.filter((disk) => !whole.includes(disk)).map(({ resource }) => resource);
  const files = new Map<BackupDisk, FileSource>();
  try {
    for (const disk of disks) files.set(disk, await fetchOne(ctx, disk, content));
    const tpm =
      content.tpm !== undefined && disks.some(({ disk }) => disk.id === 0)
        ? await fetchTpm(ctx, content.tpm, first.settings)
        : undefined;
    await withLocks(ctx, disks, async () => {
      await overwrite(ctx, request, linstor, { disks, lost }, files);
      if (tpm) await putTpm(ctx, request, tpm);
      await forgetRestore(ctx, disks);
      await noteOnHost(ctx, request, disks, false).catch((error: unknown) => {
        ctx.log.info(`a note of the restore stays on ${request.host}: ${toDriverError(error).message}`);
      });
      // From here on the disks are what the backup holds.
      ctx.undo.commit();
    });
  } finally {
    for (const file of files.values()) await file.close();
  }
  await forgetOld(ctx, request, vm, linstor, disks);
  return { vm, linstor, settings: first.settings };
}

function requireStopped(vm: Vm): void {
  if (vm.state === vmState.POWEROFF || (vm.state === vmState.ACTIVE && inLcm(vm.lcmState, 'RESTORE'))) return;
  throw new DriverError('IN_USE', `VM ${vm.id} is not powered off, so its disks are not restored`);
}

/** OpenNebula does not look whose backup it is. */
function requireOwnBackup(image: BackupImage, { vmId, increment }: RestoreRequest): void {
  if (image.type !== imageType.BACKUP)
    throw new DriverError('BAD_ARGUMENT', `image ${image.id} is not a backup`);
  if (!image.vmIds.includes(vmId))
    throw new DriverError(
      'NOT_OURS',
      `backup ${image.id} is of VM ${image.vmIds.join(', ') || '(unknown)'} and not of VM ${vmId}; nothing was changed`,
      { remedy: 'restore it into new images with `oneimage restore`' },
    );
  if (increment >= 0 && image.increments.length > 0 && !image.increments.includes(increment))
    throw new DriverError('BAD_ARGUMENT', `backup ${image.id} has no increment ${increment}`, {
      remedy: `it has ${image.increments.join(', ')}`,
    });
}

async function disksToRestore(
  ctx: Context,
  request: RestoreRequest,
  vm: Vm,
  image: BackupImage,
  content: BackupContent,
): Promise<readonly BackupDisk[]> {
  const { diskId } = request;
  const held = [...content.disks.keys()].sort((a, b) => a - b);
  if (
    diskId >= 0 &&
    (!held.includes(diskId) || (image.diskIds.length > 0 && !image.diskIds.includes(diskId)))
  )
    throw new DriverError('BAD_ARGUMENT', `backup ${image.id} does not hold disk ${diskId}`, {
      remedy: `it holds ${held.join(', ') || 'no disk'}`,
    });
  const wanted = diskId >= 0 ? [diskId] : held.filter((id) => vm.disks.some((disk) => disk.id === id));
  const gone = diskId >= 0 ? [] : held.filter((id) => !wanted.includes(id));
  if (gone.length > 0) ctx.log.warn(`VM ${vm.id} has no disk ${gone.join(', ')} any more; it is left out`);
  const chosen = await chosenDisks(ctx, vm, request, wanted);
  const disks = await viewBackupDisks(onlyController(vm, chosen), vm, chosen);
  for (const disk of disks) requireRestorable(disk, vm.id);
  return disks;
}

function requireRestorable(disk: BackupDisk, vmId: number): void {
  const what = `disk ${disk.disk.id} of VM ${vmId} (${disk.resource})`;
  if (disk.sharing !== 'exclusive')
    throw new DriverError(
      'NOT_SUPPORTED',
      `${what} is an image that other VMs may have; it is not overwritten`,
      {
        remedy: 'restore it into a new image with `oneimage restore`',
      },
    );
  const user = disk.view.find((replica) => replica.inUse);
  if (user) throw new DriverError('LINSTOR_IN_USE', `${what} is open on ${user.node}; nothing was changed`);
  if (!disk.canSnapshot)
    throw new DriverError(
      'NOT_SUPPORTED',
      `${what} is in a storage pool without snapshots: its present content could not be brought back if the restore failed`,
      { remedy: 'restore it into a new image with `oneimage restore`' },
    );
}

/** For a start while LINSTOR is away. Once LINSTOR can be asked, a note that stays says nothing, and the next start removes it. */
async function noteOnHost(
  ctx: Context,
  { host }: RestoreRequest,
  disks: readonly BackupDisk[],
  isUnfinished: boolean,
): Promise<void> {
  if (!ctx.hosts.isFrontend(host)) await noteUnfinished(ctx.hosts, host, disks, 'restoring', isUnfinished);
}

async function fetchOne(ctx: Context, disk: BackupDisk, content: BackupContent): Promise<FileSource> {
  const url = content.disks.get(disk.disk.id) ?? '';
  const present = kibToBytes((disk.definition.volumes[0]?.sizeKib ?? 0) as KiB);
  ctx.log.info(`disk ${disk.disk.id} is fetched from the backup`);
  return fetchDisk(ctx, url, disk.settings, present);
}

interface Ready {
  readonly disk: BackupDisk;
  readonly bridge: BridgeDevice;
  readonly file: FileSource;
}

/** Until this has returned, failure and signals bring back what the disks held before. */
async function overwrite(
  ctx: Context,
  request: RestoreRequest,
  linstor: Linstor,
  { disks, lost }: { readonly disks: readonly BackupDisk[]; readonly lost: readonly ResourceName[] },
  files: ReadonlyMap<BackupDisk, FileSource>,
): Promise<void> {
  const snapshot = restoreSnapshotName(request.vmId);
  const ready = await open(ctx, request, disks, files);
  let written = false;
  ctx.undo.push(`bring back what the disks of VM ${request.vmId} held`, async () => {
    for (const { disk, bridge } of ready) await releaseAfterCopy(ctx, disk, bridge);
    // When this fails, the snapshots stay: they are all that there is of the old content.
    if (written) {
      await bringBack(ctx, request.host, disks, snapshot);
      await forgetRestore(
        ctx,
        disks.filter(({ resource }) => !lost.includes(resource)),
      );
    }
    for (const { resource } of disks) await linstor.deleteSnapshot(resource, snapshot);
  });
  await takeTogether(ctx, {
    linstor,
    points: disks.map(({ resource }) => ({ resource, snapshot })),
    window: { host: request.host, mode: 'NONE', seconds: 1 },
    keeps: true,
  });
  written = true;
  await noteRestore(disks, request.vmId);
  await noteOnHost(ctx, request, disks, true);
  for (const each of ready) await write(ctx, each);
  for (const { disk, bridge } of ready) await releaseAfterCopy(ctx, disk, bridge);
}

/** Large enough, closed, and a device on a host: nothing of that fails once bytes are written. */
async function open(
  ctx: Context,
  request: RestoreRequest,
  disks: readonly BackupDisk[],
  files: ReadonlyMap<BackupDisk, FileSource>,
): Promise<readonly Ready[]> {
  const ready: Ready[] = [];
  for (const disk of disks) {
    const { resource, linstor, settings } = disk;
    const file = files.get(disk);
    if (!file) throw new DriverError('INTERNAL', `disk ${disk.disk.id} was not fetched`);
    await requireClosed(ctx, { resource, linstor, settings, view: disk.view, hosts: [request.host] });
    const needed = bytesToKib(file.info.virtualBytes);
    const { after } = await growVolume(ctx, linstor, resource, needed);
    const view = await knownReplicas(linstor, resource);
    const machines = await readMachines(ctx, linstor);
    const bridge = await attachForCopy(ctx, disk, { resource, view, minKib: after, machines });
    ready.push({ disk, bridge, file });
  }
  return ready;
}

/** Every byte, zeroes and the tail included: the device holds other data. */
async function write(ctx: Context, { disk, bridge, file }: Ready): Promise<void> {
  const { compressTransfer: compress, limitTransferBw, verify, stagingDir } = disk.settings;
  const { signal, clock } = ctx;
  const { host, device, identity } = bridge;
  const target = { host, device, identity, bytes: bridge.bytes, readsZero: false };
  await withProgress(ctx.log, `restore of disk ${disk.disk.id}`, clock, (onProgress) =>
    importFile(ctx.hosts, file, target, {
      compress,
      limitTransferBw,
      verify,
      stagingDir,
      signal,
      clock,
      onProgress,
    }),
  );
  ctx.log.info(`disk ${disk.disk.id} holds the backup`);
}

/**
 * The old content; and what OpenNebula forgets with a restore: the chain, and the snapshots of all disks that are not persistent
 * images. None of it makes a restore that has succeeded fail: the next backup, the next snapshot of that id, or gc deletes it.
 */
async function forgetOld(
  ctx: Context,
  request: RestoreRequest,
  vm: Vm,
  linstor: Linstor,
  restored: readonly BackupDisk[],
): Promise<void> {
  const drop = async (resource: ResourceName, name: string): Promise<void> => {
    try {
      await persistently(ctx.clock, () => dropSnapshot(ctx, linstor, resource, name));
    } catch (error) {
      ctx.log.warn(`snapshot ${name} of ${resource} stays: ${toDriverError(error).message}`);
    }
  };
  for (const { resource } of restored) await drop(resource, restoreSnapshotName(request.vmId));
  try {
    const all = await vmDisks(ctx, vm, request.directory, request.systemDatastoreId, true);
    const ours = all.filter((each) => each.linstor === linstor);
    const names = ours.map(({ resource }) => resource);
    // A stop that comes now ends one call; the restore is done all the same.
    const known = await persistently(ctx.clock, () => linstor.snapshots({ names }));
    for (const disk of ours) {
      const snapshots = known.filter((snapshot) => sameName(snapshot.resource, disk.resource));
      const exclusive = disk.sharing === 'exclusive';
      const points = pointsOf(snapshots, exclusive ? {} : { vmId: vm.id });
      const owned = disk.disk.kind === 'clone' || disk.disk.kind === 'volatile';
      const forgotten = owned ? snapshots.filter(({ name }) => snapshotId(name) !== undefined) : [];
      // Of the VM as a whole OpenNebula drops all (contract §5.9).
      const ofVm = snapshots.filter(({ name }) => parseVmSnapshot(name)?.vmId === vm.id);
      for (const { name } of [...points, ...forgotten, ...ofVm]) await drop(disk.resource, name);
    }
  } catch (error) {
    ctx.log.warn(`snapshots that OpenNebula has forgotten stay: ${toDriverError(error).message}`);
  }
}
