import type { Context } from '../context.ts';
import { DriverError, toDriverError } from '../errors.ts';
import { inLcm } from '../opennebula/states.ts';

/** A backup that is cancelled in OpenNebula is not stopped there: oned looks for its own drivers' processes (backup contract B12). */

/** How often OpenNebula is asked while disks are exported. */
const askEveryMs = 10_000;

/** Throws INTERRUPTED when the VM is not being backed up any more. */
export async function requireWanted(ctx: Pick<Context, 'one' | 'log'>, vmId: number): Promise<void> {
  const vm = await ctx.one.vm(vmId).catch((error: unknown) => toDriverError(error));
  if (vm instanceof DriverError) {
    ctx.log.warn(`whether the backup is still wanted is not known: ${vm.message}`);
    return;
  }
  if (!inLcm(vm.lcmState, 'BACKUP', 'BACKUP_POWEROFF'))
    throw new DriverError('INTERRUPTED', `the backup of VM ${vmId} was cancelled in OpenNebula`);
}

/** Runs `work`, whose context says stop when the backup is cancelled; then that is what is thrown. */
export async function whileWanted<T>(
  ctx: Context,
  vmId: number,
  work: (ctx: Context) => Promise<T>,
): Promise<T> {
  const cancelled = new AbortController();
  const ended = Promise.withResolvers<'ended'>();
  const ask = async (): Promise<void> => {
    const pause = () => Promise.race([ctx.clock.sleep(askEveryMs).then(() => 'ask' as const), ended.promise]);
    while ((await pause()) === 'ask') await requireWanted(ctx, vmId);
  };
  const asking = ask().catch((error: unknown) => cancelled.abort(error));
  try {
    return await work({ ...ctx, signal: AbortSignal.any([ctx.signal, cancelled.signal]) });
  } catch (error) {
    throw cancelled.signal.aborted && !ctx.signal.aborted ? cancelled.signal.reason : error;
  } finally {
    ended.resolve('ended');
    await asking;
  }
}
