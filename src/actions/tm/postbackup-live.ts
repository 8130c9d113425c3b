/** Whether the VM runs makes no difference to what is left to tidy up. */
export { postbackup as postbackupLive } from './postbackup.ts';
