import { describe, expect, test } from 'bun:test';
import { drbd, makeGroup, openLab, spawn } from './fixture.ts';

type Json = Record<string, unknown>;

const racks = [
  { name: 'n1', site: 'a', rack: '1' },
  { name: 'n2', site: 'a', rack: '2' },
  { name: 'n3', site: 'b', rack: '1' },
  { name: 'n4', site: 'b', rack: '2' },
];
const lab = openLab({
  nodes: racks.map(({ name, site, rack }) => ({
    name,
    props: { 'Aux/site': site, 'Aux/rack': rack },
    pools: [
      { name: 'thin', provider: 'FILE_THIN' },
      { name: 'thick', provider: 'LVM', sizeKib: 1024 * 1024 },
    ],
  })),
});

async function place(name: string, filter: Json): Promise<string[] | number> {
  await makeGroup(lab, `g-${name}`, { place_count: 2, ...filter });
  const answer = await spawn(lab, `g-${name}`, name);
  if (answer.status !== 201) return answer.codes.at(-1) ?? 0;
  return (await lab.get<Json[]>(`/v1/resource-definitions/${name}/resources`)).map((item) =>
    String(item['node_name']),
  );
}

const siteOf = (name: string) => racks.find((rack) => rack.name === name)?.site;
const rackOf = (name: string) => racks.find((rack) => rack.name === name)?.rack;

describe('filters', () => {
  test('replicas on the same site, in different racks', async () => {
    const nodes = (await place('same', {
      replicas_on_same: ['Aux/site'],
      replicas_on_different: ['Aux/rack'],
    })) as string[];
    expect(nodes).toHaveLength(2);
    expect(new Set(nodes.map(siteOf)).size).toBe(1);
    expect(new Set(nodes.map(rackOf)).size).toBe(2);
  });

  test('a fixed value', async () => {
    expect(await place('fixed', { replicas_on_same: ['Aux/site=b'] })).toEqual(['n3', 'n4']);
  });

  test('at most so many per value', async () => {
    const nodes = (await place('spread', {
      place_count: 3,
      x_replicas_on_different_map: { 'Aux/site': 2 },
    })) as string[];
    expect(nodes.filter((node) => siteOf(node) === 'a').length).toBeLessThanOrEqual(2);
    expect(nodes.filter((node) => siteOf(node) === 'b').length).toBeLessThanOrEqual(2);
  });

  test('three different racks do not exist', async () => {
    expect(await place('racks', { place_count: 3, replicas_on_different: ['Aux/rack'] })).toBe(996);
  });

  test('not with others, by name and by pattern', async () => {
    await place('first', { node_name_list: ['n1', 'n2'] });
    expect(
      await place('second', { not_place_with_rsc: ['first'], node_name_list: ['n1', 'n3', 'n4'] }),
    ).toEqual(['n3', 'n4']);
    expect(await place('third', { not_place_with_rsc_regex: 'fir.*|sec.*', place_count: 1 })).toBe(996);
  });

  test('nodes, providers, pools', async () => {
    expect(await place('nodes', { node_name_list: ['n2', 'n4'] })).toEqual(['n2', 'n4']);
    expect(
      await place('kinds', { storage_pool_list: [], provider_list: ['lvm'], node_name_list: ['n1', 'n2'] }),
    ).toEqual(['n1', 'n2']);
    const view = await lab.get<Json[]>('/v1/view/resources?resources=kinds');
    expect(view.map((item) => (item['volumes'] as Json[])[0]?.['storage_pool_name'])).toEqual([
      'thick',
      'thick',
    ]);
  });
});

describe('space', () => {
  test('thin pools promise twenty times their space, thick ones once', async () => {
    await makeGroup(lab, 'thinner');
    await makeGroup(lab, 'thicker', { storage_pool_list: ['thick'] });
    const tooMuch = 20 * 8 * 1024 * 1024 + 1;
    expect((await spawn(lab, 'thinner', 'too-thin', tooMuch)).codes.at(-1)).toBe(996);
    expect((await lab.send('GET', '/v1/resource-definitions/too-thin')).status).toBe(404);
    expect((await spawn(lab, 'thicker', 'too-thick', 1024 * 1024 + 1)).codes.at(-1)).toBe(996);
  });

  test('explicit placement says 206 where automatic says 996', async () => {
    await lab.send('POST', '/v1/resource-definitions', {
      resource_definition: { name: 'huge', layer_data: [{ type: 'STORAGE' }] },
    });
    await lab.send('POST', '/v1/resource-definitions/huge/volume-definitions', {
      volume_definition: { size_kib: 2 * 1024 * 1024 },
    });
    const body = [{ resource: { node_name: 'n1', props: { StorPoolName: 'thick' } } }];
    expect((await lab.send('POST', '/v1/resource-definitions/huge/resources', body)).codes).toEqual([206]);
  });

  test('thick pools are checked when a volume grows, thin ones are not', async () => {
    await makeGroup(lab, 'growing', { storage_pool_list: ['thick'], node_name_list: ['n4'] });
    await spawn(lab, 'growing', 'fat1', 4096);
    const grow = (name: string, size: number) =>
      lab.send('PUT', `/v1/resource-definitions/${name}/volume-definitions/0`, { size_kib: size });
    expect((await grow('fat1', 4 * 1024 * 1024)).codes).toEqual([980]);
    await makeGroup(lab, 'thin-growing', { node_name_list: ['n4'] });
    await spawn(lab, 'thin-growing', 'slim1', 4096);
    expect((await grow('slim1', 500 * 1024 * 1024)).status).toBe(200);
  });

  test('capacity: disjoint sets of place_count pools', async () => {
    const fresh = openLab();
    await makeGroup(fresh, 'one');
    await makeGroup(fresh, 'two', { place_count: 2 });
    await makeGroup(fresh, 'five', { place_count: 5 });
    const info = async (group: string) =>
      (
        (await fresh.send('POST', `/v1/resource-groups/${group}/query-size-info`, {})).body as {
          space_info: Json;
        }
      ).space_info;
    const pool = 8 * 1024 * 1024;
    expect(await info('one')).toMatchObject({
      max_vlm_size_in_kib: 20 * pool,
      available_size_in_kib: 3 * pool,
      capacity_in_kib: 3 * pool,
    });
    expect(await info('two')).toMatchObject({ available_size_in_kib: pool, capacity_in_kib: pool });
    expect(await info('five')).toEqual({
      max_vlm_size_in_kib: 0,
      available_size_in_kib: 0,
      capacity_in_kib: 0,
      default_max_oversubscription_ratio: 20,
    });
    await fresh.send('PUT', '/lab/faults', [
      { path: '^/v1/nodes$', fault: { kind: 'pool', node: 'alpha', pool: 'thin', freeKib: 0 } },
    ]);
    await fresh.send('GET', '/v1/nodes');
    expect(await info('one')).toMatchObject({ available_size_in_kib: 2 * pool });
  });
});

describe('nodes that take nothing', () => {
  test.each([['EVICTED'], ['EVACUATE'], ['DELETE']])('flag %s', async (flag) => {
    const own = openLab();
    await own.send('PUT', '/lab/nodes/alpha', { flags: [flag] });
    await makeGroup(own, 'three', { place_count: 3 });
    expect((await spawn(own, 'three', 'rr')).codes.at(-1)).toBe(996);
  });

  test('AutoplaceTarget=false, and an offline node', async () => {
    const own = openLab();
    await makeGroup(own, 'two', { place_count: 2 });
    await own.send('PUT', '/v1/nodes/alpha', { override_props: { AutoplaceTarget: 'false' } });
    expect((await spawn(own, 'two', 'rr')).status).toBe(201);
    await own.lab.setConnection('bravo', 'OFFLINE');
    expect((await spawn(own, 'two', 'ss')).codes.at(-1)).toBe(996);
  });

  test('a layer that the satellite lacks', async () => {
    const own = openLab({
      nodes: [{ name: 'plain', layers: ['STORAGE'], pools: [{ name: 'thin', provider: 'FILE_THIN' }] }],
    });
    await makeGroup(own, 'one', drbd);
    expect((await spawn(own, 'one', 'rr')).codes.at(-1)).toBe(996);
    await own.send('POST', '/v1/resource-definitions', { resource_definition: { name: 'ss' } });
    const body = [{ resource: { node_name: 'plain', props: { StorPoolName: 'thin' } } }];
    expect((await own.send('POST', '/v1/resource-definitions/ss/resources', body)).codes).toEqual([988]);
  });
});

test('more than enough is a warning and changes nothing', async () => {
  const own = openLab();
  await makeGroup(own, 'two', { place_count: 2 });
  await spawn(own, 'two', 'rr');
  for (const place_count of [2, 1]) {
    const answer = await own.send('POST', '/v1/resource-definitions/rr/autoplace', {
      select_filter: { place_count },
    });
    expect([answer.status, answer.codes]).toEqual([201, [1006]]);
  }
  expect(await own.get('/v1/resource-definitions/rr/resources')).toHaveLength(2);
});

test('diskless_on_remaining fills the other nodes', async () => {
  const own = openLab();
  await makeGroup(own, 'one', { ...drbd, diskless_on_remaining: true });
  await spawn(own, 'one', 'rr');
  const list = await own.get<Json[]>('/v1/resource-definitions/rr/resources');
  expect(list.map((item) => item['flags'] ?? 'diskful')).toEqual([
    'diskful',
    ['DISKLESS', 'DRBD_DISKLESS'],
    ['DISKLESS', 'DRBD_DISKLESS'],
  ]);
});

test('a higher place count of the group is reached at once, for each definition that has room', async () => {
  const own = openLab();
  await makeGroup(own, 'grp');
  await spawn(own, 'grp', 'r1');
  await spawn(own, 'grp', 'r2');
  const set = (place_count: number) =>
    own.send('PUT', '/v1/resource-groups/grp', { select_filter: { place_count } });
  expect((await set(2)).status).toBe(200);
  for (const name of ['r1', 'r2'])
    expect(await own.get(`/v1/resource-definitions/${name}/resources`)).toHaveLength(2);
  const tooMany = await set(4);
  expect(tooMany.status).toBe(500);
  expect(tooMany.codes.filter((code) => code === 996)).toHaveLength(2);
  for (const name of ['r1', 'r2'])
    expect(await own.get(`/v1/resource-definitions/${name}/resources`)).toHaveLength(2);
});

test('adjust brings all definitions of a group to its place count', async () => {
  const own = openLab();
  await makeGroup(own, 'grp', { place_count: 2 });
  await spawn(own, 'grp', 'r1');
  await own.send('DELETE', '/v1/resource-definitions/r1/resources/alpha');
  await own.send('DELETE', '/v1/resource-definitions/r1/resources/bravo');
  expect((await own.send('POST', '/v1/resource-groups/grp/adjust', {})).status).toBe(200);
  expect(await own.get('/v1/resource-definitions/r1/resources')).toHaveLength(2);
});

test('diskless_type places diskless replicas', async () => {
  const own = openLab();
  await makeGroup(own, 'one', { ...drbd, node_name_list: ['alpha'] });
  await spawn(own, 'one', 'rr');
  const wish = (select_filter: Json) =>
    own.send('POST', '/v1/resource-definitions/rr/autoplace', { select_filter });
  const nodes = { node_name_list: ['alpha', 'bravo', 'charlie'], diskless_type: 'DRBD_DISKLESS' };
  expect((await wish({ ...nodes, place_count: 2 })).status).toBe(201);
  const list = await own.get<Json[]>('/v1/resource-definitions/rr/resources');
  expect(list.map((item) => item['flags'] ?? 'diskful')).toEqual([
    'diskful',
    ['DISKLESS', 'DRBD_DISKLESS'],
    ['DISKLESS', 'DRBD_DISKLESS'],
  ]);
  expect((await wish({ ...nodes, place_count: 2 })).codes).toEqual([1006]);
  expect((await wish({ ...nodes, place_count: 3 })).codes).toEqual([996]);
});
