import { describe, expect, test } from 'bun:test';
import { drbd, makeGroup, openLab, spawn, type TestLab } from './fixture.ts';

type Json = Record<string, unknown>;

/** What the last call cost the satellites. */
function lastCall(lab: TestLab): { passes: number; asks: number; path: string } {
  const { path = '', passes = -1, asks = -1 } = lab.lab.runtime.work.calls().at(-1) ?? {};
  return { path, passes, asks };
}

async function cost(lab: TestLab, method: string, path: string, body?: unknown): Promise<[number, number]> {
  const { status } = await lab.send(method, path, body);
  expect([path, status < 300]).toEqual([path, true]);
  const { passes, asks } = lastCall(lab);
  return [passes, asks];
}

async function replicated(options: Parameters<typeof openLab>[0] = {}): Promise<TestLab> {
  const lab = openLab(options);
  await makeGroup(lab, 'two', { place_count: 2, node_name_list: ['alpha', 'bravo'], ...drbd });
  await spawn(lab, 'two', 'rr', 65536);
  return lab;
}

const rd = '/v1/resource-definitions/rr';

describe('what a call costs the satellites', () => {
  test('whatever the controller knows costs nothing', async () => {
    const lab = await replicated();
    for (const path of [
      '/v1/nodes',
      '/v1/resource-definitions',
      `${rd}/resources`,
      '/v1/view/snapshots',
      '/v1/view/storage-pools?cached=true',
      '/v1/resource-groups',
      '/v1/key-value-store',
    ])
      expect([path, await cost(lab, 'GET', path)]).toEqual([path, [0, 0]]);
    const kvs = { override_props: { key: 'value' } };
    expect(await cost(lab, 'PUT', '/v1/key-value-store/one', kvs)).toEqual([0, 0]);
  });

  test('views ask, and only those that hold something thin', async () => {
    const lab = openLab({
      nodes: [
        { name: 'alpha', pools: [{ name: 'thin', provider: 'FILE_THIN' }] },
        { name: 'bravo', pools: [{ name: 'thick', provider: 'LVM' }] },
      ],
    });
    await makeGroup(lab, 'thin', {});
    await makeGroup(lab, 'thick', { storage_pool_list: ['thick'] });
    await spawn(lab, 'thin', 'thin-volume');
    await spawn(lab, 'thick', 'thick-volume');
    expect(await cost(lab, 'GET', '/v1/view/resources')).toEqual([0, 1]);
    expect(await cost(lab, 'GET', '/v1/view/resources?resources=thick-volume')).toEqual([0, 0]);
    expect(await cost(lab, 'GET', '/v1/view/storage-pools')).toEqual([0, 1]);
    expect(await cost(lab, 'GET', '/v1/view/storage-pools?nodes=bravo')).toEqual([0, 0]);
  });

  test('a property of a definition or a resource is a pass, unless nothing changes or nothing is there', async () => {
    const lab = await replicated();
    const mark = { override_props: { 'Aux/mark': 'set' } };
    expect(await cost(lab, 'PUT', rd, mark)).toEqual([1, 0]);
    expect(await cost(lab, 'PUT', rd, mark)).toEqual([0, 0]);
    expect(await cost(lab, 'PUT', rd, { delete_props: ['Aux/mark'] })).toEqual([1, 0]);
    expect(await cost(lab, 'PUT', `${rd}/resources/alpha`, mark)).toEqual([1, 0]);
    await lab.send('POST', '/v1/resource-definitions', { resource_definition: { name: 'empty' } });
    expect(await cost(lab, 'PUT', '/v1/resource-definitions/empty', mark)).toEqual([0, 0]);
  });

  test('what is made, copied and deleted costs several', async () => {
    const lab = await replicated();
    expect(lastCall(lab)).toMatchObject({ passes: 3, asks: 1 });
    expect(await cost(lab, 'POST', `${rd}/snapshots`, { name: 'ss' })).toEqual([3, 0]);
    expect(await cost(lab, 'DELETE', `${rd}/snapshots/ss`)).toEqual([1, 0]);
    expect(await cost(lab, 'PUT', `${rd}/volume-definitions/0`, { size_kib: 131072 })).toEqual([4, 0]);
    expect(await cost(lab, 'POST', `${rd}/resources/alpha/make-available`, {})).toEqual([0, 0]);
    expect(await cost(lab, 'DELETE', rd)).toEqual([3, 0]);
  });

  test('the lab tells, and begins anew', async () => {
    const lab = await replicated();
    const { totals, calls } = await lab.get<{ totals: Json; calls: Json[] }>('/lab/calls');
    expect(calls.at(-1)).toEqual({
      method: 'POST',
      path: '/v1/resource-groups/two/spawn',
      passes: 3,
      asks: 1,
      status: 201,
    });
    expect(totals).toEqual({ calls: 3, passes: 3, asks: 1 });
    await lab.send('DELETE', '/lab/calls');
    expect(await lab.get<Json>('/lab/calls')).toEqual({
      totals: { calls: 0, passes: 0, asks: 0 },
      calls: [],
    });
  });
});

describe('a slow satellite', () => {
  test('holds up views and passes, but not what the controller knows', async () => {
    const lab = await replicated();
    await lab.send('POST', '/lab/strike', { kind: 'slow', node: 'bravo', seconds: 0.2 });
    const done: string[] = [];
    const ask = (path: string) => lab.get(path).then(() => done.push(path));
    await Promise.all([
      ask('/v1/view/resources'),
      ask('/v1/view/storage-pools'),
      ask('/v1/view/storage-pools?cached=true'),
      ask('/v1/view/storage-pools?nodes=alpha'),
      ask(`${rd}/resources`),
      lab.send('PUT', rd, { override_props: { 'Aux/a': '1' } }).then(() => done.push('PUT')),
    ]);
    expect(done.slice(0, 3).sort()).toEqual([
      `${rd}/resources`,
      '/v1/view/storage-pools?cached=true',
      '/v1/view/storage-pools?nodes=alpha',
    ]);
    await lab.send('POST', '/lab/mend', { node: 'bravo' });
    expect(await lab.get<Json>('/lab')).toMatchObject({ damage: { slow: {} } });
  });

  test('does not hold up calls about others: the controller waits outside of its locks', async () => {
    const lab = await replicated();
    await makeGroup(lab, 'one', { node_name_list: ['alpha'] });
    await spawn(lab, 'one', 'other');
    await lab.send('POST', '/lab/strike', { kind: 'slow', node: 'bravo', seconds: 0.3 });
    const done: string[] = [];
    const mark = { override_props: { 'Aux/a': '1' } };
    await Promise.all([
      lab.send('PUT', rd, mark).then(() => done.push('rr')),
      lab.send('PUT', '/v1/resource-definitions/other', mark).then(() => done.push('other')),
    ]);
    expect(done).toEqual(['other', 'rr']);
  });
});

describe('a satellite that hangs', () => {
  test('views wait, and end without a word when the controller gives it up; then they work', async () => {
    const lab = await replicated();
    await lab.send('POST', '/lab/strike', { kind: 'hang-node', node: 'bravo', seconds: 0.2 });
    const connection = async () => (await lab.get<Json[]>('/v1/nodes?nodes=bravo'))[0]?.['connection_status'];
    expect(await connection()).toBe('ONLINE');
    const cut = await lab.send('GET', '/v1/view/resources');
    expect([cut.status, ...cut.codes, cut.entries[0]?.message]).toEqual([500, 998, undefined]);
    expect(await connection()).toBe('OFFLINE');
    expect((await lab.send('GET', '/v1/view/resources')).status).toBe(200);
  });

  test('views and writes that wait go on when it is back', async () => {
    const lab = await replicated();
    await lab.send('POST', '/lab/strike', { kind: 'hang-node', node: 'bravo' });
    const done: string[] = [];
    const waiting = [
      lab.send('GET', '/v1/view/resources').then(({ status }) => done.push(`view ${status}`)),
      lab
        .send('PUT', rd, { override_props: { 'Aux/a': '1' } })
        .then(({ status }) => done.push(`put ${status}`)),
      lab
        .send('POST', `${rd}/snapshots`, { name: 'ss' })
        .then(({ status }) => done.push(`snapshot ${status}`)),
      spawn(lab, 'two', 'ss').then(({ status }) => done.push(`spawn ${status}`)),
    ];
    await Bun.sleep(50);
    expect(done).toEqual([]);
    // Known at once, though not yet told to all.
    expect((await lab.get<{ props: Json }>(rd)).props['Aux/a']).toBe('1');
    expect((await lab.send('GET', `${rd}/snapshots/ss`)).status).toBe(404);
    await lab.send('POST', '/lab/mend', { node: 'bravo' });
    await Promise.all(waiting);
    expect(done.sort()).toEqual(['put 200', 'snapshot 201', 'spawn 201', 'view 200']);
    const snapshot = await lab.get<{ nodes: string[] }>(`${rd}/snapshots/ss`);
    expect(snapshot.nodes).toEqual(['alpha', 'bravo']);
  });

  test('a write that waits is an error when it is given up, and holds all the same', async () => {
    const lab = await replicated();
    await lab.send('POST', '/lab/strike', { kind: 'hang-node', node: 'bravo', seconds: 0.1 });
    const put = await lab.send('PUT', rd, { override_props: { 'Aux/a': '1' } });
    expect([put.status, put.codes.at(-1)]).toEqual([500, 998]);
    expect((await lab.get<{ props: Json }>(rd)).props['Aux/a']).toBe('1');
  });
});

describe('a definition with a replica on a dead node', () => {
  const state = async (lab: TestLab) => ({
    flags: (await lab.get<{ flags?: string[] }>(rd)).flags ?? [],
    resources: Object.fromEntries(
      (await lab.get<Json[]>(`${rd}/resources`)).map((item) => [
        String(item['node_name']),
        ((item['flags'] as string[] | undefined) ?? []).includes('DELETE'),
      ]),
    ),
  });

  test('a diskless one is enough: it stays with its name, and the data is not even touched', async () => {
    const lab = await replicated();
    await lab.lab.setConnection('charlie', 'OFFLINE');
    const deleted = await lab.send('DELETE', rd);
    expect([deleted.status, deleted.codes.includes(1002)]).toEqual([200, true]);
    expect(await state(lab)).toEqual({
      flags: ['DELETE'],
      resources: { alpha: false, bravo: false, charlie: true },
    });
    expect(await Bun.file(await lab.device('rr', 'alpha')).exists()).toBe(true);
    expect((await spawn(lab, 'two', 'rr')).codes).toEqual([501]);
    expect((await lab.send('DELETE', rd)).status).toBe(200);
    expect((await lab.send('GET', rd)).status).toBe(200);
  });

  test('it goes when the node returns', async () => {
    const lab = await replicated();
    await lab.lab.setConnection('charlie', 'OFFLINE');
    await lab.send('DELETE', rd);
    await lab.lab.setConnection('charlie', 'ONLINE');
    expect((await lab.send('GET', rd)).status).toBe(404);
    expect((await spawn(lab, 'two', 'rr')).status).toBe(201);
  });

  test('it goes when the node is given up', async () => {
    const lab = await replicated();
    await lab.lab.setConnection('charlie', 'OFFLINE');
    await lab.send('DELETE', rd);
    expect((await lab.send('DELETE', '/v1/nodes/charlie/lost')).status).toBe(200);
    expect((await lab.send('GET', rd)).status).toBe(404);
  });

  test('without diskless ones the others lose their data, and stay in the list', async () => {
    const lab = openLab();
    await makeGroup(lab, 'plain', { place_count: 2, node_name_list: ['alpha', 'bravo'] });
    await spawn(lab, 'plain', 'rr');
    const device = await lab.device('rr', 'alpha');
    await lab.lab.setConnection('bravo', 'OFFLINE');
    await lab.send('DELETE', rd);
    expect(await state(lab)).toEqual({ flags: ['DELETE'], resources: { alpha: true, bravo: true } });
    expect(await Bun.file(device).exists()).toBe(false);
    await lab.lab.setConnection('bravo', 'ONLINE');
    expect((await lab.send('GET', rd)).status).toBe(404);
  });
});

test('snapshots of one resource queue; those of others do not', async () => {
  const lab = await replicated();
  await spawn(lab, 'two', 'other');
  lab.lab.runtime.tuning.snapshotSeconds = 0.15;
  const done: string[] = [];
  const take = (resource: string, name: string) =>
    lab.send('POST', `/v1/resource-definitions/${resource}/snapshots`, { name }).then(() => done.push(name));
  const first = take('rr', 'first');
  const second = take('rr', 'second');
  const third = take('rr', 'third');
  const other = take('other', 'other');
  await Promise.all([first, other]);
  expect((await lab.get<Json[]>(`${rd}/snapshots`)).length).toBeLessThan(3);
  await Promise.all([second, third]);
  expect(done.filter((name) => name !== 'other')).toEqual(['first', 'second', 'third']);
  expect(done.indexOf('other')).toBeLessThan(done.indexOf('second'));
});
