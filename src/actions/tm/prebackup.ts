import { readBackupMessage } from '../../opennebula/backup-message.ts';
import type { ActionHandler } from '../action.ts';

/**
 * `prebackup[_live] <host>:<vm directory> <disks> <deploy id> <job> <vm> <system datastore>`: the disks of the VM as files for the backup
 * datastore's driver, which comes next (backup contract B3).
 */
export const exportDisks =
  (live: boolean): ActionHandler =>
  async (call, ctx) => {
    const message = await readBackupMessage(call);
    const { backUp } = await import('../../backup/run.ts');
    await backUp(ctx, message, live);
    return undefined;
  };

export const prebackup = exportDisks(false);
