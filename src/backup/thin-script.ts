import thinText from './shell/thin.sh' with { type: 'text' };

/**
 * What has changed between two snapshots in one LVM thin pool, asked of the pool's metadata: seconds, where comparing reads both volumes.
 *
 * The pool has one metadata snapshot at a time, which others may be using (OpenNebula's own driver, an administrator); it is given back in every
 * case. Rights: those that OpenNebula's package for hosts gives (`lvs`, `dmsetup` by sudo; the metadata device is the group disk's).
 */
export const thinFunctions = `\n${thinText}`;
