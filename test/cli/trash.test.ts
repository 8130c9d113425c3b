import { beforeEach, describe, expect, test } from 'bun:test';
import { runCli } from '../../src/cli/main.ts';
import { resourceName } from '../../src/linstor/names.ts';
import { kib } from '../../src/units.ts';
import { freeName } from '../../src/volumes/stand-in.ts';
import { readTrash, type TrashNote, writeTrash } from '../../src/volumes/trash.ts';
import { FakeLinstor } from '../support/fake-linstor.ts';
import {
  definition,
  image,
  imageDatastore,
  now,
  pool,
  replica,
  systemDatastore,
  vm,
  World,
} from './world.ts';

const hour = 3_600_000;

let world: World;
beforeEach(() => {
  world = new World();
  world.datastores = [imageDatastore({ name: 'default' }), systemDatastore()];
});

async function keep(resource: string, change: Partial<TrashNote> = {}): Promise<void> {
  await writeTrash(world.linstor(), '', {
    kind: resource.includes('-vm-') ? 'disk' : 'image',
    resource: resourceName(resource),
    since: now - 10 * hour,
    until: now + 38 * hour,
    reason: 'image deleted',
    name: 'a | “name”',
    datastore: 100,
    type: 0,
    persistent: false,
    yields: false,
    mark: '',
    ...change,
  });
}

function volume(resource: string, props: Record<string, string> = {}): void {
  world.definitions.push(definition(resource, { props }));
  world.resources.push(replica(resource, 'alpha'), replica(resource, 'bravo'));
}

const run = (...args: string[]): Promise<number> => runCli(args, world.environment());

describe('the note', () => {
  test('comes back as it was written, without what a table of the client cannot hold', async () => {
    await keep('one-image-9', { owner: 3 });
    const [text = ''] = Object.values(world.trash);
    expect(text).toMatch(/^[ -{}~]+$/);
    expect(readTrash(world.trash)).toMatchObject([{ name: 'a | “name”', owner: 3, resource: 'one-image-9' }]);
  });

  test('one that is not ours to read is passed over', () => {
    expect(
      readTrash({ a: 'x', b: '{}', c: '[1]', 'one-image-1': '{"kind":"image","resource":"other"}' }),
    ).toEqual([]);
  });
});

describe('gc', () => {
  const leftovers = async (): Promise<string[]> => {
    world.out.length = 0;
    await run('gc', '--json');
    const { leftovers: found } = JSON.parse(world.text) as {
      leftovers: { kind: string; resource: string; proof: string }[];
    };
    return found.map(({ kind, resource, proof }) => `${kind} ${resource} ${proof}`);
  };

  test('what is in the trash is not a leftover until it is due', async () => {
    volume('one-image-9');
    expect(await leftovers()).toEqual(['image one-image-9 unproven']);
    await keep('one-image-9');
    expect(await leftovers()).toEqual([]);
    await keep('one-image-9', { until: now });
    expect(await leftovers()).toEqual(['trash one-image-9 proven']);
    expect(await run('gc', '--apply')).toBe(0);
    expect(world.writes).toEqual(['delete definition one-image-9']);
    expect(world.trash).toEqual({});
  });

  test('a note is for one volume: another of that name is not in the trash, and not removed by it', async () => {
    volume('one-image-9', { 'Aux/one/REGISTRATION/one-image-9': '9-100' });
    await keep('one-image-9', { until: now, mark: '9-50' });
    expect(await leftovers()).toEqual(['image one-image-9 unproven', 'trash-note one-image-9 proven']);
    expect(await run('gc', '--apply')).toBe(0);
    expect(world.writes).toEqual([]);
    expect(world.trash).toEqual({});
  });

  test('what an image has again is not removed; the note is forgotten', async () => {
    volume('one-vm-70-disk-0', { 'Aux/one/DEPLOYMENT': '0-1' });
    await keep('one-vm-70-disk-0', { vm: 70, disk: 0, until: now, mark: '0-1' });
    world.images.push(image(20, { source: '/dev/drbd/by-res/one-vm-70-disk-0/0' }));
    world.past = [vm(70, { state: 6, lcmState: 0, disks: [] })];
    expect(await leftovers()).toEqual(['trash-note one-vm-70-disk-0 proven']);
    expect(await run('gc', '--apply')).toBe(0);
    expect(world.writes).toEqual([]);
    // Nor is it one later, though its VM is done.
    expect(await leftovers()).toEqual([]);
  });

  test('a VM that ends, and an image that is being deleted, keep their notes', async () => {
    volume('one-vm-70-disk-0', { 'Aux/one/DEPLOYMENT': '0-1' });
    await keep('one-vm-70-disk-0', { vm: 70, disk: 0, until: now, mark: '0-1' });
    world.vms.push(vm(70, { lcmState: 11, disks: [] }));
    volume('one-image-9');
    await keep('one-image-9', { until: now });
    world.images.push(image(9, { state: 7 }));
    expect(await leftovers()).toEqual(['disk one-vm-70-disk-0 unproven'].slice(1));
    expect(Object.keys(world.trash).sort()).toEqual(['one-image-9', 'one-vm-70-disk-0']);
  });
});

describe('trash empty', () => {
  test('takes what is due, what is older, or one', async () => {
    for (const id of [7, 8, 9]) volume(`one-image-${id}`);
    await keep('one-image-7', { until: now - 1 });
    await keep('one-image-8', { since: now - 50 * hour });
    await keep('one-image-9');
    expect(await run('trash', 'empty', '--due')).toBe(0);
    expect(await run('trash', 'empty', '--older', '2d', '--yes')).toBe(0);
    expect(world.writes).toEqual(['delete definition one-image-7', 'delete definition one-image-8']);
    expect(await run('trash', 'empty')).toBe(64);
    expect(await run('trash', 'empty', 'one-image-3')).toBe(64);
    expect(world.writes).toHaveLength(2);
    expect(await run('trash', 'empty', 'ONE-IMAGE-9')).toBe(0);
    expect(world.trash).toEqual({});
  });

  test('leaves what is open, and what somebody has', async () => {
    world.definitions.push(definition('one-image-8'));
    world.resources.push(replica('one-image-8', 'alpha', { inUse: true }));
    await keep('one-image-8');
    volume('one-image-9');
    await keep('one-image-9');
    world.images.push(image(30, { source: '/dev/drbd/by-res/one-image-9/0' }));
    volume('one-vm-70-disk-0');
    await keep('one-vm-70-disk-0', { vm: 70, disk: 0 });
    world.vms.push(vm(70, { disks: [] }));
    expect(await run('trash', 'empty', '--yes')).toBe(1);
    expect(world.writes).toEqual([]);
    expect(world.text).toContain('one-image-8 is open on alpha');
    expect(world.text).toContain('image 30 has it');
    expect(world.text).toContain('VM 70 has it');
    expect(Object.keys(world.trash)).toHaveLength(3);
  });
});

describe('trash restore', () => {
  test('tells OpenNebula of the volume, in the datastore that it came from, and gives it back to its owner', async () => {
    volume('one-image-9');
    await keep('one-image-9', { image: 9, name: 'alma', owner: 5, type: 2 });
    expect(await run('trash', 'restore', 'one-image-9')).toBe(0);
    expect(world.oneWrites).toHaveLength(2);
    expect(world.oneWrites[0]).toContain(
      '"NAME":"alma","TYPE":"DATABLOCK","PERSISTENT":"NO","SOURCE":"/dev/drbd/by-res/one-image-9/0","FORMAT":"raw"',
    );
    expect(world.oneWrites[1]).toMatch(/^give image \d+ to 5$/);
    // No mark of a VM was on it: LINSTOR has nothing to do.
    expect(world.writes).toEqual([]);
    expect(world.trash).toEqual({});
  });

  test('a VM’s disk loses its marks; a repeated restore finds the image', async () => {
    volume('one-vm-70-disk-0', { 'Aux/one/DEPLOYMENT': '0-1', 'Aux/one/VM_ID': '70' });
    await keep('one-vm-70-disk-0', { vm: 70, disk: 0, mark: '0-1', name: 'web' });
    world.images.push(image(40, { source: '/dev/drbd/by-res/one-vm-70-disk-0/0' }));
    expect(await run('trash', 'restore', 'one-vm-70-disk-0', '--as-image', 'default')).toBe(0);
    expect(world.oneWrites).toEqual([]);
    expect(world.writes).toEqual(['modify definition one-vm-70-disk-0']);
    expect(world.text).toBe('ID: 40\n');
  });

  test('is refused while the VM lives, and into what is no image datastore of ours', async () => {
    volume('one-vm-70-disk-0');
    await keep('one-vm-70-disk-0', { vm: 70, disk: 0 });
    expect(await run('trash', 'restore', 'one-vm-70-disk-0', '--as-image', 'system')).toBe(64);
    world.vms.push(vm(70, { disks: [] }));
    expect(await run('trash', 'restore', 'one-vm-70-disk-0')).toBe(1);
    expect(world.oneWrites).toEqual([]);
  });
});

describe('a pool that is nearly full', () => {
  const fill = (freeShare: number): void => {
    world.pools = ['alpha', 'bravo'].map((node) =>
      pool('thin', node, { freeKib: kib(Math.round(freeShare * 1e6)), totalKib: kib(1e6) }),
    );
  };
  const low = async (...yielding: string[]): Promise<string[]> => {
    for (const id of [7, 8, 9]) {
      volume(`one-image-${id}`);
      const since = now - (10 - id) * hour;
      await keep(`one-image-${id}`, { since, yields: yielding.includes(`one-image-${id}`) });
    }
    world.onWrite = () => fill(0.5);
    expect(await run('trash', 'empty', '--due')).toBe(0);
    return world.writes;
  };

  test('is relieved by the oldest that may go, and by no more than it needs', async () => {
    fill(0.05);
    expect(await low('one-image-8', 'one-image-9')).toEqual(['delete definition one-image-8']);
  });

  test('keeps what may not go, and all while there is room', async () => {
    fill(0.05);
    expect(await low()).toEqual([]);
    fill(0.2);
    expect(await low('one-image-7')).toEqual([]);
  });
});

test('Tab offers the names of what is there', async () => {
  volume('one-image-9');
  await keep('one-image-9', { image: 9, name: 'alma' });
  await run('complete', '--', 'trash', 'restore', '');
  expect(world.text).toContain('one-image-9\timage 9 “alma”');
  world.out.length = 0;
  await run('complete', '--', 'trash', '');
  expect(world.text).toContain('restore');
  expect(world.text).not.toContain('one-image-9');
});

describe('doctor', () => {
  test('warns of what is overdue by a day', async () => {
    volume('one-image-9');
    await keep('one-image-9', { until: now - 25 * hour });
    await run('doctor', '--no-hosts', '--json');
    const { findings } = JSON.parse(world.text) as { findings: { id: string; object: string }[] };
    expect(findings.find(({ id }) => id === 'storage.trash')).toMatchObject({ object: 'one-image-9' });
    world.out.length = 0;
    await keep('one-image-9', { until: now - 23 * hour });
    await run('doctor', '--no-hosts', '--json');
    expect(world.text).not.toContain('storage.trash');
  });
});

test('the name of what is in the trash is not used anew', async () => {
  const linstor = new FakeLinstor({ nodes: ['a'] });
  const name = resourceName('x-one-vm-70-disk-0');
  const there = { ...definition(name), props: { 'Aux/one/DEPLOYMENT': '0-1' } };
  const note: TrashNote = {
    kind: 'disk',
    resource: name,
    since: 1,
    until: 2,
    reason: '',
    name: '',
    type: 0,
    persistent: true,
    yields: true,
    mark: '0-1',
  };
  await writeTrash(linstor, 'x-', note);
  const ctx = { clock: { now: () => 0, sleep: async () => {} }, log: world.context().log };
  expect(freeName(ctx, linstor, name, { definitions: [there], view: [] })).rejects.toMatchObject({
    code: 'LINSTOR_EXISTS',
  });
});
