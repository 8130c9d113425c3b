import { describe, expect, test } from 'bun:test';
import {
  codeOf,
  drbd,
  type Entry,
  makeGroup,
  openLab,
  readAt,
  spawn,
  type TestLab,
  writeAt,
} from './fixture.ts';

type Json = Record<string, unknown>;
const nodes = ['alpha', 'bravo'].map((name) => ({
  name,
  pools: [
    { name: 'thin', provider: 'LVM_THIN' as const },
    { name: 'file', provider: 'FILE_THIN' as const },
  ],
}));

async function source(options: { drbd?: boolean; pool?: string } = {}): Promise<TestLab> {
  const lab = openLab({ nodes, tuning: { cloneSeconds: 3600 } });
  const filter = options.drbd ? { place_count: 2, ...drbd } : {};
  await makeGroup(lab, 'grp', { ...filter, storage_pool_list: [options.pool ?? 'thin'] });
  await spawn(lab, 'grp', 'src');
  const [first] = await lab.get<Json[]>('/v1/resource-definitions/src/resources');
  writeAt(await lab.device('src', String(first?.['node_name'])), 'as it was');
  return lab;
}

const clone = async (lab: TestLab, body: Json, from = 'src') => {
  const answer = await lab.send('POST', `/v1/resource-definitions/${from}/clone`, body);
  const messages = ((answer.body as Json)['messages'] as Entry[] | undefined) ?? [];
  return { ...answer, codes: messages.map(codeOf) };
};
const status = async (lab: TestLab, name = 'dst') =>
  (await lab.get<Json>(`/v1/resource-definitions/src/clone/${name}`))['status'];

describe.each([false, true])('with DRBD: %p', (withDrbd) => {
  test('the bytes are there at COMPLETE, not before, and are those of the call', async () => {
    const lab = await source({ drbd: withDrbd });
    expect((await clone(lab, { name: 'dst' })).status).toBe(201);
    const [first] = await lab.get<Json[]>('/v1/resource-definitions/dst/resources');
    const node = String(first?.['node_name']);
    const before = await lab.device('dst', node);
    expect(await status(lab)).toBe('CLONING');
    expect((await lab.get<{ flags: string[] }>('/v1/resource-definitions/dst')).flags).toEqual(['CLONING']);
    expect(readAt(before, 9)).not.toBe('as it was');
    writeAt(await lab.device('src', node), 'changed..');
    await lab.send('POST', '/lab/clock', { advanceSeconds: 3601 });
    expect(await status(lab)).toBe('COMPLETE');
    expect(readAt(await lab.device('dst', node), 9)).toBe('as it was');
    const { props } = await lab.get<{ props: Json }>('/v1/resource-definitions/dst');
    expect(props['cloned-from']).toBe('src');
  });
});

test('FAILED when a node goes away meanwhile; the target can be deleted', async () => {
  const lab = await source();
  await clone(lab, { name: 'dst' });
  const [first] = await lab.get<Json[]>('/v1/resource-definitions/dst/resources');
  await lab.lab.setConnection(String(first?.['node_name']), 'OFFLINE');
  await lab.send('POST', '/lab/clock', { advanceSeconds: 3601 });
  expect(await status(lab)).toBe('FAILED');
  expect((await lab.get<{ flags: string[] }>('/v1/resource-definitions/dst')).flags).toEqual(['FAILED']);
  await lab.lab.setConnection(String(first?.['node_name']), 'ONLINE');
  expect((await lab.send('DELETE', '/v1/resource-definitions/dst')).status).toBe(200);
});

test('refusals stand among the messages, a missing source in a plain list', async () => {
  const lab = await source();
  await clone(lab, { name: 'dst' });
  expect([(await clone(lab, { name: 'dst' })).status, (await clone(lab, { name: 'dst' })).codes]).toEqual([
    500,
    [501],
  ]);
  expect((await clone(lab, { name: 'b!d' })).codes).toEqual([202]);
  expect((await clone(lab, {})).codes).toEqual([202]);
  const missing = await lab.send('POST', '/v1/resource-definitions/nope/clone', { name: 'xx' });
  expect([missing.status, ...missing.codes]).toEqual([404, 301]);
  expect((await lab.send('GET', '/v1/resource-definitions/src/clone/src')).codes).toEqual([301]);
});

test('FILE pools cannot be cloned, an unplaced source has no pools', async () => {
  const lab = await source({ pool: 'file' });
  expect((await clone(lab, { name: 'dst' })).codes).toEqual([227]);
  await lab.send('POST', '/v1/resource-definitions', { resource_definition: { name: 'empty' } });
  expect((await clone(lab, { name: 'dst' }, 'empty')).codes).toEqual([996]);
  expect((await lab.send('GET', '/v1/resource-definitions/dst')).status).toBe(404);
});

test('a source out of sync is refused, one with a node away too', async () => {
  const lab = await source({ drbd: true });
  await lab.send('PUT', '/lab/resources/src/bravo', { disk_state: 'Outdated' });
  expect((await clone(lab, { name: 'dst' })).codes).toEqual([974]);
  await lab.send('PUT', '/lab/resources/src/bravo', { disk_state: null });
  await lab.lab.setConnection('bravo', 'OFFLINE');
  expect((await clone(lab, { name: 'dst' })).codes).toEqual([995]);
});

test('properties are copied, then changed as asked', async () => {
  const lab = await source();
  await lab.send('PUT', '/v1/resource-definitions/src', {
    override_props: { 'Aux/one/IMAGE_ID': '1', 'Aux/keep': 'k' },
  });
  await clone(lab, { name: 'dst', override_props: { 'Aux/one/VM_ID': '5' }, delete_namespaces: ['Aux/one'] });
  const { props } = await lab.get<{ props: Json }>('/v1/resource-definitions/dst');
  expect(props).toMatchObject({ 'Aux/keep': 'k' });
  expect(props).not.toHaveProperty('Aux/one/IMAGE_ID');
});
