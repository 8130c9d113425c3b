import { beforeEach, describe, expect, test } from 'bun:test';
import { runCli } from '../../../src/cli/main.ts';
import { DriverError } from '../../../src/errors.ts';
import { readInvocation } from '../../../src/invocation.ts';
import { pool, World } from '../world.ts';

let world: World;
beforeEach(() => {
  world = new World();
  world.groups = [{ name: 'opennebula', props: {}, filter: { placeCount: 2, storagePools: ['thin'] } }];
  world.datastores = [];
});

const run = (...argv: string[]): Promise<number> =>
  runCli(['datastore', 'create', ...argv], world.environment());

describe('datastore create', () => {
  test('makes both, as safe as by hand, and a second time nothing', async () => {
    expect(await run('--yes', '--json')).toBe(0);
    const image = {
      NAME: 'linstor-images',
      TYPE: 'IMAGE_DS',
      DS_MAD: 'linstor_un',
      TM_MAD: 'linstor_un',
      DISK_TYPE: 'BLOCK',
      RESOURCE_GROUP: 'opennebula',
      CLONE_MODE: 'snapshot',
      ON_NO_QUORUM: 'suspend-io',
      ON_NO_DATA_ACCESSIBLE: 'suspend-io',
      ON_SUSPENDED_PRIMARY_OUTDATED: 'force-secondary',
      RESTRICTED_DIRS: '/',
      SAFE_DIRS: '/var/tmp',
    };
    const { DS_MAD: _a, RESTRICTED_DIRS: _b, SAFE_DIRS: _c, ...rest } = image;
    const system = { ...rest, NAME: 'linstor-system', TYPE: 'SYSTEM_DS' };
    expect(world.oneWrites).toEqual([
      `allocate ${JSON.stringify(image)} in cluster -1`,
      `allocate ${JSON.stringify(system)} in cluster -1`,
    ]);
    expect(JSON.parse(world.text)).toMatchObject({
      changed: true,
      datastores: [
        { id: 1, name: 'linstor-images', type: 'image', action: 'create' },
        { id: 2, name: 'linstor-system', type: 'system', action: 'create' },
      ],
    });
    world.out.length = 0;
    expect(await run('--yes', '--json')).toBe(0);
    expect(JSON.parse(world.text)).toMatchObject({
      changed: false,
      datastores: [
        { id: 1, action: 'none' },
        { id: 2, action: 'none' },
      ],
    });
    expect(world.oneWrites).toHaveLength(2);
  });

  test('what the group says of hosts that are cut off is left to it', async () => {
    world.properties = {
      'DrbdOptions/Resource/on-no-quorum': 'suspend-io',
      'DrbdOptions/Resource/on-no-data-accessible': 'suspend-io',
      'DrbdOptions/Resource/on-suspended-primary-outdated': 'force-secondary',
    };
    await run('--yes');
    expect(world.datastores.filter(({ template }) => 'ON_NO_QUORUM' in template)).toEqual([]);
  });

  test('goes on where it was broken off', async () => {
    await run('--yes');
    world.datastores.pop();
    expect(await run('--yes')).toBe(0);
    expect(world.datastores.map(({ name }) => name)).toEqual(['linstor-images', 'linstor-system']);
    expect(world.oneWrites).toHaveLength(3);
  });

  test('--dry-run shows it and makes nothing', async () => {
    expect(
      await run('--dry-run', '--name', 'fast', '--replicas', '1', '--encryption', '--cluster', '3'),
    ).toBe(0);
    expect(world.text).toContain('create: image datastore fast-images\n');
    expect(world.text).toMatch(/REPLICA_COUNT +1\n/);
    expect(world.text).toMatch(/ENCRYPTION +yes\n/);
    expect(world.text).toContain('Nothing was created (--dry-run).');
    expect(world.oneWrites).toEqual([]);
  });

  test('asks for what is not given, and for consent', async () => {
    world.interactive = true;
    world.groups.push({ name: 'nvme', props: {}, filter: { placeCount: 1 } });
    world.answers.push('fast', 'nvme');
    expect(await run()).toBe(0);
    expect(world.asked).toEqual([
      'Name of the datastores (NAME-images, NAME-system)',
      'LINSTOR resource group (opennebula, nvme)',
    ]);
    expect(world.datastores.map(({ name, template }) => [name, template['RESOURCE_GROUP']])).toEqual([
      ['fast-images', 'nvme'],
      ['fast-system', 'nvme'],
    ]);
    world.confirm = false;
    expect(await run('--name', 'other', '--group', 'nvme')).toBe(1);
    expect(world.datastores).toHaveLength(2);
  });

  test('without a terminal it wants --yes', async () => {
    expect(await run()).toBe(64);
    expect(world.messages.join()).toContain('use --yes');
    expect(world.oneWrites).toEqual([]);
  });

  test('pools without snapshots get full copies', async () => {
    world.pools = [pool('thin', 'alpha', { supportsSnapshots: false }), pool('thin', 'bravo')];
    await run('--yes');
    expect(world.datastores.map(({ template }) => template['CLONE_MODE'])).toEqual(['copy', 'copy']);
  });
});

describe('what LINSTOR could not do is refused before anything is made', () => {
  const cases: [string, string[], () => unknown, string, string][] = [
    [
      'a group that is not there',
      ['--group', 'nvme'],
      () => undefined,
      'LINSTOR has no resource group “nvme”',
      'linstor resource-group create nvme --place-count 2 --storage-pool thin && linstor volume-group create nvme',
    ],
    [
      'a group without a place count',
      [],
      () => world.groups.splice(0, 1, { name: 'opennebula', props: {}, filter: {} }),
      'no place count',
      '--place-count 2',
    ],
    [
      'more replicas than nodes',
      ['--replicas', '3'],
      () => undefined,
      '3 replicas cannot be placed: only alpha, bravo have',
      'lower --replicas',
    ],
    [
      'a pool that is nowhere',
      ['--pool', 'fat'],
      () => undefined,
      'no node has a storage pool',
      'storage-pool list',
    ],
    [
      'encryption without a passphrase',
      ['--encryption'],
      () => {
        world.encryption = 'unset';
      },
      'passphrase is unset',
      'create-passphrase',
    ],
    [
      'a value that the driver does not take',
      ['--clone-mode', 'fork'],
      () => undefined,
      'CLONE_MODE',
      'datastore --help',
    ],
  ];

  test.each(cases)('%s', async (_, argv, change, message, remedy) => {
    change();
    expect(await run('--yes', ...argv)).toBe(argv.includes('fork') ? 64 : 1);
    expect(world.messages.join()).toContain(message);
    expect(world.messages.join()).toContain(remedy);
    expect(world.oneWrites).toEqual([]);
  });

  test('a datastore of that name that is another one', async () => {
    await run('--yes');
    world.groups.push({ name: 'nvme', props: {}, filter: { placeCount: 1 } });
    expect(await run('--yes', '--group', 'nvme')).toBe(1);
    expect(world.messages.join()).toContain('linstor-images: RESOURCE_GROUP is opennebula, not nvme');
    expect(world.oneWrites).toHaveLength(2);
  });

  test('an oned that does not know the driver', async () => {
    world.oneError = new DriverError('ONE_REFUSED', 'oned refused one.datastore.allocate: TM not known');
    const { datastores } = world;
    world.one = () => ({ ...World.prototype.one.call(world), datastores: async () => datastores });
    expect(await run('--yes')).toBe(1);
    expect(world.messages.join()).toContain('datastore “linstor-images” was not created');
    expect(world.messages.join()).toContain('linstor_un install');
  });
});

test('the action of another name is still an action', () => {
  expect(readInvocation('linstor_un', ['datastore', 'create', '--yes'])).toEqual({
    kind: 'cli',
    argv: ['datastore', 'create', '--yes'],
  });
  expect(readInvocation('linstor_un', ['datastore', 'cp', 'x'])).toMatchObject({ kind: 'action' });
  expect(readInvocation('linstor_un', ['datastore', '--help'])).toMatchObject({ kind: 'cli' });
});
