import type { Context } from '../../context.ts';
import { ensureDiskAttached } from '../../disks/ensure-attached.ts';
import { wishedNode } from '../../disks/find-node.ts';
import { DriverError, toDriverError } from '../../errors.ts';
import { removeLink } from '../../hosts/vm-directory.ts';
import type { Linstor } from '../../linstor/linstor.ts';
import { driverName } from '../../opennebula/driver-name.ts';
import type { Settings } from '../../opennebula/settings.ts';
import { type CheckpointMessage, readCheckpointMessage } from '../../opennebula/vmm-message.ts';
import { kibToBytes } from '../../units.ts';
import { createCheckpoint, planCheckpoint, removeCheckpoint } from '../../volumes/checkpoint.ts';
import { prefersNode } from '../../volumes/follow.ts';
import { checkpointResource, lockName } from '../../volumes/names.ts';
import type { Plan } from '../../volumes/placement.ts';
import type { ActionHandler, Call } from '../action.ts';
import { replyLine } from '../foreign-script.ts';
import { hypervisorConfig, runNative } from './native.ts';
import reviveText from './shell/revive.sh' with { type: 'text' };

/**
 * `save_linstor_un <deploy id> <checkpoint> <host> <vm> <host>`: OpenNebula's own script saves the memory, through a link
 * into a LINSTOR volume. It is called for every KVM VM of the site: VMs of other datastores go straight to that script
 * (contract §5.1).
 *
 * A failure means to OpenNebula that the VM runs on: then it does, and no volume is left.
 */
export const save: ActionHandler = async (call, ctx) => {
  const message = await readCheckpointMessage(call);
  if (message.datastore.tmMad !== driverName)
    return replyLine(await runNative(ctx, 'save', call.argv, message));
  const settings = ctx.settings(message.datastore.template);
  const linstor = ctx.linstor(settings);
  const plan = await planCheckpoint(linstor, settings, message.vmId);
  const name = checkpointResource(settings.namePrefix, message.vmId);
  return ctx.lock(lockName(name), () =>
    plan
      ? saveToVolume(ctx, call, message, { settings, linstor, plan })
      : saveToFile(ctx, call, message, { settings, linstor }),
  );
};

interface Storage {
  readonly settings: Settings;
  readonly linstor: Linstor;
}

/** Storage of one node only: a file travels with the directory, a volume would not (linstor-behaviour §7.5). */
async function saveToFile(
  ctx: Context,
  call: Call,
  message: CheckpointMessage,
  { settings, linstor }: Storage,
): Promise<string | undefined> {
  await removeCheckpoint(ctx, linstor, settings, message.vmId);
  await removeLink(ctx.hosts, message.host, message.checkpoint);
  return replyLine(await runNative(ctx, 'save', call.argv, message));
}

async function saveToVolume(
  ctx: Context,
  call: Call,
  message: CheckpointMessage,
  { settings, linstor, plan }: Storage & { readonly plan: Plan },
): Promise<string | undefined> {
  const { host, checkpoint, vm } = message;
  const wish = prefersNode(settings) ? await wishedNode({ linstor, nodeMap: settings.nodeMap }, host) : {};
  const volume = await createCheckpoint(ctx, linstor, settings, vm, plan, wish);
  const minBytes = kibToBytes(volume.sizeKib);
  await ensureDiskAttached(ctx, { ...volume, linstor, settings, link: checkpoint, minBytes }, host);
  let reply: string | undefined;
  try {
    reply = replyLine(await runNative(ctx, 'save', call.argv, message));
  } catch (error) {
    await judgeFailure(ctx, message, error);
    throw error;
  }
  // From here on the memory is only in the volume: nothing that fails may take it away.
  ctx.undo.commit();
  return reply;
}

/** Arguments: configuration of the hypervisor's scripts, domain. Prints the domain's state after it was told to run on; nothing when there is none. */
const reviveScript = `\n${reviveText}`;

/**
 * The script failed – but did the saving? A hook after it may have, or the connection. Only a domain that is seen to run needs
 * its checkpoint no more; in doubt the volume stays, for it may be all that is left of the VM's memory. The next save
 * replaces it.
 */
async function judgeFailure(ctx: Context, message: CheckpointMessage, failure: unknown): Promise<void> {
  let state = '';
  try {
    const { stdout } = await ctx.hosts.run(message.host, {
      verb: 'resume-domain',
      script: reviveScript,
      args: [hypervisorConfig(ctx), message.deployId],
      timeoutMs: 60_000,
    });
    state = stdout.trim();
  } catch (error) {
    ctx.log.warn(
      `the state of ${message.deployId} on ${message.host} is not known: ${toDriverError(error).message}`,
    );
  }
  if (/^(running|idle|paused|blocked|pmsuspended)/.test(state)) return;
  ctx.undo.commit();
  const original = toDriverError(failure);
  throw new DriverError(
    original.code,
    `${original.message}; ${message.deployId} is not running on ${message.host} any more (${state || 'unknown'}), so its checkpoint is kept`,
    {
      details: original.details,
      remedy: `look at the domain with \`virsh list --all\` on ${message.host}; resume the VM from ${message.checkpoint} with virsh restore, or boot it again`,
      cause: failure,
    },
  );
}
