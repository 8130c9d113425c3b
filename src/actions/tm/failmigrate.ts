import { isSameHost, readMigrationMessage } from '../../opennebula/migration-message.ts';
import type { ActionHandler } from '../action.ts';

/**
 * `failmigrate`, arguments as `premigrate` and in the same order: the VM still runs on the source, the destination is
 * cleaned. Comes also after a premigrate that has taken everything back (7.3.80; contract §5.4).
 */
export const failmigrate: ActionHandler = async (call, ctx) => {
  const message = await readMigrationMessage(call);
  if (isSameHost(message)) return undefined;
  const { leaveHost } = await import('../migration/end.ts');
  await leaveHost(ctx, 'failmigrate', message, message.destinationHost, message.sourceHost);
  return undefined;
};
