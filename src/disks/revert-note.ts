import { DriverError } from '../errors.ts';
import type { Linstor, ResourceDefinition, ResourceName } from '../linstor/linstor.ts';
import type { Vm } from '../opennebula/one.ts';
import { vmState } from '../opennebula/states.ts';
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

/**
 * Nothing is taken of disks of different moments. A VM that OpenNebula takes for running may have been ended by the revert that has left the
 * note: only a start since then has brought back what its disks held. Throws SNAPSHOT.
 */
export function requireOneMoment(
  vm: Pick<Vm, 'id' | 'state' | 'history'>,
  disks: readonly { readonly definition: Pick<ResourceDefinition, 'props'> }[],
  outcome = '',
): void {
  const note = disks
    .map(({ definition }) => readNote(definition))
    .find((each) => each?.state === 'reverting');
  if (!note) return;
  const runsSince = vm.state === vmState.ACTIVE && (vm.history.at(-1)?.seq ?? 0) > note.seq;
  if (runsSince) return;
  throw new DriverError(
    'SNAPSHOT',
    `the disks of VM ${vm.id} may be of different moments: a revert of the VM was cut off${outcome}`,
    { remedy: 'start the VM, which brings back what its disks held before, or revert it again' },
  );
}
