import type { Context } from '../../context.ts';
import { namesOf } from '../../disks/attach.ts';
import { ensureAttached } from '../../disks/ensure-attached.ts';
import { viewDisks } from '../../disks/ensure-detached.ts';
import { findReplica } from '../../disks/find-node.ts';
import { unwipedFrom } from '../../disks/grown.ts';
import { commonPaths } from '../../disks/link.ts';
import { type VmDisk, vmDisks } from '../../disks/migration-disks.ts';
import { notedRestores } from '../../disks/restore-note.ts';
import { DriverError, toDriverError } from '../../errors.ts';
import { checkLinks, type LinkState, noteUnfinished, type Unfinished } from '../../hosts/vm-directory.ts';
import type { Linstor, Replica } from '../../linstor/linstor.ts';
import type { Vm } from '../../opennebula/one.ts';
import { inLcm } from '../../opennebula/states.ts';
import type { DiskTarget } from '../../opennebula/target.ts';
import { closeBefore, isLeftOpen } from '../../volumes/left-window.ts';
import { marks } from '../../volumes/marks.ts';
import { lockName } from '../../volumes/names.ts';
import { devicePaths, identityOf, isAttached, sameName } from '../../volumes/replicas.ts';

/** The VM is about to start or to be restored; in other states (NIC hotplug, updateconf) it runs. */
export const isBooting = (vm: Pick<Vm, 'lcmState'>): boolean =>
  inLcm(
    vm.lcmState,
    'BOOT',
    'BOOT_UNKNOWN',
    'BOOT_POWEROFF',
    'BOOT_SUSPENDED',
    'BOOT_STOPPED',
    'BOOT_UNDEPLOY',
    'BOOT_MIGRATE',
    'BOOT_FAILURE',
    'BOOT_MIGRATE_FAILURE',
    'BOOT_UNDEPLOY_FAILURE',
    'BOOT_STOPPED_FAILURE',
  );

/**
 * A VM that was powered off or suspended starts without any other step of ours (contract §5.3): in the meantime a diskless
 * replica may have been removed by hand, a host rebooted (loop numbers change), a failed migration been declared undone.
 * What is missing is attached again, links that lead elsewhere are put right, and a restore that was killed is undone. Three LINSTOR calls, that
 * ask no satellite, and one ssh when all is well.
 *
 * An unreachable LINSTOR is no obstacle while every disk's device is there under a name that can mean nothing else.
 * Errors: those of `attach` and `linkDisks`; LINSTOR's own when a device is missing.
 */
export async function ensureBootDisks(ctx: Context, vm: Vm, target: DiskTarget): Promise<void> {
  const disks = await vmDisks(ctx, vm, target.directory, target.systemDatastoreId, true);
  if (disks.length === 0) return;
  const look = () => {
    const checked = checkLinks(ctx.hosts, target.host, disks);
    const noteOf = async (disk: VmDisk): Promise<Unfinished | undefined> =>
      (await checked).find(({ link }) => link === disk.link)?.unfinished;
    return Promise.all([
      checked,
      viewDisks(disks).catch((error: unknown) => toDriverError(error)),
      settleDefinitions(ctx, vm, disks, noteOf),
    ]);
  };
  let [links, views, { unwiped, reverting, broken }] = await look();
  if (reverting.length > 0) {
    // Half of the disks may hold the old content, half the new one: such a VM does not start.
    const { settleRevert } = await import('../../vm-snapshots/settle.ts');
    for (const linstor of reverting) await settleRevert(ctx, linstor, vm, target.host, disks);
    [links, views, { unwiped }] = await look();
  }
  if (broken.length > 0) {
    const { bringBackBroken } = await import('../../backup/broken-restore.ts');
    await bringBackBroken(ctx, { host: target.host, vmId: vm.id }, broken);
    [links, views, { unwiped }] = await look();
  }
  if (views instanceof DriverError) {
    trustLinks(ctx, vm, target.host, disks, links, views);
    return;
  }
  const right = await Promise.all(views.map((disk, index) => isRight(disk, target.host, links[index])));
  const wrong = views.filter((disk, index) => !right[index] || unwiped.has(disk.link));
  for (const [index, disk] of disks.entries()) {
    const note = links[index]?.unfinished;
    if (note && !unwiped.has(disk.link)) await noteUnfinished(ctx.hosts, target.host, [disk], note, false);
  }
  if (wrong.length === 0) return;
  ctx.log.info(`attaching again on ${target.host}: ${wrong.map((disk) => disk.resource).join(', ')}`);
  await ensureAttached(
    ctx,
    wrong.map((disk) => ({ ...disk, keepsLink: true })),
    target.host,
    { lockEach: true },
  );
}

/**
 * A VM that starts migrates nowhere: what an ended live migration has left open is closed. LINSTOR away keeps no VM from starting. Returns
 * the links of disks of which a part is still to be zeroed, where a revert of the VM has not come to its end, and the disks that a
 * restore has left half written.
 */
async function settleDefinitions(
  ctx: Context,
  vm: Vm,
  disks: readonly VmDisk[],
  noteOf: (disk: VmDisk) => Promise<Unfinished | undefined>,
): Promise<{
  readonly unwiped: ReadonlySet<string>;
  readonly reverting: readonly Linstor[];
  readonly broken: readonly VmDisk[];
}> {
  const unwiped = new Set<string>();
  const reverting: Linstor[] = [];
  const broken: VmDisk[] = [];
  const byLinstor = Map.groupBy(disks, (disk) => disk.linstor);
  await Promise.all(
    [...byLinstor].map(async ([linstor, group]) => {
      try {
        const [definitions, half] = await Promise.all([
          linstor.definitions({ names: group.map((disk) => disk.resource) }),
          notedRestores(group),
        ]);
        if (definitions.some(({ props }) => props[marks.reverting] !== undefined)) reverting.push(linstor);
        broken.push(...half);
        for (const { resource, disk, link } of group) {
          const definition = definitions.find((each) => sameName(each.name, resource));
          if (unwipedFrom(definition) !== undefined) unwiped.add(link);
          if (definition && isLeftOpen(definition, [{ vm, disk }]))
            await ctx.lock(lockName(resource), () => closeBefore(ctx, linstor, definition, { vm, disk }));
        }
      } catch (error) {
        for (const disk of group) {
          const note = await noteOf(disk);
          if (note) throw unfinished(note, disk, vm, error);
        }
        ctx.log.warn(`two primaries may still be allowed: ${toDriverError(error).message}`);
      }
    }),
  );
  return { unwiped, reverting, broken };
}

/**
 * A guest that starts now would see the new size, and lose what it writes there when the rest is zeroed; or it would find a part of a backup
 * among what its disk held before.
 */
function unfinished(note: Unfinished, { disk, resource }: VmDisk, vm: Vm, cause: unknown): DriverError {
  const { code, message } = toDriverError(cause);
  const what = { growing: 'resize', restoring: 'restore', reverting: 'revert' }[note];
  return new DriverError(
    code,
    `VM ${vm.id} is not started: a ${what} of disk ${disk.id} (${resource}) was interrupted, and LINSTOR cannot be asked to ${note === 'growing' ? 'finish' : 'undo'} it: ${message}`,
    { remedy: 'bring LINSTOR back, then start the VM again', cause },
  );
}

type ViewedDisk = VmDisk & { readonly view: readonly Replica[] };

/** Attached according to LINSTOR, and the link names the device that LINSTOR reports. */
async function isRight(disk: ViewedDisk, host: string, link: LinkState | undefined): Promise<boolean> {
  const replica = await findReplica(namesOf(disk), disk.view, host);
  if (!replica || !isAttached(replica) || !replica.stateKnown) return false;
  return (
    link?.present === true &&
    link.volume.toLowerCase() === identityOf(replica).toLowerCase() &&
    [...devicePaths(replica), ...commonPaths(disk.view)].includes(link.target)
  );
}

function trustLinks(
  ctx: Context,
  vm: Vm,
  host: string,
  disks: readonly VmDisk[],
  links: readonly LinkState[],
  failure: DriverError,
): void {
  const doubtful = disks.filter((disk, index) => !linkNamesResource(disk, links[index]));
  if (doubtful.length === 0) {
    ctx.log.warn(
      `LINSTOR cannot be asked (${failure.message}); the devices of VM ${vm.id} are all there on ${host}`,
    );
    return;
  }
  const list = doubtful.map((disk) => `disk ${disk.disk.id} (${disk.resource})`).join(', ');
  throw new DriverError(
    failure.code,
    `the devices of VM ${vm.id} on ${host} are not certain: ${list}; ${failure.message}`,
    {
      details: failure.details,
      reports: failure.reports,
      remedy: failure.remedy,
      cause: failure,
    },
  );
}

/**
 * Its name alone would not do: /dev/loop5 or /dev/drbd1003 may belong to another volume since the last reboot. The host itself says
 * which one it is.
 */
function linkNamesResource(disk: VmDisk, link: LinkState | undefined): boolean {
  const [, resource] = link?.volume.toLowerCase().split(' ') ?? [];
  return link?.present === true && resource === disk.resource.toLowerCase();
}
