import type { Context } from '../context.ts';
import { DriverError } from '../errors.ts';
import type { Linstor, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import { driverName } from '../opennebula/driver-name.ts';
import type { Datastore, Disk, Vm } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { type DiskTarget, parseId } from '../opennebula/target.ts';
import { type DiskResource, resourceOfDisk, sharingOf } from '../volumes/disk.ts';
import { closeBefore } from '../volumes/left-window.ts';
import { lockName, namesFor } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { present } from '../volumes/stand-in.ts';

/** All that an action on one disk of a VM needs to know, read before anything is changed. */
export interface DiskCall {
  readonly target: DiskTarget;
  readonly vm: Vm;
  readonly disk: Disk;
  readonly diskResource: DiskResource;
  readonly settings: Settings;
  readonly linstor: Linstor;
}

/**
 * Reads VM, disk and both datastores. Placement attributes of a system datastore of ours win over the image
 * datastore's; a system datastore of another driver says nothing to us (contract §3.5, §3.8).
 * Throws when any of them is missing: nothing is guessed (contract §9.1 #41).
 */
export async function openDiskCall(
  ctx: Context,
  target: DiskTarget,
  vmId: number,
  datastoreId: number,
): Promise<DiskCall> {
  const [vm, settings] = await Promise.all([
    ctx.one.vm(vmId),
    diskSettings(ctx, datastoreId, target.systemDatastoreId),
  ]);
  if (target.vmId !== vmId) {
    throw new DriverError('BAD_ARGUMENT', `${target.path} is not in the directory of VM ${vmId}`);
  }
  const disk = requireDisk(vm, target.diskId);
  return {
    target,
    vm,
    disk,
    diskResource: resourceOfDisk(vm, disk, settings.namePrefix),
    settings,
    linstor: ctx.linstor(settings),
  };
}

/** `openDiskCall` with `<vm> <datastore>` as OpenNebula gives them. Throws BAD_ARGUMENT for what is no id. */
export async function readDiskCall(
  ctx: Context,
  target: DiskTarget,
  vmArgument: string | undefined,
  datastoreArgument: string | undefined,
): Promise<DiskCall> {
  const vmId = parseId(vmArgument, 'VM id');
  return openDiskCall(ctx, target, vmId, parseId(datastoreArgument, 'datastore id'));
}

/** The disk of a call, as `ensureAttached` and `ensureDetached` take it. */
export const diskOf = ({ target, disk, diskResource, settings, linstor }: DiskCall) => ({
  resource: diskResource.resource,
  linstor,
  settings,
  link: target.path,
  sharing: sharingOf(disk),
});

/** Settings for a disk whose datastore argument is `datastoreId` in a VM directory of `systemDatastoreId`. */
export async function diskSettings(
  ctx: Context,
  datastoreId: number,
  systemDatastoreId: number,
): Promise<Settings> {
  const ids = [...new Set([datastoreId, systemDatastoreId])];
  const datastores = await Promise.all(ids.map((id) => ctx.one.datastore(id)));
  return ctx.settings(...datastores.filter(isOurs).map((datastore) => datastore.template));
}

export const isOurs = (datastore: Datastore): boolean =>
  datastore.tmMad === driverName || datastore.dsMad === driverName;

export function requireDisk(vm: Vm, diskId: number): Disk {
  const disk = vm.disks.find((each) => each.id === diskId);
  if (!disk)
    throw new DriverError(
      'ONE_INCOMPLETE',
      `VM ${vm.id} has no disk ${diskId} in OpenNebula’s document; nothing was changed`,
    );
  return disk;
}

/** Disks of this VM that live on LINSTOR, by their TM (volatile disks carry the system datastore's; contract §5.4). */
export function ourDisks(vm: Vm): Disk[] {
  return vm.disks.filter((disk) => disk.kind !== 'filesystem' && disk.tmMad === driverName);
}

/**
 * Works on the disk of a VM under its lock, with its definition as it is then; `call` knows its name, which may be a stand-in's. What a
 * live migration may have left open on it is closed before.
 */
export function onDisk<T>(
  ctx: Context,
  call: DiskCall,
  work: (call: DiskCall, definition: ResourceDefinition | undefined) => Promise<T>,
  timeoutMs?: number,
): Promise<T> {
  const { linstor, vm, disk } = call;
  return ctx.lock(
    lockName(call.diskResource.resource),
    async () => {
      const definition = located(call, await linstor.definitions({ names: [...namesOfDisk(call)] }));
      await closeBefore(ctx, linstor, definition, { vm, disk });
      return work(definition ? underName(call, definition.name) : call, definition);
    },
    timeoutMs,
  );
}

/** Names under which the disk may be: only what belongs to the VM has stand-ins. */
export const namesOfDisk = ({ diskResource: { resource, ownedByVm } }: DiskCall): readonly ResourceName[] =>
  ownedByVm ? namesFor(resource) : [resource];

/** The disk's definition among those of its names; one that is being deleted where there is no other. */
export function located(
  { diskResource: { resource, ownedByVm } }: DiskCall,
  definitions: readonly ResourceDefinition[],
): ResourceDefinition | undefined {
  const own = definitions.find((each) => sameName(each.name, resource));
  return ownedByVm ? (present(resource, definitions) ?? own) : own;
}

export const underName = (call: DiskCall, resource: ResourceName): DiskCall => ({
  ...call,
  diskResource: { ...call.diskResource, resource },
});
