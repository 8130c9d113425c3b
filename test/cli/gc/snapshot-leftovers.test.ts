import { beforeEach, describe, expect, test } from 'bun:test';
import { runCli } from '../../../src/cli/main.ts';
import { DriverError } from '../../../src/errors.ts';
import type { Image, Vm } from '../../../src/opennebula/one.ts';
import { definition, disk, image, now, replica, snapshot, vm, World } from '../world.ts';

/** Snapshots that an action which was killed left on a volume that is in use. */
let world: World;
beforeEach(() => {
  world = new World();
  // As the driver marks a disk of the deployment that `vm()` has.
  const props = { 'Aux/one/VM_ID': '7', 'Aux/one/DISK_ID': '0', 'Aux/one/DEPLOYMENT': '0-1700000000' };
  world.definitions = [definition('one-image-3'), definition('one-vm-7-disk-0', { props })];
});

const hour = 3_600_000;
const run = (...args: string[]) => runCli(['gc', ...args], world.environment());
const listed = (...ids: number[]): Image['snapshots'] =>
  ids.map((id) => ({ id, active: false, parent: -1, children: [] }));
const ofDisk = (...ids: number[]): Partial<Vm> => ({
  snapshots: [{ diskId: 0, snapshots: listed(...ids) }],
});

async function found(...args: string[]): Promise<string[]> {
  world.out.length = 0;
  expect(await run('--json', ...args)).toBe(0);
  const { leftovers } = JSON.parse(world.text) as {
    leftovers: { kind: string; resource: string; snapshot?: string; proof: string }[];
  };
  return leftovers
    .filter(({ kind }) => kind === 'snapshot')
    .map(({ resource, snapshot: name, proof }) => `${resource}@${name} ${proof}`);
}

describe('a snapshot named after the image that was made of it', () => {
  const places = ['one-vm-7-disk-0', 'one-image-3'] as const;
  test.each(places)('on %s: the image is gone, or complete', async (place) => {
    world.snapshots.push(snapshot(place, 'one-image-8'), snapshot(place, 'one-image-9'));
    world.definitions.push(definition('one-image-9'));
    world.images.push(image(9));
    expect(await found()).toEqual([`${place}@one-image-8 proven`, `${place}@one-image-9 proven`]);
    expect(await run('--apply')).toBe(0);
    expect(world.writes).toEqual([
      `delete snapshot ${place} one-image-8`,
      `delete snapshot ${place} one-image-9`,
    ]);
  });

  test.each([
    [
      'young',
      () =>
        world.snapshots.splice(0, 1, snapshot('one-vm-7-disk-0', 'one-image-9', { createdAt: now - hour })),
    ],
    [
      'of an age that is not known',
      () => {
        const { createdAt: _unknown, ...ageless } = snapshot('one-vm-7-disk-0', 'one-image-9');
        world.snapshots = [ageless];
      },
    ],
    ['of an image that is being made', () => world.images.push(image(9, { state: 4 }))],
    ['of an image that failed', () => world.images.push(image(9, { state: 5, source: '' }))],
    [
      'of a resource that is not complete',
      () => world.definitions.push(definition('one-image-9', { props: { 'Aux/one/INCOMPLETE': 'saveas' } })),
    ],
    [
      'of a disk that is being saved',
      () => {
        world.vms = [vm(7, { lcmState: 26 })];
      },
    ],
    [
      'of a clone on ZFS that lives',
      () => {
        world.definitions.push(definition('one-image-9'));
        world.images.push(image(9));
        world.resources = [
          replica('one-vm-7-disk-0', 'alpha', {
            volumes: [{ number: 0, pool: 'z', provider: 'ZFS_THIN', devicePath: '/dev/drbd1000' }],
          }),
        ];
      },
    ],
    [
      'of a disk of a VM that is not known',
      () => {
        world.vms = [];
      },
    ],
  ] as const)('not one %s', async (_, change) => {
    world.snapshots.push(snapshot('one-vm-7-disk-0', 'one-image-9'));
    change();
    expect(await found()).toEqual([]);
  });

  test('on a disk that may be another OpenNebula’s: by hand', async () => {
    world.definitions = [definition('one-vm-7-disk-0')];
    world.snapshots.push(snapshot('one-vm-7-disk-0', 'one-image-9'));
    expect(await found()).toEqual(['one-vm-7-disk-0@one-image-9 unproven']);
  });
});

describe('a snapshot that OpenNebula has forgotten', () => {
  test('on a disk', async () => {
    world.vms = [vm(7, ofDisk(0, 2))];
    for (const id of [0, 1, 2]) world.snapshots.push(snapshot('one-vm-7-disk-0', `snapshot-${id}`));
    expect(await found()).toEqual(['one-vm-7-disk-0@snapshot-1 proven']);
    expect(await run('--apply')).toBe(0);
    expect(world.writes).toEqual(['delete snapshot one-vm-7-disk-0 snapshot-1']);
  });

  test('on a persistent image: the VM’s list and the image’s both count', async () => {
    world.images = [image(3, { persistent: true, state: 8, snapshots: listed(1) })];
    world.vms = [vm(7, { disks: [disk(0, { kind: 'persistent' })], ...ofDisk(2) })];
    for (const id of [0, 1, 2]) world.snapshots.push(snapshot('one-image-3', `snapshot-${id}`));
    expect(await found()).toEqual(['one-image-3@snapshot-0 proven']);
  });

  test('the first one of a list', async () => {
    world.images = [image(3, { nextSnapshot: 0 })];
    world.snapshots.push(snapshot('one-image-3', 'snapshot-0'), snapshot('one-vm-7-disk-0', 'snapshot-0'));
    expect(await found()).toEqual(['one-image-3@snapshot-0 proven', 'one-vm-7-disk-0@snapshot-0 proven']);
  });

  test('on an image that no VM has', async () => {
    world.images = [image(3, { snapshots: listed(0) })];
    world.snapshots.push(snapshot('one-image-3', 'snapshot-0'), snapshot('one-image-3', 'snapshot-4'));
    expect(await found()).toEqual(['one-image-3@snapshot-4 proven']);
  });

  test.each([
    ['a snapshot', 57],
    ['a snapshot while it is off', 51],
    ['a revert', 58],
    ['hot-plugging', 17],
    ['a backup', 69],
    ['a migration', 4],
  ])('not while the VM is in %s', async (_, lcmState) => {
    world.vms = [vm(7, { lcmState })];
    world.snapshots.push(snapshot('one-vm-7-disk-0', 'snapshot-1'));
    expect(await found('--older-than', '0')).toEqual([]);
    world.images = [image(3, { state: 8 })];
    world.vms = [vm(7, { lcmState, disks: [disk(0, { kind: 'persistent' })] })];
    world.snapshots = [snapshot('one-image-3', 'snapshot-1')];
    expect(await found('--older-than', '0')).toEqual([]);
  });

  test.each([4, 5, 6, 7, 9, 10])('not while the image is in state %d', async (state) => {
    world.images = [image(3, { state })];
    world.snapshots.push(snapshot('one-image-3', 'snapshot-1'));
    expect(await found()).toEqual([]);
  });

  test('a young one is left; one of which OpenNebula has not come to the number is left to a person', async () => {
    world.vms = [vm(7, { snapshots: [{ diskId: 0, snapshots: listed(0), next: 3 }] })];
    world.snapshots.push(
      snapshot('one-vm-7-disk-0', 'snapshot-1', { createdAt: now - hour }),
      snapshot('one-vm-7-disk-0', 'snapshot-2'),
      snapshot('one-vm-7-disk-0', 'snapshot-3'),
    );
    expect(await found()).toEqual([
      'one-vm-7-disk-0@snapshot-2 proven',
      'one-vm-7-disk-0@snapshot-3 unproven',
    ]);
  });

  test('of an image elsewhere: by hand', async () => {
    world.images = [image(3, { datastoreId: 555 })];
    world.snapshots.push(snapshot('one-image-3', 'snapshot-1'));
    expect(await found()).toEqual(['one-image-3@snapshot-1 unproven']);
  });

  /** OpenNebula whose documents of one object differ from its lists. */
  const withOne = (one: Partial<ReturnType<World['one']>>) => {
    const environment = world.environment();
    return {
      ...environment,
      context: async () => {
        const real = await environment.context();
        return { ...real, one: { ...real.one, ...one } };
      },
    };
  };

  test('the VM’s own document decides, not the list of all', async () => {
    world.snapshots.push(snapshot('one-vm-7-disk-0', 'snapshot-1'));
    const environment = withOne({ vm: async () => vm(7, ofDisk(1)) });
    expect(await runCli(['gc', '--apply'], environment)).toBe(0);
    expect(world.text).toBe('Nothing is left over.\n');
    expect(world.writes).toEqual([]);
  });

  test('a document that cannot be read: nothing is a leftover', async () => {
    world.snapshots.push(snapshot('one-vm-7-disk-0', 'snapshot-1'));
    const unreadable = () => Promise.reject(new DriverError('ONE_INCOMPLETE', 'VM 7 has no STATE'));
    expect(await runCli(['gc', '--apply'], withOne({ vm: unreadable }))).toBe(1);
    expect(world.text).toBe('');
    expect(world.writes).toEqual([]);
  });

  test('one that OpenNebula has come to know in between is left', async () => {
    world.snapshots.push(snapshot('one-vm-7-disk-0', 'snapshot-1'));
    let asked = 0;
    const environment = withOne({ vm: async () => vm(7, asked++ === 0 ? {} : ofDisk(1)) });
    expect(await runCli(['gc', '--apply'], environment)).toBe(1);
    expect(world.text).toContain('changed meanwhile and was left');
    expect(world.writes).toEqual([]);
  });
});

describe('backup snapshots', () => {
  const chain = (last: string, mode = 'INCREMENT'): Partial<Vm> => ({
    backup: { MODE: mode, LAST_INCREMENT_ID: last },
  });
  const points = (...names: string[]): void => {
    world.snapshots.push(...names.map((name) => snapshot('one-vm-7-disk-0', name)));
  };

  test('the last recorded increment and the one after it stay', async () => {
    world.vms = [vm(7, { disks: [disk(0)], ...chain('3') })];
    points('one-backup-2', 'one-backup-3', 'one-backup-4', 'one-backup-5', 'one-backup-full');
    expect(await found()).toEqual([
      'one-vm-7-disk-0@one-backup-2 proven',
      'one-vm-7-disk-0@one-backup-5 proven',
      'one-vm-7-disk-0@one-backup-full proven',
    ]);
  });

  test('of a chain that has ended, none', async () => {
    world.vms = [vm(7, { disks: [disk(0)], ...chain('-1') })];
    points('one-backup-0');
    expect(await found()).toEqual(['one-vm-7-disk-0@one-backup-0 proven']);
  });

  test('while a backup runs, and where OpenNebula says nothing of backups, all stay', async () => {
    world.vms = [vm(7, { disks: [disk(0)], ...chain('3'), state: 3, lcmState: 69 })];
    points('one-backup-1', 'one-backup-full');
    expect(await found()).toEqual([]);
    world.vms = [vm(7, { disks: [disk(0)], backup: {} })];
    world.snapshots.pop();
    expect(await found()).toEqual([]);
  });

  test('what a disk held before a restore stays', async () => {
    world.vms = [vm(7, { disks: [disk(0)], ...chain('-1') })];
    points('one-restore-7');
    expect(await found()).toEqual([]);
  });
});
