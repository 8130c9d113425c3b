import { removeDirectory } from '../../backup/directory.ts';
import { backupPlace } from '../../backup/place.ts';
import { tidyAfter } from '../../backup/tidy.ts';
import { toDriverError } from '../../errors.ts';
import { readBackupConfig } from '../../opennebula/backup-config.ts';
import { readBackupMessage } from '../../opennebula/backup-message.ts';
import type { ActionHandler } from '../action.ts';

/**
 * `postbackup[_live]`, with the arguments of `prebackup`: the files have been fetched, or will not be. Never fails: a failure here would
 * make OpenNebula forget a backup that is safely stored (backup contract B3).
 */
export const postbackup: ActionHandler = async (call, ctx) => {
  const step = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      ctx.log.warn(`${what}: ${toDriverError(error).message}`);
    }
  };
  await step('the backup is not tidied up', async () => {
    const message = await readBackupMessage(call);
    const config = readBackupConfig(message.vm);
    await step('the files of the backup stay until the next one', () =>
      removeDirectory(ctx, backupPlace(ctx, message, config)),
    );
    await step('what the backup left in LINSTOR stays until the next one', () =>
      tidyAfter(ctx, message, config),
    );
  });
  return undefined;
};
