import { allDone } from '../../all-done.ts';
import type { Context } from '../../context.ts';
import { ensureDiskAttached } from '../../disks/ensure-attached.ts';
import { toDriverError } from '../../errors.ts';
import { isRegularFile, removeLink } from '../../hosts/vm-directory.ts';
import type { Linstor } from '../../linstor/linstor.ts';
import { driverName } from '../../opennebula/driver-name.ts';
import type { Settings } from '../../opennebula/settings.ts';
import { type CheckpointMessage, readCheckpointMessage } from '../../opennebula/vmm-message.ts';
import { beginRemoval, type Checkpoint, findCheckpoint } from '../../volumes/checkpoint.ts';
import { lockName } from '../../volumes/names.ts';
import type { ActionHandler, Call } from '../action.ts';
import { replyLine } from '../foreign-script.ts';
import { runNative } from './native.ts';

/**
 * `restore_linstor_un <checkpoint> <host> <deploy id> <vm> <host>`: attaches the checkpoint's volume where the VM resumes,
 * and has OpenNebula's own script restore it (waking a sleeping domain, paths of another system datastore, retries, clock and
 * snapshots are all in there; contract §5.1). The volume goes after success only.
 */
export const restore: ActionHandler = async (call, ctx) => {
  const message = await readCheckpointMessage(call);
  if (message.datastore.tmMad !== driverName)
    return replyLine(await runNative(ctx, 'restore', call.argv, message));
  const settings = ctx.settings(message.datastore.template);
  const linstor = ctx.linstor(settings);
  const [checkpoint, isFile] = await Promise.all([
    findCheckpoint(linstor, settings, message.vmId),
    isRegularFile(ctx.hosts, message.host, message.checkpoint),
  ]);
  // An ordinary file is the later one: a save into a volume puts a link in its place.
  if (!checkpoint || isFile) return replyLine(await runNative(ctx, 'restore', call.argv, message));
  return ctx.lock(lockName(checkpoint.resource), () =>
    restoreFromVolume(ctx, call, message, { settings, linstor, checkpoint }),
  );
};

interface Source {
  readonly settings: Settings;
  readonly linstor: Linstor;
  readonly checkpoint: Checkpoint;
}

async function restoreFromVolume(
  ctx: Context,
  call: Call,
  message: CheckpointMessage,
  { settings, linstor, checkpoint }: Source,
): Promise<string | undefined> {
  const { host } = message;
  const disk = { ...checkpoint, linstor, settings, link: message.checkpoint, keepsLink: true };
  await ensureDiskAttached(ctx, disk, host);
  const reply = replyLine(await runNative(ctx, 'restore', call.argv, message));
  ctx.undo.commit();
  // The VM runs, and whoever resumed it waits for nothing that it does not need.
  await allDone([
    removeLink(ctx.hosts, host, message.checkpoint).catch((error: unknown) => {
      ctx.log.warn(`${message.checkpoint} stays on ${host}: ${toDriverError(error).message}`);
    }),
    beginRemoval(ctx, linstor, checkpoint.resource),
  ]);
  return reply;
}
