import type { Settings } from '../opennebula/settings.ts';

/** LINSTOR's own way to let data follow who uses them (linstor-behaviour §3.19). */
/** In minutes. */
export const autoDiskful = 'DrbdOptions/auto-diskful';
const allowCleanup = 'DrbdOptions/auto-diskful-allow-cleanup';

/** Is a replica wanted on the host that uses it, where a new volume can have one there? */
export const prefersNode = ({ preferNode, locality }: Pick<Settings, 'preferNode' | 'locality'>): boolean =>
  preferNode || locality !== 'off';

/**
 * For the definition of a VM's disk, together with its marks: a change of its own would cost every satellite a round. A disk keeps what its
 * datastore said when it was made or linked.
 */
export const followProps = ({ followVm }: Pick<Settings, 'followVm'>): Record<string, string> =>
  followVm ? { [autoDiskful]: String(followVm / 60_000), [allowCleanup]: 'True' } : {};
