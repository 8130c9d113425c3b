import { readDatastoreMessage } from '../../opennebula/message.ts';
import { type Capacity, capacityOf } from '../../volumes/capacity.ts';
import { closeLeftWindows } from '../../volumes/left-window.ts';
import type { ActionHandler } from '../action.ts';

/** Capacity of an image datastore in MiB, as usable at the configured number of replicas (contract §6.1). */
export const monitor: ActionHandler = async (call, ctx) => {
  const message = await readDatastoreMessage(call);
  const settings = ctx.settings(message.datastore.template);
  const linstor = ctx.linstor(settings);
  const [capacity] = await Promise.all([
    capacityOf(linstor, settings.placement),
    // Also here: the system datastore of its VMs may be another driver's.
    closeLeftWindows(ctx, linstor, { prefix: settings.namePrefix }),
  ]);
  return capacityReply(capacity);
};

/** oned reads assignments separated by blanks; one line serves every release. */
export const capacityReply = ({ totalMib, usedMib, freeMib }: Capacity): string =>
  `USED_MB=${usedMib} TOTAL_MB=${totalMib} FREE_MB=${freeMib}`;
