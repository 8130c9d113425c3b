import type { Context } from '../context.ts';
import { DriverError, isDriverError, toDriverError } from '../errors.ts';
import { isLinstorError } from '../linstor/error.ts';
import type { Linstor, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import { isReplyLost } from '../linstor/reply-lost.ts';
import { untilDone } from './wait.ts';

/** On the resource definition (linstor-behaviour §3.16). */
export const dualPrimaryProperty = 'DrbdOptions/Net/allow-two-primaries';

export const allowsTwoPrimaries = ({ props }: Pick<ResourceDefinition, 'props'>): boolean =>
  !['no', ''].includes(props[dualPrimaryProperty]?.toLowerCase() ?? 'no');

/** How long closing is tried. OpenNebula waits for it, and the VM runs meanwhile. */
export const closeMs = 180_000;

/** No repetition mends these. */
export const isFinal = (error: unknown): boolean =>
  isDriverError(error, 'LINSTOR_AUTH', 'LINSTOR_TLS', 'LINSTOR_UNSUPPORTED', 'BAD_ATTRIBUTE', 'INTERRUPTED');

/**
 * Two primaries are forbidden again. Needs to know nothing of the resource, and is tried for minutes. Where the property is not there,
 * LINSTOR asks no satellite. One that is away hears of it when it is back.
 * Errors: LINSTOR's own, saying that the window is still open.
 */
export async function forbidTwoPrimaries(
  ctx: Pick<Context, 'clock'>,
  linstor: Linstor,
  resource: ResourceName,
): Promise<void> {
  let refused = false;
  const forbid = async (): Promise<void> => {
    try {
      // What has not changed is told to no satellite: after a failed pass the other spelling is, which changes something.
      const change = refused ? { set: { [dualPrimaryProperty]: 'no' } } : { unset: [dualPrimaryProperty] };
      await linstor.modifyDefinition(resource, change);
    } catch (error) {
      if (
        isLinstorError(error, 'FAIL_NOT_FOUND_RSC_DFN') ||
        (isReplyLost(error) && (await isForbidden(linstor, resource)))
      )
        return;
      refused = isLinstorError(error) && !refused;
      throw error;
    }
  };
  try {
    await untilDone(ctx.clock, closeMs, forbid, isFinal);
  } catch (error) {
    const cause = toDriverError(error);
    throw new DriverError(
      cause.code,
      `two primaries of ${resource} could not be forbidden and are still allowed: ${cause.message}`,
      {
        details: cause.details,
        reports: cause.reports,
        remedy: `the next monitoring of the datastore tries again; by hand: linstor resource-definition set-property ${resource} ${dualPrimaryProperty} no`,
        cause,
      },
    );
  }
}

/** The controller notes it before it tells the satellites. */
async function isForbidden(linstor: Linstor, resource: ResourceName): Promise<boolean> {
  try {
    return !(await linstor.definitions({ names: [resource] })).some(allowsTwoPrimaries);
  } catch {
    return false;
  }
}
