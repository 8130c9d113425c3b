import { isSameHost, readMigrationMessage } from '../../opennebula/migration-message.ts';
import type { ActionHandler } from '../action.ts';

/** `postmigrate`, arguments as `premigrate`: the VM runs on the destination, the source is released (contract §5.4). */
export const postmigrate: ActionHandler = async (call, ctx) => {
  const message = await readMigrationMessage(call);
  if (isSameHost(message)) return undefined;
  const { leaveHost } = await import('../migration/end.ts');
  await leaveHost(ctx, 'postmigrate', message, message.sourceHost, message.destinationHost);
  return undefined;
};
