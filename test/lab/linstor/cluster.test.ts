import { describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generationNames } from '../../../src/lab/linstor/generation.ts';
import { drbd, makeGroup, openLab, readAt, spawn, writeAt } from './fixture.ts';

type Json = Record<string, unknown>;

describe('a satellite that is away', () => {
  test('deletion stays pending, holds the name, and is done when it returns', async () => {
    const lab = openLab();
    await makeGroup(lab, 'grp', { node_name_list: ['alpha'] });
    await spawn(lab, 'grp', 'rr');
    const device = await lab.device('rr', 'alpha');
    await lab.lab.setConnection('alpha', 'OFFLINE');
    for (let again = 0; again < 2; again += 1) {
      const answer = await lab.send('DELETE', '/v1/resource-definitions/rr');
      expect([answer.status, answer.codes]).toEqual([200, [2, 1002]]);
    }
    expect((await lab.get<{ flags: string[] }>('/v1/resource-definitions/rr')).flags).toEqual(['DELETE']);
    expect((await spawn(lab, 'grp', 'rr')).codes).toEqual([501]);
    expect(existsSync(device)).toBe(true);
    await lab.lab.setConnection('alpha', 'ONLINE');
    expect((await lab.send('GET', '/v1/resource-definitions/rr')).status).toBe(404);
    expect(existsSync(device)).toBe(false);
  });

  test('what was created meanwhile is made at its return', async () => {
    const lab = openLab();
    await lab.send('POST', '/v1/resource-definitions', {
      resource_definition: { name: 'rr', layer_data: [{ type: 'STORAGE' }] },
    });
    await lab.send('POST', '/v1/resource-definitions/rr/volume-definitions', {
      volume_definition: { size_kib: 4096 },
    });
    await lab.lab.setConnection('alpha', 'OFFLINE');
    const body = [{ resource: { node_name: 'alpha', props: { StorPoolName: 'thin' } } }];
    const answer = await lab.send('POST', '/v1/resource-definitions/rr/resources', body);
    expect(answer.status).toBe(201);
    expect(answer.codes).toContain(1002);
    const volume = async () =>
      (await lab.get<Json[]>('/v1/resource-definitions/rr/resources/alpha/volumes'))[0] ?? {};
    expect(await volume()).not.toHaveProperty('device_path');
    await lab.lab.setConnection('alpha', 'ONLINE');
    expect(existsSync(String((await volume())['device_path']))).toBe(true);
  });

  test('rollback is refused, snapshots leave it out, pools lose their capacities', async () => {
    const lab = openLab();
    await makeGroup(lab, 'grp', { place_count: 2, node_name_list: ['alpha', 'bravo'] });
    await spawn(lab, 'grp', 'rr');
    await lab.send('POST', '/v1/resource-definitions/rr/snapshots', { name: 'both' });
    await lab.lab.setConnection('alpha', 'OFFLINE');
    expect((await lab.send('POST', '/v1/resource-definitions/rr/snapshot-rollback/both')).codes).toEqual([
      995,
    ]);
    await lab.send('POST', '/v1/resource-definitions/rr/snapshots', { name: 'half' });
    expect((await lab.get<Json>('/v1/resource-definitions/rr/snapshots/half'))['nodes']).toEqual(['bravo']);
    const pool = await lab.get<Json>('/v1/nodes/alpha/storage-pools/thin');
    expect(pool).not.toHaveProperty('free_capacity');
    expect(pool['reports']).toHaveLength(1);
    const [resource] = await lab.get<Json[]>('/v1/view/resources?resources=rr&nodes=alpha');
    expect(resource).not.toHaveProperty('state');
  });

  test('lost: its resources, pools and snapshot parts are forgotten', async () => {
    const lab = openLab();
    await makeGroup(lab, 'grp', { place_count: 2, node_name_list: ['alpha', 'bravo'] });
    await spawn(lab, 'grp', 'rr');
    await lab.send('POST', '/v1/resource-definitions/rr/snapshots', { name: 'both' });
    expect((await lab.send('DELETE', '/v1/nodes/alpha/lost')).status).toBe(500);
    await lab.lab.setConnection('alpha', 'OFFLINE');
    expect((await lab.send('DELETE', '/v1/nodes/alpha/lost')).status).toBe(200);
    expect((await lab.get('/v1/nodes')).map((node) => node['name'])).toEqual(['bravo', 'charlie']);
    expect((await lab.get<Json>('/v1/resource-definitions/rr/snapshots/both'))['nodes']).toEqual(['bravo']);
  });
});

describe('encryption', () => {
  const luks = { layer_stack: ['LUKS', 'STORAGE'] };

  test('without an unlocked passphrase nothing is made', async () => {
    const lab = openLab();
    await makeGroup(lab, 'grp', luks);
    expect(await lab.get<Json>('/v1/encryption/passphrase')).toEqual({ status: 'unset' });
    expect((await spawn(lab, 'grp', 'rr')).codes).toEqual([312]);
    expect((await lab.send('POST', '/v1/encryption/passphrase', { new_passphrase: 'secret' })).status).toBe(
      201,
    );
    expect((await lab.send('POST', '/v1/encryption/passphrase', { new_passphrase: 'secret' })).codes).toEqual(
      [512],
    );
    expect((await spawn(lab, 'grp', 'rr')).status).toBe(201);
    expect(await lab.device('rr', String((await lab.get('/v1/view/resources'))[0]?.['node_name']))).toContain(
      'Linstor-Crypt-rr_00000',
    );
    await lab.send('PUT', '/lab/encryption', { locked: true });
    expect(await lab.get<Json>('/v1/encryption/passphrase')).toEqual({ status: 'locked' });
    expect((await spawn(lab, 'grp', 'ss')).codes).toEqual([312]);
    expect((await lab.send('DELETE', '/v1/resource-definitions/rr')).status).toBe(200);
    expect((await lab.send('PATCH', '/v1/encryption/passphrase', '"wrong"')).codes).toEqual([600]);
    expect((await lab.send('PATCH', '/v1/encryption/passphrase', '"secret"')).codes).toEqual([4]);
    expect((await spawn(lab, 'grp', 'ss')).status).toBe(201);
  });

  test('a definition with the layer is only warned about', async () => {
    const lab = openLab();
    const answer = await lab.send('POST', '/v1/resource-definitions', {
      resource_definition: { name: 'rr', layer_data: [{ type: 'LUKS' }, { type: 'STORAGE' }] },
    });
    expect([answer.status, answer.codes]).toEqual([201, [1011, 1]]);
  });
});

describe('generations', () => {
  // since which REST version a request is understood
  const gates: [number, string, string, unknown][] = [
    [17, 'POST', '/v1/resource-groups/grp/query-size-info', {}],
    [18, 'POST', '/v1/actions/snapshot/multi', { snapshots: [] }],
    [19, 'POST', '/v1/queries/resource-groups/query-all-size-info', {}],
    [
      22,
      'POST',
      '/v1/resource-groups/grp/spawn',
      { resource_definition_name: 'gg', volume_sizes: [4096], resource_definition_props: {} },
    ],
    [25, 'GET', '/v1/encryption/passphrase', undefined],
    [26, 'POST', '/v1/resource-definitions/rr/snapshot-rollback/ss', { zfs_rollback_strategy: 'dynamic' }],
    [
      28,
      'PUT',
      '/v1/resource-definitions/rr/resources/alpha/toggle-disk',
      { operation: 'INTO_DRBD_DISKLESS' },
    ],
    [29, 'POST', '/v1/resource-definitions/rr/resources/alpha/unmake-available', {}],
  ];
  test.each([...generationNames])('%s refuses what it does not know', async (generation) => {
    const lab = openLab({ generation });
    await makeGroup(lab, 'grp', { node_name_list: ['alpha'] });
    await spawn(lab, 'grp', 'rr');
    await lab.send('POST', '/v1/resource-definitions/rr/snapshots', { name: 'ss' });
    const { rest_api_version } = await lab.get<{ rest_api_version: string }>('/v1/controller/version');
    const own = Number(rest_api_version.split('.')[1]);
    for (const [since, method, path, body] of gates) {
      const { codes, entries } = await lab.send(method, path, body);
      const unknown = codes[0] === 998 || entries[0]?.message === 'Unable to parse input json.';
      expect([path, unknown]).toEqual([path, own < since]);
    }
  });

  test('rollback before 1.31 takes the newest snapshot only', async () => {
    const lab = openLab({ generation: '1.27' });
    await makeGroup(lab, 'grp', { node_name_list: ['alpha'] });
    await spawn(lab, 'grp', 'rr');
    const device = await lab.device('rr', 'alpha');
    writeAt(device, 'one');
    await lab.send('POST', '/v1/resource-definitions/rr/snapshots', { name: 's1' });
    writeAt(device, 'two');
    await lab.send('POST', '/v1/resource-definitions/rr/snapshots', { name: 's2' });
    writeAt(device, 'six');
    expect((await lab.send('POST', '/v1/resource-definitions/rr/snapshot-rollback/s1')).codes).toEqual([514]);
    expect((await lab.send('POST', '/v1/resource-definitions/rr/snapshot-rollback/s2')).status).toBe(200);
    expect(readAt(await lab.device('rr', 'alpha'), 3)).toBe('two');
  });
});

test('the state outlives the process', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lab-linstor-'));
  const before = openLab({ dir, generation: '1.31' });
  await makeGroup(before, 'grp', drbd);
  await spawn(before, 'grp', 'rr');
  const [resource] = await before.get('/v1/view/resources');
  writeAt(await before.device('rr', String(resource?.['node_name'])), 'still here');
  before.lab.close();
  const after = openLab({ dir });
  expect(await after.get('/v1/view/resources')).toEqual([resource as Json]);
  expect(readAt(await after.device('rr', String(resource?.['node_name'])), 10)).toBe('still here');
  expect((await after.get<{ version: string }>('/v1/controller/version')).version).toBe('1.31.3');
  expect(readdirSync(dir).filter((name) => name.endsWith('.new'))).toEqual([]);
});

test('a restarted controller has its satellites, device paths and passphrase back only later', async () => {
  const lab = openLab();
  await makeGroup(lab, 'grp', { node_name_list: ['alpha'] });
  await spawn(lab, 'grp', 'rr');
  await lab.send('POST', '/v1/encryption/passphrase', { new_passphrase: 'secret' });
  await lab.send('POST', '/lab/restart', { seconds: 0.05 });
  const statuses = async () => (await lab.get('/v1/nodes')).map((node) => node['connection_status']);
  const volume = async () => (await lab.get('/v1/resource-definitions/rr/resources/alpha/volumes'))[0];
  expect(await statuses()).toEqual(['OFFLINE', 'OFFLINE', 'OFFLINE']);
  expect(await volume()).not.toHaveProperty('device_path');
  expect(await lab.get<Json>('/v1/encryption/passphrase')).toEqual({ status: 'locked' });
  while ((await statuses()).some((status) => status !== 'ONLINE')) await Bun.sleep(10);
  expect(await volume()).toHaveProperty('device_path');
});

test.each(['1.27', '1.33'] as const)('%s: a ZFS snapshot with dependents', async (generation) => {
  const lab = openLab({
    generation,
    nodes: [{ name: 'alpha', pools: [{ name: 'thin', provider: 'ZFS_THIN' }] }],
  });
  await makeGroup(lab, 'grp');
  await spawn(lab, 'grp', 'rr');
  await lab.send('POST', '/v1/resource-definitions/rr/snapshots', { name: 'ss' });
  await lab.send('POST', '/v1/resource-definitions', {
    resource_definition: { name: 'dd', resource_group_name: 'grp' },
  });
  await lab.send('POST', '/v1/resource-definitions/rr/snapshot-restore-volume-definition/ss', {
    to_resource: 'dd',
  });
  await lab.send('POST', '/v1/resource-definitions/rr/snapshot-restore-resource/ss', { to_resource: 'dd' });
  const remove = () => lab.send('DELETE', '/v1/resource-definitions/rr/snapshots/ss');
  if (generation === '1.27') {
    expect((await remove()).status).toBe(500);
    expect((await lab.send('GET', '/v1/resource-definitions/rr/snapshots/ss')).status).toBe(200);
    await lab.send('DELETE', '/v1/resource-definitions/dd');
  }
  expect((await remove()).status).toBe(200);
  expect((await lab.send('GET', '/v1/resource-definitions/rr/snapshots/ss')).status).toBe(404);
});
