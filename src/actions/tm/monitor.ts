import type { Context } from '../../context.ts';
import { toDriverError } from '../../errors.ts';
import type { Linstor, ResourceDefinition } from '../../linstor/linstor.ts';
import { type DatastoreMessage, readDatastoreMessage } from '../../opennebula/message.ts';
import { type DiskUsage, findMonitord, inBandLines } from '../../opennebula/monitord.ts';
import type { Settings } from '../../opennebula/settings.ts';
import { atLeast } from '../../opennebula/version.ts';
import { capacityOf } from '../../volumes/capacity.ts';
import { closeLeftWindows } from '../../volumes/left-window.ts';
import { diskUsage } from '../../volumes/usage.ts';
import type { ActionHandler } from '../action.ts';
import { capacityReply } from '../datastore/monitor.ts';

/**
 * Capacity of a system datastore, and in the rounds in which OpenNebula asks for it the usage of every VM disk and snapshot –
 * by datagram to monitord since 5.12, in the reply before (contract §6). All LINSTOR calls run in parallel.
 */
export const monitor: ActionHandler = async (call, ctx) => {
  const message = await readDatastoreMessage(call);
  const settings = ctx.settings(message.datastore.template);
  const linstor = ctx.linstor(settings);
  // Absent up to 5.8, where usage is always wanted.
  const wanted = message.monitorVmDisks ?? !atLeast(ctx.oneVersion, 5, 9, 80);
  const definitions = wanted ? linstor.definitions() : undefined;
  const [capacity, usage] = await Promise.all([
    capacityOf(linstor, settings.placement),
    definitions ? usageIfKnown(ctx, readUsage(linstor, settings, message, definitions)) : [],
    closeLeftWindows(ctx, linstor, {
      prefix: settings.namePrefix,
      ...(definitions ? { known: definitions } : {}),
    }),
  ]);
  const reply = capacityReply(capacity);
  if (usage.length === 0) return reply;
  if (!atLeast(ctx.oneVersion, 5, 11, 80)) return [reply, ...inBandLines(usage)].join('\n');
  await report(ctx, usage);
  return reply;
};

/** The next round tells what this one could not: capacity is not held back for it. */
async function usageIfKnown(ctx: Context, reading: Promise<DiskUsage[]>): Promise<DiskUsage[]> {
  try {
    return await reading;
  } catch (error) {
    ctx.log.warn(`the usage of VM disks is not reported this time: ${toDriverError(error).message}`);
    return [];
  }
}

async function readUsage(
  linstor: Linstor,
  settings: Settings,
  message: DatastoreMessage,
  definitions: Promise<readonly ResourceDefinition[]>,
): Promise<DiskUsage[]> {
  const [known, resources, snapshots] = await Promise.all([
    definitions,
    linstor.allocations(),
    linstor.snapshots(),
  ]);
  return diskUsage(settings.namePrefix, message.datastore.id, known, resources, snapshots);
}

async function report(ctx: Context, usage: readonly DiskUsage[]): Promise<void> {
  try {
    const { monitorMessages, sendToMonitord } = await import('../../opennebula/monitord-datagrams.ts');
    const target = findMonitord(process.env);
    await sendToMonitord(target, monitorMessages(usage, target.publicKey));
  } catch (error) {
    ctx.log.warn(`usage of VM disks was not sent to monitord: ${toDriverError(error).message}`);
  }
}
