import { beforeEach, describe, expect, test } from 'bun:test';
import { checkBackups } from '../../src/cli/checks/backups.ts';
import type { ClusterFacts, Facts } from '../../src/cli/checks/facts.ts';
import { type HostFacts, parseProbe } from '../../src/cli/checks/host-probe.ts';
import type { Vm } from '../../src/opennebula/one.ts';
import { disk, healthyProbe, node, now, placedOn, pool, replica, snapshot, vm } from './world.ts';

const known = <T>(value: T) => ({ ok: true, value }) as const;

let vms: Vm[];
let cluster: Record<'nodes' | 'pools' | 'resources' | 'snapshots', unknown[]>;
let hosts: Map<string, { ok: true; value: HostFacts }>;

beforeEach(() => {
  vms = [];
  cluster = { nodes: [node('alpha')], pools: [pool('thin', 'alpha')], resources: [], snapshots: [] };
  hosts = new Map();
});

function ids(): string[] {
  const settings = { namePrefix: '', nodeMap: {} };
  const clusters = [
    {
      settings,
      nodes: known(cluster.nodes),
      pools: known(cluster.pools),
      resources: known(cluster.resources),
      snapshots: known(cluster.snapshots),
    } as unknown as ClusterFacts,
  ];
  const facts = { one: { vms: known(vms) }, clusters, hosts } as unknown as Facts;
  return checkBackups(facts).map(({ id, severity }) => `${severity} ${id}`);
}

const ours = { tmMad: 'linstor_un' } as const;
const place = placedOn('alpha', 0).map((record) => ({ ...record, tmMad: 'linstor_un' }));
const backedUp = (change: Partial<Vm> = {}, more: Record<string, string> = {}): Vm =>
  vm(7, {
    disks: [disk(0, ours)],
    history: place,
    backup: { MODE: 'INCREMENT', LAST_INCREMENT_ID: '-1', ...more },
    ...change,
  });

describe('doctor on backups', () => {
  test('nothing to say of a VM that can be backed up', () => {
    vms = [backedUp()];
    expect(ids()).toEqual([]);
  });

  test.each<[string, () => void, string]>([
    [
      'a foreign disk',
      () => vms.push(backedUp({ disks: [disk(0, ours), disk(1, { tmMad: 'ceph' })] })),
      'warn backups.foreign',
    ],
    [
      'a CD-ROM in a file datastore',
      () => vms.push(backedUp({ disks: [disk(0, ours), disk(1, { tmMad: 'ssh', kind: 'cdrom' })] })),
      'warn backups.cdrom',
    ],
    [
      'a system datastore of another driver',
      () => vms.push(backedUp({ history: place.map((record) => ({ ...record, tmMad: 'shared' })) })),
      'warn backups.system',
    ],
    ['interactive', () => vms.push(backedUp({}, { INTERACTIVE: 'YES' })), 'warn backups.interactive'],
    [
      'a TPM',
      () => vms.push(backedUp({ xml: '<VM><TPM><MODEL>tpm-crb</MODEL></TPM></VM>' }, { KEEP_LAST: '3' })),
      'info backups.tpm',
    ],
    [
      'a pool without snapshots',
      () => {
        vms.push(backedUp());
        const plain = replica('one-vm-7-disk-0', 'alpha');
        const volumes = plain.volumes.map((volume) => ({ ...volume, provider: 'LVM' }));
        cluster.resources.push({ ...plain, volumes });
      },
      'warn backups.pool',
    ],
    [
      'no thin_delta on a host with a thin pool',
      () => {
        vms.push(backedUp());
        hosts.set('alpha', known(parseProbe(healthyProbe({ missing: 'thin_delta' }), now)));
      },
      'info backups.thin_delta',
    ],
    [
      'a restore that was broken off',
      () => cluster.snapshots.push(snapshot('one-vm-7-disk-0', 'one-restore-7')),
      'fail backups.restore',
    ],
  ])('%s', (_, set, expected) => {
    set();
    expect(ids()).toEqual([expected]);
  });
});
