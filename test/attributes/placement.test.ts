import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { diskful, nodesOf, Rig } from './rig.ts';

/** Attributes that say where volumes go: from a datastore's template to where LINSTOR has put them. */
let rig: Rig;
beforeAll(async () => {
  rig = await Rig.open();
});
afterAll(async () => rig.stop());

const pools = (replicas: Parameters<typeof diskful>[0]): string[] => [
  ...new Set(diskful(replicas).map(({ pool }) => pool)),
];

/** Of the placing request. */
const filterOf = (requests: readonly { path: string; body: string }[]): Record<string, unknown> => {
  const placed = requests.find(({ path }) => /\/(autoplace|spawn)$/.test(path));
  return (
    (JSON.parse(placed?.body ?? '{}') as { select_filter?: Record<string, unknown> }).select_filter ?? {}
  );
};

const siteOf = (node: string): string => (node === 'node1' || node === 'node3' ? 'a' : 'b');

describe('placement', () => {
  test('RESOURCE_GROUP', async () => {
    for (const [group, count] of [
      ['plain', 1],
      ['drbd', 2],
    ] as const) {
      const { resource, replicas } = await rig.block({ RESOURCE_GROUP: group });
      const definition = (await rig.lab.linstor('GET', `/v1/resource-definitions/${resource}`)) as {
        resource_group_name: string;
      };
      expect(definition.resource_group_name).toBe(group);
      expect(nodesOf(replicas)).toHaveLength(count);
    }
  });

  test('NODE_LIST', async () => {
    for (const list of [
      ['node1', 'node4'],
      ['node2', 'node3', 'node4'],
    ]) {
      const { replicas } = await rig.block({ RESOURCE_GROUP: 'drbd', NODE_LIST: list.join(' ') });
      expect(nodesOf(replicas)).toEqual(list);
    }
  });

  test('REPLICA_COUNT, and AUTO_PLACE for the same', async () => {
    for (const [name, count] of [
      ['REPLICA_COUNT', 3],
      ['AUTO_PLACE', 1],
      ['LINSTOR_AUTO_PLACE', 4],
    ] as const) {
      const { replicas } = await rig.block({ RESOURCE_GROUP: 'drbd', [name]: String(count) });
      expect(nodesOf(replicas)).toHaveLength(count);
    }
  });

  test('STORAGE_POOL', async () => {
    for (const pool of ['lvm', 'thin']) {
      const { replicas } = await rig.block({ RESOURCE_GROUP: 'open', STORAGE_POOL: pool });
      expect(pools(replicas)).toEqual([pool]);
    }
  });

  test('PROVIDERS', async () => {
    for (const [provider, pool] of [
      ['LVM_THIN', 'lvm'],
      ['FILE_THIN', 'thin'],
    ] as const) {
      const { replicas } = await rig.block({ RESOURCE_GROUP: 'open', PROVIDERS: provider });
      expect(pools(replicas)).toEqual([pool]);
    }
  });

  test('LAYER_LIST', async () => {
    for (const list of [['STORAGE'], ['DRBD', 'STORAGE']]) {
      const { replicas } = await rig.block({
        RESOURCE_GROUP: 'open',
        REPLICA_COUNT: '1',
        LAYER_LIST: list.join(','),
      });
      expect(diskful(replicas)[0]?.layers).toEqual(list);
    }
  });

  test('REPLICAS_ON_SAME and REPLICAS_ON_DIFFERENT', async () => {
    const same = await rig.block({ RESOURCE_GROUP: 'open', REPLICAS_ON_SAME: 'site' });
    expect(filterOf(same.requests)['replicas_on_same']).toEqual(['Aux/site']);
    expect(new Set(nodesOf(same.replicas).map(siteOf)).size).toBe(1);
    const different = await rig.block({ RESOURCE_GROUP: 'open', REPLICAS_ON_DIFFERENT: 'site' });
    expect(filterOf(different.requests)['replicas_on_different']).toEqual(['Aux/site']);
    expect(new Set(nodesOf(different.replicas).map(siteOf)).size).toBe(2);
  });

  test('DO_NOT_PLACE_WITH and DO_NOT_PLACE_WITH_REGEX', async () => {
    // On each node in turn: no placement of LINSTOR's own avoids all of them.
    for (const node of ['node1', 'node2', 'node3', 'node4']) {
      const { resource } = await rig.block({ RESOURCE_GROUP: 'drbd', NODE_LIST: node });
      for (const [name, value] of [
        ['DO_NOT_PLACE_WITH', resource],
        ['DO_NOT_PLACE_WITH_REGEX', `^${resource}$`],
      ] as const) {
        const { replicas } = await rig.block({ RESOURCE_GROUP: 'drbd', [name]: value });
        expect(nodesOf(replicas)).not.toContain(node);
      }
    }
  });

  test('ENCRYPTION', async () => {
    await rig.lab.linstor('POST', '/v1/encryption/passphrase', { new_passphrase: 'secret' });
    const open = await rig.block({ RESOURCE_GROUP: 'drbd', ENCRYPTION: 'no' });
    expect(open.replicas[0]?.layers).toEqual(['DRBD', 'STORAGE']);
    const closed = await rig.block({ RESOURCE_GROUP: 'drbd', ENCRYPTION: 'yes' });
    expect(diskful(closed.replicas)[0]?.layers).toEqual(['DRBD', 'LUKS', 'STORAGE']);
  });
});

const propsOf = async (resource: string): Promise<Record<string, string>> => {
  const definition = await rig.lab.linstor('GET', `/v1/resource-definitions/${resource}`);
  return (definition as { props: Record<string, string> }).props;
};

describe('what DRBD does without its peers', () => {
  const policy = {
    QUORUM: 'majority',
    ON_NO_QUORUM: 'suspend-io',
    ON_NO_DATA_ACCESSIBLE: 'suspend-io',
    ON_SUSPENDED_PRIMARY_OUTDATED: 'force-secondary',
    QUORUM_TIE_BREAKER: 'no',
  };
  const inLinstor = {
    'DrbdOptions/Resource/quorum': 'majority',
    'DrbdOptions/Resource/on-no-quorum': 'suspend-io',
    'DrbdOptions/Resource/on-no-data-accessible': 'suspend-io',
    'DrbdOptions/Resource/on-suspended-primary-outdated': 'force-secondary',
    'DrbdOptions/auto-add-quorum-tiebreaker': 'false',
  };
  test('QUORUM, ON_NO_QUORUM, ON_NO_DATA_ACCESSIBLE, ON_SUSPENDED_PRIMARY_OUTDATED, QUORUM_TIE_BREAKER', async () => {
    const { resource, replicas } = await rig.block({ RESOURCE_GROUP: 'drbd', ...policy });
    expect(await propsOf(resource)).toMatchObject(inLinstor);
    // Two replicas, and no third node beside them.
    expect(replicas).toHaveLength(2);
    const without = await rig.block({ RESOURCE_GROUP: 'drbd' });
    expect(without.replicas).toHaveLength(3);
    const others = Object.keys(inLinstor).filter((key) => key !== 'DrbdOptions/Resource/quorum');
    expect(Object.keys(await propsOf(without.resource)).filter((key) => others.includes(key))).toEqual([]);
  });

  test('nothing of it where there is no DRBD', async () => {
    const { resource } = await rig.block({ RESOURCE_GROUP: 'plain', ...policy });
    expect(await propsOf(resource)).not.toMatchObject({
      'DrbdOptions/Resource/on-no-quorum': 'suspend-io',
    });
  });

  test.each(['snapshot', 'copy', 'clone'])(
    'a disk by %s has the policy of its own datastore, whatever its image has',
    async (mode) => {
      const { image } = await rig.block({ RESOURCE_GROUP: 'drbd', ON_NO_QUORUM: 'io-error' });
      const system = await rig.datastore('SYSTEM', {
        RESOURCE_GROUP: 'drbd',
        CLONE_MODE: mode,
        ...policy,
        QUORUM_TIE_BREAKER: 'yes',
      });
      const { vm } = await rig.vm([{ image }], 'node1', system);
      expect(await propsOf(`one-vm-${vm}-disk-0`)).toMatchObject({
        ...inLinstor,
        'DrbdOptions/auto-add-quorum-tiebreaker': 'true',
      });
      await rig.one.terminate(vm);
      const plain = await rig.datastore('SYSTEM', { RESOURCE_GROUP: 'drbd', CLONE_MODE: mode });
      const other = await rig.vm([{ image }], 'node1', plain);
      const left = Object.keys(await propsOf(`one-vm-${other.vm}-disk-0`));
      expect(left).not.toContain('DrbdOptions/Resource/on-no-quorum');
      await rig.one.terminate(other.vm);
    },
  );
});

describe('LINSTOR_PROPERTIES', () => {
  const given =
    'DrbdOptions/PeerDevice/c-max-rate=102400 Aux/tier=gold DrbdOptions/Resource/on-no-quorum=io-error';

  test('are set together with the volume; those of quorum have attributes, which win', async () => {
    const { resource } = await rig.block({
      RESOURCE_GROUP: 'drbd',
      LINSTOR_PROPERTIES: given,
      ON_NO_QUORUM: 'suspend-io',
    });
    expect(await propsOf(resource)).toMatchObject({
      'DrbdOptions/PeerDevice/c-max-rate': '102400',
      'Aux/tier': 'gold',
      'DrbdOptions/Resource/on-no-quorum': 'suspend-io',
    });
    const plain = await rig.block({ RESOURCE_GROUP: 'plain', LINSTOR_PROPERTIES: given });
    const props = await propsOf(plain.resource);
    expect(props['Aux/tier']).toBe('gold');
    expect(Object.keys(props).filter((key) => key.startsWith('DrbdOptions/PeerDevice'))).toEqual([]);
  });

  test.each(['snapshot', 'copy', 'clone'])('a disk by %s has those of its own datastore', async (mode) => {
    const { image } = await rig.block({ RESOURCE_GROUP: 'drbd', LINSTOR_PROPERTIES: 'Aux/tier=gold' });
    const system = await rig.datastore('SYSTEM', {
      RESOURCE_GROUP: 'drbd',
      CLONE_MODE: mode,
      LINSTOR_PROPERTIES: 'Aux/tier=silver',
    });
    const { vm } = await rig.vm([{ image }], 'node1', system);
    expect((await propsOf(`one-vm-${vm}-disk-0`))['Aux/tier']).toBe('silver');
    await rig.one.terminate(vm);
  });
});

describe('disks of VMs', () => {
  test('the system datastore goes before the image datastore', async () => {
    const { image } = await rig.block({ RESOURCE_GROUP: 'drbd' });
    const system = await rig.datastore('SYSTEM', {
      RESOURCE_GROUP: 'open',
      STORAGE_POOL: 'lvm',
      REPLICA_COUNT: '3',
    });
    const { vm } = await rig.vm([{ image }], 'node1', system);
    const replicas = await rig.replicas(`one-vm-${vm}-disk-0`);
    expect(pools(replicas)).toEqual(['lvm']);
    expect(nodesOf(replicas)).toHaveLength(3);
    await rig.one.terminate(vm);
  });

  test('PREFER_NODE', async () => {
    const system = await rig.datastore('SYSTEM', { RESOURCE_GROUP: 'drbd', PREFER_NODE: 'yes' });
    for (const host of ['node1', 'node2', 'node3', 'node4']) {
      const { vm } = await rig.vm([{ volatile: 'fs', sizeMb: 4 }], host, system);
      const nodes = nodesOf(await rig.replicas(`one-vm-${vm}-disk-0`));
      expect(nodes).toContain(host);
      expect(nodes).toHaveLength(2);
      await rig.one.terminate(vm);
    }
  });

  test('DISKLESS_POOL', async () => {
    for (const node of ['node1', 'node2', 'node3', 'node4'])
      await rig.lab.linstor('POST', `/v1/nodes/${node}/storage-pools`, {
        storage_pool_name: 'nodisk',
        provider_kind: 'DISKLESS',
      });
    for (const pool of ['nodisk', undefined]) {
      const attributes = { RESOURCE_GROUP: 'drbd', ...(pool ? { DISKLESS_POOL: pool } : {}) };
      const { image, replicas, resource } = await rig.block(attributes, true);
      const taken = replicas.map(({ node }) => node);
      const host = ['node1', 'node2', 'node3', 'node4'].find((node) => !taken.includes(node)) ?? '';
      const system = await rig.datastore('SYSTEM', attributes);
      const { vm, requests } = await rig.vm([{ image }], host, system);
      const here = (await rig.replicas(resource)).find(({ node }) => node === host);
      expect(here?.diskless).toBe(true);
      // Asked for; the lab itself knows of one pool for diskless replicas.
      const made = requests.filter(
        ({ method, path }) => method === 'POST' && path === `/v1/resource-definitions/${resource}/resources`,
      );
      expect(made.map(({ body }) => JSON.parse(body) as unknown)).toEqual(
        pool
          ? [[{ resource: { node_name: host, props: { StorPoolName: pool }, flags: ['DRBD_DISKLESS'] } }]]
          : [],
      );
      await rig.one.terminate(vm);
    }
  });

  test('CHECKPOINT_REPLICA_COUNT', async () => {
    for (const count of [1, 3]) {
      const system = await rig.datastore('SYSTEM', {
        RESOURCE_GROUP: 'drbd',
        CHECKPOINT_REPLICA_COUNT: String(count),
      });
      const { vm } = await rig.vm([{ volatile: 'fs', sizeMb: 4 }], 'node1', system);
      const { done } = await rig.watch(() => rig.one.suspend(vm));
      expect(done.error).toBeUndefined();
      expect(nodesOf(await rig.replicas(`one-vm-${vm}-checkpoint`))).toHaveLength(count);
      expect(nodesOf(await rig.replicas(`one-vm-${vm}-disk-0`))).toHaveLength(2);
      await rig.one.terminate(vm);
    }
  });
});

describe('FOLLOW_VM', () => {
  const follow = { RESOURCE_GROUP: 'drbd', FOLLOW_VM: '30m' };

  test('the data come to a VM that stays on a host without them, and are not more afterwards', async () => {
    const { image } = await rig.block({ RESOURCE_GROUP: 'drbd' });
    const before = nodesOf(await rig.replicas(`one-image-${image}`));
    const far = ['node1', 'node2', 'node3', 'node4'].find((node) => !before.includes(node)) ?? '';
    // A clone by snapshot is where its image is.
    const system = await rig.datastore('SYSTEM', { ...follow, CLONE_MODE: 'snapshot' });
    const { vm } = await rig.vm([{ image }], far, system);
    const disk = `one-vm-${vm}-disk-0`;
    expect(nodesOf(await rig.replicas(disk))).toEqual(before);
    const { lab } = rig.lab.served.linstor;
    lab.setInUse(disk, far, true);
    await rig.replicas(disk);
    lab.runtime.advance(29 * 60_000);
    expect(nodesOf(await rig.replicas(disk))).toEqual(before);
    lab.runtime.advance(2 * 60_000);
    await rig.replicas(disk);
    const after = nodesOf(await rig.replicas(disk));
    expect(after).toContain(far);
    expect(after).toHaveLength(2);
    lab.setInUse(disk, far, false);
    await rig.one.terminate(vm);
  });

  test('a persistent image follows while a datastore says so, at no further change of its definition', async () => {
    const { image, resource } = await rig.block(follow, true);
    const { vm, requests } = await rig.vm([{ image }], 'node1', await rig.datastore('SYSTEM', follow));
    const changes = requests.filter(
      ({ method, path }) => method === 'PUT' && path.endsWith(`/resource-definitions/${resource}`),
    );
    expect(changes).toHaveLength(1);
    expect(JSON.parse(changes[0]?.body ?? '{}')).toMatchObject({
      override_props: { 'DrbdOptions/auto-diskful': '30', 'Aux/one/VM_ID': String(vm) },
    });
    await rig.one.terminate(vm);
  });
});

describe('LOCALITY', () => {
  test.each(['prefer', 'require'])(
    '%s: a full copy has a replica on the VM’s host, wherever that is',
    async (locality) => {
      const { image } = await rig.block({ RESOURCE_GROUP: 'drbd' });
      const system = await rig.datastore('SYSTEM', {
        RESOURCE_GROUP: 'drbd',
        LOCALITY: locality,
        CLONE_MODE: 'copy',
      });
      for (const host of ['node1', 'node4']) {
        const { vm } = await rig.vm([{ image }], host, system);
        expect(nodesOf(await rig.replicas(`one-vm-${vm}-disk-0`))).toContain(host);
        await rig.one.terminate(vm);
      }
    },
  );
});
