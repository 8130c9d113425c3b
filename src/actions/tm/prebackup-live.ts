import { exportDisks } from './prebackup.ts';

/** The same while the VM runs: its guest is frozen for the snapshot alone. */
export const prebackupLive = exportDisks(true);
