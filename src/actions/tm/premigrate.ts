import type { Context } from '../../context.ts';
import {
  type AttachedDisk,
  forAll,
  linkAttachedDisks,
  ourLinkNames,
  type ViewedDisk,
  viewDisks,
  vmDisks,
} from '../../disks/migration-disks.ts';
import { copyDirectory, removeUnlessShared } from '../../hosts/scripts/directories.ts';
import type { DiskLink } from '../../hosts/scripts/link-disks.ts';
import {
  isSameHost,
  type MigrationMessage,
  readMigrationMessage,
} from '../../opennebula/migration-message.ts';
import { openWindow, requireMovable } from '../../volumes/dual-primary.ts';
import type { ActionHandler } from '../action.ts';
import { lockName } from '../disk-call.ts';
import { premigrateOthers } from '../migration/others.ts';

/**
 * `premigrate <source> <destination> <directory> <vm> <datastore> [marker]`, before a live migration: the disks are
 * usable on the destination too, and the VM's directory is there. With a marker another TM has called us for our disks
 * alone. All of it is taken back on failure: OpenNebula up to 7.2 calls nothing then (contract §5.4).
 */
export const premigrate: ActionHandler = async (call, ctx) => {
  const message = await readMigrationMessage(call);
  if (isSameHost(message)) {
    ctx.log.info(`VM ${message.vmId} stays on ${message.sourceHost}; nothing to prepare`);
    return undefined;
  }
  const primary = message.marker === undefined;
  const disks = await viewDisks(
    await vmDisks(ctx, message.vm, message.directory, message.datastoreId, primary),
  );
  for (const { disk, resource, view } of disks) {
    requireMovable(
      resource,
      view,
      `disk ${disk.id} of VM ${message.vmId}`,
      message.sourceHost,
      message.destinationHost,
    );
  }
  const attached = await forAll(disks, (disk) => prepare(ctx, message, disk));
  await linkAttachedDisks(
    ctx,
    message.destinationHost,
    attached,
    primary ? (links) => bringDirectory(ctx, message, links) : undefined,
  );
  if (primary) await premigrateOthers(ctx, message);
  return undefined;
};

/**
 * Context ISO, NVRAM, TPM state and the like, and the links of our disks: one session on each host. A directory that both hosts
 * share is left as it is.
 */
async function bringDirectory(
  ctx: Context,
  message: MigrationMessage,
  links: readonly DiskLink[],
): Promise<void> {
  const { directory, sourceHost, destinationHost } = message;
  // Not asked for in the step itself: by then the directory may be half there, and the other copy is a running VM's.
  ctx.undo.push(`remove ${directory} on ${destinationHost}`, () =>
    removeUnlessShared(ctx.hosts, destinationHost, sourceHost, directory, { signal: ctx.signal }),
  );
  const copied = await copyDirectory(
    ctx.hosts,
    { host: sourceHost, directory },
    { host: destinationHost, directory },
    { skip: ourLinkNames(message.vm), links, signal: ctx.signal },
  );
  if (!copied) ctx.log.info(`${directory} is shared by ${sourceHost} and ${destinationHost}, or not there`);
}

async function prepare(ctx: Context, message: MigrationMessage, disk: ViewedDisk): Promise<AttachedDisk> {
  const { linstor, resource, sharing, view, settings, link } = disk;
  const attachment = await ctx.lock(lockName(resource), () =>
    openWindow(
      ctx,
      linstor,
      { resource, sharing, view, sourceHost: message.sourceHost, destinationHost: message.destinationHost },
      settings,
    ),
  );
  return { link, linstor, attachment, view };
}
