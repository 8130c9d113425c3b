import type { Context } from '../context.ts';
import { isDriverError, toDriverError } from '../errors.ts';
import type { Linstor, ResourceDefinition } from '../linstor/linstor.ts';
import type { ResourceName } from '../linstor/names.ts';
import type { Disk, Vm } from '../opennebula/one.ts';
import { inLcm, vmState } from '../opennebula/states.ts';
import { isExclusive, resourceOfDisk } from './disk.ts';
import { marks } from './marks.ts';
import { lockName, parseResource, properName } from './names.ts';
import { sameName } from './replicas.ts';
import { allowsTwoPrimaries, dualPrimaryProperty, forbidTwoPrimaries } from './two-primaries.ts';

/**
 * Windows of live migrations whose end never came through: the controller was away for longer than the end was tried, or the driver was
 * killed. Nobody sees them, until a VM is started twice.
 */

/** premigrate, libvirt and postmigrate (or failmigrate) all run in this one state (contract §5.4). */
export const isMigratingLive = (vm: Pick<Vm, 'state' | 'lcmState'>): boolean =>
  vm.state === vmState.ACTIVE && inLcm(vm.lcmState, 'MIGRATE');

/** VMs that have the resource as a disk; none: nothing is known, and nothing is done. */
export function isLeftOpen(
  definition: Pick<ResourceDefinition, 'props' | 'flags'>,
  holders: readonly { readonly vm: Vm; readonly disk: Disk }[],
): boolean {
  return (
    allowsTwoPrimaries(definition) &&
    !definition.flags.includes('DELETE') &&
    holders.length > 0 &&
    holders.every(({ vm, disk }) => isExclusive(disk) && !isMigratingLive(vm))
  );
}

/** So long somebody may be at work on the disk; then it is left to him, or to the next round. */
const lockMs = 2_000;

export interface LeftWindows {
  readonly prefix: string;
  /** All definitions, where they have been read. */
  readonly known?: Promise<readonly ResourceDefinition[]>;
}

/** Closes those of our disks. For monitoring: never fails, and tries each once. */
export async function closeLeftWindows(
  ctx: Pick<Context, 'one' | 'log' | 'lock'>,
  linstor: Linstor,
  { prefix, known }: LeftWindows,
): Promise<void> {
  try {
    const all = await (known ?? linstor.definitions({ props: [dualPrimaryProperty] }));
    const open = all.filter((item) => allowsTwoPrimaries(item) && parseResource(prefix, item.name));
    for (const { name } of open) await closeOne(ctx, linstor, prefix, name);
  } catch (error) {
    ctx.log.warn(`windows of ended live migrations were not looked for: ${toDriverError(error).message}`);
  }
}

/** Under the lock that premigrate opens under: the VM's state is asked for when no other window can come. */
async function closeOne(
  ctx: Pick<Context, 'one' | 'log' | 'lock'>,
  linstor: Linstor,
  prefix: string,
  name: ResourceName,
): Promise<void> {
  try {
    await ctx.lock(
      lockName(name),
      async () => {
        const [definition] = await linstor.definitions({ names: [name] });
        const holder = definition && (await holderOf(ctx, prefix, definition));
        if (!definition || !holder || !isLeftOpen(definition, [holder])) return;
        const open = (await linstor.replicas([name])).filter((replica) => replica.inUse);
        if (open.length > 1) {
          const nodes = open.map((replica) => replica.node).join(' and ');
          ctx.log.warn(
            `${name} is open on ${nodes} at once although VM ${holder.vm.id} is not migrating: two VMs may be writing to it`,
          );
          return;
        }
        await linstor.modifyDefinition(name, { unset: [dualPrimaryProperty] });
        ctx.log.warn(
          `two primaries of ${name} were still allowed after a live migration of VM ${holder.vm.id}; they are forbidden now`,
        );
      },
      lockMs,
    );
  } catch (error) {
    ctx.log.warn(`two primaries of ${name} may still be allowed: ${toDriverError(error).message}`);
  }
}

/** By name or by mark; a name alone may be another OpenNebula's, so our VM must have it as a disk. */
async function holderOf(
  { one }: Pick<Context, 'one'>,
  prefix: string,
  definition: ResourceDefinition,
): Promise<{ vm: Vm; disk: Disk } | undefined> {
  const marked = Number(definition.props[marks.vmId] || Number.NaN);
  const vmId = parseResource(prefix, definition.name)?.vmId ?? marked;
  if (!Number.isInteger(vmId)) return undefined;
  try {
    const vm = await one.vm(vmId);
    const disk = vm.disks.find(
      (each) =>
        each.kind !== 'filesystem' &&
        sameName(resourceOfDisk(vm, each, prefix).resource, properName(definition.name)),
    );
    return disk && { vm, disk };
  } catch (error) {
    if (isDriverError(error, 'ONE_NOT_FOUND', 'BAD_ARGUMENT')) return undefined;
    throw error;
  }
}

/**
 * An action on a disk that no live migration has: what is left of one is closed before anything else. `definition`: as it is now, under
 * the disk's lock.
 */
export async function closeBefore(
  ctx: Pick<Context, 'clock' | 'log'>,
  linstor: Linstor,
  definition: ResourceDefinition | undefined,
  holder: { readonly vm: Vm; readonly disk: Disk },
): Promise<void> {
  if (!definition || !isLeftOpen(definition, [holder])) return;
  ctx.log.warn(
    `two primaries of ${definition.name} were still allowed after a live migration of VM ${holder.vm.id}; they are forbidden now`,
  );
  await forbidTwoPrimaries(ctx, linstor, definition.name);
}
