import type { Context } from '../../context.ts';
import {
  type DiskCall,
  diskOf,
  located,
  namesOfDisk,
  onDisk,
  openDiskCall,
  underName,
} from '../../disks/disk-call.ts';
import { ensureDiskDetached, giveUpLinks } from '../../disks/ensure-detached.ts';
import { requireClosed } from '../../disks/in-use.ts';
import { DriverError, isDriverError, toDriverError } from '../../errors.ts';
import { removeDirectories } from '../../hosts/scripts/directories.ts';
import type { Replica, ResourceDefinition } from '../../linstor/linstor.ts';
import { driverName } from '../../opennebula/driver-name.ts';
import type { Vm } from '../../opennebula/one.ts';
import { imageType, inLcm } from '../../opennebula/states.ts';
import { type PathTarget, parseId, parseVmTarget } from '../../opennebula/target.ts';
import { forgetVmSnapshots, isOfVm } from '../../vm-snapshots/forget.ts';
import { removeMemories } from '../../vm-snapshots/memory.ts';
import { dropBases } from '../../volumes/base.ts';
import { removeCheckpoint } from '../../volumes/checkpoint.ts';
import { forgetCopy, isCopy } from '../../volumes/copies.ts';
import { mayWriteImage } from '../../volumes/disk.ts';
import { marks } from '../../volumes/marks.ts';
import { lockName, resourceOfSource } from '../../volumes/names.ts';
import { isOwn } from '../../volumes/reclaim.ts';
import { removeResource } from '../../volumes/remove.ts';
import { hasNetworkLayer, isOnZfs, layersOf, replicasOf } from '../../volumes/replicas.ts';
import type { ActionHandler } from '../action.ts';

/**
 * `delete <host>:<vm directory>[/disk.<n>] <vm> <datastore>`. OpenNebula calls it for every disk when it cleans up, also for
 * persistent ones with the same arguments: only what the VM's document calls a clone or volatile is removed, everything
 * else is merely detached (contract §3.3). Missing things, and hosts that are down, are no failure.
 */
export const deleteDisk: ActionHandler = async (call, ctx) => {
  const [targetArgument, vmArgument, datastoreArgument] = call.argv;
  const target = parseVmTarget(targetArgument, 'target');
  const vmId = parseId(vmArgument, 'VM id');
  const datastoreId = parseId(datastoreArgument, 'datastore id');
  if (target.vmId !== vmId)
    throw new DriverError('BAD_ARGUMENT', `${target.path} does not belong to VM ${vmId}`);
  if (target.kind === 'disk') {
    const disk = await openDiskCall(ctx, target, vmId, datastoreId);
    // A disk of the VM's own goes as a whole, with what was allowed to it.
    await (disk.diskResource.ownedByVm
      ? ctx.lock(lockName(disk.diskResource.resource), () => removeOwn(ctx, disk), cloneGraceMs)
      : onDisk(ctx, disk, (_, definition) => removeDisk(ctx, disk, definition), cloneGraceMs));
  } else if (target.kind === 'directory') {
    await removeVmDirectory(ctx, target, vmId, datastoreId);
  } else {
    throw new DriverError('BAD_ARGUMENT', `${target.path} is neither a disk nor a directory of a VM`);
  }
  return undefined;
};

/** oned's cancel does not end a clone that is under way (contract §1.4): the disk is removed when that has ended. */
const cloneGraceMs = 3600_000;

/** Under all its names: a deployment that was cut off may have left one beside another. */
async function removeOwn(ctx: Context, call: DiskCall): Promise<void> {
  const definitions = await call.linstor.definitions({ names: namesOfDisk(call) });
  const main = located(call, definitions);
  await removeDisk(ctx, main ? underName(call, main.name) : call, main);
  if (!mayRemove(ctx, call.vm, call.target.host)) return;
  for (const each of definitions)
    if (each !== main && !each.flags.includes('DELETE') && isOwn(each))
      await removeResource(ctx, call.linstor, each.name);
}

async function removeDisk(
  ctx: Context,
  call: DiskCall,
  definition: ResourceDefinition | undefined,
): Promise<void> {
  const { resource, ownedByVm } = call.diskResource;
  const view = replicasOf(await call.linstor.replicas([resource]), resource);
  const leaving = { ...diskOf(call), view };
  if (!ownedByVm || !mayRemove(ctx, call.vm, call.target.host)) {
    if (view.length > 0) await ensureDiskDetached(ctx, leaving, call.target.host, { unlink: true });
    else await giveUpLinks(ctx, [leaving], call.target.host);
    if (view.length > 0 && mayWriteImage(call.disk)) {
      const snapshots = await call.linstor.snapshots({ names: [resource] });
      await dropBases(ctx, call.linstor, resource, snapshots);
      if (mayRemove(ctx, call.vm, call.target.host))
        await forgetVmSnapshots(ctx, call.linstor, resource, snapshots, (each) => isOfVm(each, call.vm.id));
    }
    await takeMarksOff(call, view, definition);
    return;
  }
  if (definition && (await keepDisk(ctx, call, definition, view))) return;
  const [hands] = await giveUpLinks(ctx, [leaving], call.target.host);
  if (hands === 'open' && !hasNetworkLayer(layersOf(view))) {
    throw new DriverError(
      'IN_USE',
      `disk ${call.disk.id} of VM ${call.vm.id} is still open on ${call.target.host}`,
    );
  }
  if (hands === 'elsewhere') await requireClosedWherePossible(ctx, call, view);
  // What clone refused to replace must not go when the failed VM is cleaned up. A VM that has run has run with this disk.
  const hasRun = inLcm(call.vm.lcmState, 'EPILOG', 'EPILOG_FAILURE', 'HOTPLUG', 'HOTPLUG_EPILOG_POWEROFF');
  if (definition && !isOwn(definition) && !hasRun) {
    ctx.log.warn(`resource ${resource} carries no mark of this driver and is left alone`);
    return;
  }
  await removeResource(ctx, call.linstor, resource);
  if (definition && isCopy(definition))
    await forgetCopy(ctx, call.linstor, call.settings.namePrefix, resource);
  if (call.disk.kind === 'clone' && mayHaveHelper(call.vm, view, definition)) {
    await call.linstor.deleteSnapshot(resourceOfSource(call.disk.source), resource);
  }
}

/**
 * Disks that came from images, of a VM that is gone for good: what a recreated VM or a hot-unplug throws away has a name that is used again.
 * Volatile ones are not kept. False: it is removed.
 */
async function keepDisk(
  ctx: Context,
  call: DiskCall,
  definition: ResourceDefinition,
  view: readonly Replica[],
): Promise<boolean> {
  const { vm, disk, settings } = call;
  const terminated = inLcm(vm.lcmState, 'EPILOG', 'EPILOG_FAILURE');
  if (settings.trash === 0 || disk.kind !== 'clone' || !isOwn(definition)) return false;
  if (!terminated && !inLcm(vm.lcmState, 'CLEANUP_DELETE')) return false;
  const { isWorthKeeping, leaveHosts, putIntoTrash } = await import('../../trash/keep.ts');
  if (!(await isWorthKeeping(call, definition, view))) return false;
  await putIntoTrash(ctx, call, definition, {
    kind: 'disk',
    reason: terminated ? 'VM terminated' : 'VM deleted (recover --delete)',
    vm: vm.id,
    disk: disk.id,
    name: vm.name,
    type: imageType.OS,
    persistent: true,
    ...(disk.imageId === undefined ? {} : { image: disk.imageId }),
    ...(disk.datastoreId === undefined ? {} : { datastore: disk.datastoreId }),
  });
  await ensureDiskDetached(ctx, { ...diskOf(call), view }, call.target.host, { unlink: true });
  const left = replicasOf(await call.linstor.replicas([definition.name]), definition.name);
  await leaveHosts(ctx, call, definition, left);
  return true;
}

/**
 * May the image still carry the snapshot that the clone was made of? The bash driver always leaves it, ours on ZFS under old
 * servers, where a clone was cut off, and where LINSTOR did not delete it, which a mark tells (contract §0.2). A VM that ends
 * normally has got all its disks: there was no cut.
 */
function mayHaveHelper(
  vm: Vm,
  view: readonly Replica[],
  definition: ResourceDefinition | undefined,
): boolean {
  const ended = inLcm(vm.lcmState, 'EPILOG', 'EPILOG_FAILURE');
  const ours = definition?.props[marks.deployment] !== undefined;
  return !ended || !ours || isOnZfs(view) || definition?.props[marks.helper] !== undefined;
}

/** An unreachable node must not keep a VM from being cleaned up; an open device must. */
async function requireClosedWherePossible(
  ctx: Context,
  call: DiskCall,
  view: readonly Replica[],
): Promise<void> {
  try {
    await requireClosed(ctx, { ...diskOf(call), view, hosts: [] });
  } catch (error) {
    if (!isDriverError(error, 'HOST_UNREACHABLE', 'HOST_TIMEOUT')) throw error;
    ctx.log.warn(toDriverError(error).message);
  }
}

/**
 * Cleaning up after a migration names the previous host while the VM may live on another: then the disk is only
 * detached there (contract §3.5 delete).
 */
function mayRemove(ctx: Context, vm: Vm, host: string): boolean {
  const current = vm.history.at(-1)?.hostname;
  if (current === undefined || current === host || ctx.hosts.isFrontend(host)) return true;
  const going = inLcm(
    vm.lcmState,
    'CLEANUP_DELETE',
    'CLEANUP_RESUBMIT',
    'EPILOG',
    'EPILOG_FAILURE',
    'PROLOG_FAILURE',
    'PROLOG_MIGRATE_FAILURE',
    'PROLOG_MIGRATE_POWEROFF_FAILURE',
    'PROLOG_MIGRATE_SUSPEND_FAILURE',
    'PROLOG_MIGRATE_UNKNOWN_FAILURE',
    'PROLOG_RESUME_FAILURE',
    'PROLOG_UNDEPLOY_FAILURE',
    'EPILOG_STOP_FAILURE',
    'EPILOG_UNDEPLOY_FAILURE',
    'BOOT_FAILURE',
  );
  if (!going) ctx.log.warn(`VM ${vm.id} is on ${current}: its disk is only detached from ${host}`);
  return going;
}

/** The VM's marks, on an image that outlives it and that only one VM can hold. */
async function takeMarksOff(
  call: DiskCall,
  view: readonly Replica[],
  definition: ResourceDefinition | undefined,
): Promise<void> {
  if (view.length === 0 || call.disk.kind !== 'persistent') return;
  const { resource } = call.diskResource;
  if (definition?.props[marks.vmId] === String(call.vm.id)) {
    await call.linstor.modifyDefinition(resource, { unset: [marks.vmId, marks.diskId, marks.datastoreId] });
  }
}

async function removeVmDirectory(
  ctx: Context,
  target: PathTarget,
  vmId: number,
  datastoreId: number,
): Promise<void> {
  const [vm, datastore] = await Promise.all([ctx.one.vm(vmId), ctx.one.datastore(datastoreId)]);
  const here = vm.history.at(-1)?.hostname;
  try {
    await removeDirectories(ctx.hosts, target.host, [target.directory]);
  } catch (error) {
    if (!isDriverError(error, 'HOST_UNREACHABLE', 'HOST_TIMEOUT')) throw error;
    ctx.log.warn(`host ${target.host} is not reachable; ${target.directory} stays there`);
  }
  const last = here === undefined || here === target.host || ctx.hosts.isFrontend(target.host);
  if (!last || datastore.tmMad !== driverName) return;
  const settings = ctx.settings(datastore.template);
  await removeCheckpoint(ctx, ctx.linstor(settings), settings, vmId);
  // OpenNebula may have dropped its list by now (contract §5.9).
  if (vm.systemSnapshots.length > 0 || inLcm(vm.lcmState, 'CLEANUP_RESUBMIT', 'CLEANUP_DELETE'))
    await removeMemories(ctx, ctx.linstor(settings), settings, vmId);
}
