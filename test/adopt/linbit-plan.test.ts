import { describe, expect, test } from 'bun:test';
import { planMove } from '../../src/adopt/linbit-plan.ts';
import type { Disk, Image, Vm } from '../../src/opennebula/one.ts';
import { definition, disk, image, imageDatastore, vm } from '../cli/world.ts';

const theirs = { id: 200, dsMad: 'linstor', tmMad: 'linstor' } as const;
const linbit = (id: number, change: Partial<Image> = {}): Image =>
  image(id, { source: `OpenNebula-Image-${id}`, datastoreId: 200, ...change });

function plan(images: readonly Image[], vms: readonly Vm[], volumes: readonly string[]) {
  return planMove({
    datastores: [imageDatastore(), imageDatastore({ ...theirs })],
    images,
    vms,
    definitions: volumes.map((name) => definition(name)),
    target: 100,
  });
}

const off = (id: number, disks: readonly Partial<Disk>[], change: Partial<Vm> = {}): Vm =>
  vm(id, {
    state: 8,
    lcmState: 0,
    disks: disks.map((each, index) =>
      disk(index, { tmMad: 'linstor', source: 'OpenNebula-Image-1', kind: 'clone', ...each }),
    ),
    snapshots: [],
    ...change,
  });

describe('a VM is left', () => {
  const base = [linbit(1)];
  const volumes = ['OpenNebula-Image-1', 'OpenNebula-Image-1-vm7-disk0'];
  const left = (of: Vm, there = volumes): string | undefined => plan(base, [of], there).vms[0]?.left;

  test('by none of these it is not', () => expect(left(off(7, [{}]))).toBeUndefined());
  test('while it runs', () =>
    expect(left(off(7, [{}], { state: 3, lcmState: 3 }))).toBe('it is not powered off'));
  test('with snapshots of a disk', () =>
    expect(
      left(
        off(7, [{}], {
          snapshots: [{ diskId: 0, snapshots: [{ id: 0, active: true, parent: -1, children: [] }] }],
        }),
      ),
    ).toContain('has snapshots'));
  test('with a shareable disk', () => expect(left(off(7, [{ kind: 'shareable' }]))).toContain('shareable'));
  test('when LINSTOR has no such volume', () =>
    expect(left(off(7, [{}]), ['OpenNebula-Image-1'])).toContain('OpenNebula-Image-1-vm7-disk0'));
  test('until the CD-ROM that it reads is moved', () => {
    const cd = off(7, [{ kind: 'cdrom' }]);
    expect(left(cd)).toContain('is not moved yet');
    const made = image(9, { template: { ADOPTED_FROM: 'OpenNebula-Image-1' } });
    expect(plan([...base, made], [cd], volumes).vms[0]).toMatchObject({ disks: [{ image: 9 }] });
  });
});

test('names are those of LINBIT’s driver', () => {
  const found = plan(
    [linbit(1), linbit(2, { persistent: true, vmIds: [7] })],
    [
      off(7, [
        {},
        { kind: 'persistent', source: '/dev/drbd/by-res/OpenNebula-Image-2/0' },
        { kind: 'volatile', source: '' },
      ]),
    ],
    [
      'OpenNebula-Image-1',
      'OpenNebula-Image-2',
      'OpenNebula-Image-1-vm7-disk0',
      'OpenNebula-Volatile-vm7-disk2',
    ],
  );
  expect<unknown>(found.vms[0]?.disks.map(({ resource }) => resource)).toEqual([
    'OpenNebula-Image-1-vm7-disk0',
    'OpenNebula-Image-2',
    'OpenNebula-Volatile-vm7-disk2',
  ]);
  expect(found.vms[0]?.left).toBeUndefined();
  expect(found.images.map(({ left }) => left)).toEqual([undefined, 'goes with VM 7']);
});

test('VMs and images of other drivers are none of its business', () => {
  const ours = vm(3);
  expect(plan([image(3)], [ours], ['one-image-3'])).toEqual({ images: [], vms: [] });
});
