import { beforeEach, describe, expect, test } from 'bun:test';
import { runCli } from '../../../src/cli/main.ts';
import { natural } from '../../../src/cli/table.ts';
import type { Resource } from '../../../src/linstor/linstor.ts';
import { kib } from '../../../src/units.ts';
import {
  definition,
  disk,
  diskless,
  host,
  image,
  node,
  placedOn,
  pool,
  replica,
  vm,
  World,
} from '../world.ts';

let world: World;
beforeEach(() => {
  world = new World();
  world.vms = [
    vm(7, { name: 'web', history: placedOn('alpha', 0) }),
    vm(10, { name: 'db', history: placedOn('bravo', 1) }),
  ];
});

const run = (...argv: string[]): Promise<number> => runCli(['status', ...argv], world.environment());

describe('what a person names', () => {
  test('a VM, an image and a datastore by name, of any case', async () => {
    expect(await run('vm', 'web')).toBe(0);
    expect(world.text).toStartWith('VM 7 “web” on alpha');
    world.out.length = 0;
    expect(await run('image', 'IMAGE-3')).toBe(0);
    expect(world.text).toStartWith('Image 3 “image-3”');
    world.out.length = 0;
    expect(await run('datastore', 'images')).toBe(0);
    expect(world.text).toStartWith(
      'Image datastore 100 “images”\n  group one, clone mode copy, not encrypted',
    );
  });

  test.each([
    [['vm', 'wbe'], 'there is no VM called “wbe”', 'did you mean “linstor_un status vm web”?'],
    [['vm', '77'], 'there is no VM 77', 'onevm list'],
    [['image', 'nothing-like-it'], 'there is no image called', 'oneimage list'],
    [['host', 'alhpa'], 'there is no host called “alhpa”', 'linstor_un status host alpha'],
    [['node', 'bravo1'], 'there is no LINSTOR node called “bravo1”', 'linstor_un status node bravo'],
    [['datastore', '0'], 'datastore 0 “default” is not on LINSTOR', 'its driver is ssh'],
  ])('%j is one clear line and no success', async (argv, message, remedy) => {
    expect(await run(...argv)).toBe(1);
    expect(world.text).toBe('');
    expect(world.messages).toHaveLength(1);
    expect(world.messages[0]).toContain(message);
    expect(world.messages[0]).toContain(remedy);
  });

  test('a name of several asks for the id', async () => {
    world.vms.push(vm(12, { name: 'web' }));
    expect(await run('vm', 'web')).toBe(1);
    expect(world.messages.join()).toContain('2 VMs are called “web”: 7, 12');
  });

  test('a VM that is done is found by its id', async () => {
    world.past = [vm(5, { name: 'old', state: 6, disks: [] })];
    expect(await run('vm', '5')).toBe(0);
    expect(world.text).toStartWith('VM 5 “old”');
  });
});

describe('one machine', () => {
  test('its pools, VMs and volumes, the same from both sides', async () => {
    world.definitions.push(definition('one-vm-10-disk-0'));
    world.resources.push(
      replica('one-vm-10-disk-0', 'alpha'),
      diskless('one-vm-10-disk-0', 'bravo', { inUse: true }),
    );
    expect(await run('node', 'bravo')).toBe(0);
    const byNode = world.text;
    expect(byNode).toBe(`Node bravo, host 1 “bravo”: satellite online, takes VMs

Node   Host   State   Pool  Used                Total  Provisioned
bravo  bravo  online  thin  ████░░░░░░  40 %  100 GiB       20 GiB

VMs here
VM  Name  Disk     Volume            Data
10  db    0 clone  one-vm-10-disk-0  over the network

Volumes with data here
Volume             Size  State here  Other replicas
one-image-3      10 GiB  UpToDate    alpha UpToDate
one-vm-7-disk-0  10 GiB  UpToDate    alpha UpToDate
`);
    world.out.length = 0;
    expect(await run('host', 'bravo')).toBe(0);
    expect(world.text).toBe(byNode);
    world.out.length = 0;
    expect(await run('host', '1')).toBe(0);
    expect(world.text).toBe(byNode);
  });

  test('a host that is no node, and a node that is no host', async () => {
    world.hosts = [host(0, 'alpha'), host(2, 'zulu')];
    expect(await run('host', 'zulu')).toBe(1);
    expect(world.text).toContain('host 2 “zulu”: no LINSTOR node, takes VMs');
    world.out.length = 0;
    expect(await run('node', 'bravo')).toBe(0);
    expect(world.text).toContain('Node bravo: satellite online, no host of OpenNebula');
  });
});

test('a datastore lists what it holds, and what is missing', async () => {
  world.images.push(image(4, { name: 'lost' }));
  expect(await run('datastore', '100')).toBe(1);
  expect(world.text).toMatch(/^3 +image-3 +one-image-3 +10 GiB +alpha bravo +ok +2$/m);
  expect(world.text).toMatch(/^4 +lost +none +– +– +missing +0$/m);
});

describe('status and doctor agree', () => {
  const doctorCode = (): Promise<number> => {
    const other = Object.assign(new World(), world, { out: [], messages: [] });
    return runCli(['doctor', '--no-hosts', '--json'], other.environment()).then(() => {
      const { findings } = JSON.parse(other.text) as { findings: { id: string; severity: string }[] };
      const bad = findings.filter(({ severity }) => severity === 'warn' || severity === 'fail');
      return bad.some(({ id }) => /^(?:linstor\.(?:nodes|hosts|read)|storage)/.test(id)) ? 1 : 0;
    });
  };
  const onBravo = (change: Partial<Resource>): void => {
    world.resources = world.resources.map((each) =>
      each.node === 'bravo' && each.name === 'one-vm-7-disk-0' ? { ...each, ...change } : each,
    );
  };
  const inState = (diskState: string): void =>
    onBravo({ volumes: [{ number: 0, pool: 'thin', provider: 'LVM_THIN', diskState }] });
  const cases: [string, () => unknown, number][] = [
    ['all well', () => undefined, 0],
    ...[
      'Inconsistent',
      'Outdated',
      'Failed',
      'DUnknown',
      'Negotiating',
      'Attaching',
      'Consistent',
      'Diskless',
    ].map((state): [string, () => unknown, number] => [`a replica ${state}`, () => inState(state), 1]),
    ['StandAlone', () => onBravo({ connections: { alpha: { connected: false, message: 'StandAlone' } } }), 1],
    ['unknown with a satellite online', () => onBravo({ stateKnown: false }), 1],
    ['being deleted', () => onBravo({ flags: ['DELETE'] }), 1],
    ['no replica', () => world.resources.splice(0), 1],
    ['a dead node', () => world.nodes.splice(1, 1, node('bravo', { status: 'OFFLINE' })), 1],
    ['a dead node of nobody', () => world.nodes.push(node('zulu', { status: 'OFFLINE' })), 0],
    ['a full pool', () => world.pools.splice(0, 1, pool('thin', 'alpha', { freeKib: kib(1) })), 1],
  ];

  test.each(cases)('%s', async (_, change, expected) => {
    change();
    expect([await run(), await doctorCode()]).toEqual([expected, expected]);
  });
});

describe('trouble is told once', () => {
  test('two hundred volumes on a node that is away are one line, with what has no other copy', async () => {
    world.nodes = [node('alpha'), node('bravo', { status: 'OFFLINE' })];
    world.definitions = Array.from({ length: 200 }, (_, id) => definition(`one-vm-${id}-disk-0`));
    world.resources = world.definitions.flatMap((each, index) => [
      ...(index < 3 ? [] : [replica(each.name, 'alpha')]),
      replica(each.name, 'bravo', { stateKnown: false }),
    ]);
    expect(await run()).toBe(1);
    expect(world.text.replaceAll(/\s+/g, ' ')).toContain(
      'bravo is OFFLINE: 200 volumes have a replica there; no other up-to-date replica for 3 volumes',
    );
    expect(world.text).not.toContain('one-vm-7-disk-0');
  });
});

test('names are sorted as people count', async () => {
  expect(['node10', 'node2', 'node1'].sort(natural)).toEqual(['node1', 'node2', 'node10']);
  world.nodes = ['node10', 'node2', 'node1'].map((name) => node(name));
  world.vms = [vm(10), vm(2, { disks: [disk(0), disk(10), disk(2)] })];
  world.definitions = ['one-vm-10-disk-0', 'one-vm-2-disk-10', 'one-vm-2-disk-2'].map((name) =>
    definition(name),
  );
  world.resources = world.definitions.flatMap(({ name }) => [
    replica(name, 'node10'),
    replica(name, 'node2'),
  ]);
  await run();
  const first = (pattern: RegExp): string[] =>
    [...world.text.matchAll(pattern)].map((match) => match[1] ?? '');
  expect(first(/^(node\d+) /gm)).toEqual(['node1', 'node2', 'node10']);
  expect(first(/^(one-vm\S+) /gm)).toEqual(['one-vm-2-disk-2', 'one-vm-2-disk-10', 'one-vm-10-disk-0']);
  expect(world.text).toContain('10 GiB  node2 node10  ok');
});
