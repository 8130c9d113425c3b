import type { Linstor, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import { marks } from '../volumes/marks.ts';

/**
 * How far a revert of a VM has come, on the definition of its first disk: a process that is killed leaves it, and the next start of the VM
 * goes by it. `reverting`: some disks may hold the old content and some the new. `done`: all hold the new one.
 */
export interface RevertNote {
  readonly state: 'reverting' | 'done';
  /** Sequence number of the VM's history then; each start from POWEROFF has a new one (contract §5.9). */
  readonly seq: number;
}

export function readNote({ props }: Pick<ResourceDefinition, 'props'>): RevertNote | undefined {
  const match = /^(reverting|done)-(\d{1,9})$/.exec(props[marks.reverting] ?? '');
  return match ? { state: match[1] as RevertNote['state'], seq: Number(match[2]) } : undefined;
}

export const writeNote = (linstor: Linstor, disk: ResourceName, note: RevertNote): Promise<unknown> =>
  linstor.modifyDefinition(disk, { set: { [marks.reverting]: `${note.state}-${note.seq}` } });

export const removeNote = (linstor: Linstor, disk: ResourceName): Promise<unknown> =>
  linstor.modifyDefinition(disk, { unset: [marks.reverting] });
