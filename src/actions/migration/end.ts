import type { Context } from '../../context.ts';
import { ensureDetached, tellStaying } from '../../disks/ensure-detached.ts';
import { vmDisks } from '../../disks/migration-disks.ts';
import { DriverError, toDriverError } from '../../errors.ts';
import { removeUnlessShared } from '../../hosts/scripts/directories.ts';
import type { ResourceName } from '../../linstor/linstor.ts';
import type { MigrationMessage } from '../../opennebula/migration-message.ts';
import { untilDone } from '../../volumes/wait.ts';
import { finishOthers, type MigrationAction } from './others.ts';

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
  await attempt(() => releaseDisks(ctx, message, host, primary, failures));
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

/** How long oned is asked whose the disks are: without their settings LINSTOR is not reached at all. */
const settingsMs = 120_000;

/**
 * How long QEMU may still be closing its disks on the host that was left (linstor-behaviour §7.2), and LINSTOR may go on telling the past of a
 * satellite that hangs (9 s, real-drbd).
 */
const leaveGraceMs = 30_000;

/** Every disk is tried. One that is still open is a failure where a single VM may have it. */
async function releaseDisks(
  ctx: Context,
  message: MigrationMessage,
  host: string,
  primary: boolean,
  failures: DriverError[],
): Promise<void> {
  const { vm, directory, datastoreId } = message;
  const disks = await untilDone(ctx.clock, settingsMs, () =>
    vmDisks(ctx, vm, directory, datastoreId, primary),
  );
  const outcomes = await ensureDetached(ctx, disks, host, {
    graceMs: leaveGraceMs,
    migrated: true,
    lockEach: true,
    onFailure: (_, error) => failures.push(error),
  });
  disks.forEach(({ resource, sharing }, index) => {
    const outcome = outcomes[index] ?? 'kept';
    if (outcome === 'other-vm') tellStaying(ctx, resource, host, outcome);
    if (outcome === 'open' && sharing === 'exclusive') failures.push(stillOpen(resource, host));
  });
}

const stillOpen = (resource: ResourceName, host: string): DriverError =>
  new DriverError(
    'LINSTOR_IN_USE',
    `resource ${resource} is still open on ${host}; it stays attached there and may be opened on two hosts`,
    {
      remedy: `check that no VM process is left on ${host}; then detach it: linstor resource delete ${host} ${resource}`,
    },
  );
