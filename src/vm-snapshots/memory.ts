import type { Context } from '../context.ts';
import { ensureDiskAttached } from '../disks/ensure-attached.ts';
import { ensureDiskDetached } from '../disks/ensure-detached.ts';
import { wishedNode } from '../disks/find-node.ts';
import { DriverError, toDriverError } from '../errors.ts';
import { holdSession } from '../hosts/session.ts';
import holdText from '../hosts/shell/hold-saved.sh' with { type: 'text' };
import restoreText from '../hosts/shell/restore-memory.sh' with { type: 'text' };
import { removeLink } from '../hosts/vm-directory.ts';
import type { Linstor, ResourceName } from '../linstor/linstor.ts';
import { yesNo } from '../opennebula/attribute-kinds.ts';
import type { Vm } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { kibToBytes } from '../units.ts';
import { checkpointPlacement, volumeForMemory } from '../volumes/checkpoint.ts';
import { createVolume } from '../volumes/create.ts';
import { deploymentMark } from '../volumes/disk.ts';
import { marks } from '../volumes/marks.ts';
import { lockName, memoryResource, parseResource } from '../volumes/names.ts';
import { planPlacement } from '../volumes/placement.ts';
import { isOwn } from '../volumes/reclaim.ts';
import { removeResource } from '../volumes/remove.ts';
import { replicasOf } from '../volumes/replicas.ts';
import type { SnapshotVm } from './vm-disks.ts';

/** The hypervisor's scripts and their settings, on the host. */
export interface Hypervisor {
  readonly config: string;
  readonly save: string;
  readonly restore: string;
}

const holdScript = `\n${holdText}`;
const restoreScript = `\n${restoreText}`;

/** Of the VM itself, else of its datastores. Throws BAD_ATTRIBUTE. */
export function wantsMemory(vm: Pick<Vm, 'id' | 'userTemplate'>, settings: Settings): boolean {
  const own = vm.userTemplate['VM_SNAPSHOT_MEMORY']?.trim();
  if (own === undefined || own === '') return settings.vmSnapshotMemory;
  const word = yesNo.parse(own);
  if (word !== undefined) return word;
  throw new DriverError(
    'BAD_ATTRIBUTE',
    `VM_SNAPSHOT_MEMORY=“${own}” of VM ${vm.id} is not ${yesNo.allowed}`,
    {
      remedy: `correct it with onevm update ${vm.id}`,
    },
  );
}

const linkOf = ({ place }: Pick<SnapshotVm, 'place'>, id: number): string =>
  `${place.directory}/memory.${id}`;

/** Large guests to slow storage. */
const saveMs = 60 * 60_000;

/**
 * Saves the guest's memory into a volume of its own, as `save` does for a checkpoint, runs `work` while the guest is not there, and has it go on
 * from its memory before this returns or throws: also when this process is killed, or the time is up. The volume stays on success.
 *
 * Errors: those of placing and attaching a volume, before the guest is touched; HOST_COMMAND where it could not be saved, and then it runs on.
 */
export async function whileSaved<T>(
  ctx: Context,
  target: SnapshotVm,
  id: number,
  hypervisor: Hypervisor,
  work: () => Promise<T>,
): Promise<T> {
  const { vm, place, linstor, settings } = target;
  const resource = memoryResource(settings.namePrefix, vm.id, id);
  return ctx.lock(lockName(resource), async () => {
    const volume = await makeVolume(ctx, target, resource);
    const link = linkOf(target, id);
    const disk = {
      resource,
      view: volume.view,
      linstor,
      settings,
      link,
      minBytes: kibToBytes(volume.sizeKib),
    };
    await ensureDiskAttached(ctx, disk, place.host);
    const result = await held(ctx, target, link, hypervisor, work);
    await leave(ctx, target, resource, link);
    return result;
  });
}

async function makeVolume(
  ctx: Context,
  { vm, place, linstor, settings }: SnapshotVm,
  resource: ResourceName,
): Promise<{
  readonly view: Awaited<ReturnType<typeof createVolume>>;
  readonly sizeKib: Awaited<ReturnType<typeof volumeForMemory>>;
}> {
  const [[left], plan, wish] = await Promise.all([
    linstor.definitions({ names: [resource] }),
    planPlacement(
      linstor,
      checkpointPlacement(settings, vm.id),
      settings.checkpointReplicaCount ?? settings.placement.replicaCount,
    ),
    wishedNode({ linstor, nodeMap: settings.nodeMap }, place.host),
  ]);
  if (left) {
    if (!isOwn(left))
      throw new DriverError('LINSTOR_EXISTS', `resource ${resource} exists and has no mark of this driver`);
    ctx.log.info(`${resource} is a leftover and is created again`);
    await removeResource(ctx, linstor, resource);
  }
  const sizeKib = await volumeForMemory(linstor, plan, vm);
  const view = await createVolume(ctx, linstor, {
    name: resource,
    sizeKib,
    plan,
    props: { [marks.vmId]: String(vm.id), [marks.deployment]: deploymentMark(vm) },
    ...wish,
  });
  return { view, sizeKib };
}

async function held<T>(
  ctx: Context,
  { vm, place: { host }, settings }: SnapshotVm,
  link: string,
  { config, save, restore }: Hypervisor,
  work: () => Promise<T>,
): Promise<T> {
  const session = await holdSession(ctx.hosts, host, {
    verb: 'save-guest',
    script: holdScript,
    args: [
      config,
      save,
      restore,
      vm.deployId,
      link,
      host,
      String(vm.id),
      String(settings.backupFreezeSeconds),
    ],
    readyMs: saveMs,
  });
  const forget = ctx.undo.push(`have ${vm.deployId} on ${host} go on`, () => session.release());
  const outcome = await work().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  forget();
  const { exitCode, stderr } = await session.release();
  // A guest that does not run is worse than whatever has failed before.
  if (exitCode !== 0)
    throw new DriverError(
      'HOST_COMMAND',
      exitCode === 76
        ? `${vm.deployId} on ${host} went on after ${settings.backupFreezeSeconds} s (BACKUP_FREEZE_SECONDS), before its snapshot was done`
        : `${vm.deployId} on ${host} may not run after its memory was saved (exit code ${exitCode})`,
      {
        details: stderr.trim() === '' ? [] : [stderr.trim()],
        remedy: `look at the domain on ${host}: virsh list --all`,
      },
    );
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

/** The guest runs; its memory is needed on no host until it is reverted to. */
async function leave(
  ctx: Context,
  { place, linstor, settings }: SnapshotVm,
  resource: ResourceName,
  link: string,
): Promise<void> {
  try {
    await ensureDiskDetached(ctx, { resource, linstor, settings, link }, place.host, {
      unlink: true,
      graceMs: 10_000,
    });
  } catch (error) {
    ctx.log.warn(`${resource} stays attached on ${place.host}: ${toDriverError(error).message}`);
  }
}

/** Is there a memory that belongs to the snapshot? */
export async function memoryOf(
  { vm, linstor, settings }: SnapshotVm,
  id: number,
): Promise<ResourceName | undefined> {
  const resource = memoryResource(settings.namePrefix, vm.id, id);
  const [found] = await linstor.definitions({ names: [resource] });
  return found && !found.flags.includes('DELETE') ? found.name : undefined;
}

/** The guest goes on from the memory of the snapshot; `document`: what the domain was ended with goes. Throws HOST_COMMAND. */
export async function resumeFromMemory(
  ctx: Context,
  target: SnapshotVm,
  id: number,
  resource: ResourceName,
  { restore }: Hypervisor,
  document: string,
): Promise<void> {
  const { vm, place, linstor, settings } = target;
  const link = linkOf(target, id);
  const view = replicasOf(await linstor.resources({ names: [resource] }), resource);
  await ensureDiskAttached(ctx, { resource, view, linstor, settings, link }, place.host);
  await ctx.hosts.run(place.host, {
    verb: 'restore-memory',
    script: restoreScript,
    args: [
      restore,
      link,
      place.host,
      vm.deployId,
      String(vm.id),
      document,
      ...target.disks.map((disk) => disk.resource),
    ],
    timeoutMs: saveMs,
  });
  await removeLink(ctx.hosts, place.host, link).catch(() => undefined);
  await leave(ctx, target, resource, link);
}

/** Safe to repeat. */
export async function removeMemory(
  ctx: Context,
  linstor: Linstor,
  settings: Pick<Settings, 'namePrefix'>,
  vmId: number,
  id: number,
): Promise<void> {
  const resource = memoryResource(settings.namePrefix, vmId, id);
  const [found] = await linstor.definitions({ names: [resource] });
  if (found && isOwn(found)) await removeResource(ctx, linstor, found.name);
}

/** All of a VM. What stays is told; gc finds it. */
export async function removeMemories(
  ctx: Context,
  linstor: Linstor,
  { namePrefix }: Pick<Settings, 'namePrefix'>,
  vmId: number,
): Promise<void> {
  const found = await linstor.definitions({ props: [`${marks.vmId}=${vmId}`] });
  for (const { name, flags } of found) {
    const parsed = parseResource(namePrefix, name);
    if (parsed?.kind !== 'memory' || parsed.vmId !== vmId || flags.includes('DELETE')) continue;
    await removeResource(ctx, linstor, name).catch((error: unknown) =>
      ctx.log.warn(`${name} stays: ${toDriverError(error).message}`),
    );
  }
}
