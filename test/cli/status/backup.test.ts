import { describe, expect, test } from 'bun:test';
import { backupStatus, describeBackup } from '../../../src/cli/status/backup.ts';
import type { VmDiskStatus } from '../../../src/cli/status/object.ts';
import type { VolumeStatus } from '../../../src/cli/status/volume.ts';
import { disk, vm } from '../world.ts';

const withSnapshots = (id: number, ...snapshots: string[]): VmDiskStatus => ({
  disk: disk(id),
  volume: { snapshots } as unknown as VolumeStatus,
});
const chained = (last: string) => vm(7, { backup: { MODE: 'INCREMENT', LAST_INCREMENT_ID: last } });

describe('the chain of a VM', () => {
  test('a VM that is not backed up says nothing', () => {
    expect(backupStatus(vm(7, { backup: {} }), [withSnapshots(0)])).toBeUndefined();
  });

  test('which snapshots the next increment is the difference to, and which are lost', () => {
    const disks = [
      withSnapshots(0, 'one-backup-3', 'one-backup-4'),
      withSnapshots(1, 'one-backup-4'),
      withSnapshots(2, 'one-backup-3-vm-7', 'one-backup-9-vm-8'),
    ];
    const status = backupStatus(chained('3'), disks);
    expect(status).toEqual({ mode: 'INCREMENT', last: 3, ready: [0, 2], lost: [1], brokenRestore: false });
    const lines = status ? describeBackup(status, 7) : [];
    expect(lines.map(({ isTrouble }) => isTrouble)).toEqual([false, true]);
    expect(lines[1]?.text).toContain('disk 1');
  });

  test('a chain that has not begun', () => {
    expect(backupStatus(chained('-1'), [withSnapshots(0)])).toEqual({
      mode: 'INCREMENT',
      ready: [],
      lost: [],
      brokenRestore: false,
    });
  });

  test('a restore that was broken off is trouble', () => {
    const status = backupStatus(vm(7, { backup: {} }), [withSnapshots(0, 'one-restore-7')]);
    expect(status?.brokenRestore).toBe(true);
    expect(status && describeBackup(status, 7).some(({ isTrouble }) => isTrouble)).toBe(true);
  });
});
