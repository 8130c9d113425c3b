import type { Context } from '../../context.ts';
import { requireMovable } from '../../disks/dual-primary.ts';
import { ensureAttached, letBothOpen } from '../../disks/ensure-attached.ts';
import { viewDisks } from '../../disks/ensure-detached.ts';
import { ourLinkNames, vmDisks } from '../../disks/migration-disks.ts';
import { copyDirectory, removeUnlessShared } from '../../hosts/scripts/directories.ts';
import type { DiskLink } from '../../hosts/scripts/link-disks.ts';
import {
  isSameHost,
  type MigrationMessage,
  readMigrationMessage,
} from '../../opennebula/migration-message.ts';
import type { ActionHandler } from '../action.ts';
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
  const toAttach = disks.map((disk) => ({ ...disk, keepsLink: true }));
  const attached = await ensureAttached(ctx, toAttach, message.destinationHost, {
    migratingFrom: message.sourceHost,
    lockEach: true,
    linkFirst: primary ? (links) => bringDirectory(ctx, message, links) : undefined,
  });
  if (primary) await premigrateOthers(ctx, message);
  await letBothOpen(ctx, toAttach, attached, [message.sourceHost, message.destinationHost]);
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
