import type { Context } from '../context.ts';
import { DriverError, toDriverError } from '../errors.ts';
import type { Linstor, Replica, ResourceName, StoragePool } from '../linstor/linstor.ts';
import { isReal, isThin } from '../linstor/providers.ts';
import type { Vm } from '../opennebula/one.ts';
import type { PlacementSettings, Settings } from '../opennebula/settings.ts';
import { type KiB, type MiB, mib, mibToKib } from '../units.ts';
import { createVolume, type NewVolume } from './create.ts';
import { deploymentMark } from './disk.ts';
import { knownView } from './known-view.ts';
import { marks } from './marks.ts';
import { checkpointResource, namesFor } from './names.ts';
import { type Plan, planPlacement } from './placement.ts';
import { removeResource } from './remove.ts';
import { hasNetworkLayer, isDiskful, replicasOf } from './replicas.ts';
import { freeName } from './stand-in.ts';

/** The memory of a suspended VM in a volume of its own, so that gigabytes need not be copied from host to host (contract §5.1). */

/** Firmware, video memory and state of emulated devices, libvirt's header and the domain's document. */
const deviceMargin = mib(1024);

/**
 * The stream that `virsh save` writes holds every page of a paused guest once, with 8 bytes of address to 4 KiB: less
 * than 1 % on top of the memory. Memory is what the guest has at most: with ballooning all of MEMORY_MAX is there. An eighth
 * and the margin are ample for that. State of vGPUs can be as large as their own memory, which OpenNebula does not
 * tell: where space is only promised (thin pools), twice the memory is.
 */
export function checkpointSize(vm: Pick<Vm, 'id' | 'memoryMib' | 'template'>, thin: boolean): MiB {
  const maximum = Number(vm.template['MEMORY_MAX']);
  const memory = Math.max(vm.memoryMib ?? 0, Number.isFinite(maximum) ? maximum : 0);
  if (memory <= 0) {
    throw new DriverError(
      'ONE_INCOMPLETE',
      `VM ${vm.id} has no MEMORY in OpenNebula’s document, so the size of its checkpoint is not known`,
    );
  }
  return mib(Math.ceil(memory * (thin ? 2 : 1.125)) + deviceMargin);
}

/**
 * Where the checkpoint would go; undefined when a volume of this datastore can be used on one node only: then a file in the
 * VM's directory is better, for it travels with the directory.
 */
export async function planCheckpoint(
  linstor: Linstor,
  settings: Settings,
  vmId: number,
): Promise<Plan | undefined> {
  const plan = await planPlacement(
    linstor,
    checkpointPlacement(settings, vmId),
    settings.checkpointReplicaCount ?? settings.placement.replicaCount,
  );
  return hasNetworkLayer(plan.effectiveLayers) ? plan : undefined;
}

/** CHECKPOINT_REPLICA_COUNT with NODE_LIST: so many nodes of the list, not always the same ones. */
export function checkpointPlacement(settings: Settings, vmId: number): PlacementSettings {
  const { placement, checkpointReplicaCount: count } = settings;
  const { nodeList } = placement;
  if (count === undefined || nodeList.length <= count) return placement;
  const start = vmId % nodeList.length;
  return { ...placement, nodeList: [...nodeList, ...nodeList].slice(start, start + count) };
}

/** Size of a volume for the memory of this VM. */
export async function volumeForMemory(linstor: Linstor, plan: Plan, vm: Vm): Promise<KiB> {
  const pools = (
    await linstor.storagePools(plan.filter.storagePools ? { pools: plan.filter.storagePools } : {})
  ).filter(isReal);
  const large = mibToKib(checkpointSize(vm, true));
  const generous = pools.length > 0 && pools.every((pool) => isThin(pool.provider) && holds(pool, large));
  return generous ? large : mibToKib(checkpointSize(vm, false));
}

const holds = (pool: StoragePool, size: KiB): boolean => pool.freeKib === undefined || pool.freeKib >= size;

/**
 * A new volume, on the node that is wished for if it can be. What an earlier, failed save left is removed. Its removal is on the
 * undo stack. The caller holds the lock.
 */
export async function createCheckpoint(
  ctx: Context,
  linstor: Linstor,
  settings: Settings,
  vm: Vm,
  plan: Plan,
  wish: Pick<NewVolume, 'node' | 'realNode'>,
): Promise<Checkpoint & { readonly sizeKib: KiB }> {
  const proper = checkpointResource(settings.namePrefix, vm.id);
  const names = namesFor(proper);
  const [definitions, sizeKib] = await Promise.all([
    linstor.definitions({ names }),
    volumeForMemory(linstor, plan, vm),
  ]);
  const left = await knownView(
    linstor,
    definitions.map((definition) => definition.name),
  );
  const name = await freeName(ctx, linstor, proper, { definitions, view: left });
  const view = await createVolume(ctx, linstor, {
    name,
    sizeKib,
    plan,
    props: { [marks.vmId]: String(vm.id), [marks.deployment]: deploymentMark(vm) },
    urgent: true,
    ...wish,
  });
  return { resource: name, view, sizeKib };
}

export interface Checkpoint {
  readonly resource: ResourceName;
  readonly view: readonly Replica[];
}

/**
 * The checkpoint volume of a VM, with its replicas; undefined when it has none. Nothing tells whether it is complete:
 * OpenNebula asks only after a save that succeeded, and libvirt has a mark of its own in the data of a partial one.
 */
export async function findCheckpoint(
  linstor: Linstor,
  settings: Pick<Settings, 'namePrefix'>,
  vmId: number,
): Promise<Checkpoint | undefined> {
  const names = namesFor(checkpointResource(settings.namePrefix, vmId));
  const all = await linstor.replicas(names);
  // One that is being deleted has only replicas that are.
  return names
    .map((resource) => ({ resource, view: replicasOf(all, resource) }))
    .find(({ view }) => view.some(isDiskful));
}

/** The VM has no checkpoint volume. Safe to repeat. Throws LINSTOR_IN_USE. */
export async function removeCheckpoint(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  settings: Pick<Settings, 'namePrefix'>,
  vmId: number,
): Promise<void> {
  const names = namesFor(checkpointResource(settings.namePrefix, vmId));
  for (const { name, flags } of await linstor.definitions({ names }))
    if (!flags.includes('DELETE')) await removeResource(ctx, linstor, name);
}

/** A request that LINSTOR has had for so long is being carried out, whoever waits for the answer. */
const handedOverMs = 1_000;

/**
 * Asks for the removal and returns when LINSTOR is at it. Nobody comes back to it: what stays all the same is removed by the next save, with
 * the VM, or by gc. Never fails.
 */
export async function beginRemoval(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  name: ResourceName,
): Promise<void> {
  let asked = ctx.clock.now();
  let ended = false;
  const removal = removeResource(ctx, linstor, name, () => {
    asked = ctx.clock.now();
  })
    .catch((error: unknown) => {
      ctx.log.warn(`checkpoint ${name} could not be removed: ${toDriverError(error).message}`);
    })
    .finally(() => {
      ended = true;
    });
  while (!ended && ctx.clock.now() - asked < handedOverMs)
    await Promise.race([removal, ctx.clock.sleep(100).catch(() => undefined)]);
}
