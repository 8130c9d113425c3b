import { allDone } from '../../all-done.ts';
import type { Context } from '../../context.ts';
import { DriverError } from '../../errors.ts';
import { parseId, requireDiskTarget } from '../../opennebula/target.ts';
import type { ActionHandler, Call } from '../action.ts';
import { remotesOf, runHere } from '../foreign-script.ts';
import { ensureBootDisks, isBooting } from '../migration/boot-disks.ts';

/** Building the ISO and copying it; `http://` files are downloaded on the way. */
const timeoutMs = 15 * 60_000;

/**
 * `context <file>… <host>:<vm directory>/disk.<n> <vm> <datastore>`: OpenNebula's own script makes the CD-ROM, an ordinary
 * file (contract §3.5). Before a VM starts its disks are looked at: no other step does (contract §5.3).
 */
export const context: ActionHandler = async (call, ctx) => {
  const target = requireDiskTarget(call.argv.at(-3), 'destination');
  const vmId = parseId(call.argv.at(-2), 'VM id');
  parseId(call.argv.at(-1), 'datastore id');
  if (target.vmId !== vmId)
    throw new DriverError('BAD_ARGUMENT', `${target.path} is not in the directory of VM ${vmId}`);
  const vm = await ctx.one.vm(vmId);
  // The CD-ROM is a file beside the disks' links: neither waits for the other.
  await allDone([isBooting(vm) ? ensureBootDisks(ctx, vm, target) : Promise.resolve(), makeCdrom(call, ctx)]);
  return undefined;
};

async function makeCdrom(call: Call, ctx: Context): Promise<void> {
  const remotes = remotesOf(ctx);
  const result = await runHere(ctx, {
    name: 'tm/common/context',
    candidates: [`${remotes}/tm/common/context`, `${remotes}/tm/ssh/context`],
    argv: call.argv,
    timeoutMs,
  });
  if (result) return;
  throw new DriverError('HOST_COMMAND', `OpenNebula’s own script is missing: ${remotes}/tm/common/context`, {
    remedy: 'reinstall the opennebula package of this front-end',
  });
}
