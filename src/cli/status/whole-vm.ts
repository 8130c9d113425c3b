import type { Vm } from '../../opennebula/one.ts';
import { parsePolicySnapshot, parseVmSnapshot, revertSnapshotName } from '../../volumes/names.ts';
import type { VmDiskStatus } from './object.ts';

/** Snapshots of a VM as a whole: OpenNebula's, each with the disks that have it, and those of a policy. */
export interface WholeVmStatus {
  readonly snapshots: readonly {
    readonly id: number;
    readonly name: string;
    readonly disks: readonly number[];
    /** Disks that OpenNebula believes to be in it, attached at the time, are not told: those without it now. */
    readonly missing: readonly number[];
  }[];
  /** Policy as it is written, and what it has taken, oldest first (epoch milliseconds). */
  readonly policy?: string;
  readonly points: readonly number[];
  /** What the disks held before a revert is still there. */
  readonly safety: boolean;
}

const namesOf = ({ volume }: VmDiskStatus): readonly string[] => volume?.snapshots ?? [];

/** Undefined for a VM that has none of it. `policy`: what holds for the VM, as it is written. */
export function wholeVmStatus(
  vm: Vm,
  disks: readonly VmDiskStatus[],
  policy: string | undefined,
): WholeVmStatus | undefined {
  const written = disks.filter(
    ({ disk: { kind }, volume }) => volume && ['clone', 'persistent', 'volatile'].includes(kind),
  );
  const snapshots = vm.systemSnapshots.map(({ id, name }) => {
    const has = (each: VmDiskStatus): boolean =>
      namesOf(each).some((text) => {
        const point = parseVmSnapshot(text);
        return point?.vmId === vm.id && point.snapshotId === id;
      });
    return {
      id,
      name,
      disks: written.filter(has).map(({ disk }) => disk.id),
      missing: written.filter((each) => !has(each)).map(({ disk }) => disk.id),
    };
  });
  const points = new Set(
    written.flatMap(namesOf).flatMap((text) => {
      const point = parsePolicySnapshot(text);
      return point?.vmId === vm.id ? [point.at] : [];
    }),
  );
  const safety = written.some((each) => namesOf(each).includes(revertSnapshotName(vm.id)));
  if (snapshots.length === 0 && points.size === 0 && !safety && policy === undefined) return undefined;
  return {
    snapshots,
    ...(policy === undefined ? {} : { policy }),
    points: [...points].sort((a, b) => a - b),
    safety,
  };
}

const when = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');

/** Sentences for a person. */
export function describeWholeVm(status: WholeVmStatus, vmId: number): { text: string; isTrouble: boolean }[] {
  const { snapshots, policy, points, safety } = status;
  const lines = snapshots.map(({ id, name, disks, missing }) => ({
    text:
      missing.length === 0
        ? `${id} “${name}”: disks ${disks.join(', ')}`
        : disks.length === 0
          ? `${id} “${name}”: LINSTOR has no such snapshot; delete it: onevm snapshot-delete ${vmId} ${id}`
          : `${id} “${name}”: disks ${disks.join(', ')}; not ${missing.join(', ')}, which would have to be detached before a revert`,
    isTrouble: disks.length === 0,
  }));
  const [first, last] = [points[0], points.at(-1)];
  if (policy !== undefined || points.length > 0)
    lines.push({
      text: `policy ${policy ?? 'none'}: ${first === undefined || last === undefined ? 'none taken yet' : `${points.length} from ${when(first)} to ${when(last)} UTC (linstor_un snapshots list vm ${vmId})`}`,
      isTrouble: false,
    });
  if (safety)
    lines.push({
      text: `what the disks held before a revert is in their snapshots one-revert-${vmId}: the revert is under way or was cut off`,
      isTrouble: true,
    });
  return lines;
}
