import { describe, expect, test } from 'bun:test';
import { makeGroup, openLab, spawn } from './fixture.ts';

const lab = openLab();
const PARSE = '-3458764513820540931';

describe('bodies', () => {
  test.each([
    ['POST', '/v1/resource-definitions', { resource_definition: { name: 'aa', colour: 1 } }, 400],
    ['POST', '/v1/resource-groups', { name: 'gg', select_filter: { nonsense: 1 } }, 400],
    ['POST', '/v1/resource-definitions/aa/autoplace', { select_filter: { nonsense: 1 } }, 500],
    ['POST', '/v1/resource-definitions', { resource_definition: [] }, 400],
    ['POST', '/v1/resource-definitions', { resource_definition: { name: { a: 1 } } }, 400],
    [
      'POST',
      '/v1/resource-definitions/aa/volume-definitions',
      { volume_definition: { size_kib: 'large' } },
      500,
    ],
    ['PUT', '/v1/key-value-store/kv', { override_props: ['a'] }, 400],
    ['POST', '/v1/resource-groups/gg/spawn', '{"half":', 500],
    ['POST', '/v1/resource-definitions', '', 400],
  ] as const)('%s %s with %p is refused', async (method, path, body, status) => {
    const answer = await lab.send(method, path, body);
    expect(answer.status).toBe(status);
    expect(String(answer.entries[0]?.ret_code)).toBe(PARSE);
    expect(answer.entries[0]?.message).toBe('Unable to parse input json.');
  });

  test('scalars are converted where that is unambiguous', async () => {
    const answer = await lab.send('POST', '/v1/resource-groups', {
      name: 'coerced',
      select_filter: { place_count: '2', layer_stack: ['storage'], diskless_on_remaining: 'false' },
    });
    expect(answer.status).toBe(201);
    const group = await lab.get<{ select_filter: unknown }>('/v1/resource-groups/coerced');
    expect(group.select_filter).toEqual({
      place_count: 2,
      layer_stack: ['STORAGE'],
      diskless_on_remaining: false,
    });
  });

  test('a clone request that cannot be parsed is never answered', async () => {
    await lab.send('POST', '/v1/resource-definitions', { resource_definition: { name: 'source' } });
    const waiting = lab.send('POST', '/v1/resource-definitions/source/clone', { nonsense: 1 });
    const winner = await Promise.race([waiting.then(() => 'answered'), Bun.sleep(50).then(() => 'silent')]);
    expect(winner).toBe('silent');
  });
});

describe('names', () => {
  test.each([
    ['x', 202],
    ['a'.repeat(49), 202],
    ['9lives', 202],
    ['bad.name', 202],
    ['all', 202],
  ])('definition %p is refused with %i', async (name, code) => {
    const answer = await lab.send('POST', '/v1/resource-definitions', { resource_definition: { name } });
    expect(answer.status).toBe(500);
    expect(answer.codes).toEqual([code]);
    expect(answer.entries[0]?.error_report_ids).toHaveLength(1);
  });

  test('compare without case, display as first given', async () => {
    await lab.send('POST', '/v1/resource-definitions', { resource_definition: { name: 'MiXed' } });
    const again = await lab.send('POST', '/v1/resource-definitions', {
      resource_definition: { name: 'mixed' },
    });
    expect(again.codes).toEqual([501]);
    expect((await lab.get<{ name: string }>('/v1/resource-definitions/mIXED')).name).toBe('MiXed');
  });

  test('an external name makes the short one', async () => {
    await lab.send('POST', '/v1/resource-definitions', {
      resource_definition: { external_name: 'one/vm 42 disk:0' },
    });
    const made = await lab.get<{ external_name: string }>('/v1/resource-definitions/one_vm_42_disk_0');
    expect(made.external_name).toBe('one/vm 42 disk:0');
  });
});

describe('paths and filters', () => {
  test('an unknown path is 404 with 998, a wrong method 405', async () => {
    const nowhere = await lab.send('GET', '/v1/nope');
    expect([nowhere.status, ...nowhere.codes]).toEqual([404, 998]);
    const wrong = await lab.send('DELETE', '/v1/nodes');
    expect([wrong.status, ...wrong.codes]).toEqual([405, 998]);
  });

  test('unknown nodes in a view are an error, unknown resources an empty list', async () => {
    expect((await lab.send('GET', '/v1/view/resources?nodes=nope')).codes).toEqual([300]);
    expect((await lab.send('GET', '/v1/view/resources?resources=nope')).body).toEqual([]);
    expect((await lab.send('GET', '/v1/nodes?nodes=nope')).body).toEqual([]);
  });

  test('properties filter definitions', async () => {
    await lab.send('POST', '/v1/resource-definitions', {
      resource_definition: { name: 'marked', props: { 'Aux/one/driver': '2' } },
    });
    const names = async (query: string) =>
      (await lab.get<{ name: string }[]>(`/v1/resource-definitions?${query}`)).map((item) => item.name);
    expect(await names('props=Aux/one/driver')).toEqual(['marked']);
    expect(await names('props=Aux/one/driver=2')).toEqual(['marked']);
    expect(await names('props=Aux/one/driver=3')).toEqual([]);
  });
});

describe('properties', () => {
  test.each([
    [{ 'Nope/x': '1' }, 'Invalid property key: Nope/x'],
    [
      { 'DrbdOptions/Net/allow-two-primaries': 'maybe' },
      'Invalid property(DrbdOptions/Net/allow-two-primaries) value: maybe',
    ],
    [{ 'DrbdOptions/auto-quorum': 'off' }, 'Invalid property(DrbdOptions/auto-quorum) value: off'],
    // DRBD's own bounds (drbdsetup xml-help).
    [
      { 'DrbdOptions/Net/max-buffers': '131073' },
      'Invalid property(DrbdOptions/Net/max-buffers) value: 131073',
    ],
    [{ 'DrbdOptions/Net/ping-timeout': '0' }, 'Invalid property(DrbdOptions/Net/ping-timeout) value: 0'],
    [
      { 'DrbdOptions/PeerDevice/c-max-rate': '10M' },
      'Invalid property(DrbdOptions/PeerDevice/c-max-rate) value: 10M',
    ],
  ])('%p is refused', async (props, message) => {
    const answer = await lab.send('POST', '/v1/resource-definitions', {
      resource_definition: { name: 'strict', props },
    });
    expect(answer.codes).toEqual([213]);
    expect(answer.entries[0]?.message).toBe(message);
    expect((await lab.send('GET', '/v1/resource-definitions/strict')).status).toBe(404);
  });

  test('one bad key fails the whole change', async () => {
    await lab.send('POST', '/v1/resource-definitions', { resource_definition: { name: 'whole' } });
    await lab.send('PUT', '/v1/resource-definitions/whole', {
      override_props: { 'Aux/good': '1', bad: '2' },
    });
    expect(await lab.get('/v1/resource-definitions/whole')).not.toHaveProperty('props');
  });

  test('a namespace is deleted with all below it', async () => {
    await lab.send('PUT', '/v1/resource-definitions/whole', {
      override_props: { 'Aux/one/a': '1', 'Aux/one/b': '2', 'Aux/only': '3' },
    });
    await lab.send('PUT', '/v1/resource-definitions/whole', { delete_namespaces: ['Aux/one'] });
    expect((await lab.get<{ props: unknown }>('/v1/resource-definitions/whole')).props).toEqual({
      'Aux/only': '3',
    });
  });
});

describe('deletes of what is not there', () => {
  test.each([
    '/v1/resource-definitions/nope',
    '/v1/resource-definitions/nope/resources/alpha',
    '/v1/resource-definitions/nope/volume-definitions/0',
    '/v1/resource-definitions/nope/snapshots/ss',
    '/v1/resource-groups/nope',
    '/v1/key-value-store/nope',
    '/v1/nodes/nope',
  ])('DELETE %s is a warning', async (path) => {
    const answer = await lab.send('DELETE', path);
    expect(answer.status).toBe(200);
    expect(answer.codes).toEqual([3000]);
  });
});

test('a key-value store comes with its first key and goes with its last', async () => {
  expect((await lab.send('PUT', '/v1/key-value-store/kv', { override_props: { 'a/b': '1' } })).codes).toEqual(
    [3],
  );
  expect(await lab.get('/v1/key-value-store/kv')).toEqual([{ name: 'kv', props: { 'a/b': '1' } }]);
  await lab.send('PUT', '/v1/key-value-store/kv', { delete_props: ['a/b'] });
  expect((await lab.send('GET', '/v1/key-value-store/kv')).codes).toEqual([316]);
});

test('racing creations have one winner', async () => {
  await makeGroup(lab, 'race');
  const answers = await Promise.all([1, 2, 3, 4].map(() => spawn(lab, 'race', 'wanted')));
  expect(answers.map((answer) => answer.status).sort()).toEqual([201, 500, 500, 500]);
});
