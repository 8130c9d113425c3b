import { describe, expect, test } from 'bun:test';
import { drbd, makeGroup, openLab, severityOf, spawn, type TestLab } from './fixture.ts';

type Json = Record<string, unknown>;
const firstVolume = (item: Json): Json => (item['volumes'] as Json[])[0] ?? {};

async function flagsOf(lab: TestLab, name: string): Promise<Record<string, string[]>> {
  const list = await lab.get<Json[]>(`/v1/resource-definitions/${name}/resources`);
  return Object.fromEntries(
    list.map((item) => [String(item['node_name']), (item['flags'] as string[] | undefined) ?? []]),
  );
}

const tie = ['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'];

async function twoReplicas(): Promise<TestLab> {
  const lab = openLab();
  await makeGroup(lab, 'two', { place_count: 2, node_name_list: ['alpha', 'bravo'], ...drbd });
  await spawn(lab, 'two', 'rr', 65536);
  return lab;
}

describe('tie-breaker', () => {
  test('two replicas get one, a third takes its node over', async () => {
    const lab = await twoReplicas();
    expect(await flagsOf(lab, 'rr')).toEqual({ alpha: [], bravo: [], charlie: tie });
    await lab.send('POST', '/v1/resource-definitions/rr/autoplace', {
      select_filter: { place_count: 3, node_name_list: ['alpha', 'bravo', 'charlie'] },
    });
    expect(await flagsOf(lab, 'rr')).toEqual({ alpha: [], bravo: [], charlie: [] });
  });

  test('make-available only clears its flag; deleting it then makes it one again', async () => {
    const lab = await twoReplicas();
    const made = await lab.send('POST', '/v1/resource-definitions/rr/resources/charlie/make-available', {});
    expect(made.codes).toEqual([0]);
    expect((await flagsOf(lab, 'rr'))['charlie']).toEqual(['DISKLESS', 'DRBD_DISKLESS']);
    const gone = await lab.send(
      'DELETE',
      '/v1/resource-definitions/rr/resources/charlie?keep_tiebreaker=true',
    );
    expect(gone.codes[0]).toBe(10006);
    expect((await flagsOf(lab, 'rr'))['charlie']).toEqual(tie);
  });

  test('deleting it switches the automatism off and quorum with it', async () => {
    const lab = await twoReplicas();
    const answer = await lab.send('DELETE', '/v1/resource-definitions/rr/resources/charlie');
    expect(answer.codes).toContain(10002);
    expect(Object.keys(await flagsOf(lab, 'rr'))).toEqual(['alpha', 'bravo']);
    const { props } = await lab.get<{ props: Json }>('/v1/resource-definitions/rr');
    expect(props).toMatchObject({
      'DrbdOptions/Resource/quorum': 'off',
      'DrbdOptions/auto-add-quorum-tiebreaker': 'False',
    });
  });

  test('goes when the second replica goes', async () => {
    const lab = await twoReplicas();
    const answer = await lab.send('DELETE', '/v1/resource-definitions/rr/resources/bravo');
    expect(answer.codes).toContain(10004);
    expect(await flagsOf(lab, 'rr')).toEqual({ alpha: [] });
  });

  test('nowhere to put it is a warning', async () => {
    const lab = openLab({
      nodes: ['alpha', 'bravo'].map((name) => ({ name, pools: [{ name: 'thin', provider: 'FILE_THIN' }] })),
    });
    await makeGroup(lab, 'two', { place_count: 2, ...drbd });
    const answer = await spawn(lab, 'two', 'rr');
    expect(answer.status).toBe(201);
    expect(answer.codes).toContain(1013);
  });
});

describe('in use', () => {
  test('deleting, rollback and losing the last disk are refused; resize and snapshot work', async () => {
    const lab = await twoReplicas();
    await lab.send('POST', '/v1/resource-definitions/rr/snapshots', { name: 'ss' });
    lab.lab.setInUse('rr', 'charlie', true);
    for (const [method, path] of [
      ['DELETE', '/v1/resource-definitions/rr/resources/charlie'],
      ['DELETE', '/v1/resource-definitions/rr/volume-definitions/0'],
      ['POST', '/v1/resource-definitions/rr/snapshot-rollback/ss'],
    ] as const) {
      const answer = await lab.send(method, path);
      expect([path, answer.status, ...answer.codes]).toEqual([path, 500, 997]);
    }
    expect(
      (await lab.send('PUT', '/v1/resource-definitions/rr/volume-definitions/0', { size_kib: 131072 }))
        .status,
    ).toBe(200);
    expect((await lab.send('POST', '/v1/resource-definitions/rr/snapshots', { name: 'tt' })).status).toBe(
      201,
    );
    await lab.send('DELETE', '/v1/resource-definitions/rr/snapshots/ss');
    await lab.send('DELETE', '/v1/resource-definitions/rr/snapshots/tt');
    expect((await lab.send('DELETE', '/v1/resource-definitions/rr')).codes).toEqual([997]);
    lab.lab.setInUse('rr', 'charlie', false);
    expect((await lab.send('DELETE', '/v1/resource-definitions/rr')).status).toBe(200);
  });

  test('the view shows who uses it, and others may not promote', async () => {
    const lab = await twoReplicas();
    lab.lab.setInUse('rr', 'alpha', true);
    const list = await lab.get<Json[]>('/v1/view/resources?resources=rr');
    expect(list.map((item) => (item['state'] as Json)['in_use'])).toEqual([true, false, false]);
    const mayPromote = (item: Json) => ((item['layer_object'] as Json)['drbd'] as Json)['may_promote'];
    expect(list.map(mayPromote)).toEqual([true, false, false]);
    await lab.send('PUT', '/v1/resource-definitions/rr', {
      override_props: { 'DrbdOptions/Net/allow-two-primaries': 'yes' },
    });
    expect((await lab.get<Json[]>('/v1/view/resources?resources=rr')).map(mayPromote)).toEqual([
      true,
      true,
      true,
    ]);
  });

  test('the last disk stays while diskless ones hang on it', async () => {
    const lab = openLab();
    await makeGroup(lab, 'one', { node_name_list: ['alpha'], ...drbd });
    await spawn(lab, 'one', 'rr');
    await lab.send('POST', '/v1/resource-definitions/rr/resources/bravo/make-available', {});
    expect((await lab.send('DELETE', '/v1/resource-definitions/rr/resources/alpha')).codes).toEqual([997]);
    expect(
      (await lab.send('PUT', '/v1/resource-definitions/rr/resources/alpha/toggle-disk/diskless')).codes,
    ).toEqual([991]);
  });
});

describe('resize', () => {
  test('needs every replica in sync and there', async () => {
    const lab = await twoReplicas();
    const grow = () =>
      lab.send('PUT', '/v1/resource-definitions/rr/volume-definitions/0', { size_kib: 131072 });
    await lab.send('PUT', '/lab/resources/rr/bravo', { disk_state: 'Outdated' });
    expect((await grow()).codes).toEqual([974]);
    await lab.send('PUT', '/lab/resources/rr/bravo', { disk_state: null });
    await lab.lab.setConnection('bravo', 'OFFLINE');
    expect((await grow()).codes).toEqual([974]);
    await lab.lab.setConnection('bravo', 'ONLINE');
    expect((await grow()).status).toBe(200);
  });

  test('shrinking is refused, the same size only warned about, ExactSize forbids it', async () => {
    const lab = await twoReplicas();
    const set = (size: number) =>
      lab.send('PUT', '/v1/resource-definitions/rr/volume-definitions/0', { size_kib: size });
    expect((await set(4096)).codes).toEqual([206]);
    expect((await set(65536)).codes).toEqual([1023, 3]);
    await lab.send('PUT', '/v1/resource-definitions/rr', {
      override_props: { 'DrbdOptions/ExactSize': 'True' },
    });
    expect((await set(131072)).codes).toEqual([213]);
  });
});

test('a new replica is Inconsistent until it is in sync', async () => {
  const lab = openLab({ tuning: { cloneSeconds: 0, syncSeconds: 30 } });
  await makeGroup(lab, 'one', { node_name_list: ['alpha'], ...drbd });
  await spawn(lab, 'one', 'rr');
  await lab.send('POST', '/v1/resource-definitions/rr/resources', [
    { resource: { node_name: 'bravo', props: { StorPoolName: 'thin' } } },
  ]);
  const states = async () =>
    (await lab.get<Json[]>('/v1/view/resources?resources=rr')).map(
      (item) => (firstVolume(item)['state'] as Json)['disk_state'],
    );
  expect(await states()).toEqual(['UpToDate', 'Inconsistent', 'Diskless']);
  expect(await lab.get<Json>('/v1/resource-definitions/rr/sync-status')).toEqual({ synced_on_all: false });
  expect((await lab.send('POST', '/v1/resource-definitions/rr/snapshots', { name: 'ss' })).codes).toEqual([
    979,
  ]);
  await lab.send('POST', '/lab/clock', { advanceSeconds: 31 });
  expect(await states()).toEqual(['UpToDate', 'UpToDate', 'Diskless']);
  expect(await lab.get<Json>('/v1/resource-definitions/rr/sync-status')).toEqual({ synced_on_all: true });
});

test('ports, minors and node ids are unique where they have to be', async () => {
  const lab = await twoReplicas();
  await spawn(lab, 'two', 'ss');
  const list = await lab.get<Json[]>('/v1/view/resources?nodes=alpha');
  const drbdOf = (item: Json) => (item['layer_object'] as Json)['drbd'] as Json;
  expect(list.map((item) => drbdOf(item)['tcp_ports'])).toEqual([[7000], [7001]]);
  expect(list.map((item) => String(firstVolume(item)['device_path']).split('/').pop())).toEqual([
    'drbd1000',
    'drbd1001',
  ]);
  const own = await lab.get<Json[]>('/v1/resource-definitions/rr/resources');
  expect(own.map((item) => drbdOf(item)['node_id'])).toEqual([0, 1, 2]);
});

test('toggle-disk without DRBD is refused, twice the same only warned about', async () => {
  const lab = await twoReplicas();
  await makeGroup(lab, 'plain', { place_count: 2 });
  await spawn(lab, 'plain', 'pp');
  const nodes = (await lab.get<Json[]>('/v1/resource-definitions/pp/resources')).map(
    (item) => item['node_name'],
  );
  expect(
    (await lab.send('PUT', `/v1/resource-definitions/pp/resources/${nodes[0]}/toggle-disk/diskless`)).codes,
  ).toEqual([225]);
  const again = await lab.send('PUT', '/v1/resource-definitions/rr/resources/alpha/toggle-disk/diskful');
  expect([again.status, again.codes[0], severityOf(again.entries[0] as never)]).toEqual([200, 1007, 2]);
});

test('without quorum, or without data in sync, nobody may promote', async () => {
  const lab = await twoReplicas();
  const mayPromote = async () =>
    (await lab.get<Json[]>('/v1/view/resources?resources=rr&nodes=alpha')).map(
      (item) => ((item['layer_object'] as Json)['drbd'] as Json)['may_promote'],
    );
  await lab.lab.setConnection('bravo', 'OFFLINE');
  expect(await mayPromote()).toEqual([true]);
  await lab.lab.setConnection('charlie', 'OFFLINE');
  expect(await mayPromote()).toEqual([false]);
  await lab.lab.setConnection('charlie', 'ONLINE');
  await lab.send('PUT', '/lab/resources/rr/alpha', { disk_state: 'Outdated' });
  expect(await mayPromote()).toEqual([false]);
  await lab.lab.setConnection('bravo', 'ONLINE');
  expect(await mayPromote()).toEqual([true]);
});
