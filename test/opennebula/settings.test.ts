import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDriverError } from '../../src/errors.ts';
import { type AttributeName, attributeNames, attributes, namesOf } from '../../src/opennebula/attributes.ts';
import type { DriverConfig } from '../../src/opennebula/config-file.ts';
import { parseDatastore } from '../../src/opennebula/documents.ts';
import type { Attributes } from '../../src/opennebula/one.ts';
import { readSettings, secretsOf } from '../../src/opennebula/read-settings.ts';
import type { Settings } from '../../src/opennebula/settings.ts';

const directory = mkdtempSync(join(tmpdir(), 'settings-'));
afterAll(() => rmSync(directory, { recursive: true }));

function config(values: Attributes = {}, client: DriverConfig['client'] = {}): DriverConfig {
  return { values, client, linstorCommand: 'linstor', ignored: [] };
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isDriverError(error, 'BAD_ATTRIBUTE')) return `${error.message} – ${error.remedy}`;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Reads one attribute, wherever it may stand. */
function read(name: string, value: string): Settings {
  const main = attributeNames.find((candidate) => namesOf(candidate).includes(name)) as AttributeName;
  const inConf = (attributes[main].where as readonly string[]).length === 1;
  return inConf ? readSettings(config({ [name]: value })) : readSettings(config(), { [name]: value });
}

type Row = [name: string, value: string, of: (settings: Settings) => unknown, expected: unknown];

const good: Row[] = [
  [
    'LS_CONTROLLERS',
    'a, b:3370 linstor://c,linstor+ssl://d:3371',
    (s) => s.controllers,
    ['a', 'b:3370', 'linstor://c', 'linstor+ssl://d:3371'],
  ],
  ['LS_CONTROLLERS', '[fd00::1]:3370', (s) => s.controllers, ['[fd00::1]:3370']],
  ['LINSTOR_CONTROLLERS', '192.168.1.10:8080', (s) => s.controllers, ['192.168.1.10:8080']],
  ['LS_CERTFILE', '/etc/one/c.pem', (s) => s.certFile, '/etc/one/c.pem'],
  ['LS_CAFILE', '/etc/one/ca.pem', (s) => s.caFile, '/etc/one/ca.pem'],
  ['LS_TOKEN', 'abc.def', (s) => s.token, 'abc.def'],
  ['LS_USERNAME', 'one', (s) => s.username, 'one'],
  ['LS_PASSWORD', 'p w', (s) => s.password, 'p w'],
  ['RESOURCE_GROUP', 'opennebula', (s) => s.placement.resourceGroup, 'opennebula'],
  ['LINSTOR_RESOURCE_GROUP', 'rg_1', (s) => s.placement.resourceGroup, 'rg_1'],
  ['NODE_LIST', 'n1, n2.example.org  n3', (s) => s.placement.nodeList, ['n1', 'n2.example.org', 'n3']],
  ['LINSTOR_DEPLOYMENT_NODES', 'n1', (s) => s.placement.nodeList, ['n1']],
  ['REPLICA_COUNT', '3', (s) => s.placement.replicaCount, 3],
  ['AUTO_PLACE', '2', (s) => s.placement.replicaCount, 2],
  ['LINSTOR_AUTO_PLACE', '2', (s) => s.placement.replicaCount, 2],
  ['STORAGE_POOL', 'thin,fat', (s) => s.placement.storagePools, ['thin', 'fat']],
  ['LINSTOR_STORAGE_POOL', 'thin', (s) => s.placement.storagePools, ['thin']],
  ['LAYER_LIST', 'drbd,luks,storage', (s) => s.placement.layerList, ['DRBD', 'LUKS', 'STORAGE']],
  ['PROVIDERS', 'lvm_thin ZFS', (s) => s.placement.providers, ['LVM_THIN', 'ZFS']],
  ['REPLICAS_ON_SAME', 'Aux/site rack=a', (s) => s.placement.replicasOnSame, ['Aux/site', 'rack=a']],
  ['REPLICAS_ON_DIFFERENT', 'site', (s) => s.placement.replicasOnDifferent, ['site']],
  ['DO_NOT_PLACE_WITH', 'one-vm-1-disk-0 x2', (s) => s.placement.doNotPlaceWith, ['one-vm-1-disk-0', 'x2']],
  ['DO_NOT_PLACE_WITH_REGEX', '(?i)one-vm-.*', (s) => s.placement.doNotPlaceWithRegex, '(?i)one-vm-.*'],
  ['ENCRYPTION', 'YES', (s) => s.placement.encryption, true],
  ['ENCRYPTION', 'no', (s) => s.placement.encryption, false],
  ['QUORUM', 'Majority', (s) => s.placement.quorum, 'majority'],
  ['ON_NO_QUORUM', 'suspend-io', (s) => s.placement.onNoQuorum, 'suspend-io'],
  ['ON_NO_DATA_ACCESSIBLE', 'io-error', (s) => s.placement.onNoDataAccessible, 'io-error'],
  [
    'ON_SUSPENDED_PRIMARY_OUTDATED',
    'force-secondary',
    (s) => s.placement.onSuspendedPrimaryOutdated,
    'force-secondary',
  ],
  ['QUORUM_TIE_BREAKER', 'no', (s) => s.placement.quorumTieBreaker, false],
  [
    'LINSTOR_PROPERTIES',
    'DrbdOptions/Disk/c-max-rate=100000  Aux/site/rack=a1',
    (s) => s.placement.linstorProperties,
    { 'DrbdOptions/Disk/c-max-rate': '100000', 'Aux/site/rack': 'a1' },
  ],
  ['CLONE_MODE', 'Snapshot', (s) => s.cloneMode, 'snapshot'],
  ['CLONE_MODE', 'clone', (s) => s.cloneMode, 'clone'],
  ['LINSTOR_CLONE_MODE', 'copy', (s) => s.cloneMode, 'copy'],
  ['BRIDGE_LIST', 'h1 h2,10.0.0.3', (s) => s.bridgeList, ['h1', 'h2', '10.0.0.3']],
  ['CHECKPOINT_REPLICA_COUNT', '1', (s) => s.checkpointReplicaCount, 1],
  ['CHECKPOINT_AUTO_PLACE', '2', (s) => s.checkpointReplicaCount, 2],
  ['BACKUP_DIFF', 'thin_delta', (s) => s.backupDiff, 'thin_delta'],
  ['BACKUP_FREEZE_SECONDS', '30', (s) => s.backupFreezeSeconds, 30],
  ['BACKUP_PARALLEL', '4', (s) => s.backupParallel, 4],
  ['LINSTOR_SNAPSHOTS', '24h 7d 4w', (s) => s.snapshotPolicy, { hours: 24, days: 7, weeks: 4 }],
  ['LINSTOR_SNAPSHOTS', 'none', (s) => s.snapshotPolicy, { hours: 0, days: 0, weeks: 0 }],
  ['VM_SNAPSHOT_MEMORY', 'yes', (s) => s.vmSnapshotMemory, true],
  ['TRASH', '48h', (s) => s.trash, 48 * 3_600_000],
  ['TRASH', '90m', (s) => s.trash, 90 * 60_000],
  ['TRASH', '2W', (s) => s.trash, 14 * 86_400_000],
  ['TRASH', 'no', (s) => s.trash, 0],
  ['TRASH_WHEN_FULL', 'empty', (s) => s.trashWhenFull, 'empty'],
  ['SHARED_LOCKS', 'YES', (s) => s.sharedLocks, 'yes'],
  ['DISKLESS_POOL', 'mydiskless', (s) => s.disklessPool, 'mydiskless'],
  ['PREFER_NODE', '1', (s) => s.preferNode, true],
  ['LOCALITY', 'Require', (s) => s.locality, 'require'],
  ['FOLLOW_VM', '30m', (s) => s.followVm, 30 * 60_000],
  ['FOLLOW_VM', 'off', (s) => s.followVm, 0],
  ['STAGING_DIR', '/var/my tmp', (s) => s.stagingDir, '/var/my tmp'],
  ['ALLOW_SCHEMES', 'S3, restic', (s) => s.allowSchemes, ['s3', 'restic']],
  [
    'ALLOW_SOURCES',
    'private, Market.corp:8080',
    (s) => s.allowSources,
    ['private', { host: 'market.corp', port: 8080 }],
  ],
  ['RESTRICTED_DIRS', '/  /etc', (s) => s.restrictedDirs, ['/', '/etc']],
  ['SAFE_DIRS', '/var/tmp /a,b', (s) => s.safeDirs, ['/var/tmp', '/a,b']],
  ['ADOPT_ALLOW', 'OpenNebula-* web', (s) => s.adoptAllow, ['OpenNebula-*', 'web']],
  ['NO_DECOMPRESS', 'yes', (s) => s.noDecompress, true],
  ['LIMIT_TRANSFER_BW', '100M', (s) => s.limitTransferBw, '100M'],
  ['TRANSPORT', 'CLI', (s) => s.transport, 'cli'],
  ['VERIFY', 'on', (s) => s.verify, true],
  ['COMPRESS_TRANSFER', 'true', (s) => s.compressTransfer, true],
  ['FENCE_COMMAND', '/usr/local/sbin/fence', (s) => s.fenceCommand, '/usr/local/sbin/fence'],
  ['FENCE_TIMEOUT', '90', (s) => s.fenceTimeout, 90],
  ['NAME_PREFIX', 'east-', (s) => s.namePrefix, 'east-'],
  ['NODE_MAP', 'h1.example.org=n1, h2=n2', (s) => s.nodeMap, { 'h1.example.org': 'n1', h2: 'n2' }],
];

const bad: [name: string, value: string][] = [
  ['LS_CONTROLLERS', 'ftp://a'],
  ['LS_CONTROLLERS', 'a:99999'],
  ['LS_CERTFILE', 'c.pem'],
  ['LS_KEYFILE', 'k.pem'],
  ['LS_CAFILE', '~/ca.pem'],
  ['LS_TOKEN', 'a\nb'],
  ['LS_TOKEN_FILE', 'token'],
  ['LS_USERNAME', 'a\nb'],
  ['LS_PASSWORD', 'a\rb'],
  ['RESOURCE_GROUP', '1group'],
  ['RESOURCE_GROUP', 'a group'],
  ['LINSTOR_RESOURCE_GROUP', 'x'],
  ['NODE_LIST', 'n1 --force'],
  ['REPLICA_COUNT', '0'],
  ['REPLICA_COUNT', 'two'],
  ['AUTO_PLACE', '-1'],
  ['STORAGE_POOL', 'thin p/2'],
  ['LAYER_LIST', 'drbd,ext4'],
  ['PROVIDERS', 'ceph'],
  ['REPLICAS_ON_SAME', '--rack'],
  ['REPLICAS_ON_DIFFERENT', '=x'],
  ['DO_NOT_PLACE_WITH', 'a$b'],
  ['DO_NOT_PLACE_WITH_REGEX', 'a\nb'],
  ['ENCRYPTION', 'maybe'],
  ['QUORUM', '2'],
  ['ON_NO_QUORUM', 'wait'],
  ['ON_NO_DATA_ACCESSIBLE', 'yes'],
  ['ON_SUSPENDED_PRIMARY_OUTDATED', 'reconnect'],
  ['QUORUM_TIE_BREAKER', '3'],
  ['LINSTOR_PROPERTIES', 'DrbdOptions/Handlers/fence-peer=/bin/sh'],
  ['LINSTOR_PROPERTIES', 'StorDriver/LvcreateOptions=-an'],
  ['LINSTOR_PROPERTIES', 'DrbdOptions/Net/allow-two-primaries=yes'],
  ['LINSTOR_PROPERTIES', 'DrbdOptions/net/Shared-Secret=x'],
  ['LINSTOR_PROPERTIES', 'DrbdOptions/Net/shared-secret=x'],
  ['LINSTOR_PROPERTIES', 'Aux/one/VM_ID=7'],
  ['LINSTOR_PROPERTIES', 'Aux/ONE=1'],
  ['LINSTOR_PROPERTIES', 'Aux/../x=1'],
  ['LINSTOR_PROPERTIES', 'sys/fs/blkio_throttle_read=1'],
  ['LINSTOR_PROPERTIES', 'Aux/a=$(x)'],
  ['LINSTOR_PROPERTIES', 'Aux/a=1 Aux/a=2'],
  ['LINSTOR_PROPERTIES', 'Aux/a'],
  ['LINSTOR_PROPERTIES', '=1'],
  ['LINSTOR_PROPERTIES', 'Aux/a='],
  ['CLONE_MODE', 'link'],
  ['BRIDGE_LIST', '-oProxyCommand=x'],
  ['CHECKPOINT_REPLICA_COUNT', '1.5'],
  ['BACKUP_DIFF', 'bitmap'],
  ['BACKUP_FREEZE_SECONDS', '0'],
  ['BACKUP_PARALLEL', '17'],
  ['ADOPT_ALLOW', 'a/b'],
  ['LINSTOR_SNAPSHOTS', '24'],
  ['LINSTOR_SNAPSHOTS', '24h 12h'],
  ['LINSTOR_SNAPSHOTS', '5m'],
  ['VM_SNAPSHOT_MEMORY', 'ram'],
  ['TRASH', '48'],
  ['TRASH', '0h'],
  ['TRASH', '2 d'],
  ['TRASH_WHEN_FULL', 'yes'],
  ['SHARED_LOCKS', 'sometimes'],
  ['DISKLESS_POOL', 'a b'],
  ['PREFER_NODE', 'sometimes'],
  ['LOCALITY', 'yes'],
  ['FOLLOW_VM', '30'],
  ['FOLLOW_VM', '0m'],
  ['STAGING_DIR', 'tmp'],
  ['ALLOW_SCHEMES', 's3://'],
  ['ALLOW_SOURCES', '10.0.0.0/40'],
  ['ALLOW_SOURCES', 'http://h/'],
  ['ALLOW_SOURCES', 'h:99999'],
  ['ALLOW_SOURCES', '10.1.0.0/16:80'],
  ['ALLOW_SCHEMES', 'file'],
  ['RESTRICTED_DIRS', '/,/etc'],
  ['SAFE_DIRS', '/var/tmp tmp'],
  ['NO_DECOMPRESS', 'si'],
  ['LIMIT_TRANSFER_BW', 'fast'],
  ['LIMIT_TRANSFER_BW', '0'],
  ['TRANSPORT', 'grpc'],
  ['VERIFY', '2'],
  ['COMPRESS_TRANSFER', 'zstd'],
  ['FENCE_COMMAND', 'ipmitool'],
  ['FENCE_TIMEOUT', '0'],
  ['NAME_PREFIX', '9x'],
  ['NAME_PREFIX', 'a-name-that-is-too-long'],
  ['NODE_MAP', 'h1'],
  ['NODE_MAP', 'h1=a h1=b'],
];

describe('every attribute', () => {
  test.each(good)('%s = %s', (name, value, of, expected) => {
    expect(of(read(name, value))).toEqual(expected);
  });

  test.each(bad)('%s = %p is refused with name, value and what is allowed', (name, value) => {
    const message = refusal(() => read(name, value));
    const main = attributeNames.find((candidate) => namesOf(candidate).includes(name)) as AttributeName;
    expect(message).toContain(name);
    expect(message).toContain(attributes[main].allowed);
    expect(message.includes(`“${value}”`)).toBe(!attributes[main].secret);
  });

  test('the tables above leave none out', () => {
    const tested = (rows: readonly (readonly [string, ...unknown[]])[]): Set<string> =>
      new Set(rows.map(([name]) => name));
    expect(attributeNames.filter((name) => !tested(bad).has(name))).toEqual([]);
    const covered = tested(good);
    expect(attributeNames.filter((name) => !covered.has(name))).toEqual(['LS_KEYFILE', 'LS_TOKEN_FILE']);
    const aliases = attributeNames.flatMap((name) => namesOf(name).slice(1));
    expect(aliases.filter((alias) => !covered.has(alias))).toEqual([]);
  });

  test('a blank value is none', () => {
    const blank = Object.fromEntries(attributeNames.map((name) => [name, '  ']));
    expect(readSettings(config(), blank)).toEqual(readSettings(config()));
  });

  test('defaults', () => {
    expect(readSettings(config())).toEqual({
      controllers: ['linstor://localhost'],
      transport: 'rest',
      linstorCommand: 'linstor',
      placement: {
        nodeList: [],
        layerList: [],
        providers: [],
        replicasOnSame: [],
        replicasOnDifferent: [],
        doNotPlaceWith: [],
        linstorProperties: {},
        storagePools: [],
        encryption: false,
      },
      cloneMode: 'copy',
      bridgeList: [],
      disklessPool: 'DfltDisklessStorPool',
      preferNode: false,
      locality: 'off',
      stagingDir: '/var/tmp',
      allowSchemes: [],
      allowSources: [],
      adoptAllow: [],
      noDecompress: false,
      verify: false,
      backupDiff: 'auto',
      backupFreezeSeconds: 10,
      backupParallel: 2,
      trash: 0,
      trashWhenFull: 'keep',
      vmSnapshotMemory: false,
      fenceTimeout: 60,
      namePrefix: '',
      nodeMap: {},
      sharedLocks: 'auto',
      compressTransfer: false,
    });
  });
});

describe('several sources', () => {
  test('the later template wins, attribute by attribute', () => {
    const settings = readSettings(
      config({ CLONE_MODE: 'clone', VERIFY: 'yes' }),
      { CLONE_MODE: 'copy', BRIDGE_LIST: 'a', PREFER_NODE: 'yes' },
      { CLONE_MODE: 'snapshot', PREFER_NODE: 'no' },
    );
    expect(settings).toMatchObject({
      cloneMode: 'snapshot',
      bridgeList: ['a'],
      verify: true,
      preferNode: false,
    });
  });

  test('the main name wins over its alias in one template', () => {
    expect(readSettings(config(), { REPLICA_COUNT: '3', AUTO_PLACE: '2' }).placement.replicaCount).toBe(3);
  });

  test.each(['RESOURCE_GROUP', 'LINSTOR_RESOURCE_GROUP', 'STORAGE_POOL', 'NODE_LIST'])(
    '%s alone takes placement over as a whole',
    (name) => {
      const image = {
        RESOURCE_GROUP: 'rg1',
        REPLICA_COUNT: '3',
        STORAGE_POOL: 'thin',
        LAYER_LIST: 'drbd,storage',
        NODE_LIST: 'n1',
      };
      const { placement } = readSettings(config({ REPLICA_COUNT: '5' }), image, { [name]: 'other' });
      const { resourceGroup, replicaCount, storagePools, layerList, nodeList } = placement;
      const set = [resourceGroup, replicaCount, ...storagePools, ...layerList, ...nodeList].filter(
        (value) => value !== undefined,
      );
      expect(set).toEqual(['other']);
    },
  );

  test.each(['REPLICA_COUNT', 'AUTO_PLACE'])('%s alone does so too', (name) => {
    const { placement } = readSettings(config(), { RESOURCE_GROUP: 'rg1' }, { [name]: '2' });
    expect(placement).toMatchObject({ replicaCount: 2 });
    expect(placement.resourceGroup).toBeUndefined();
  });

  test('a restriction in a later template is added, never passed over', () => {
    const { placement } = readSettings(
      config(),
      { RESOURCE_GROUP: 'rg1' },
      { ENCRYPTION: 'yes', CLONE_MODE: 'copy' },
    );
    expect(placement).toMatchObject({ resourceGroup: 'rg1', encryption: true });
  });

  test('placement comes from the file when no datastore says anything', () => {
    expect(
      readSettings(config({ RESOURCE_GROUP: 'site' }), { CLONE_MODE: 'copy' }).placement.resourceGroup,
    ).toBe('site');
  });

  test('what means nothing in that kind of datastore is passed over, right or wrong', () => {
    const system = { TYPE: 'SYSTEM_DS', SAFE_DIRS: '/system', STAGING_DIR: 'wrong' };
    expect(readSettings(config(), { TYPE: 'IMAGE_DS', SAFE_DIRS: '/var/tmp' }, system)).toMatchObject({
      safeDirs: ['/var/tmp'],
      stagingDir: '/var/tmp',
    });
  });

  test.each(['NAME_PREFIX', 'NODE_MAP', 'FENCE_COMMAND', 'FENCE_TIMEOUT'])(
    '%s in a datastore is refused, not overlooked',
    (name) => {
      expect(refusal(() => readSettings(config(), { [name]: 'a=b' }))).toContain('linstor_un.conf');
    },
  );

  test('a complaint names the datastore', () => {
    const xml =
      '<DATASTORE><ID>104</ID><NAME>images</NAME><TEMPLATE><CLONE_MODE>x</CLONE_MODE></TEMPLATE></DATASTORE>';
    expect(refusal(() => readSettings(config(), parseDatastore(xml).template))).toContain(
      'CLONE_MODE of datastore 104 (images): “x”',
    );
  });
});

describe('controllers', () => {
  const client = { controllers: ['c1'], certFile: '/client.pem', caFile: '/client-ca.pem' };

  test('in this order: datastore, file, client, localhost', () => {
    const of = (...args: Parameters<typeof readSettings>): readonly string[] =>
      readSettings(...args).controllers;
    expect(of(config({ LS_CONTROLLERS: 'f' }, client), { LS_CONTROLLERS: 'd' })).toEqual(['d']);
    expect(of(config({ LS_CONTROLLERS: 'f' }, client), {})).toEqual(['f']);
    expect(of(config({}, client), {})).toEqual(['c1']);
    expect(of(config({}, { controllers: [] }), {})).toEqual(['linstor://localhost']);
  });

  test('a token is never sent to controllers that it was not configured with', () => {
    const settings = readSettings(
      config(),
      { LS_CONTROLLERS: 'a', LS_TOKEN: 'secret', LS_CAFILE: '/ca' },
      { LS_CONTROLLERS: 'b' },
    );
    expect(settings.controllers).toEqual(['b']);
    expect([settings.token, settings.caFile]).toEqual([undefined, undefined]);
  });

  test('controllers alone leave the client’s certificates in force', () => {
    const settings = readSettings(config({}, client), { LS_CONTROLLERS: 'd' });
    expect(settings).toMatchObject({ controllers: ['d'], certFile: '/client.pem', caFile: '/client-ca.pem' });
  });

  test('own certificates replace all of the client’s', () => {
    const settings = readSettings(config({}, client), { LS_CERTFILE: '/own.pem' });
    expect(settings).toMatchObject({ controllers: ['c1'], certFile: '/own.pem' });
    expect(settings.caFile).toBeUndefined();
  });

  test('a key without its certificate', () => {
    expect(refusal(() => readSettings(config(), { LS_KEYFILE: '/k.pem' }))).toContain('LS_CERTFILE is not');
    expect(readSettings(config(), { LS_KEYFILE: '/k.pem', LS_CERTFILE: '/c.pem' }).keyFile).toBe('/k.pem');
  });

  test('token from a file', () => {
    const path = join(directory, 'token');
    writeFileSync(path, 'tok.en\n');
    const settings = readSettings(config(), { LS_TOKEN_FILE: path, LS_PASSWORD: 'pw' });
    expect(settings.token).toBe('tok.en');
    expect(secretsOf(settings)).toEqual(['tok.en', 'pw']);
    expect(refusal(() => readSettings(config(), { LS_TOKEN_FILE: join(directory, 'none') }))).toContain(
      'cannot be read',
    );
    writeFileSync(join(directory, 'two'), 'a\nb\n');
    expect(refusal(() => readSettings(config(), { LS_TOKEN_FILE: join(directory, 'two') }))).toContain(
      'one line',
    );
  });
});
