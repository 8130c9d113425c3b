import type { Context } from '../../context.ts';
import { type ViewedDisk, type VmDisk, viewDisks, vmDisks } from '../../disks/migration-disks.ts';
import { replicaOnHost } from '../../disks/nodes.ts';
import { usedByOthers } from '../../disks/other-users.ts';
import { DriverError, toDriverError } from '../../errors.ts';
import { removeUnlessShared } from '../../hosts/scripts/directories.ts';
import type { MigrationMessage } from '../../opennebula/migration-message.ts';
import { closeWindow } from '../../volumes/dual-primary.ts';
import { devicePaths, isDeleting, isDiskless, isTieBreaker } from '../../volumes/replicas.ts';
import { poll } from '../../volumes/wait.ts';
import { lockName } from '../disk-call.ts';
import { finishOthers, type MigrationAction } from './others.ts';

/** How long QEMU may still be closing its disks on the host that was left (linstor-behaviour §7.2). */
const closeGraceMs = 10_000;

/**
 * After a live migration, whatever its outcome: one host is left, and only that one is cleaned. `host` is the source when
 * it succeeded and the destination when it failed; `other` is where the VM runs.
 *
 * OpenNebula ignores a failure here, so every step is tried; throws HOST_COMMAND or the first error with all that
 * went wrong.
 */
export async function leaveHost(
  ctx: Context,
  action: Exclude<MigrationAction, 'premigrate'>,
  message: MigrationMessage,
  host: string,
  other: string,
): Promise<void> {
  const primary = message.marker === undefined;
  const failures: DriverError[] = [];
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      failures.push(toDriverError(error));
    }
  };
  await attempt(() => releaseDisks(ctx, message, host, primary, attempt));
  if (primary && failures.some((error) => error.code === 'LINSTOR_IN_USE')) {
    // Somebody runs the VM there, whatever was reported: its files are not taken away.
    ctx.log.warn(`${message.directory} stays on ${host}: a disk of VM ${message.vmId} is open there`);
  } else if (primary) {
    // A shared directory is the running VM's.
    await attempt(() =>
      removeUnlessShared(ctx.hosts, host, other, message.directory, { signal: ctx.signal }),
    );
  }
  if (primary) {
    for (const text of await finishOthers(ctx, action, message))
      failures.push(new DriverError('HOST_COMMAND', text));
  }
  const [first, ...rest] = failures;
  if (!first) return;
  throw new DriverError(first.code, first.message, {
    details: [...first.details, ...rest.map((error) => error.message)],
    reports: failures.flatMap((error) => error.reports),
    remedy: first.remedy,
    cause: first,
  });
}

async function releaseDisks(
  ctx: Context,
  message: MigrationMessage,
  host: string,
  primary: boolean,
  attempt: (work: () => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const disks = await awaitClosed(
    ctx,
    await vmDisks(ctx, message.vm, message.directory, message.datastoreId, primary),
    host,
  );
  const busy = await heldByOthers(ctx, message, host, disks);
  await Promise.all(
    disks.map((disk) =>
      attempt(async () => {
        if (busy.has(disk.resource)) {
          ctx.log.info(`${disk.resource} stays attached on ${host}: another VM uses it there`);
          return;
        }
        await release(ctx, disk, host);
      }),
    ),
  );
}

/** QEMU on the host that is left has ended, but DRBD may tell of it a moment later. */
async function awaitClosed(ctx: Context, disks: readonly VmDisk[], host: string): Promise<ViewedDisk[]> {
  let last: ViewedDisk[] = [];
  await poll(ctx.clock, closeGraceMs, async () => {
    last = await viewDisks(disks);
    const open = last.some(
      ({ sharing, view, settings }) =>
        sharing === 'exclusive' && replicaOnHost(view, host, settings.nodeMap)?.inUse,
    );
    return open ? undefined : true;
  });
  return last;
}

/** Images that several VMs may have on this host. A host that cannot be asked keeps them. */
async function heldByOthers(
  ctx: Context,
  message: MigrationMessage,
  host: string,
  disks: readonly ViewedDisk[],
): Promise<ReadonlySet<string>> {
  const shared = disks.filter((disk) => disk.sharing !== 'exclusive' && isRemovable(disk, host));
  if (shared.length === 0) return new Set();
  const names = shared.map((disk) => disk.resource);
  try {
    const devices = shared.map((disk) => ({ paths: pathsOn(disk, host), ownLink: disk.link }));
    const used = await usedByOthers(ctx, host, message.directory, devices);
    return new Set(names.filter((_, index) => used[index] ?? true));
  } catch (error) {
    ctx.log.warn(
      `${host} cannot tell who uses ${names.join(', ')}; left attached: ${toDriverError(error).message}`,
    );
    return new Set(names);
  }
}

/** Would the replica be taken away at all? */
function isRemovable({ view, settings }: ViewedDisk, host: string): boolean {
  const replica = replicaOnHost(view, host, settings.nodeMap);
  return replica !== undefined && isDiskless(replica) && !isTieBreaker(replica) && !isDeleting(replica);
}

function pathsOn({ view, settings }: ViewedDisk, host: string): string[] {
  const replica = replicaOnHost(view, host, settings.nodeMap);
  return replica ? devicePaths(replica) : [];
}

async function release(ctx: Context, disk: ViewedDisk, host: string): Promise<void> {
  const { linstor, resource, sharing, view, settings } = disk;
  const result = await ctx.lock(lockName(resource), () =>
    closeWindow(linstor, { resource, host, sharing, view }, settings),
  );
  if (result === 'held' && sharing === 'exclusive') {
    throw new DriverError(
      'LINSTOR_IN_USE',
      `resource ${resource} is still open on ${host}; it stays attached there and may be opened on two hosts`,
      {
        remedy: `check that no VM process is left on ${host}; then detach it: linstor resource delete ${host} ${resource}`,
      },
    );
  }
}
