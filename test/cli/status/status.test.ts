import { beforeEach, describe, expect, test } from 'bun:test';
import { runCli } from '../../../src/cli/main.ts';
import { bar, cut, duration, table, wrapText } from '../../../src/cli/table.ts';
import { DriverError } from '../../../src/errors.ts';
import { kib } from '../../../src/units.ts';
import { definition, disk, diskless, host, node, pool, replica, snapshot, vm, World } from '../world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

const run = (...argv: string[]): Promise<number> => runCli(['status', ...argv], world.environment());
const gib = 1024 * 1024;
const fits = (): boolean => world.text.split('\n').every((line) => Bun.stringWidth(line) <= 80);

describe('status', () => {
  test('a healthy cluster at a glance', async () => {
    expect(await run()).toBe(0);
    expect(world.text).toBe(`LINSTOR 1.33.3 at linstor://c1 – 2 nodes, 2 online

Node   Host   State   Pool  Used                Total  Provisioned
alpha  alpha  online  thin  ████░░░░░░  40 %  100 GiB       20 GiB
bravo  bravo  online  thin  ████░░░░░░  40 %  100 GiB       20 GiB

Datastores
100  images  image   group one  1 image  10 GiB
101  system  system  group one   1 disk  10 GiB

Volumes  1 VM disk, 1 image; 4 replicas
  all up to date

Volume             Size  Replicas     State  In use on
one-image-3      10 GiB  alpha bravo  ok     –
one-vm-7-disk-0  10 GiB  alpha bravo  ok     alpha
`);
    expect(fits()).toBe(true);
  });

  test('a screen of 60 columns', async () => {
    world.columns = 60;
    await run();
    expect(world.text).toContain('alpha  alpha  online  thin  █▋░░  40 %  100 GiB       20 GiB\n');
    expect(world.text.split('\n').filter((line) => Bun.stringWidth(line) > 60)).toEqual([]);
  });

  test('trouble shows, and is no success', async () => {
    world.nodes = [
      node('alpha'),
      node('bravo', { status: 'OFFLINE' }),
      node('charlie', { flags: ['EVICTED'] }),
    ];
    world.hosts = [host(0, 'alpha.example.org'), host(1, 'bravo', { enabled: false }), host(2, 'zulu')];
    const { freeKib: _free, totalKib: _total, ...unknown } = pool('thin', 'bravo');
    world.pools = [pool('thin', 'alpha', { freeKib: kib(gib), totalKib: kib(15 * gib) }), unknown];
    world.resources = [
      replica('one-image-3', 'alpha'),
      replica('one-image-3', 'bravo', { stateKnown: false }),
      replica('one-vm-7-disk-0', 'alpha', {
        volumes: [
          {
            number: 0,
            pool: 'thin',
            provider: 'LVM_THIN',
            allocatedKib: kib(gib),
            diskState: 'Inconsistent',
          },
        ],
      }),
    ];
    world.definitions.push(definition('one-vm-9-disk-0', { flags: ['DELETE'] }));
    expect(await run()).toBe(1);
    expect(world.text).toBe(`LINSTOR 1.33.3 at linstor://c1 – 3 nodes, 1 online

Node     Host             State    Pool  Used               Total    Provisioned
alpha    alpha.e…ple.org  online   thin  █████████▍  93 %  15 GiB  20 GiB (1.3×)
bravo    bravo (off)      OFFLINE  thin  unknown                          10 GiB
charlie  –                EVICTED  –
Hosts without a LINSTOR node: zulu

Datastores
100  images  image   group one  1 image  10 GiB
101  system  system  group one   1 disk  10 GiB

Volumes  2 VM disks, 1 image; 3 replicas
  bravo is OFFLINE: 1 volume has a replica there
  thin on alpha: 1 GiB of 15 GiB free (6 %)
  one-vm-7-disk-0: alpha Inconsistent
  one-vm-9-disk-0: being deleted
  Run linstor_un doctor for the reasons and remedies.

Volume             Size  Replicas     State     In use on
one-image-3      10 GiB  alpha bravo  degraded  –
one-vm-7-disk-0  10 GiB  alpha        degraded  –
one-vm-9-disk-0  10 GiB               degraded  –

Probably leftovers: 1 object   (linstor_un gc)
`);
    expect(fits()).toBe(true);
  });

  test('5,000 disks are counted, trouble is listed, all of it on demand', async () => {
    world.definitions = Array.from({ length: 5000 }, (_, id) => definition(`one-vm-${id}-disk-0`));
    const broken = [{ number: 0, pool: 'thin', provider: 'LVM_THIN', diskState: 'Outdated' }];
    world.resources = world.definitions.flatMap((item, index) => [
      replica(item.name, 'alpha'),
      replica(item.name, 'bravo', index < 25 ? { volumes: broken } : {}),
    ]);
    world.vms = Array.from({ length: 5000 }, (_, id) => vm(id));
    expect(await run()).toBe(1);
    const lines = world.text.split('\n');
    expect(lines.length).toBeLessThan(45);
    expect(world.text).toContain('Volumes  5000 VM disks, 0 images; 10000 replicas\n');
    expect(world.text).toContain('  one-vm-0-disk-0: bravo Outdated\n');
    expect(world.text).toContain('… and 5 more degraded (--all)');
    expect(fits()).toBe(true);
    world.out.length = 0;
    await run('--all');
    expect(world.text.match(/^one-vm-\d+-disk-0 /gm)).toHaveLength(5000);
  });

  test('without oned the cluster is still shown; without LINSTOR that is said', async () => {
    world.oneError = new DriverError('ONE_UNREACHABLE', 'oned does not answer at localhost:2633');
    expect(await run()).toBe(1);
    expect(world.text).toStartWith(
      'OpenNebula cannot be asked: oned does not answer at localhost:2633\n\nLINSTOR 1.33.3',
    );
    world = new World();
    world.linstorError = new DriverError('LINSTOR_UNREACHABLE', 'no controller answers');
    expect(await run()).toBe(1);
    expect(world.text).toBe('LINSTOR at linstor://c1\n  no controller answers\n');
    expect(await run('vm', '7')).toBe(1);
    expect(world.text).not.toContain('no volume');
  });

  test('a disk that was made under a stand-in, beside the one that LINSTOR cannot delete yet', async () => {
    const going = world.definitions.find(({ name }) => name === 'one-vm-7-disk-0');
    if (!going) throw new Error('the world has changed');
    world.definitions = world.definitions.map((each) =>
      each === going ? { ...each, flags: ['DELETE'] } : each,
    );
    world.definitions.push(definition('one-vm-7-disk-0-r1'), definition('one-vm-7-checkpoint-r2'));
    world.resources.push(
      replica('one-vm-7-disk-0-r1', 'bravo', { inUse: true }),
      replica('one-vm-7-checkpoint-r2', 'bravo'),
    );
    await run('vm', '7', '--json');
    const shown = JSON.parse(world.text) as {
      disks: { volume: { resource: string } }[];
      checkpoint: { resource: string };
    };
    expect(shown.disks[0]?.volume.resource).toBe('one-vm-7-disk-0-r1');
    expect(shown.checkpoint.resource).toBe('one-vm-7-checkpoint-r2');
  });

  test('one VM', async () => {
    world.vms = [
      vm(7, {
        disks: [
          disk(0),
          disk(1, { kind: 'volatile', source: '', imageId: undefined as never }),
          disk(2, { kind: 'persistent' }),
          disk(3, { tmMad: 'ssh', kind: 'clone' }),
        ],
      }),
    ];
    world.resources.push(diskless('one-vm-7-disk-0', 'charlie', { inUse: true }));
    world.snapshots.push(
      snapshot('one-vm-7-disk-0', 'snapshot-0'),
      snapshot('one-vm-7-disk-0', 'snapshot-1', { flags: [] }),
    );
    world.definitions.push(definition('one-vm-7-checkpoint'));
    world.resources.push(replica('one-vm-7-checkpoint', 'alpha'));
    expect(await run('vm', '7')).toBe(1);
    expect(world.text).toBe(`VM 7 “vm-7” on hv1, system datastore 101

Disk 0: clone of image 3, over the network
  one-vm-7-disk-0, 10 GiB, group one, DRBD+STORAGE
    alpha    thin      UpToDate  in use  1 GiB  /dev/drbd1000
    bravo    thin      UpToDate          1 GiB  /dev/drbd1000
    charlie  diskless  Diskless  in use         /dev/drbd1000
    snapshots: snapshot-0, snapshot-1 (incomplete)

Disk 1: volatile
  LINSTOR has no volume for it

Disk 2: persistent of image 3
  one-image-3, 10 GiB, group one, DRBD+STORAGE
    alpha  thin  UpToDate    1 GiB  /dev/drbd1000
    bravo  thin  UpToDate    1 GiB  /dev/drbd1000

Disk 3: clone of image 3
  not on LINSTOR (ssh)

Checkpoint
  one-vm-7-checkpoint, 10 GiB, group one, DRBD+STORAGE
    alpha  thin  UpToDate    1 GiB  /dev/drbd1000
    cannot lose alpha (last copy)
`);
  });

  test('one image, and who uses it', async () => {
    expect(await run('image', '3')).toBe(0);
    expect(world.text).toBe(`Image 3 “image-3” non-persistent, datastore 100
  one-image-3, 10 GiB, group one, DRBD+STORAGE
    alpha  thin  UpToDate    1 GiB  /dev/drbd1000
    bravo  thin  UpToDate    1 GiB  /dev/drbd1000

Used by
  VM 7 “vm-7” disk 0 (clone)
`);
    expect(await run('image', '77')).toBe(1);
    expect(world.messages.join()).toContain('there is no image 77');
  });

  test('--json', async () => {
    await run('--json');
    const { clusters } = JSON.parse(world.text);
    expect(clusters[0]).toMatchObject({
      version: '1.33.3',
      datastores: [
        { id: 100, volumes: 1 },
        { id: 101, volumes: 1 },
      ],
    });
    expect(clusters[0].volumes[1]).toMatchObject({
      resource: 'one-vm-7-disk-0',
      vm: 7,
      disk: 0,
      trouble: [],
    });
    world.out.length = 0;
    await run('vm', '7', '--json');
    expect(JSON.parse(world.text)).toMatchObject({
      vm: { id: 7 },
      disks: [{ id: 0, volume: { resource: 'one-vm-7-disk-0' } }],
      checkpoint: null,
    });
  });

  test('--watch shows it until it is stopped', async () => {
    expect(await run('--watch')).toBe(0);
    expect(world.text).toEndWith('\n12:00:00, refreshing every 2 s, Ctrl-C to quit\n');
    expect(await run('--watch', '--json')).toBe(64);
  });

  test('colours on a terminal only', async () => {
    await run();
    expect(world.text).not.toContain('\u001b');
    const environment = world.environment();
    world.out.length = 0;
    await runCli(['status'], { ...environment, terminal: { ...environment.terminal, color: true } });
    expect(world.text).toContain('\u001b[32m');
    expect(Bun.stripANSI(world.text)).toContain(
      'alpha  alpha  online  thin  ████░░░░░░  40 %  100 GiB       20 GiB\n',
    );
  });
});

describe('layout', () => {
  test('bars', () => {
    expect([bar(0, 4), bar(0.001, 4), bar(0.5, 4), bar(0.99, 4), bar(1, 4), bar(7, 4)]).toEqual([
      '░░░░',
      '▏░░░',
      '██░░',
      '████',
      '████',
      '████',
    ]);
  });

  test('a table that is too wide takes from the columns that may shrink', () => {
    const lines = table(
      [{ title: 'A', shrink: true }, { title: 'B' }],
      [
        ['a'.repeat(30), 'b'.repeat(10)],
        ['x', 'y'],
      ],
      30,
    );
    expect(lines).toEqual([
      'A                   B',
      `${'a'.repeat(9)}…${'a'.repeat(8)}  bbbbbbbbbb`,
      'x                   y',
    ]);
  });

  test('cutting keeps both ends, wrapping keeps words', () => {
    expect(cut('one-vm-7-disk-0', 9)).toBe('one-…sk-0');
    expect(wrapText('aa bb cc dd', 5)).toEqual(['aa bb', 'cc dd']);
    expect([duration(5), duration(1500), duration(125_000)]).toEqual(['5 ms', '1.5 s', '2 min 5 s']);
  });
});
