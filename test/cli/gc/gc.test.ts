import { beforeEach, describe, expect, test } from 'bun:test';
import { findLeftovers, type Leftover } from '../../../src/cli/gc/leftovers.ts';
import { runCli } from '../../../src/cli/main.ts';
import { DriverError } from '../../../src/errors.ts';
import { nodeName } from '../../../src/linstor/names.ts';
import type { Vm } from '../../../src/opennebula/one.ts';
import { vmState } from '../../../src/opennebula/states.ts';
import { kib } from '../../../src/units.ts';
import { definition, disk, diskless, image, now, placedOn, replica, snapshot, vm, World } from '../world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

const done = (id: number, change: Partial<Vm> = {}): Vm => vm(id, { state: 6, lcmState: 0, ...change });
/** As the driver marks a disk of the deployment that `vm()` has. */
const marksOf = (id: number): Record<string, string> => ({
  'Aux/one/VM_ID': String(id),
  'Aux/one/DISK_ID': '0',
  'Aux/one/DEPLOYMENT': '0-1700000000',
});
const hour = 3_600_000;

function find(olderThanMs = 24 * hour): Leftover[] {
  return findLeftovers({
    prefix: '',
    nodeMap: {},
    definitions: world.definitions,
    resources: world.resources,
    snapshots: world.snapshots,
    nodes: world.nodes,
    vms: world.vms,
    images: world.images,
    past: new Map(world.past.map((item) => [item.id, item])),
    now,
    olderThanMs,
  });
}

const brief = (list: readonly Leftover[]): string[] =>
  list.map(
    (item) =>
      `${item.kind} ${item.resource}${item.snapshot ? `@${item.snapshot}` : ''}${item.node ? ` ${item.node}` : ''} ${item.proof}`,
  );

describe('what is left over', () => {
  test('nothing in a healthy cluster', () => {
    expect(find()).toEqual([]);
  });

  test('an image of what was a VM’s disk is an image, under a stand-in’s name too', () => {
    const name = 'one-vm-70-disk-0-r1';
    world.definitions.push(definition(name));
    world.resources.push(
      replica(name, 'alpha'),
      diskless(name, 'bravo', { inUse: false, createdAt: now - 72 * hour }),
    );
    world.images.push(image(40, { source: `/dev/drbd/by-res/${name}/0`, persistent: true }));
    world.past = [done(70)];
    expect(brief(find())).toEqual([`replica ${name} bravo proven`]);
    const holder = vm(41, { disks: [disk(0, { kind: 'persistent', source: `/dev/drbd/by-res/${name}/0` })] });
    world.vms.push({ ...holder, history: holder.history.map((each) => ({ ...each, hostname: 'bravo' })) });
    expect(find()).toEqual([]);
  });

  test('foreign names are never looked at', () => {
    world.definitions.push(
      definition('pvc-123'),
      definition('one-image'),
      definition('one-vm-x-disk-0'),
      definition('vm-100-disk-1'),
    );
    world.snapshots.push(snapshot('pvc-123', 'one-vm-9-disk-0'));
    world.resources.push(diskless('pvc-123', 'bravo'));
    expect(find()).toEqual([]);
  });

  test('a disk of a VM that is done: proven by the deployment alone', () => {
    world.definitions.push(
      definition('one-vm-9-disk-0', { props: marksOf(9) }),
      definition('one-vm-9-disk-1', { props: { ...marksOf(9), 'Aux/one/DEPLOYMENT': '0-1699999999' } }),
      definition('one-vm-9-disk-2', { props: { 'Aux/one/VM_ID': '9', 'Aux/one/DS_ID': '100' } }),
      definition('one-vm-10-disk-0', { props: marksOf(10) }),
    );
    world.resources.push(replica('one-vm-9-disk-0', 'alpha', {}), replica('one-vm-9-disk-0', 'bravo'));
    world.past.push(done(9));
    const found = find();
    expect(brief(found)).toEqual([
      'disk one-vm-9-disk-0 proven',
      'disk one-vm-9-disk-1 unproven',
      'disk one-vm-9-disk-2 unproven',
      'disk one-vm-10-disk-0 unproven',
    ]);
    expect(found[0]?.bytes).toBe(2 * 1024 ** 3);
    expect(found.map((item) => item.doubt)).toEqual([
      undefined,
      'it was made for another deployment',
      'it has no mark of its deployment (made by the bash driver?)',
      'another OpenNebula on this LINSTOR may have it',
    ]);
  });

  test('open devices and living VMs are not ours to take', () => {
    world.definitions.push(
      definition('one-vm-9-disk-0', { props: marksOf(9) }),
      definition('one-vm-7-disk-5', { props: marksOf(7) }),
      definition('one-vm-11-disk-0', { props: marksOf(11) }),
    );
    world.resources.push(replica('one-vm-9-disk-0', 'alpha', { inUse: true }));
    world.past.push(done(9), vm(11, { state: 9 }));
    expect(brief(find())).toEqual(['disk one-vm-9-disk-0 unproven', 'disk one-vm-7-disk-5 unproven']);
  });

  test('images and checkpoints are never proven', () => {
    world.definitions.push(
      definition('one-image-99'),
      definition('one-vm-9-checkpoint'),
      definition('one-vm-7-checkpoint'),
    );
    world.past.push(done(9));
    expect(brief(find())).toEqual(['image one-image-99 unproven', 'checkpoint one-vm-9-checkpoint unproven']);
  });

  test('an image is known by its SOURCE as well as by its id', () => {
    world.definitions.push(definition('one-image-55'), definition('one-image-56'));
    world.images.push(image(80, { source: '/dev/drbd/by-res/one-image-55/0' }), image(56, { source: '' }));
    expect(find()).toEqual([]);
  });

  test('temporary resources by age; the bash driver’s by hand', () => {
    world.definitions.push(
      definition('one-tmp-copy-ab12cd34'),
      definition('one-tmp-revert-00000000'),
      definition('one-tmp-copy-young'),
      definition('one-image-3-tmp'),
      definition('one-tmp-copy-held'),
    );
    world.resources.push(
      replica('one-tmp-copy-ab12cd34', 'alpha', { createdAt: now - 72 * hour }),
      replica('one-tmp-copy-young', 'alpha', { createdAt: now - hour }),
      replica('one-tmp-copy-held', 'alpha', { inUse: true }),
    );
    const found = find();
    expect(brief(found)).toEqual([
      'scratch one-tmp-copy-ab12cd34 proven',
      'scratch one-tmp-revert-00000000 unproven',
      'scratch one-image-3-tmp unproven',
      'scratch one-tmp-copy-held unproven',
    ]);
    expect(found[0]?.why).toBe('temporary resource of an action, 3 days old');
  });

  test('temporary resources of actions that were killed before they had a replica, by the time of their definition', () => {
    const at = (name: string, hours: number) =>
      definition(name, { props: { [`Aux/one/MADE_AT/${name}`]: String(now - hours * hour) } });
    world.definitions.push(at('one-tmp-backup-v7d0new', 72), at('one-tmp-copy-young', 1));
    expect(brief(find())).toEqual(['scratch one-tmp-backup-v7d0new proven']);
  });

  test('plain storage does not tell who has it open: age alone must do', () => {
    world.definitions.push(definition('one-tmp-copy-ab12cd34', { layers: ['STORAGE'] }));
    const { inUse: _unknown, ...plain } = replica('one-tmp-copy-ab12cd34', 'alpha', {
      createdAt: now - 2 * hour,
    });
    world.resources.push(plain);
    expect(find()).toEqual([]);
    expect(brief(find(0))).toEqual(['scratch one-tmp-copy-ab12cd34 unproven']);
    world.resources.splice(-1, 1, { ...plain, createdAt: now - 30 * hour });
    expect(brief(find())).toEqual(['scratch one-tmp-copy-ab12cd34 proven']);
  });

  test('helper snapshots of clones that are gone', () => {
    world.snapshots.push(
      snapshot('one-image-3', 'one-vm-9-disk-0'),
      snapshot('one-image-3', 'one-vm-10-disk-0'),
      snapshot('one-image-3', 'one-vm-7-disk-0'),
      snapshot('one-image-3', 'snapshot-0'),
      snapshot('one-image-99', 'one-vm-9-disk-0'),
      snapshot('one-vm-7-disk-0', 'saveas-0a1b2c3d'),
      snapshot('one-vm-7-disk-0', 'saveas-00000000', { createdAt: now - hour }),
      snapshot('one-vm-7-disk-0', 'snapshot-3', { flags: ['FAILED_DEPLOYMENT'] }),
      snapshot('one-vm-7-disk-0', 'going', { flags: ['DELETE', 'FAILED_DEPLOYMENT'] }),
    );
    world.past.push(done(9));
    expect(brief(find())).toEqual([
      'snapshot one-image-3@one-vm-9-disk-0 proven',
      'snapshot one-image-3@one-vm-10-disk-0 unproven',
      'snapshot one-image-99@one-vm-9-disk-0 unproven',
      'snapshot one-vm-7-disk-0@saveas-0a1b2c3d proven',
      'snapshot one-vm-7-disk-0@snapshot-3 proven',
    ]);
  });

  test('replicas attached without a VM there', () => {
    world.nodes.push({ ...(world.nodes[0] as (typeof world.nodes)[0]), name: nodeName('charlie') });
    world.vms = [
      vm(7, {
        history: placedOn('charlie', 2),
      }),
    ];
    world.resources.push(
      diskless('one-vm-7-disk-0', 'charlie'),
      diskless('one-image-3', 'charlie'),
      diskless('one-image-3', 'bravo', { flags: ['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'] }),
      diskless('one-image-3', 'delta', { inUse: true }),
      diskless('one-image-3', 'echo', { createdAt: now - hour }),
      diskless('one-image-3', 'golf', { stateKnown: false }),
    );
    expect(brief(find())).toEqual([
      'replica one-image-3 charlie proven',
      'replica one-image-3 delta unproven',
      'replica one-image-3 golf unproven',
    ]);
    world.vms = [
      vm(7, { disks: [disk(0), disk(1, { kind: 'persistent' })], history: (world.vms[0] as Vm).history }),
    ];
    expect(brief(find())).toEqual([
      'replica one-image-3 delta unproven',
      'replica one-image-3 golf unproven',
    ]);
  });

  test('what LINSTOR is deleting is shown with whom it waits for', () => {
    world.definitions.push(definition('one-vm-9-disk-0', { flags: ['DELETE'] }));
    world.resources.push(
      replica('one-vm-9-disk-0', 'alpha', { stateKnown: false }),
      replica('one-image-3', 'charlie', { flags: ['DELETE'] }),
    );
    expect(find().map((item) => [item.kind, item.resource, item.node, item.doubt])).toEqual([
      ['deleting', 'one-vm-9-disk-0', undefined, 'waits for alpha'],
      ['deleting', 'one-image-3', 'charlie', 'see linstor node list and linstor error-reports list'],
    ]);
  });

  test('a disk under a stand-in is the VM’s, with its diskless replica where the VM is', () => {
    world.definitions.push(definition('one-vm-7-disk-0-r1', { props: marksOf(7) }));
    world.resources.push(replica('one-vm-7-disk-0-r1', 'bravo'), diskless('one-vm-7-disk-0-r1', 'alpha'));
    world.vms = [vm(7, { history: placedOn('alpha', 1) })];
    expect(find()).toEqual([]);
  });

  test('5,000 disks take no time to speak of', () => {
    world.definitions = Array.from({ length: 5000 }, (_, id) => definition(`one-vm-${id}-disk-0`));
    world.resources = world.definitions.flatMap((item) => [
      replica(item.name, 'alpha'),
      diskless(item.name, 'bravo'),
    ]);
    world.vms = Array.from({ length: 5000 }, (_, id) =>
      vm(id, {
        history: placedOn('bravo', 1),
      }),
    );
    expect(find()).toEqual([]);
  });
});

describe('gc', () => {
  const run = (...argv: string[]): Promise<number> => runCli(['gc', ...argv], world.environment());

  function leave(): void {
    world.definitions.push(
      definition('one-vm-9-disk-0', { props: marksOf(9) }),
      definition('one-vm-9-checkpoint', {
        volumes: [{ number: 0, sizeKib: kib(1024), flags: [], props: {} }],
      }),
      definition('one-image-99'),
    );
    world.resources.push(replica('one-vm-9-disk-0', 'alpha'), diskless('one-image-3', 'charlie'));
    world.snapshots.push(snapshot('one-image-3', 'one-vm-9-disk-3'));
    world.past.push(done(9));
  }

  test('lists and touches nothing', async () => {
    leave();
    expect(await run()).toBe(0);
    expect(world.writes).toEqual([]);
    expect(world.text).toBe(`Ours and unused: 3, 1 GiB
  one-vm-9-disk-0              1 GiB  VM 9 is done
  one-image-3@one-vm-9-disk-3         helper snapshot of a clone; VM 9 is done
  one-image-3 on charlie              attached without a VM there

  linstor_un gc --apply removes these.

Probably leftovers: 2. Look before you remove one:
  one-vm-9-checkpoint: VM 9 is done; checkpoints have no mark of their
    deployment
    linstor resource-definition delete one-vm-9-checkpoint
  one-image-99: OpenNebula has no image 99; another OpenNebula on this LINSTOR
    may have it
    linstor resource-definition delete one-image-99
`);
  });

  test('--apply removes the proven ones, each under its lock', async () => {
    leave();
    expect(await run('--apply')).toBe(0);
    expect(world.writes).toEqual([
      'delete definition one-vm-9-disk-0',
      'delete snapshot one-image-3 one-vm-9-disk-3',
      'delete resource one-image-3 charlie',
    ]);
    expect(world.locks).toEqual(['rd-one-vm-9-disk-0', 'rd-one-image-3', 'rd-one-image-3']);
    expect(world.text).toContain('removed  one-image-3@one-vm-9-disk-3\n');
  });

  test('two primaries that are still allowed after a live migration', async () => {
    const props = { 'DrbdOptions/Net/allow-two-primaries': 'yes' };
    world.definitions = [definition('one-vm-7-disk-0', { props }), definition('one-image-3', { props })];
    world.vms = [vm(7, { lcmState: 4 })];
    expect(find()).toEqual([]);
    world.vms = [vm(7, { disks: [disk(0), disk(1, { kind: 'shareable' })] as Vm['disks'] })];
    expect(brief(find())).toEqual(['window one-vm-7-disk-0 proven']);
    expect(await run('--apply')).toBe(0);
    expect(world.writes).toEqual(['modify definition one-vm-7-disk-0']);
    expect(world.locks).toEqual(['rd-one-vm-7-disk-0']);
    expect(world.text).toContain('removed  permission for two primaries of one-vm-7-disk-0\n');
    world.resources = world.resources.map((item) => ({ ...item, inUse: true }));
    expect(brief(find())).toEqual(['window one-vm-7-disk-0 unproven']);
  });

  test('the volume of a VM that has read its memory back, and notes of copies and of restored disks that are gone', async () => {
    world.definitions.push(definition('one-vm-7-checkpoint', { props: marksOf(7) }));
    world.resources.push(replica('one-vm-7-checkpoint', 'alpha'));
    world.definitions.push(
      definition('one-vm-7-disk-1', { props: { 'Aux/one/COPY/one-vm-7-disk-1': 'a', ...marksOf(7) } }),
    );
    world.vms = world.vms.map((each) => (each.id === 7 ? vm(7, { disks: [...each.disks, disk(1)] }) : each));
    world.copies = { 'one-vm-7-disk-1': 'a', 'one-vm-9-disk-0': 'b' };
    world.restores = { 'one-vm-7-disk-1': '7', 'one-vm-9-disk-0': '9', 'one-vm-9-disk-1': '9' };
    expect(await run('--apply')).toBe(0);
    expect(world.writes).toEqual(['delete definition one-vm-7-checkpoint']);
    expect(world.copies).toEqual({ 'one-vm-7-disk-1': 'a' });
    expect(world.restores).toEqual({ 'one-vm-7-disk-1': '7' });
  });

  test('a VM that was suspended in between keeps its memory', async () => {
    world.definitions.push(definition('one-vm-7-checkpoint', { props: marksOf(7) }));
    world.resources.push(replica('one-vm-7-checkpoint', 'alpha'));
    const environment = world.environment();
    const { context } = environment;
    const suspended = vm(7, { state: vmState.SUSPENDED });
    const changing = {
      ...environment,
      context: async () => {
        const real = await context();
        return { ...real, one: { ...real.one, vm: async () => suspended } };
      },
    };
    expect(await runCli(['gc', '--apply'], changing)).toBe(1);
    expect(world.writes).toEqual([]);
    expect(world.text).toContain('changed meanwhile and was left');
  });

  test('--name takes one more, and refuses what is none', async () => {
    leave();
    expect(await run('--apply', '--name', 'one-vm-9-checkpoint')).toBe(0);
    expect(world.writes).toContain('delete definition one-vm-9-checkpoint');
    expect(world.writes).not.toContain('delete definition one-image-99');
    world.writes.length = 0;
    expect(await run('--apply', '--name', 'one-vm-7-disk-0')).toBe(64);
    expect(world.messages.join()).toContain('“one-vm-7-disk-0” is not a leftover');
    expect(world.writes).toEqual([]);
  });

  test('what came into use in between is left', async () => {
    leave();
    const environment = world.environment();
    const { context } = environment;
    const changing = {
      ...environment,
      context: async () => {
        const real = await context();
        return {
          ...real,
          lock: async <T>(name: string, work: () => Promise<T>): Promise<T> => {
            // Somebody opens the disk, and another VM gets the image, before the lock is ours.
            world.resources = world.resources.map((item) =>
              item.name === 'one-vm-9-disk-0' ? { ...item, inUse: true } : item,
            );
            world.vms = [
              vm(7),
              vm(8, {
                disks: [disk(0, { kind: 'cdrom' })],
                history: placedOn('charlie', 2),
              }),
            ];
            return real.lock(name, work);
          },
        };
      },
    };
    expect(await runCli(['gc', '--apply'], changing)).toBe(1);
    expect(world.writes).toEqual(['delete snapshot one-image-3 one-vm-9-disk-3']);
    expect(world.text).toContain('left     one-vm-9-disk-0: one-vm-9-disk-0 changed meanwhile and was left');
  });

  test.each(['OpenNebula', 'LINSTOR'])('without an answer of %s nothing is a leftover', async (who) => {
    leave();
    if (who === 'LINSTOR')
      world.linstorError = new DriverError('LINSTOR_UNREACHABLE', 'no controller answers');
    else world.oneError = new DriverError('ONE_UNREACHABLE', 'oned does not answer');
    expect(await run('--apply')).toBe(1);
    expect(world.writes).toEqual([]);
    expect(world.text).toBe('');
  });

  test('an OpenNebula that answers for some VMs only is none', async () => {
    leave();
    const environment = world.environment();
    const failing = {
      ...environment,
      context: async () => {
        const real = await environment.context();
        return {
          ...real,
          one: {
            ...real.one,
            vm: () => Promise.reject(new DriverError('ONE_UNREACHABLE', 'oned went away')),
          },
        };
      },
    };
    expect(await runCli(['gc', '--apply'], failing)).toBe(1);
    expect(world.writes).toEqual([]);
  });

  test('--json', async () => {
    leave();
    expect(await run('--json')).toBe(0);
    const { leftovers, results } = JSON.parse(world.text);
    expect(leftovers).toHaveLength(5);
    expect(leftovers[0]).toMatchObject({
      kind: 'disk',
      resource: 'one-vm-9-disk-0',
      proof: 'proven',
      command: 'linstor resource-definition delete one-vm-9-disk-0',
    });
    expect(results).toEqual([]);
  });

  test('nothing left over', async () => {
    expect(await run()).toBe(0);
    expect(world.text).toBe('Nothing is left over.\n');
  });
});
