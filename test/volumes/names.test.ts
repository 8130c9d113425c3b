import { describe, expect, test } from 'bun:test';
import { isDriverError } from '../../src/errors.ts';
import { resourceName } from '../../src/linstor/names.ts';
import {
  checkpointResource,
  diskResource,
  imageResource,
  parseResource,
  resourceOfSource,
  scratchResource,
  snapshotId,
  snapshotName,
  sourceOf,
} from '../../src/volumes/names.ts';

describe('names are the published format', () => {
  test('of the bash driver', () => {
    expect<unknown>(imageResource('', 7)).toBe('one-image-7');
    expect<unknown>(diskResource('', 3, 1)).toBe('one-vm-3-disk-1');
    expect<unknown>(checkpointResource('', 3)).toBe('one-vm-3-checkpoint');
    expect(snapshotName(4)).toBe('snapshot-4');
    expect(sourceOf(resourceName('one-image-7'))).toBe('/dev/drbd/by-res/one-image-7/0');
  });

  test('with a prefix, and back', () => {
    expect(parseResource('east-', imageResource('east-', 7))).toEqual({ kind: 'image', imageId: 7 });
    expect(parseResource('east-', diskResource('east-', 3, 12))).toEqual({
      kind: 'disk',
      vmId: 3,
      diskId: 12,
    });
    expect(parseResource('', checkpointResource('', 3))).toEqual({ kind: 'checkpoint', vmId: 3 });
    expect(parseResource('', scratchResource('', 'copy', 'a1b2c3d4'))).toEqual({ kind: 'scratch' });
  });

  test('another installation’s objects are foreign', () => {
    expect(parseResource('east-', 'one-image-7')).toBeUndefined();
    expect(parseResource('', 'east-one-image-7')).toBeUndefined();
    expect(parseResource('', 'one-image-7x')).toBeUndefined();
    expect(parseResource('', 'one-image-')).toBeUndefined();
  });

  test('helper and backup snapshots are no snapshots of OpenNebula', () => {
    expect(snapshotId('snapshot-12')).toBe(12);
    expect(snapshotId('one-vm-1-disk-0')).toBeUndefined();
    expect(snapshotId('one-backup-1')).toBeUndefined();
    expect(snapshotId('snapshot-1x')).toBeUndefined();
  });

  test('a SOURCE names its resource by its path, not by an image id', () => {
    expect<unknown>(resourceOfSource('/dev/drbd/by-res/OpenNebula-Image-8/0')).toBe('OpenNebula-Image-8');
    expect<unknown>(resourceOfSource(' /dev/drbd/by-res/one-image-1/0\n')).toBe('one-image-1');
  });

  const hostile = [
    '',
    '/dev/drbd1000',
    '/dev/drbd/by-res/../0',
    '/dev/drbd/by-res/a b/0',
    '/dev/drbd/by-res/one-image-1/1',
    'one-image-1',
    '/dev/drbd/by-res/1image/0',
    '/x/dev/drbd/by-res/one-image-1/0',
    '/dev/drbd/by-res/one-image-1/0/0',
  ];
  test.each(hostile)('SOURCE “%s” is refused', (source) => {
    let thrown: unknown;
    try {
      resourceOfSource(source);
    } catch (error) {
      thrown = error;
    }
    expect(isDriverError(thrown, 'BAD_ARGUMENT')).toBe(true);
  });

  test('a prefix that makes an invalid name is an error, not a name', () => {
    expect(() => imageResource('1', 7)).toThrow(/valid LINSTOR resource name/);
    expect(() => imageResource(`a${'b'.repeat(48)}`, 7)).toThrow(/NAME_PREFIX|valid LINSTOR/);
  });
});
