import { describe, expect, test } from 'bun:test';
import {
  liveSnapshotPairs,
  registerInExecrc,
  revertInExecrc,
  wantedPairs,
} from '../../src/install/vmm-execrc.ts';
import { execrc } from './fixtures.ts';

const pairs = wantedPairs(['kvm', 'qemu']);

describe('LIVE_DISK_SNAPSHOTS', () => {
  test('one pair for each VM driver', () => {
    expect(pairs).toEqual(['kvm-linstor_un', 'qemu-linstor_un']);
    expect(wantedPairs(['gpu'])).toEqual(['gpu-linstor_un']);
  });

  test.each([
    [
      'double quotes',
      'LIVE_DISK_SNAPSHOTS="kvm-qcow2 kvm-ceph"\n',
      'LIVE_DISK_SNAPSHOTS="kvm-qcow2 kvm-ceph kvm-linstor_un qemu-linstor_un"\n',
    ],
    [
      'single quotes',
      "LIVE_DISK_SNAPSHOTS='kvm-qcow2'\n",
      "LIVE_DISK_SNAPSHOTS='kvm-qcow2 kvm-linstor_un qemu-linstor_un'\n",
    ],
    ['an empty value', 'LIVE_DISK_SNAPSHOTS=""\n', 'LIVE_DISK_SNAPSHOTS="kvm-linstor_un qemu-linstor_un"\n'],
    [
      'several lines',
      'LIVE_DISK_SNAPSHOTS="kvm-qcow2\n  kvm-ceph"\n',
      'LIVE_DISK_SNAPSHOTS="kvm-qcow2\n  kvm-ceph kvm-linstor_un qemu-linstor_un"\n',
    ],
    [
      'export',
      'export LIVE_DISK_SNAPSHOTS="a-b"\n',
      'export LIVE_DISK_SNAPSHOTS="a-b kvm-linstor_un qemu-linstor_un"\n',
    ],
    [
      'one pair already',
      'LIVE_DISK_SNAPSHOTS="kvm-linstor_un a-b"\n',
      'LIVE_DISK_SNAPSHOTS="kvm-linstor_un a-b qemu-linstor_un"\n',
    ],
    [
      'a commented line',
      '#LIVE_DISK_SNAPSHOTS="a-b"\nX=1\n',
      '#LIVE_DISK_SNAPSHOTS="a-b"\nX=1\nLIVE_DISK_SNAPSHOTS="kvm-linstor_un qemu-linstor_un"\n',
    ],
    ['no last line end', 'X=1', 'X=1\nLIVE_DISK_SNAPSHOTS="kvm-linstor_un qemu-linstor_un"\n'],
    [
      'two assignments: the last counts',
      'LIVE_DISK_SNAPSHOTS="a"\nLIVE_DISK_SNAPSHOTS="b"\n',
      'LIVE_DISK_SNAPSHOTS="a"\nLIVE_DISK_SNAPSHOTS="b kvm-linstor_un qemu-linstor_un"\n',
    ],
  ])('%s', (_name, before, after) => {
    const result = registerInExecrc(before, pairs);
    expect(result.text).toBe(after);
    expect(liveSnapshotPairs(result.text)).toEqual(expect.arrayContaining(pairs));
    expect(registerInExecrc(after, pairs).edits).toEqual([]);
    expect(revertInExecrc(after, result.edits)).toBe(before);
  });

  test('a bare word gets quotes, since it cannot hold a blank', () => {
    const result = registerInExecrc('LIVE_DISK_SNAPSHOTS=kvm-qcow2\n', pairs);
    expect(result.text).toBe('LIVE_DISK_SNAPSHOTS="kvm-qcow2 kvm-linstor_un qemu-linstor_un"\n');
  });

  test('taken out of a file that was edited since', () => {
    const { text, edits } = registerInExecrc(execrc, pairs);
    const change = (from: string): string =>
      from.replace('kvm-qcow2 ', 'kvm-mine ').replace('elastic-clean', 'elastic-clean x-y');
    expect(revertInExecrc(change(text), edits)).toBe(change(execrc));
    expect(revertInExecrc(text.replace('qemu-linstor_un"', 'qemu-linstor_un kvm-late"'), edits)).toBe(
      execrc.replace('qemu-qcow2"', 'qemu-qcow2 kvm-late"'),
    );
  });
});
