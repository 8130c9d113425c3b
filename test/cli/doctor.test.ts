import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import type { Finding } from '../../src/cli/checks/check.ts';
import { parseProbe } from '../../src/cli/checks/host-probe.ts';
import { isCommand, pasteable, volumeOf } from '../../src/cli/checks/remedy.ts';
import { between } from '../../src/cli/checks/versions.ts';
import { runCli } from '../../src/cli/main.ts';
import { DriverError } from '../../src/errors.ts';
import { applyPlan } from '../../src/install/apply.ts';
import { type Layout, layoutOf } from '../../src/install/layout.ts';
import { planInstallation } from '../../src/install/plan.ts';
import type { Disk } from '../../src/opennebula/one.ts';
import { kib } from '../../src/units.ts';
import { execrc, FrontEnd, onedConf } from '../install/fixtures.ts';
import {
  capabilities,
  definition,
  disk,
  diskless,
  healthyProbe,
  host,
  image,
  imageDatastore,
  node,
  now,
  placedOn,
  pool,
  replica,
  snapshot,
  systemDatastore,
  vm,
  World,
} from './world.ts';

const gib = 1024 * 1024;
let frontEnd: FrontEnd;
let layout: Layout;
let world: World;

/** A self-contained installation, so that nothing of this machine is looked at. */
beforeEach(() => {
  frontEnd = new FrontEnd();
  frontEnd.write('/one/etc/oned.conf', onedConf, 0o640);
  frontEnd.write('/one/etc/vmm_exec/vmm_execrc', execrc);
  frontEnd.write('/one/var/remotes/VERSION', '7.0.0\n');
  layout = layoutOf({ oneLocation: frontEnd.path('/one') });
  applyPlan(layout, planInstallation(layout, frontEnd.binary, undefined).steps, '2.0.0', new Date(0));
  world = new World();
  world.env = { ONE_LOCATION: frontEnd.path('/one') };
  world.nodes.push(node('tie', { providers: ['DISKLESS'] }));
  world.vms = [vm(7, { history: placedOn('alpha', 101, 1_700_000_000) })];
  world.properties = {
    'DrbdOptions/Resource/on-no-quorum': 'suspend-io',
    'DrbdOptions/Resource/on-no-data-accessible': 'suspend-io',
    'DrbdOptions/Resource/on-suspended-primary-outdated': 'force-secondary',
    'DrbdOptions/AutoEvictAllowEviction': 'false',
  };
});
afterEach(() => frontEnd.remove());

async function findings(...argv: string[]): Promise<{ code: number; list: Finding[] }> {
  world.out.length = 0;
  const code = await runCli(['doctor', '--json', ...argv], world.environment());
  return { code, list: JSON.parse(world.text).findings };
}

const edit = (path: string, change: (text: string) => string): void =>
  writeFileSync(path, change(readFileSync(path, 'utf8')));
const probe = (change: Record<string, string>): void => {
  world.hostAnswer = () => healthyProbe(change);
};

describe('a healthy installation', () => {
  test('all families say so, exit code 0', async () => {
    const { code, list } = await findings();
    expect(list.filter((item) => item.severity !== 'ok').map((item) => item.id)).toEqual([
      'linstor.security',
      'linstor.database',
    ]);
    expect(list.map((item) => item.id)).toEqual([
      'installation',
      'registration',
      'opennebula',
      'linstor',
      'linstor.security',
      'linstor.database',
      'datastores',
      'storage',
      'hosts',
      'hosts',
      'availability',
    ]);
    expect(code).toBe(0);
  });

  test('the screen', async () => {
    expect(await runCli(['doctor'], world.environment())).toBe(0);
    const text = world.text.replaceAll(frontEnd.root, '');
    expect(text).toContain(
      'LINSTOR\n  ok    linstor://c1: LINSTOR 1.33.3 (REST 1.27.0) answered in 0 ms over rest\n',
    );
    expect(text).toContain('Hosts\n  ok    alpha: kernel 5.15.0-100-generic, DRBD 9.2.11, qemu-img 8.2.2\n');
    expect(text).toEndWith('\nNo problems found. (2 hints: linstor_un doctor --all)\n');
  });

  test('nothing is changed', async () => {
    const before = frontEnd.snapshot();
    await findings();
    expect(frontEnd.snapshot()).toEqual(before);
    expect(world.writes).toEqual([]);
  });
});

type Provocation = readonly [
  id: string,
  severity: Finding['severity'],
  what: string,
  remedy: string,
  provoke: () => void,
];

const provocations: readonly Provocation[] = [
  // Installation
  ['installation.binary', 'fail', 'is missing', 'linstor_un install', () => rmSync(layout.binary)],
  [
    'installation.binary',
    'fail',
    'is not executable',
    'linstor_un install',
    () => chmodSync(layout.binary, 0o644),
  ],
  [
    'installation.version',
    'info',
    'installed is 1.9.0',
    'linstor_un upgrade',
    () => edit(layout.manifest, (text) => text.replace('"version": "2.0.0"', '"version": "1.9.0"')),
  ],
  [
    'installation.actions',
    'fail',
    'missing or not executable: tm/linstor_un/ln',
    'linstor_un install',
    () => rmSync(`${layout.remotes}/tm/linstor_un/ln`),
  ],
  [
    'installation.actions',
    'fail',
    'datastore/linstor_un/export and ',
    'linstor_un install',
    () => chmodSync(layout.launcher, 0o644),
  ],
  [
    'installation.dangling',
    'fail',
    'dangling links: tm/linstor_un/ln',
    'linstor_un install',
    () => relink('tm/linstor_un/ln', '/gone'),
  ],
  [
    'installation.direct-links',
    'warn',
    '1 action links point directly at the program: tm/linstor_un/ln',
    'launcher of a few bytes',
    () => {
      truncateSync(layout.binary, 90 * 1024 * 1024);
      relink('tm/linstor_un/ln', layout.binary);
    },
  ],
  [
    'installation.foreign',
    'warn',
    'not ours',
    'sets them aside',
    () => relink('tm/linstor_un/ln', '/bin/sh'),
  ],
  [
    'installation.bash-driver',
    'fail',
    'the bash driver',
    'linstor_un upgrade',
    () => writeFileSync(`${layout.remotes}/datastore/linstor_un/linstor_utils.sh`, ''),
  ],
  [
    'configuration',
    'fail',
    'this is not an assignment',
    '',
    () => writeFileSync(layout.config, 'rm -rf /\n'),
  ],
  [
    'configuration.ignored',
    'warn',
    'REPLICA_COUNT is probably meant',
    'write REPLICA_COUNT in',
    () => writeFileSync(layout.config, 'REPLICA_COUT=3\n'),
  ],
  [
    'datastores.misspelt',
    'fail',
    'ENCRYPTION is probably meant',
    '--append <(echo \'ENCRYPTION="yes"\')',
    () => world.datastores.splice(0, 1, imageDatastore({}, { ENCRYPTON: 'yes' })),
  ],
  [
    'datastores.misspelt',
    'warn',
    'CLONE_MODE is probably meant',
    'remove CLONE_MOD',
    () => world.datastores.splice(1, 1, systemDatastore({}, { CLONE_MOD: 'snapshot' })),
  ],
  [
    'datastores.misplaced',
    'info',
    'ENCRYPTION has no effect here',
    'onedatastore update',
    () => world.images.splice(0, 1, image(3, { template: { ENCRYPTION: 'yes' } })),
  ],
  [
    'datastores.misplaced',
    'info',
    'REPLICA_COUT has no effect here',
    'onedatastore update',
    () =>
      world.vms.splice(0, 1, {
        ...vm(7, { history: placedOn('alpha', 101, 1_700_000_000) }),
        xml: '<VM><USER_TEMPLATE><REPLICA_COUT><![CDATA[3]]></REPLICA_COUT></USER_TEMPLATE></VM>',
      }),
  ],
  ['configuration.ignored', 'info', 'line 1: JQ', 'remove it', () => writeFileSync(layout.config, 'JQ=jq\n')],
  [
    'log',
    'info',
    'there is no structured log',
    '',
    () => {
      world.env = { ...world.env, LINSTOR_UN_LOG: '' };
    },
  ],
  [
    'log',
    'warn',
    'does not exist',
    'install -o oneadmin',
    () => {
      world.env = { ...world.env, LINSTOR_UN_LOG: join(frontEnd.root, 'none/x.log') };
    },
  ],
  // Registration
  ['registration.file', 'fail', 'cannot be read', 'ONE_LOCATION', () => rmSync(layout.onedConf)],
  ['registration.syntax', 'fail', 'line 1', 'correct line', () => edit(layout.onedConf, () => 'A = [')],
  [
    'registration.restricted',
    'warn',
    'IMAGE_RESTRICTED_ATTR = "SOURCE" is missing',
    'add IMAGE_RESTRICTED_ATTR = "SOURCE"',
    () => edit(layout.onedConf, (text) => text.replace('IMAGE_RESTRICTED_ATTR = "SOURCE"', '')),
  ],
  [
    'registration.tm_mad',
    'fail',
    'linstor_un is missing in the list -d',
    'in TM_MAD: ARGUMENTS = "-t 15 -d dummy,lvm,shared,ssh,linstor_un"',
    () =>
      edit(layout.onedConf, (text) =>
        text.replace('shared,ssh,linstor_un"\n]\n\nDATA', 'shared,ssh"\n]\n\nDATA'),
      ),
  ],
  [
    'registration.datastore_mad',
    'fail',
    'missing in the list -s',
    '-s shared,ssh,linstor_un',
    () => edit(layout.onedConf, (text) => text.replace('-s shared,ssh,linstor_un', '-s shared,ssh')),
  ],
  [
    'registration.vm_mad',
    'warn',
    'save=save_linstor_un',
    '-l save=save_linstor_un,restore=restore_linstor_un',
    () => edit(layout.onedConf, (text) => text.replace(/kvm -p -l \S+?(?=")/, 'kvm -p')),
  ],
  [
    'registration.vm_mad',
    'warn',
    'snapshotcreate=snapshot_create_linstor_un',
    'snapshotdelete=snapshot_delete_linstor_un',
    () => edit(layout.onedConf, (text) => text.replace(/,snapshotcreate=\S+?(?=")/, '')),
  ],
  [
    'registration.local-actions',
    'warn',
    'tmsave',
    '',
    () => edit(layout.onedConf, (text) => text.replace('save=save_linstor_un', 'save=tmsave')),
  ],
  [
    'registration.tm_mad_conf',
    'fail',
    'no TM_MAD_CONF section',
    'NAME = "linstor_un", LN_TARGET',
    () => edit(layout.onedConf, (text) => text.replace(/TM_MAD_CONF = \[\s*NAME = "linstor_un"[^\]]*\]/, '')),
  ],
  [
    'registration.ds_mad_conf',
    'fail',
    'no DS_MAD_CONF section',
    'MARKETPLACE_ACTIONS',
    () => edit(layout.onedConf, (text) => text.replace(/DS_MAD_CONF = \[\s*NAME = "linstor_un"[^\]]*\]/, '')),
  ],
  [
    'registration.tm_mad_conf',
    'warn',
    'lacks DISK_TYPE',
    'DISK_TYPE = "BLOCK"',
    () => edit(layout.onedConf, (text) => text.replace(' DISK_TYPE = "BLOCK",', '')),
  ],
  [
    'registration.tm_mad_conf',
    'fail',
    'SHARED = "NO"',
    'SHARED = "YES"',
    () =>
      edit(layout.onedConf, (text) =>
        text.replace('CLONE_TARGET = "SELF", SHARED = "YES"', 'CLONE_TARGET = "SELF", SHARED = "NO"'),
      ),
  ],
  [
    'registration.tm_mad_conf',
    'warn',
    'is defined 2 times',
    'remove all but one',
    () => edit(layout.onedConf, (text) => `${text}TM_MAD_CONF = [ NAME = "linstor_un" ]\n`),
  ],
  [
    'registration.datastore_encrypted_attr',
    'warn',
    'does not name LS_TOKEN',
    'DATASTORE_ENCRYPTED_ATTR = "LS_TOKEN"',
    () => edit(layout.onedConf, (text) => text.replace('DATASTORE_ENCRYPTED_ATTR = "LS_TOKEN"\n', '')),
  ],
  [
    'registration.inherit_datastore_attr',
    'fail',
    'does not name DISK_TYPE',
    'INHERIT_DATASTORE_ATTR',
    () => edit(layout.onedConf, (text) => text.replace(/INHERIT_DATASTORE_ATTR {2}= "DISK_TYPE".*\n/, '')),
  ],
  [
    'registration.live-snapshots',
    'fail',
    'lacks kvm-linstor_un',
    'LIVE_DISK_SNAPSHOTS="kvm-qcow2 kvm-ceph qemu-qcow2 qemu-linstor_un kvm-linstor_un"',
    () => edit(layout.vmmExecrc, (text) => text.replace('kvm-linstor_un ', '')),
  ],
  ['registration.execrc', 'fail', 'cannot be read', 'from OpenNebula', () => rmSync(layout.vmmExecrc)],
  // OpenNebula
  [
    'opennebula.reach',
    'fail',
    'oned does not answer',
    'check that oned runs',
    () => {
      world.oneError = new DriverError('ONE_UNREACHABLE', 'oned does not answer');
    },
  ],
  [
    'opennebula.hosts',
    'warn',
    'state ERROR',
    'onehost enable 1',
    () => {
      world.hosts = [host(0, 'alpha'), host(1, 'bravo', { state: 3, enabled: false })];
    },
  ],
  [
    'opennebula.hosts',
    'info',
    'no hosts yet',
    'onehost create',
    () => {
      world.hosts = [];
    },
  ],
  // LINSTOR
  [
    'linstor.reach',
    'fail',
    'no controller answers',
    'LS_CONTROLLERS',
    () => {
      world.linstorError = new DriverError('LINSTOR_UNREACHABLE', 'no controller answers');
    },
  ],
  [
    'linstor.features',
    'info',
    'CLONE_MODE=clone',
    'upgrade',
    () => {
      world.capabilities = { ...capabilities, clone: false };
    },
  ],
  [
    'linstor.version',
    'fail',
    '1.34.2 with encrypted volumes',
    'past 1.35.2',
    () => {
      world.capabilities = { ...capabilities, serverVersion: '1.34.2' };
      world.definitions.push(definition('one-vm-7-disk-1', { layers: ['DRBD', 'LUKS', 'STORAGE'] }));
      world.resources.push(replica('one-vm-7-disk-1', 'alpha'));
    },
  ],
  [
    'linstor.nodes',
    'fail',
    'the satellite is OFFLINE',
    'systemctl restart linstor-satellite',
    () => {
      world.nodes = [node('alpha'), node('bravo', { status: 'OFFLINE' }), node('tie')];
    },
  ],
  [
    'linstor.nodes',
    'warn',
    'EVICTED',
    'linstor node restore bravo',
    () => {
      world.nodes = [node('alpha'), node('bravo', { flags: ['EVICTED', 'DELETE'] })];
    },
  ],
  [
    'linstor.nodes',
    'fail',
    'no nodes',
    'linstor node create',
    () => {
      world.nodes = [];
    },
  ],
  [
    'linstor.hosts',
    'fail',
    'no node for this host',
    'NODE_MAP="hv9=NODE"',
    () => {
      world.hosts.push(host(9, 'hv9'));
    },
  ],
  [
    'linstor.hosts',
    'info',
    'its LINSTOR node is “bravo”, found by its name without the domain',
    'NODE_MAP="bravo.example.org=bravo"',
    () => {
      world.hosts = [host(0, 'alpha'), host(1, 'bravo.example.org')];
    },
  ],
  [
    'linstor.hosts',
    'info',
    'its LINSTOR node is “bravo”, found by its address',
    'NODE_MAP="10.0.0.2=bravo"',
    () => {
      world.nodes = [node('alpha'), node('bravo', { addresses: ['10.0.0.2'] })];
      world.hosts = [host(0, 'alpha'), host(1, '10.0.0.2')];
    },
  ],
  [
    'linstor.hosts',
    'info',
    'found by the host name that its satellite reports (NodeUname)',
    'NODE_MAP="kvm2=bravo"',
    () => {
      world.nodes = [node('alpha'), node('bravo', { props: { NodeUname: 'kvm2' } })];
      world.hosts = [host(0, 'alpha'), host(1, 'kvm2')];
    },
  ],
  [
    'linstor.balance',
    'warn',
    'hourly balance task',
    'linstor controller set-property BalanceResourcesEnabled false',
    () => {
      world.datastores = [
        imageDatastore({}, { REPLICA_COUNT: '3' }),
        systemDatastore({}, { PREFER_NODE: 'yes' }),
      ];
    },
  ],
  [
    'linstor.encryption',
    'fail',
    'passphrase is locked',
    'linstor encryption enter-passphrase',
    () => {
      world.encryption = 'locked';
      world.datastores = [imageDatastore({}, { ENCRYPTION: 'yes' }), systemDatastore()];
    },
  ],
  [
    'linstor.security',
    'warn',
    'is reached without TLS, and LS_TOKEN',
    'LS_CAFILE',
    () => {
      world.datastores = [
        imageDatastore({}, { LS_CONTROLLERS: 'c1', LS_TOKEN: 'abcdef' }),
        systemDatastore({}, { LS_CONTROLLERS: 'c1', LS_TOKEN: 'abcdef' }),
      ];
    },
  ],
  [
    'datastores.bridges',
    'fail',
    'BRIDGE_LIST names zulu',
    'linstor node list',
    () => {
      world.datastores = [imageDatastore({}, { BRIDGE_LIST: 'zulu' }), systemDatastore()];
    },
  ],
  [
    'storage.leftovers',
    'info',
    '2 objects look like leftovers',
    'linstor_un gc',
    () => {
      world.definitions.push(definition('one-vm-999-disk-0'));
      world.resources.push(replica('one-vm-999-disk-0', 'alpha'));
      world.snapshots.push(snapshot('one-image-3', 'one-vm-998-disk-0'));
    },
  ],
  // Only root can give a directory away.
  ...(process.getuid?.() === 0
    ? [
        [
          'installation.user',
          'warn',
          'doctor does not run as',
          'sudo -u oneadmin',
          () => chownSync(layout.remotes, 12345, 12345),
        ] as const,
      ]
    : []),
  // Datastores
  [
    'datastores.none',
    'info',
    'no datastore uses',
    'linstor_un datastore create',
    () => {
      world.datastores = [];
    },
  ],
  [
    'datastores.disk-type',
    'fail',
    'DISK_TYPE is not set',
    `onedatastore update 101 --append <(echo 'DISK_TYPE="BLOCK"')`,
    () => {
      world.datastores = [imageDatastore(), systemDatastore({}, { DISK_TYPE: '' })];
    },
  ],
  [
    'datastores.io-class',
    'warn',
    'TOTAL_IOPS_SEC is not inherited by disks',
    'linstor_un install --with-io-classes',
    () => {
      world.datastores = [imageDatastore({}, { TOTAL_IOPS_SEC: '500' }), systemDatastore()];
    },
  ],
  [
    'linstor.authentication',
    'info',
    'asks nobody who they are',
    'LS_TOKEN_FILE',
    () => {
      const secured = { LS_CONTROLLERS: 'linstor+ssl://c1' };
      world.datastores = [imageDatastore({}, secured), systemDatastore({}, secured)];
    },
  ],
  [
    'storage.own-snapshots',
    'info',
    '2 snapshots that LINSTOR has taken by itself, of one-vm-7-disk-0',
    'linstor snapshot list -r one-vm-7-disk-0',
    () => {
      world.snapshots = ['autoSnap00001', 'back_20261123_101500', 'mine'].map((name) =>
        snapshot('one-vm-7-disk-0', name),
      );
    },
  ],
  [
    'storage.discards',
    'info',
    '1 encrypted volumes pass no discards on',
    'linstor resource-group set-property one Luks/AllowDiscards true',
    () => {
      world.capabilities = { ...world.capabilities, serverVersion: '1.36.0', restVersion: '1.30.0' };
      world.definitions = [
        definition('one-image-3', {
          layers: ['DRBD', 'LUKS', 'STORAGE'],
          props: { 'Luks/AllowDiscards': 'True' },
        }),
        definition('one-vm-7-disk-0', { layers: ['DRBD', 'LUKS', 'STORAGE'] }),
      ];
    },
  ],
  [
    'datastores.drivers',
    'fail',
    'TM_MAD is “ssh”',
    'TM_MAD="linstor_un"',
    () => {
      world.datastores.push(imageDatastore({ id: 200, tmMad: 'ssh' }));
    },
  ],
  [
    'datastores.context',
    'fail',
    'CONTEXT_DISK_TYPE',
    'CONTEXT_DISK_TYPE="FILE"',
    () => {
      world.datastores = [imageDatastore(), systemDatastore({}, { CONTEXT_DISK_TYPE: 'BLOCK' })];
    },
  ],
  [
    'datastores.attributes',
    'fail',
    'CLONE_MODE',
    '',
    () => {
      world.datastores = [imageDatastore({}, { CLONE_MODE: 'fast' }), systemDatastore()];
    },
  ],
  [
    'datastores.placement',
    'fail',
    'no resource group “two”',
    'linstor resource-group create two',
    () => {
      world.datastores = [
        imageDatastore({}, { RESOURCE_GROUP: 'two' }),
        systemDatastore({}, { RESOURCE_GROUP: 'two' }),
      ];
    },
  ],
  [
    'datastores.placement',
    'fail',
    'no storage pool “fast”',
    'linstor storage-pool list',
    () => {
      world.datastores = [imageDatastore({}, { STORAGE_POOL: 'fast' }), systemDatastore()];
    },
  ],
  [
    'datastores.placement',
    'fail',
    'no node “zulu”',
    'linstor node list',
    () => {
      world.datastores = [
        imageDatastore({}, { NODE_LIST: 'alpha zulu' }),
        systemDatastore({}, { NODE_LIST: 'alpha zulu' }),
      ];
    },
  ],
  [
    'datastores.placement',
    'fail',
    'none of RESOURCE_GROUP',
    'RESOURCE_GROUP=',
    () => {
      world.datastores = [
        imageDatastore({}, { RESOURCE_GROUP: '' }),
        systemDatastore({}, { RESOURCE_GROUP: '' }),
      ];
    },
  ],
  [
    'datastores.place-count',
    'fail',
    'has no place count',
    'linstor resource-group modify one --place-count 2',
    () => {
      world.groups = [{ name: 'one', props: {}, filter: {} }];
    },
  ],
  [
    'datastores.layers',
    'fail',
    'the layer DRBD, which alpha, bravo cannot',
    'drbd-utils',
    () => {
      world.nodes = world.nodes.map((item) => ({ ...item, layers: ['STORAGE'] }));
    },
  ],
  [
    'datastores.layers',
    'warn',
    'the layer DRBD, which bravo cannot',
    'linstor node reconnect',
    () => {
      world.nodes = [node('alpha'), node('bravo', { layers: ['LUKS', 'STORAGE'] })];
    },
  ],
  [
    'datastores.registration',
    'warn',
    'SHARED is “NO”',
    'SHARED="YES"',
    () => {
      world.datastores = [imageDatastore(), systemDatastore({}, { SHARED: 'NO' })];
    },
  ],
  [
    'datastores.registration',
    'info',
    'CLONE_TARGET is “SYSTEM”',
    'only while no VM uses',
    () => {
      world.datastores = [imageDatastore({}, { CLONE_TARGET: 'SYSTEM' }), systemDatastore()];
    },
  ],
  [
    'datastores.pairs',
    'fail',
    'no system datastore goes with it (system datastores here: ssh)',
    'TYPE=SYSTEM_DS',
    () => {
      world.datastores = [imageDatastore(), systemDatastore({ id: 0, tmMad: 'ssh' })];
    },
  ],
  [
    'datastores.attributes',
    'fail',
    'LS_CONTROLLERS differs',
    'LS_CONTROLLERS="c2"',
    () => {
      world.datastores = [imageDatastore({}, { LS_CONTROLLERS: 'c2' }), systemDatastore()];
    },
  ],
  // Storage
  [
    'storage.pools',
    'fail',
    'no storage pool',
    'linstor storage-pool create',
    () => {
      world.pools = [];
    },
  ],
  [
    'storage.pools',
    'fail',
    'capacity is unknown',
    'linstor storage-pool list -n bravo',
    () => {
      const { freeKib: _free, ...broken } = pool('thin', 'bravo');
      world.pools = [pool('thin', 'alpha'), broken];
    },
  ],
  [
    'storage.free',
    'warn',
    '5 GiB of 100 GiB free (5 %)',
    'linstor_un gc',
    () => {
      world.pools = [pool('thin', 'alpha', { freeKib: kib(5 * gib) })];
    },
  ],
  [
    'storage.free',
    'fail',
    '(1 %)',
    'linstor_un gc',
    () => {
      world.pools = [pool('thin', 'alpha', { freeKib: kib(gib) })];
    },
  ],
  [
    'storage.snapshots',
    'info',
    'LVM has no snapshots',
    'thin pool',
    () => {
      world.pools = [pool('fat', 'alpha', { provider: 'LVM', supportsSnapshots: false })];
      world.groups = [{ name: 'one', props: {}, filter: { placeCount: 2, storagePools: ['fat'] } }];
    },
  ],
  [
    'storage.snapshots',
    'fail',
    'LVM has no snapshots',
    'CLONE_MODE=copy',
    () => {
      world.pools = [pool('fat', 'alpha', { provider: 'LVM', supportsSnapshots: false })];
      world.groups = [{ name: 'one', props: {}, filter: { placeCount: 2, storagePools: ['fat'] } }];
      world.datastores = [
        imageDatastore({}, { CLONE_MODE: 'snapshot' }),
        systemDatastore({}, { CLONE_MODE: 'snapshot' }),
      ];
    },
  ],
  [
    'storage.deleting',
    'warn',
    '1 resources are stuck while being deleted',
    'linstor resource list -r one-image-3',
    () => {
      world.definitions = [definition('one-image-3', { flags: ['DELETE'] }), definition('one-vm-7-disk-0')];
    },
  ],
  [
    'storage.sync',
    'warn',
    '1 resources have a replica that is not up to date',
    '--faulty',
    () => {
      world.resources = [
        replica('one-vm-7-disk-0', 'alpha', {
          volumes: [{ number: 0, pool: 'thin', provider: 'LVM_THIN', diskState: 'Inconsistent' }],
        }),
        replica('one-image-3', 'alpha'),
      ];
    },
  ],
  [
    'storage.split',
    'fail',
    'StandAlone',
    'drbdadm status one-image-3',
    () => {
      world.resources.push(
        replica('one-image-3', 'charlie', {
          connections: { alpha: { connected: false, message: 'StandAlone' } },
        }),
      );
    },
  ],
  [
    'storage.replicas',
    'fail',
    'no replica with a disk',
    'linstor resource list -r one-image-3',
    () => {
      world.resources = [replica('one-vm-7-disk-0', 'alpha'), diskless('one-image-3', 'bravo')];
    },
  ],
  [
    'storage.first-replica',
    'warn',
    'name a node as their first that has no replica',
    'linstor volume-definition set-property one-image-3 0 Linstor/Drbd/InitialUptoDateOn alpha',
    () => {
      const volumes = (flags: string[], on: string) => [
        {
          number: 0,
          sizeKib: kib(1024 * 1024),
          flags,
          props: { 'Linstor/Drbd/InitialUptoDateOn': on },
        },
      ];
      world.definitions = [
        definition('one-image-3', { volumes: volumes([], 'CHARLIE') }),
        // Confirmed once, or still to be confirmed by a node that has it.
        definition('one-image-4', { volumes: volumes(['DRBD_INITIALIZED'], 'CHARLIE') }),
        definition('one-vm-7-disk-0', { volumes: volumes([], 'ALPHA') }),
      ];
      world.resources.push(replica('one-image-4', 'alpha'));
    },
  ],
  [
    'storage.snapshots',
    'warn',
    'failed snapshot',
    'linstor snapshot list -r one-image-3',
    () => {
      world.snapshots = [snapshot('one-image-3', 'x', { flags: ['FAILED_DEPLOYMENT'] })];
    },
  ],
  [
    'storage.two-primaries',
    'warn',
    'no live migration is running',
    'linstor resource-definition set-property one-vm-7-disk-0 DrbdOptions/Net/allow-two-primaries',
    () => {
      world.definitions = [
        definition('one-vm-7-disk-0', { props: { 'DrbdOptions/Net/allow-two-primaries': 'yes' } }),
        definition('one-image-3'),
      ];
    },
  ],
  // Hosts
  [
    'hosts.ssh',
    'fail',
    'Permission denied',
    'ssh -o BatchMode=yes alpha true',
    () => {
      world.hostAnswer = () => {
        throw new DriverError('HOST_UNREACHABLE', 'ssh: Permission denied');
      };
    },
  ],
  ['hosts.tools', 'fail', 'not found: qemu-img', 'qemu-utils', () => probe({ missing: 'qemu-img' })],
  ['hosts.tools', 'warn', 'not found: blkdiscard', 'util-linux', () => probe({ missing: 'blkdiscard' })],
  [
    'hosts.qemu',
    'warn',
    'qemu-img 2.12.0 is old',
    '--only-upgrade qemu-utils',
    () => probe({ 'qemu-img': '2.12.0' }),
  ],
  ['hosts.drbd', 'fail', 'no DRBD module', 'drbd-dkms', () => probe({ drbd: '' })],
  ['hosts.drbd', 'fail', 'version 8.4.11', 'rmmod drbd', () => probe({ drbd: '8.4.11' })],
  [
    'hosts.rights',
    'fail',
    'not in group disk',
    'usermod -aG disk oneadmin',
    () => probe({ groups: 'oneadmin kvm' }),
  ],
  [
    'hosts.lvm',
    'warn',
    'LVM scans DRBD',
    'global_filter = [ "r|^/dev/drbd.*|" ]',
    () => probe({ lvm: 'global_filter=["a|.*|"] ' }),
  ],
  ['hosts.multipath', 'warn', 'multipathd', 'devnode "^drbd[0-9]+"', () => probe({ multipath: 'open' })],
  [
    'hosts.suspended',
    'fail',
    'I/O is suspended: one-vm-7-disk-0',
    'drbdadm resume-io one-vm-7-disk-0',
    () => probe({ suspended: 'one-vm-7-disk-0' }),
  ],
  [
    'hosts.noise',
    'warn',
    'the login shell prints without a terminal: "Welcome"',
    'print only where [ -t 1 ]',
    () => {
      world.hostNoise = 'Welcome\nto this host';
    },
  ],
  [
    'hosts.unzeroed',
    'fail',
    'thin pool without zeroing: vg-thin-tpool',
    'lvchange --zero y',
    () => probe({ unzeroed: 'vg-thin-tpool' }),
  ],
  [
    'hosts.kernel',
    'info',
    'linstor-server#525',
    'do not run fsfreeze',
    () => probe({ kernel: '6.8.0-45-generic' }),
  ],
  [
    'hosts.staging',
    'fail',
    '/var/tmp is missing',
    'install -d -m 1777 /var/tmp',
    () => probe({ 'staging-writable': '' }),
  ],
  [
    'hosts.staging',
    'warn',
    '/var/tmp has 256 MiB free',
    'df -h /var/tmp',
    () => probe({ 'staging-free': '262144' }),
  ],
  [
    'hosts.clock',
    'warn',
    'its clock differs by 60 s',
    'timedatectl',
    () => probe({ clock: String(now / 1000 + 60) }),
  ],
  // Availability
  [
    'availability.quorum',
    'fail',
    'quorum is off (datastores 100, 101)',
    'linstor resource-group set-property one DrbdOptions/Resource/quorum majority\n# or, in the datastore: QUORUM="majority"',
    () => groupProps({ 'DrbdOptions/Resource/quorum': 'off' }),
  ],
  [
    'availability.quorum',
    'fail',
    'quorum is off',
    'QUORUM="majority"',
    () => {
      world.datastores = [imageDatastore(), systemDatastore({}, { QUORUM: 'off' })];
    },
  ],
  [
    'availability.policy',
    'warn',
    'on-no-quorum is io-error',
    'linstor resource-group set-property one DrbdOptions/Resource/on-no-quorum suspend-io\n# or, in the datastore: ON_NO_QUORUM="suspend-io"',
    () => groupProps({ 'DrbdOptions/Resource/on-no-quorum': 'io-error' }),
  ],
  [
    'availability.policy',
    'warn',
    'on-no-quorum is io-error, on-no-data-accessible is io-error, on-suspended-primary-outdated is disconnect',
    'ON_NO_QUORUM="suspend-io" ON_NO_DATA_ACCESSIBLE="suspend-io" ON_SUSPENDED_PRIMARY_OUTDATED="force-secondary"',
    () => {
      world.properties = {};
    },
  ],
  [
    'availability.nodes',
    'warn',
    'LINSTOR has 2 nodes with DRBD (alpha, bravo)',
    'linstor node create',
    () => void world.nodes.pop(),
  ],
  [
    'availability.tie-breaker',
    'warn',
    'two replicas get no tie-breaker',
    'linstor resource-group set-property one DrbdOptions/auto-add-quorum-tiebreaker true',
    () => groupProps({ 'DrbdOptions/auto-add-quorum-tiebreaker': 'False' }),
  ],
  [
    'availability.evict',
    'warn',
    'only alpha and bravo hold data',
    'AutoEvictAllowEviction false',
    () => {
      world.properties = { ...world.properties, 'DrbdOptions/AutoEvictAllowEviction': 'True' };
    },
  ],
  [
    'availability.primary',
    'warn',
    'open on alpha, and VM 7 is on bravo',
    '# on alpha, as root:\nvirsh list --all',
    () => {
      world.vms = [vm(7, { history: placedOn('bravo', 101, 1_700_000_000) })];
    },
  ],
  [
    'availability.primary',
    'warn',
    'open on alpha, and OpenNebula has no VM 7',
    'fuser -v',
    () => {
      world.vms = [];
    },
  ],
  [
    'availability.modules',
    'warn',
    '9.2.11 on alpha; 9.1.4 on bravo',
    'to one version',
    () => {
      world.hostAnswer = (host) => healthyProbe(host === 'bravo' ? { drbd: '9.1.4' } : {});
    },
  ],
  [
    'availability.directories',
    'info',
    'it keeps directories of VMs that are not there: 7, 99',
    'on bravo: ls -l /var/lib/one/datastores/101/7; virsh list --all; then rm -r /var/lib/one/datastores/101/7',
    () => {
      world.datastores = [imageDatastore(), systemDatastore({ basePath: '/var/lib/one//datastores/101' })];
      world.hostAnswer = (host) => healthyProbe({ vm: host === 'alpha' ? '101 7' : '101 7\n101 99' });
    },
  ],
  [
    'availability.fencing',
    'warn',
    'hooks/ft/fence_host.sh is not there',
    'linstor_un fence',
    () => registerHook('$TEMPLATE -m -p 5'),
  ],
  [
    'availability.fencing',
    'warn',
    'is as OpenNebula ships it: it always fails',
    'linstor_un fence',
    () => {
      registerHook('$TEMPLATE -m -p 5');
      fenceScript(
        '#!/bin/bash\necho ""Fence host not configured, please edit ft/fence_host.sh"" && exit 1\n',
      );
    },
  ],
  [
    'availability.fencing',
    'fail',
    'registered with -u',
    'onehook update 0',
    () => registerHook('$TEMPLATE -m -p 5 -u'),
  ],
];

const groupProps = (props: Record<string, string>): void => {
  world.groups = world.groups.map((group) => ({ ...group, props }));
};
const registerHook = (words: string): void => {
  world.hooks = [{ id: 0, name: 'host_error', command: 'ft/host_error.rb', arguments: words }];
};
function fenceScript(text: string): void {
  mkdirSync(`${layout.remotes}/hooks/ft`, { recursive: true });
  writeFileSync(`${layout.remotes}/hooks/ft/fence_host.sh`, text);
}

function relink(name: string, target: string): void {
  rmSync(`${layout.remotes}/${name}`);
  symlinkSync(target, `${layout.remotes}/${name}`);
}

test('a host hook with a fence script of the site’s own is no finding', async () => {
  registerHook('$TEMPLATE -m -p 5');
  fenceScript('#!/bin/sh\nexec linstor_un fence\n');
  const { list } = await findings();
  expect(list.filter(({ id }) => id === 'availability.fencing')).toEqual([]);
});

describe('each check, provoked', () => {
  test.each(
    provocations.map(
      ([id, severity, what, remedy, provoke]) => [id, severity, what, remedy, provoke] as const,
    ),
  )('%s %s: %s', async (id, severity, what, remedy, provoke) => {
    provoke();
    const { code, list } = await findings();
    const found = list.filter(
      (item) => item.id === id && item.severity === severity && item.what.includes(what),
    );
    expect({
      id,
      found: found.length > 0,
      others: list.filter((item) => item.severity !== 'ok').map((item) => `${item.id}: ${item.what}`),
    }).toMatchObject({ found: true });
    expect(found[0]?.remedy ?? '').toContain(remedy);
    for (const item of found) {
      const lines = (item.remedy ?? '').split('\n').filter((line) => line !== '');
      expect(lines.filter((line) => !line.startsWith('#') && !isCommand(line))).toEqual([]);
      const { exitCode, stderr } = Bun.spawnSync(['bash', '-n'], { stdin: Buffer.from(lines.join('\n')) });
      expect([exitCode, stderr.toString()]).toEqual([0, '']);
    }
    for (const item of list.filter((each) => each.severity === 'warn' || each.severity === 'fail')) {
      expect(item.why ?? `${item.id} has no reason`).not.toContain('has no reason');
      expect(item.remedy ?? `${item.id} has no remedy`).not.toContain('has no remedy');
    }
    const worst = list.some((item) => item.severity === 'fail')
      ? 2
      : list.some((item) => item.severity === 'warn')
        ? 1
        : 0;
    expect(code).toBe(worst);
    expect(worst).toBeGreaterThanOrEqual(severity === 'fail' ? 2 : severity === 'warn' ? 1 : 0);
  });

  test('a slow controller, and one that answers in part', async () => {
    const environment = world.environment();
    let clock = now;
    const slow = {
      ...environment,
      now: () => {
        clock += 1500;
        return new Date(clock);
      },
    };
    expect(await runCli(['doctor', '--json', '--no-hosts'], slow)).toBe(1);
    expect(JSON.parse(world.text).findings).toContainEqual(
      expect.objectContaining({ id: 'linstor.latency', severity: 'warn' }),
    );
    world.linstor = () => ({
      ...World.prototype.linstor.call(world),
      nodes: () => Promise.reject(new DriverError('LINSTOR_TIMEOUT', 'no answer in time')),
    });
    const { code, list } = await findings();
    expect(code).toBe(2);
    expect(list).toContainEqual(
      expect.objectContaining({
        id: 'linstor.read',
        severity: 'fail',
        what: 'the nodes cannot be read: no answer in time',
      }),
    );
  });

  test('oned that runs since before oned.conf was changed', async () => {
    mkdirSync(frontEnd.path('/one/bin'), { recursive: true });
    copyFileSync('/bin/sleep', frontEnd.path('/one/bin/oned'));
    const oned = Bun.spawn([frontEnd.path('/one/bin/oned'), '60']);
    const long = new Date(Date.now() - 3_600_000);
    utimesSync(layout.onedConf, long, long);
    expect((await findings()).list.map((item) => item.id)).not.toContain('registration.restart');
    const later = new Date(Date.now() + 60_000);
    utimesSync(layout.onedConf, later, later);
    expect((await findings()).list.map((item) => item.id)).toContain('registration.restart');
    oned.kill();
    await oned.exited;
  });

  test('other front-ends', async () => {
    edit(layout.onedConf, (text) => text.replace('SERVER_ID     = -1', 'SERVER_ID     = 0'));
    const own = new Bun.CryptoHasher('sha256').update(readFileSync(layout.binary)).digest('hex');
    const asked: string[] = [];
    world.hostAnswer = (name, command) => {
      asked.push(`${name} ${command.verb}`);
      if (command.verb === 'zone') {
        return '<ZONE><SERVER_POOL><SERVER><ENDPOINT>http://fe1:2633/RPC2</ENDPOINT></SERVER><SERVER><ENDPOINT><![CDATA[http://fe2:2633/RPC2]]></ENDPOINT></SERVER><SERVER><ENDPOINT>http://fe3:2633/RPC2</ENDPOINT></SERVER><SERVER><ENDPOINT>http://fe4:2633/RPC2</ENDPOINT></SERVER></SERVER_POOL></ZONE>';
      }
      if (command.verb !== 'version') return healthyProbe();
      if (name === 'fe3') throw new DriverError('HOST_COMMAND', 'not found');
      return name === 'fe2' ? `${own}\nlinstor_un 2.0.0\n` : 'feed\nlinstor_un 1.9.0\n';
    };
    const { list } = await findings();
    const about = list.filter((item) => item.id === 'installation.front-ends');
    expect(about.map((item) => [item.object, item.severity, item.what])).toEqual([
      ['fe3', 'warn', 'the program there could not be asked: not found'],
      ['fe4', 'warn', 'version 1.9.0 there, 2.0.0 here'],
    ]);
    expect(asked).not.toContain('fe1 version');
  });

  test('a broken configuration hides nothing else', async () => {
    writeFileSync(layout.config, 'no assignment\n');
    world.configError = new DriverError('BAD_CONFIG', 'line 1');
    const { code, list } = await findings();
    expect(code).toBe(2);
    expect(list.map((item) => item.id)).toEqual(
      expect.arrayContaining(['configuration', 'registration', 'opennebula', 'linstor.not-asked', 'hosts']),
    );
  });

  test('everything away at once is still a report', async () => {
    world.oneError = new DriverError('ONE_UNREACHABLE', 'no oned');
    world.linstorError = new DriverError('LINSTOR_UNREACHABLE', 'no controller');
    world.hostAnswer = () => {
      throw new DriverError('HOST_UNREACHABLE', 'no route');
    };
    const { code, list } = await findings();
    expect(code).toBe(2);
    expect(list.filter((item) => item.severity === 'fail').map((item) => item.id)).toEqual([
      'opennebula.reach',
      'linstor.reach',
    ]);
  });

  test('two-primaries belong to migrations and shareable disks', async () => {
    const props = { 'DrbdOptions/Net/allow-two-primaries': 'yes' };
    world.definitions = [definition('one-vm-7-disk-0', { props }), definition('one-image-3', { props })];
    world.vms = [vm(7, { lcmState: 4, disks: [disk(0), disk(1, { kind: 'persistent' })] as Disk[] })];
    expect((await findings()).list.map((item) => item.id)).not.toContain('storage.two-primaries');
    world.vms = [vm(7, { disks: [disk(0), disk(1, { kind: 'shareable' })] as Disk[] })];
    expect(
      (await findings()).list
        .filter((item) => item.id === 'storage.two-primaries')
        .map((item) => item.object),
    ).toEqual(['one-vm-7-disk-0']);
  });

  test('--no-hosts asks nobody', async () => {
    world.hostAnswer = () => {
      throw new Error('asked');
    };
    expect((await findings('--no-hosts')).list.map((item) => item.id)).not.toContain('hosts.ssh');
  });
});

describe('the screen', () => {
  test('what, why and the remedy, within 80 columns; hints on demand', async () => {
    world.nodes = [node('alpha'), node('bravo', { status: 'OFFLINE' }), node('tie')];
    world.capabilities = { ...capabilities, clone: false };
    expect(await runCli(['doctor'], world.environment())).toBe(2);
    expect(world.text).toContain(`LINSTOR
  ok    linstor://c1: LINSTOR 1.33.3 (REST 1.27.0) answered in 0 ms over rest
  FAIL  bravo: the satellite is OFFLINE
        volumes there cannot be made, attached or removed
        → # on bravo, as root:
          systemctl restart linstor-satellite
          # then, here:
          linstor node list
`);
    expect(world.text).toContain('1 failure, 0 warnings. (3 hints: linstor_un doctor --all)\n');
    expect(world.text).not.toContain('hint  ');
    world.out.length = 0;
    await runCli(['doctor', '--all'], world.environment());
    expect(world.text).toContain(
      '  hint  linstor://c1: not with LINSTOR 1.33.3: CLONE_MODE=clone (REST 1.10)\n',
    );
  });
});

describe('parts', () => {
  test('versions', () => {
    expect([
      between('1.34.0', '1.34.0', '1.35.2'),
      between('1.35.2', '1.34.0', '1.35.2'),
      between('1.35.3', '1.34.0', '1.35.2'),
      between('1.33.9', '1.34.0', '1.35.2'),
      between('1.34.0-rc.1', '1.34.0', '1.35.2'),
    ]).toEqual([true, true, false, false, true]);
  });

  test.each([
    ['global_filter=["r|^/dev/drbd|"]', false],
    ['global_filter=["r|^/dev/drbd|","r|^/dev/mapper/[lL]instor|"]', false],
    ['global_filter="r|^/dev/drbd|"', false],
    // The device is accepted by its name /dev/block/147:1000.
    ['global_filter=["r|^/dev/drbd|","a|.*|"]', true],
    ['global_filter=["r|^/dev/drbd|","r|^/dev/block/147:|","a|.*|"]', false],
    ['global_filter=["a|.*|"] filter=["r|^/dev/drbd|"]', false],
    ['global_filter=["a|.*|"]', true],
    ['use_devicesfile=1 ', false],
    ['filter=["r|/dev/.*|"]', false],
    ['global_filter=["a|/dev/sd.*|","r|.*|"]', false],
  ])('LVM with %s', (lvm, scans) => {
    expect(parseProbe(`lvm=${lvm}\n`, 0).lvmScansDrbd).toBe(scans);
  });

  test('the probe runs on a real shell and gives every line', async () => {
    const { SshHosts } = await import('../../src/hosts/ssh.ts');
    const { probeHost } = await import('../../src/cli/checks/host-probe.ts');
    const hosts = new SshHosts({});
    const facts = await probeHost(
      {
        ...hosts,
        run: (_host, command) => hosts.local(command),
        sshArgv: () => [],
        isFrontend: () => true,
        local: (command) => hosts.local(command),
      },
      'here',
      '/tmp',
      () => Date.now(),
    );
    expect(facts.kernel).toBe(release());
    expect(facts.stagingWritable).toBe(true);
    expect(facts.stagingFreeKib).toBeGreaterThan(0);
    expect(Math.abs(facts.clock * 1000 - facts.askedAt)).toBeLessThan(60_000);
    expect(facts.missing).not.toContain('dd');
    expect(facts.groups.length).toBeGreaterThan(0);
  });
});

describe('what no datastore of ours uses is not judged', () => {
  const troubles = async (): Promise<string[]> =>
    (await findings()).list
      .filter((item) => item.severity === 'fail' || item.severity === 'warn')
      .map((item) => `${item.id} ${item.object}`);
  let before: string[] = [];

  beforeEach(async () => {
    before = await troubles();
  });

  test('a pool in which nothing of ours is placed: full, without snapshots, without an answer', async () => {
    const { freeKib: _, ...silent } = pool('silent', 'alpha');
    world.pools.push(
      pool('fat', 'alpha', { provider: 'LVM', supportsSnapshots: false, freeKib: kib(1) }),
      silent,
    );
    world.datastores = [
      imageDatastore({}, { CLONE_MODE: 'snapshot' }),
      systemDatastore({}, { CLONE_MODE: 'snapshot' }),
    ];
    expect((await troubles()).filter((each) => /fat|silent/.test(each))).toEqual([]);
  });

  test('but it is where a volume of ours is', async () => {
    world.pools.push(pool('full', 'alpha', { freeKib: kib(1) }));
    world.resources.push(
      replica('one-vm-7-disk-1', 'alpha', { volumes: [{ number: 0, pool: 'full', provider: 'LVM_THIN' }] }),
    );
    expect(await troubles()).toContain('storage.free full on alpha');
  });

  test('a node without anything of ours, offline or about to go', async () => {
    world.nodes.push(
      node('other1', { status: 'OFFLINE' }),
      node('other2', { flags: ['EVACUATE'] }),
      node('other3', { layers: ['STORAGE'] }),
    );
    world.pools.push(pool('theirs', 'other1'), pool('theirs', 'other2'));
    expect(await troubles()).toEqual(before);
  });

  test('but it is where a datastore of ours places volumes', async () => {
    world.nodes.push(node('third', { status: 'OFFLINE' }));
    world.pools.push(pool('thin', 'third'));
    expect(await troubles()).toContain('linstor.nodes third');
  });

  test('a host in a cluster of OpenNebula that has none of our datastores', async () => {
    world.datastores = [
      { ...imageDatastore(), clusterIds: [0] },
      { ...systemDatastore(), clusterIds: [0] },
    ];
    world.hosts = [
      { ...host(0, 'alpha'), clusterId: 0 },
      { ...host(1, 'bravo'), clusterId: 0 },
      { ...host(9, 'hv9'), clusterId: 100 },
    ];
    expect((await troubles()).filter((each) => each.startsWith('linstor.hosts'))).toEqual([]);
    world.hosts = [{ ...host(9, 'hv9'), clusterId: 0 }];
    expect(await troubles()).toContain('linstor.hosts hv9');
  });
});

describe('the front-end’s own programs', () => {
  test('are named with their packages', async () => {
    world.hostAnswer = (name, { verb }) =>
      name === 'localhost' && verb === 'tools'
        ? 'qemu-img=\nmissing=qemu-img\nmissing=zstd\n'
        : healthyProbe();
    const { code, list } = await findings();
    expect(code).toBe(2);
    expect(list.find(({ id }) => id === 'installation.tools')).toMatchObject({
      severity: 'fail',
      what: 'not found on this front-end: qemu-img, zstd',
      remedy: 'sudo apt-get install qemu-utils zstd   # or dnf install qemu-img zstd',
    });
  });

  test('without a packer it is a warning; an old qemu-img is one', async () => {
    world.hostAnswer = (name, { verb }) =>
      name === 'localhost' && verb === 'tools' ? 'qemu-img=4.2.1\nmissing=xz\n' : healthyProbe();
    const { code, list } = await findings();
    expect(code).toBe(1);
    expect(list.filter(({ severity }) => severity === 'warn').map(({ id }) => id)).toEqual([
      'installation.tools',
      'installation.qemu',
    ]);
  });
});

test('with a broken configuration LINSTOR is not asked: another one might answer', async () => {
  world.configError = new DriverError('BAD_CONFIG', 'linstor_un.conf line 3: this is not an assignment');
  let asked = 0;
  const linstor = world.linstor.bind(world);
  world.linstor = () => {
    asked += 1;
    return linstor();
  };
  const { code, list } = await findings();
  expect([code, asked]).toEqual([1, 0]);
  expect(list.find(({ id }) => id === 'linstor.not-asked')?.what).toContain(
    'line 3: this is not an assignment',
  );
  expect(list.filter(({ id }) => /^(?:storage|availability)/.test(id))).toEqual([]);
});

describe('remedies', () => {
  test('advice is a comment, a command stays', () => {
    expect(pasteable('linstor node list\nor bring it back')).toBe('linstor node list\n# or bring it back');
    expect(pasteable('# on node1, as root:\nsystemctl restart linstor-satellite')).toBe(
      '# on node1, as root:\nsystemctl restart linstor-satellite',
    );
  });

  test.each([
    ['drbdpool-thinpool-tpool', 'drbdpool/thinpool'],
    ['drbdpool-thinpool', 'drbdpool/thinpool'],
    ['my--vg-thin--pool-tpool', 'my-vg/thin-pool'],
    ['odd', 'odd'],
  ])('%s is %s for LVM', (mapper, volume) => {
    expect(volumeOf(mapper)).toBe(volume);
  });
});
