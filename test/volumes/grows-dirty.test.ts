import { expect, test } from 'bun:test';
import type { LayerKind, Resource } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { growsWithOldBytes } from '../../src/volumes/replicas.ts';

const replica = (
  provider: string,
  layers: LayerKind[] = ['DRBD', 'STORAGE'],
  flags: string[] = [],
): Resource => ({
  name: resourceName('r'),
  node: nodeName('a'),
  flags,
  props: {},
  layers,
  stateKnown: true,
  volumes: [{ number: 0, pool: 'p', provider }],
  connections: {},
});

test('one replica in a thick pool is enough; ZFS, thin pools and encryption show nothing', () => {
  expect(growsWithOldBytes([replica('LVM')])).toBe(true);
  expect(growsWithOldBytes([replica('LVM_THIN'), replica('LVM')])).toBe(true);
  expect(growsWithOldBytes([replica('FILE', ['STORAGE'])])).toBe(true);
  expect(growsWithOldBytes([replica('LVM_THIN'), replica('ZFS_THIN')])).toBe(false);
  expect(growsWithOldBytes([replica('ZFS')])).toBe(false);
  expect(growsWithOldBytes([replica('LVM', ['LUKS', 'STORAGE'])])).toBe(false);
  expect(
    growsWithOldBytes([replica('LVM_THIN'), replica('DISKLESS', ['DRBD', 'STORAGE'], ['DISKLESS'])]),
  ).toBe(false);
});
