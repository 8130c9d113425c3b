import { describe, expect, test } from 'bun:test';
import { existsSync, statSync } from 'node:fs';
import { drbd, makeGroup, openLab, readAt, spawn, writeAt } from './fixture.ts';

const pools = (['FILE_THIN', 'LVM', 'LVM_THIN', 'ZFS_THIN', 'FILE'] as const).map((provider) => ({
  name: provider === 'FILE_THIN' ? 'thin' : provider.toLowerCase(),
  provider,
}));
const lab = openLab({ nodes: ['alpha', 'bravo', 'charlie'].map((name) => ({ name, pools })) });

const ZERO = '\0'.repeat(16);

describe('new volumes', () => {
  test.each([
    ['thin', true, 4100],
    ['lvm_thin', true, 8192],
    ['zfs_thin', true, 4104],
    ['lvm', false, 8192],
    ['file', false, 4100],
  ])('on %s: zero is %p, 4100 KiB become %i', async (pool, zero, size) => {
    await makeGroup(lab, `on-${pool}`, { storage_pool_list: [pool], node_name_list: ['alpha'] });
    await spawn(lab, `on-${pool}`, `new-${pool}`, 4100);
    const device = await lab.device(`new-${pool}`, 'alpha');
    expect(statSync(device).size).toBe(size * 1024);
    expect(readAt(device, 16, 1024 * 1024) === ZERO).toBe(zero);
  });
});

test('plain storage: two replicas are two unrelated volumes', async () => {
  await makeGroup(lab, 'apart', { place_count: 2, node_name_list: ['alpha', 'bravo'] });
  await spawn(lab, 'apart', 'apart1');
  const [a, b] = [await lab.device('apart1', 'alpha'), await lab.device('apart1', 'bravo')];
  writeAt(a, 'only here');
  expect(readAt(b, 9)).toBe('\0'.repeat(9));
});

test('DRBD: every node reads the same bytes, diskless ones too', async () => {
  await makeGroup(lab, 'same', { place_count: 2, node_name_list: ['alpha', 'bravo'], ...drbd });
  await spawn(lab, 'same', 'same1');
  const devices = await Promise.all(['alpha', 'bravo', 'charlie'].map((node) => lab.device('same1', node)));
  expect(new Set(devices).size).toBe(3);
  writeAt(devices[2] ?? '', 'from the diskless one', 4096);
  for (const device of devices) expect(readAt(device, 21, 4096)).toBe('from the diskless one');
  // A replica that comes later has them as well.
  await lab.send('PUT', '/v1/resource-definitions/same1/resources/charlie/toggle-disk/diskful/thin');
  expect(readAt(await lab.device('same1', 'charlie'), 21, 4096)).toBe('from the diskless one');
});

test('a shrunk plain volume loses its end, a grown one reads zero there', async () => {
  await makeGroup(lab, 'sizes');
  await spawn(lab, 'sizes', 'size1', 2048);
  const node = String(
    (await lab.get<{ node_name: string }[]>('/v1/resource-definitions/size1/resources'))[0]?.node_name,
  );
  const device = await lab.device('size1', node);
  writeAt(device, 'at the end', 1024 * 1024 + 10);
  await lab.send('PUT', '/v1/resource-definitions/size1/volume-definitions/0', { size_kib: 1024 });
  expect(statSync(device).size).toBe(1024 * 1024);
  await lab.send('PUT', '/v1/resource-definitions/size1/volume-definitions/0', { size_kib: 2048 });
  expect(readAt(device, 10, 1024 * 1024 + 10)).toBe('\0'.repeat(10));
});

describe('snapshots', () => {
  test('restore, rollback and later snapshots carry their own bytes', async () => {
    await makeGroup(lab, 'snaps', { node_name_list: ['alpha'] });
    await spawn(lab, 'snaps', 'img');
    writeAt(await lab.device('img', 'alpha'), 'first ');
    await lab.send('POST', '/v1/resource-definitions/img/snapshots', { name: 'one' });
    writeAt(await lab.device('img', 'alpha'), 'second');
    await lab.send('POST', '/v1/resource-definitions/img/snapshots', { name: 'two' });
    writeAt(await lab.device('img', 'alpha'), 'third ');

    await lab.send('POST', '/v1/resource-definitions', {
      resource_definition: { name: 'copy', resource_group_name: 'snaps' },
    });
    await lab.send('POST', '/v1/resource-definitions/img/snapshot-restore-volume-definition/one', {
      to_resource: 'copy',
    });
    await lab.send('POST', '/v1/resource-definitions/img/snapshot-restore-resource/one', {
      to_resource: 'copy',
    });
    expect(readAt(await lab.device('copy', 'alpha'), 6)).toBe('first ');

    const back = await lab.send('POST', '/v1/resource-definitions/img/snapshot-rollback/one');
    expect(back.status).toBe(200);
    expect(readAt(await lab.device('img', 'alpha'), 6)).toBe('first ');
    const forth = await lab.send('POST', '/v1/resource-definitions/img/snapshot-rollback/two');
    expect(forth.status).toBe(200);
    expect(readAt(await lab.device('img', 'alpha'), 6)).toBe('second');
    expect((await lab.get('/v1/resource-definitions/img/snapshots')).map((item) => item['name'])).toEqual([
      'one',
      'two',
    ]);
  });

  test('rollback undoes growth', async () => {
    await spawn(lab, 'snaps', 'grown', 2048);
    await lab.send('POST', '/v1/resource-definitions/grown/snapshots', { name: 'small' });
    await lab.send('PUT', '/v1/resource-definitions/grown/volume-definitions/0', { size_kib: 8192 });
    await lab.send('POST', '/v1/resource-definitions/grown/snapshot-rollback/small');
    expect(
      (await lab.get<{ size_kib: number }>('/v1/resource-definitions/grown/volume-definitions/0')).size_kib,
    ).toBe(2048);
    expect(statSync(await lab.device('grown', 'alpha')).size).toBe(2048 * 1024);
  });

  test('DRBD: a snapshot restores on every node that owns it, diskless ones are rebuilt', async () => {
    await spawn(lab, 'same', 'drbdimg');
    writeAt(await lab.device('drbdimg', 'bravo'), 'kept');
    await lab.send('POST', '/v1/resource-definitions/drbdimg/snapshots', { name: 'kept' });
    writeAt(await lab.device('drbdimg', 'alpha'), 'lost');
    await lab.send('POST', '/v1/resource-definitions/drbdimg/snapshot-rollback/kept');
    const nodes = (await lab.get('/v1/resource-definitions/drbdimg/resources')).map((item) =>
      String(item['node_name']),
    );
    expect(nodes).toEqual(['alpha', 'bravo', 'charlie']);
    for (const node of nodes) expect(readAt(await lab.device('drbdimg', node), 4)).toBe('kept');
  });

  test('LVM thick has none', async () => {
    const answer = await lab.send('POST', '/v1/resource-definitions/new-lvm/snapshots', { name: 'nope' });
    expect([answer.status, ...answer.codes]).toEqual([500, 994]);
    expect(await lab.get('/v1/resource-definitions/new-lvm/snapshots')).toEqual([]);
  });
});

test('deleting takes the files away; who has the device open keeps reading', async () => {
  await spawn(lab, 'sizes', 'gone');
  const node = String(
    (await lab.get<{ node_name: string }[]>('/v1/resource-definitions/gone/resources'))[0]?.node_name,
  );
  const device = await lab.device('gone', node);
  expect(existsSync(device)).toBe(true);
  await lab.send('DELETE', '/v1/resource-definitions/gone');
  expect(existsSync(device)).toBe(false);
});
