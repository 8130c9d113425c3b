import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { lcm, vmState } from '../../../src/lab/one/model.ts';
import { generationOf } from '../../../src/lab/one/oned.ts';
import { type FakeOned, fakeOned } from './fake-remotes.ts';

/** Sequences and arguments of a real oned (recordings/opennebula, order.md and driver-calls.jsonl). */

let fake: FakeOned;
let image: number;
let persistent: number;
let cdrom: number;
let images: number;
let system: number;
let system2: number;

const decode = (text: string): string => Buffer.from(text, 'base64').toString();
const vm = (id: number) => fake.one.read().vms[id];

beforeEach(async () => {
  fake = fakeOned();
  const { one } = fake;
  for (const host of ['host1', 'host2']) one.addHost(host);
  images = (await one.createDatastore({ name: 'images', type: 'IMAGE' })).datastore;
  system = (await one.createDatastore({ name: 'system', type: 'SYSTEM' })).datastore;
  system2 = (await one.createDatastore({ name: 'system2', type: 'SYSTEM' })).datastore;
  image = (await one.createImage({ name: 'os', datastore: images, path: '/var/tmp/os.qcow2' })).image;
  persistent = (await one.createDatablock({ name: 'data', datastore: images, sizeMb: 64, persistent: true }))
    .image;
  cdrom = (await one.createImage({ name: 'cd', datastore: images, path: '/var/tmp/cd.iso', type: 'CDROM' }))
    .image;
  fake.traced();
});
afterEach(() => fake.remove());

/** The VM of the recording: clone, persistent, volatile, swap, CD-ROM and a context. */
async function deployed(): Promise<number> {
  const done = await fake.one.instantiate(
    {
      name: 'vm',
      disks: [
        { image },
        { image: persistent },
        { volatile: 'fs', sizeMb: 32 },
        { volatile: 'swap', sizeMb: 16 },
        { image: cdrom },
      ],
    },
    { host: 'host1', datastore: system },
  );
  expect(done.ok).toBe(true);
  return done.vm;
}

describe('images', () => {
  test('a path is measured, copied and the datastore monitored', async () => {
    const done = await fake.one.createImage({ name: 'two', datastore: images, path: '/var/tmp/a&b.raw' });
    const calls = fake.traced();
    expect(calls.map(({ name }) => name)).toEqual(['datastore/stat', 'datastore/cp', 'datastore/monitor']);
    const [stat, cp, monitor] = calls;
    expect(stat?.argv).not.toEqual([String(done.image)]);
    expect(decode(stat?.stdin ?? '')).toContain(
      '<IMAGE><PATH>/var/tmp/a&amp;b.raw</PATH><SIZE></SIZE></IMAGE><DATASTORE><ID>100</ID>',
    );
    expect(cp?.argv).toEqual([String(done.image)]);
    expect(decode(cp?.stdin ?? '')).toContain(
      '<PATH><![CDATA[/var/tmp/a&b.raw]]></PATH><FORMAT><![CDATA[]]></FORMAT><FS><![CDATA[]]></FS><SIZE>100</SIZE><STATE>4</STATE>',
    );
    expect(monitor?.argv).toEqual([String(images)]);
    expect(fake.one.read().images.at(-1)).toMatchObject({
      source: `source-${done.image}`,
      format: 'raw',
      sizeMb: 100,
      state: 1,
    });
    expect(fake.one.read().datastores[0]).toMatchObject({ totalMb: 1024, freeMb: 1000, usedMb: 24 });
  });

  test('a failed copy leaves an image without SOURCE, whose deletion calls nothing', async () => {
    fake.failNext('datastore/cp');
    const done = await fake.one.createImage({ name: 'two', datastore: images, path: '/x' });
    expect(done).toMatchObject({ ok: false, error: 'datastore/cp failed with exit code 3: told to fail' });
    expect(fake.one.read().images.at(-1)).toMatchObject({ state: 5, source: '' });
    fake.traced();
    expect((await fake.one.deleteImage(done.image)).ok).toBe(true);
    expect(fake.lines()).toEqual([]);
  });

  test('clone names the original’s SOURCE as path and its id', async () => {
    const done = await fake.one.cloneImage(image, 'copy');
    const [clone] = fake.traced();
    expect(clone?.argv).toEqual([String(done.image)]);
    const document = decode(clone?.stdin ?? '');
    expect(document).toContain(
      `<SOURCE><![CDATA[]]></SOURCE><PATH><![CDATA[source-${image}]]></PATH><FORMAT><![CDATA[raw]]></FORMAT>`,
    );
    expect(document).toContain(`<CLONING_ID>${image}</CLONING_ID>`);
  });

  test('delete calls rm with the SOURCE; a failure keeps the image in ERROR, and it can be repeated', async () => {
    fake.failNext('datastore/rm');
    expect((await fake.one.deleteImage(image)).ok).toBe(false);
    expect(fake.one.read().images[0]?.state).toBe(5);
    expect((await fake.one.deleteImage(image)).ok).toBe(true);
    expect(fake.lines()).toEqual([`datastore/rm ${image}`, `datastore/rm ${image}`]);
    expect(fake.one.read().images.some(({ id }) => id === image)).toBe(false);
  });
});

describe('life of a VM', () => {
  test('deploy', async () => {
    const id = await deployed();
    expect(fake.lines()).toEqual([
      `tm/clone one-fe:source-${image} host1:$DS/${system}/${id}/disk.0 ${id} ${images}`,
      `tm/ln one-fe:source-${persistent} host1:$DS/${system}/${id}/disk.1 ${id} ${images}`,
      `tm/mkimage 32 raw host1:$DS/${system}/${id}/disk.2 ${id} ${system}`,
      `tm/mkswap 16 host1:$DS/${system}/${id}/disk.3 ${id} ${system}`,
      `tm/ln one-fe:source-${cdrom} host1:$DS/${system}/${id}/disk.4 ${id} ${images}`,
      `tm/context $VAR/vms/${id}/context.sh host1:$DS/${system}/${id}/disk.5 ${id} ${system}`,
    ]);
    expect(vm(id)).toMatchObject({ state: vmState.ACTIVE, lcmState: lcm.RUNNING, deployId: `one-${id}` });
    expect(fake.one.read().images.map(({ state }) => state)).toEqual([2, 8, 2]);
  });

  test('tm actions of a transfer script get nothing on stdin', async () => {
    await deployed();
    expect(fake.traced().map(({ stdin }) => stdin)).toEqual(['', '', '', '', '', '']);
  });

  test('terminate: persistent disks go back, the directory last', async () => {
    const id = await deployed();
    fake.traced();
    expect((await fake.one.terminate(id)).ok).toBe(true);
    expect(fake.lines()).toEqual([
      `tm/delete host1:$DS/${system}/${id}/disk.0 ${id} ${images}`,
      `tm/mvds host1:$DS/${system}/${id}/disk.1 source-${persistent} ${id} ${images}`,
      `tm/delete host1:$DS/${system}/${id}/disk.2 ${id} ${system}`,
      `tm/delete host1:$DS/${system}/${id}/disk.3 ${id} ${system}`,
      `tm/delete host1:$DS/${system}/${id}/disk.4 ${id} ${images}`,
      `tm/delete host1:$DS/${system}/${id} ${id} ${system}`,
    ]);
    expect(vm(id)?.state).toBe(vmState.DONE);
    expect(fake.one.read().images.map(({ state, vms }) => [state, vms])).toEqual([
      [1, []],
      [1, []],
      [1, []],
    ]);
  });

  test('undeploy and deploy elsewhere: every disk, then the directory', async () => {
    const id = await deployed();
    fake.traced();
    await fake.one.undeploy(id);
    expect(fake.lines()).toEqual([
      ...[0, 1, 2, 3, 4].map(
        (disk) =>
          `tm/mv host1:$DS/${system}/${id}/disk.${disk} one-fe:$DS/${system}/${id}/disk.${disk} ${id} ${disk === 2 || disk === 3 ? system : images}`,
      ),
      `tm/mv host1:$DS/${system}/${id} one-fe:$DS/${system}/${id} ${id} ${system}`,
    ]);
    await fake.one.resize(id, 2, 48);
    expect(fake.lines()).toEqual([`tm/resize host1:$DS/${system}/${id}/disk.2 48 ${id} ${system}`]);
    await fake.one.deploy(id, { host: 'host2', datastore: system });
    const lines = fake.lines();
    expect(lines).toHaveLength(7);
    expect(lines[0]).toBe(
      `tm/mv one-fe:$DS/${system}/${id}/disk.0 host2:$DS/${system}/${id}/disk.0 ${id} ${images}`,
    );
    expect(lines[6]).toBe(
      `tm/context $VAR/vms/${id}/context.sh host2:$DS/${system}/${id}/disk.5 ${id} ${system}`,
    );
  });

  test('terminate of an undeployed VM works on the front-end', async () => {
    const id = await deployed();
    await fake.one.undeploy(id);
    fake.traced();
    await fake.one.terminate(id);
    expect(fake.lines()[1]).toBe(
      `tm/mvds one-fe:$DS/${system}/${id}/disk.1 source-${persistent} ${id} ${images}`,
    );
  });

  test('cold migration to another host and system datastore: volatile disks name the new one', async () => {
    const id = await deployed();
    fake.traced();
    expect((await fake.one.migrate(id, { host: 'host2', datastore: system2 }, { poweroff: true })).ok).toBe(
      true,
    );
    const lines = fake.lines();
    expect(lines[0]).toBe(
      `tm/mv host1:$DS/${system}/${id}/disk.0 host2:$DS/${system2}/${id}/disk.0 ${id} ${images}`,
    );
    expect(lines[2]).toBe(
      `tm/mv host1:$DS/${system}/${id}/disk.2 host2:$DS/${system2}/${id}/disk.2 ${id} ${system2}`,
    );
    expect(lines[5]).toBe(`tm/mv host1:$DS/${system}/${id} host2:$DS/${system2}/${id} ${id} ${system2}`);
    expect(vm(id)?.disks[2]?.attributes['DATASTORE_ID']).toBe(String(system2));
  });

  test('live migration: document on stdin, history of the new host', async () => {
    const id = await deployed();
    fake.traced();
    expect((await fake.one.liveMigrate(id, { host: 'host2', datastore: system })).ok).toBe(true);
    const calls = fake.traced();
    expect(calls.map(({ name, argv }) => [name, ...argv])).toEqual(
      ['tm/premigrate', 'tm/postmigrate'].map((name) => [
        name,
        'host1',
        'host2',
        `/var/lib/one//datastores/${system}/${id}`,
        String(id),
        String(system),
      ]),
    );
    const document = decode(calls[0]?.stdin ?? '');
    expect(document).toContain('<STATE>3</STATE><LCM_STATE>4</LCM_STATE>');
    expect([...document.matchAll(/<HOSTNAME>(.*?)<\/HOSTNAME>/g)].map(([, host]) => host)).toEqual(['host2']);
  });

  test('a failed premigrate or hypervisor leads to failmigrate, a failed postmigrate to nothing', async () => {
    const id = await deployed();
    fake.traced();
    fake.failNext('tm/premigrate');
    expect((await fake.one.liveMigrate(id, { host: 'host2', datastore: system })).ok).toBe(false);
    expect(fake.traced().map(({ name }) => name)).toEqual(['tm/premigrate', 'tm/failmigrate']);
    expect(
      (await fake.one.liveMigrate(id, { host: 'host2', datastore: system }, { hypervisor: () => false })).ok,
    ).toBe(false);
    expect(fake.traced().map(({ name }) => name)).toEqual(['tm/premigrate', 'tm/failmigrate']);
    expect(vm(id)?.history.at(-1)?.hostname).toBe('host1');
    fake.failNext('tm/postmigrate');
    expect((await fake.one.liveMigrate(id, { host: 'host2', datastore: system })).ok).toBe(true);
    expect(vm(id)?.history.at(-1)?.hostname).toBe('host2');
  });
});

describe('failures and recovery', () => {
  test('a failing line stops the script; retry runs the whole script again', async () => {
    fake.failNext('tm/ln');
    const done = await fake.one.instantiate(
      { name: 'vm', disks: [{ image }, { image: persistent }] },
      { host: 'host1', datastore: system },
    );
    expect(done.ok).toBe(false);
    expect(vm(done.vm)?.lcmState).toBe(lcm.PROLOG_FAILURE);
    expect(fake.traced().map(({ name }) => name)).toEqual(['tm/clone', 'tm/ln']);
    expect((await fake.one.retry(done.vm)).ok).toBe(true);
    expect(fake.traced().map(({ name }) => name)).toEqual(['tm/clone', 'tm/ln', 'tm/context']);
    expect(vm(done.vm)?.lcmState).toBe(lcm.RUNNING);
  });

  test('recover --delete deletes persistent disks too, swallows failures, and the VM is DONE before', async () => {
    const id = await deployed();
    fake.traced();
    fake.failNext('tm/delete');
    expect((await fake.one.recoverDelete(id)).ok).toBe(true);
    expect(fake.lines().map((line) => line.split(' ')[0])).toEqual(
      Array.from({ length: 6 }, () => 'tm/delete'),
    );
    expect(vm(id)).toMatchObject({ state: vmState.DONE, disks: [] });
    expect(fake.one.read().images.every(({ state }) => state === 1)).toBe(true);
  });

  test('recreate cleans up both hosts after a failed migration and starts anew with the same id', async () => {
    const id = await deployed();
    fake.failNext('tm/mv');
    expect((await fake.one.migrate(id, { host: 'host2', datastore: system }, { poweroff: true })).ok).toBe(
      false,
    );
    expect(vm(id)?.lcmState).toBe(lcm.PROLOG_MIGRATE_FAILURE);
    fake.traced();
    await fake.one.recreate(id);
    const hosts = fake.lines().map((line) => line.split(' ')[1]?.split(':')[0]);
    expect(hosts.filter((host) => host === 'host1')).toHaveLength(6);
    expect(hosts.filter((host) => host === 'host2')).toHaveLength(6);
    expect((await fake.one.deploy(id, { host: 'host1', datastore: system })).ok).toBe(true);
  });

  test('recreate drops the snapshots of disks that are made anew, not those of persistent ones', async () => {
    const id = await deployed();
    await fake.one.snapshotCreate(id, 0, 'gone');
    await fake.one.snapshotCreate(id, 1, 'kept');
    await fake.one.recreate(id);
    expect(Object.keys(vm(id)?.snapshots ?? {})).toEqual(['1']);
  });

  test('attach: a hypervisor that refuses causes the epilog line, a failed tm call nothing', async () => {
    const id = await deployed();
    const other = (
      await fake.one.createDatablock({ name: 'other', datastore: images, sizeMb: 8, persistent: true })
    ).image;
    fake.traced();
    await fake.one.attach(id, { image: other }, { hypervisorFails: true });
    expect(fake.lines()).toEqual([
      `tm/ln one-fe:source-${other} host1:$DS/${system}/${id}/disk.6 ${id} ${images}`,
      `tm/mvds host1:$DS/${system}/${id}/disk.6 source-${other} ${id} ${images}`,
    ]);
    fake.failNext('tm/ln');
    await fake.one.attach(id, { image: other });
    expect(fake.lines()).toHaveLength(1);
    expect(vm(id)?.disks).toHaveLength(5);
  });
});

describe('disks', () => {
  test('attach and detach, running and powered off', async () => {
    const id = await deployed();
    fake.traced();
    for (const poweroff of [false, true]) {
      if (poweroff) fake.one.poweroff(id);
      const { disk } = await fake.one.attach(id, { image });
      await fake.one.detach(id, disk);
      expect(fake.lines()).toEqual([
        `tm/clone one-fe:source-${image} host1:$DS/${system}/${id}/disk.${disk} ${id} ${images}`,
        `tm/delete host1:$DS/${system}/${id}/disk.${disk} ${id} ${images}`,
      ]);
    }
  });

  test('snapshots: live on a running VM, plain delete in every state, revert when powered off', async () => {
    const id = await deployed();
    fake.traced();
    const first = (await fake.one.snapshotCreate(id, 0, 'a')).snapshot;
    await fake.one.resize(id, 0, 200);
    await fake.one.snapshotDelete(id, 0, first);
    fake.one.poweroff(id);
    const second = (await fake.one.snapshotCreate(id, 0, 'b')).snapshot;
    expect([first, second]).toEqual([0, 1]);
    await fake.one.snapshotRevert(id, 0, second);
    expect(fake.lines()).toEqual([
      `tm/snap_create_live host1:$DS/${system}/${id}/disk.0 0 ${id} ${images}`,
      `tm/resize host1:$DS/${system}/${id}/disk.0 200 ${id} ${images}`,
      `tm/snap_delete host1:$DS/${system}/${id}/disk.0 0 ${id} ${images}`,
      `tm/snap_create host1:$DS/${system}/${id}/disk.0 1 ${id} ${images}`,
      `tm/snap_revert host1:$DS/${system}/${id}/disk.0 1 ${id} ${images}`,
    ]);
    expect(vm(id)?.disks[0]?.attributes['SIZE']).toBe('200');
    expect(fake.one.snapshotCreate(id, 2, 'no')).rejects.toThrow('cannot have snapshots');
  });

  test('snapshots and size of a persistent disk return to the image', async () => {
    const id = await deployed();
    await fake.one.snapshotCreate(id, 1, 'kept');
    await fake.one.resize(id, 1, 96);
    await fake.one.terminate(id);
    const data = fake.one.read().images.find((each) => each.id === persistent);
    expect(data).toMatchObject({
      sizeMb: 96,
      snapshots: { next: 1, snapshots: [{ id: 0, name: 'kept', sizeMb: 64, active: true }] },
    });
    fake.traced();
    await fake.one.imageSnapshotRevert(persistent, 0);
    const [call] = fake.traced();
    expect(call?.name).toBe('datastore/snap_revert');
    expect(decode(call?.stdin ?? '')).toContain('<TARGET_SNAPSHOT>0</TARGET_SNAPSHOT>');
  });

  test('saveas: a placeholder by mkfs, the content by cpds, without a host prefix for the target', async () => {
    const id = await deployed();
    fake.traced();
    const done = await fake.one.saveAs(id, 0, { name: 'saved' });
    const calls = fake.traced();
    expect(decode(calls[0]?.stdin ?? '')).toContain('<FORMAT><![CDATA[save_as]]></FORMAT>');
    expect(calls[1]?.argv).toEqual([
      `host1:/var/lib/one//datastores/${system}/${id}/disk.0`,
      `source-${done.image}`,
      '-1',
      String(id),
      String(images),
    ]);
  });

  test('backup: raw documents, disks without CD-ROM, swap and volatile ones; postbackup after every failure', async () => {
    const id = await deployed();
    fake.traced();
    expect((await fake.one.backup(id, { collect: () => true })).ok).toBe(true);
    expect((await fake.one.backup(id, { collect: () => false })).ok).toBe(false);
    const calls = fake.traced();
    expect(calls.map(({ name }) => name)).toEqual([
      'tm/prebackup_live',
      'tm/postbackup_live',
      'tm/prebackup_live',
      'tm/postbackup_live',
    ]);
    expect(calls[0]?.argv).toEqual([
      `host1:/var/lib/one//datastores/${system}/${id}`,
      '0:1',
      `one-${id}`,
      '-',
      String(id),
      String(system),
    ]);
    expect(calls[0]?.stdin).toStartWith(`<VM><ID>${id}</ID>`);
    expect(calls[3]?.stdin).toContain('<BACKUP_RESULT>FAILURE</BACKUP_RESULT>');
  });
});

describe('shapes by release', () => {
  test.each([
    ['5.8', (argv: readonly string[]) => [decode(argv[0] ?? '').slice(0, 24), argv[1]], ''],
    ['6.6', (argv: readonly string[]) => argv, '<DS_DRIVER_ACTION_DATA>'],
  ] as const)('%s', async (generation, shown, stdin) => {
    const old = fakeOned(generation);
    try {
      const { datastore } = await old.one.createDatastore({ name: 'x', type: 'IMAGE' });
      const [call] = old.traced();
      expect(shown(call?.argv ?? [])).toEqual(
        generation === '5.8' ? ['<DS_DRIVER_ACTION_DATA><', String(datastore)] : ['-', String(datastore)],
      );
      expect(decode(call?.stdin ?? '').slice(0, 23)).toBe(stdin);
    } finally {
      old.remove();
    }
  });

  test('an unknown mode of a disk falls back to the bare action', async () => {
    const mixed = fakeOned();
    try {
      mixed.one.addHost('host1');
      const ours = (await mixed.one.createDatastore({ name: 'i', type: 'IMAGE' })).datastore;
      const foreign = (await mixed.one.createDatastore({ name: 's', type: 'SYSTEM', driver: 'ssh' }))
        .datastore;
      const made = await mixed.one.createImage({ name: 'os', datastore: ours, path: '/x' });
      mixed.traced();
      const done = await mixed.one.instantiate(
        { name: 'v', disks: [{ image: made.image }], context: false },
        { host: 'host1', datastore: foreign },
      );
      expect(done.calls[0]).toMatchObject({ action: 'clone.ssh', exitCode: 0 });
      expect(mixed.lines()).toHaveLength(1);
    } finally {
      mixed.remove();
    }
  });
});

test('a release has its call shape (contract §1.2)', () => {
  const shapes = [
    '5.8.5',
    '5.12.0',
    '6.0.0',
    '6.6.1.1',
    '6.6.2',
    '6.6.3',
    '6.8.0',
    '6.10.5',
    '7.2.0',
    '7.0.0.rc1\n',
  ];
  expect(shapes.map(generationOf)).toEqual([
    '5.8',
    '5.8',
    '6.0',
    '6.0',
    '6.6',
    '6.6',
    '7.2',
    '7.2',
    '7.2',
    '7.2',
  ]);
  expect(() => generationOf('x')).toThrow('not a release');
});
