import { describe, expect, test } from 'bun:test';
import type { VmDiskStatus } from '../../../src/cli/status/object.ts';
import type { VolumeStatus } from '../../../src/cli/status/volume.ts';
import { describeWholeVm, wholeVmStatus } from '../../../src/cli/status/whole-vm.ts';
import { disk, vm } from '../world.ts';

const withSnapshots = (id: number, ...snapshots: string[]): VmDiskStatus => ({
  disk: disk(id),
  volume: { snapshots } as unknown as VolumeStatus,
});
const snapshot = (id: number) => ({ id, name: `s${id}`, hypervisorId: `one-vm-7-snapshot-${id}` });

describe('snapshots of a whole VM', () => {
  test('a VM that has none says nothing', () => {
    expect(
      wholeVmStatus(vm(7), [withSnapshots(0, 'snapshot-0', 'one-vm-8-snapshot-0')], undefined),
    ).toBeUndefined();
  });

  test('each with its disks; one that lacks a disk, and one that LINSTOR does not have', () => {
    const status = wholeVmStatus(
      vm(7, { systemSnapshots: [snapshot(0), snapshot(1), snapshot(2)] }),
      [
        withSnapshots(0, 'one-vm-7-snapshot-0', 'one-vm-7-snapshot-1'),
        withSnapshots(1, 'one-vm-7-snapshot-0'),
      ],
      '24h',
    );
    expect(status?.snapshots.map(({ disks, missing }) => [disks, missing])).toEqual([
      [[0, 1], []],
      [[0], [1]],
      [[], [0, 1]],
    ]);
    const lines = status ? describeWholeVm(status, 7) : [];
    expect(lines.map(({ isTrouble }) => isTrouble)).toEqual([false, false, true, false]);
    expect(lines[2]?.text).toContain('onevm snapshot-delete 7 2');
    expect(lines[3]?.text).toBe('policy 24h: none taken yet');
  });

  test('what a policy has taken, and a revert that was cut off', () => {
    const status = wholeVmStatus(
      vm(7),
      [
        withSnapshots(
          0,
          'one-policy-7-20261130T150000Z-1',
          'one-policy-8-20261130T160000Z-1',
          'one-revert-7',
        ),
      ],
      undefined,
    );
    expect(status).toEqual({ snapshots: [], points: [Date.parse('2026-11-30T15:00:00Z')], safety: true });
    expect(status && describeWholeVm(status, 7).map(({ isTrouble }) => isTrouble)).toEqual([false, true]);
  });
});
