import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { misspeltIn } from '../../src/opennebula/misspelt.ts';
import { ok, SnapshotWorld } from './world.ts';

describe('linstor_un snapshots on the lab', () => {
  let world: SnapshotWorld;
  let taken = '';
  beforeAll(async () => {
    world = await SnapshotWorld.open('drbd', { LINSTOR_SNAPSHOTS: '24h 7d' });
  });
  afterAll(() => world.lab.stop());

  test('run: all disks at one moment, the guest frozen for it; also while OpenNebula refuses for INCREMENT', async () => {
    world.lab.one.configureBackup(world.vm, { MODE: 'INCREMENT' });
    await expect(world.lab.one.systemSnapshotCreate(world.vm)).rejects.toThrow('not compatible');
    world.writeAll('first---');
    const { code, out, err } = await world.cli('snapshots', 'run', '--json');
    expect([code, err]).toEqual([0, '']);
    const [run] = (JSON.parse(out) as { runs: { vm: number; taken: string; dropped: string[] }[] }).runs;
    taken = run?.taken ?? '';
    expect(run).toMatchObject({ vm: world.vm, dropped: [], errors: [] });
    expect(taken).toMatch(/^one-policy-\d+-\d{8}T\d{6}Z-7$/);
    for (const disk of [0, 1, 2]) expect(await world.snapshots(disk)).toEqual([taken]);
    expect(world.journal()).toEqual([`domfsfreeze one-${world.vm}`, `domfsthaw one-${world.vm}`]);
  });

  test('list shows policy and snapshots', async () => {
    const { code, out } = await world.cli('snapshots', 'list', 'vm', String(world.vm));
    expect(code).toBe(0);
    expect(out).toContain('24h 7d');
    expect(out).toContain(taken);
    expect(JSON.parse((await world.cli('snapshots', 'list', '--json')).out)).toMatchObject({
      vms: [
        {
          vm: world.vm,
          policy: '24h 7d',
          snapshots: [{ name: taken, of: 'policy', disks: [0, 1, 2], whole: true }],
        },
      ],
    });
  });

  test('image: a new image of one disk as it was, complete and free of the VM', async () => {
    world.writeAll('second--');
    const { code, out, err } = await world.cli(
      'snapshots',
      'image',
      'vm',
      String(world.vm),
      taken,
      '--disk',
      '0',
      '--name',
      'as it was',
    );
    expect([code, err.includes('a data block')]).toEqual([0, true]);
    const id = Number(/ID: (\d+)/.exec(out)?.[1]);
    const image = world.lab.one.read().images.find((each) => each.id === id);
    expect(image).toMatchObject({
      name: 'as it was',
      state: 1,
      source: `/dev/drbd/by-res/one-image-${id}/0`,
    });
    const props = JSON.stringify(await world.lab.linstor('GET', `/v1/resource-definitions/one-image-${id}`));
    expect(props).not.toContain('VM_ID');
    expect(props).not.toContain('INCOMPLETE');
    const other = ok(
      await world.lab.one.instantiate(
        { name: 'other', disks: [{ image: id }] },
        { host: world.host, datastore: world.system },
      ),
    ).vm;
    const link = world.link(0).replace(`/${world.vm}/disk`, `/${other}/disk`);
    expect(world.lab.read(world.host, link, 4096, 8)).toBe('first---');
    ok(await world.lab.one.terminate(other));
  });

  test('image: what a killed run has left is finished by the next; what is complete is not touched', async () => {
    const args = ['snapshots', 'image', 'vm', String(world.vm), taken, '--disk', '0', '--name', 'as it was'];
    const image = world.lab.one.read().images.find((each) => each.name === 'as it was');
    const path = `/v1/resource-definitions/one-image-${image?.id}`;
    const props = async () =>
      ((await world.lab.linstor('GET', path)) as { props: Record<string, string> }).props;
    const content = async (): Promise<string> => {
      const made = { name: 'reader', disks: [{ image: image?.id ?? -1 }] };
      const vm = ok(await world.lab.one.instantiate(made, { host: world.host, datastore: world.system })).vm;
      const link = world.link(0).replace(`/${world.vm}/disk`, `/${vm}/disk`);
      const text = world.lab.read(world.host, link, 4096, 8);
      ok(await world.lab.one.terminate(vm));
      return text;
    };
    const mark = `Aux/one/OF_SNAPSHOT/one-image-${image?.id}`;
    expect((await props())[mark]).toBe(`${world.vm}/0/${taken.toLowerCase()}`);

    // `doctor` takes what the image carries for no misspelt attribute of ours.
    const carried = `${world.vm}/0/${taken.toLowerCase()}`;
    expect(image?.template).toMatchObject({ MADE_OF_SNAPSHOT: carried });
    expect(misspeltIn({ MADE_OF_SNAPSHOT: carried })).toEqual([]);

    const complete = await world.cli(...args);
    expect([complete.code, complete.err.includes('[ONE_REFUSED]')]).toEqual([1, true]);
    expect(complete.err).toContain('name the new image with --name');

    const damages: (() => Promise<unknown>)[] = [
      // Killed while the content comes; with OpenNebula's empty volume still there; between that one and its own.
      () => world.lab.linstor('PUT', path, { override_props: { 'Aux/one/INCOMPLETE': 'saveas' } }),
      () => world.lab.linstor('PUT', path, { delete_props: [mark] }),
      async () => {
        await world.lab.linstor('DELETE', `${path}/snapshots/one-base-1`);
        await world.lab.linstor('DELETE', path);
      },
    ];
    for (const damage of damages) {
      await damage();
      const { code, out } = await world.cli(...args);
      expect([code, out]).toEqual([0, `ID: ${image?.id}\n`]);
      expect(await content()).toBe('first---');
      expect((await props())['Aux/one/INCOMPLETE']).toBeUndefined();
    }

    // Another wish with that name is none of it.
    await world.lab.linstor('PUT', path, { delete_props: [mark] });
    const other = await world.cli(...args.with(6, '1'));
    expect([other.code, other.err.includes('[ONE_REFUSED]')]).toEqual([1, true]);
    expect((await props())[mark]).toBeUndefined();
  });

  test('revert: refused while the VM runs, all disks when it is off, and the VM starts on them', async () => {
    const refused = await world.cli('snapshots', 'revert', 'vm', String(world.vm), taken);
    expect(refused.code).not.toBe(0);
    expect(refused.err).toContain('is not powered off');
    ok(world.lab.one.poweroff(world.vm));
    const unknown = await world.cli('snapshots', 'revert', 'vm', String(world.vm), 'one-policy-1');
    expect(unknown.err).toContain('[SNAPSHOT]');
    const done = await world.cli('snapshots', 'revert', 'vm', String(world.vm), taken);
    expect([done.code, done.err.includes('disks 0, 1, 2')]).toEqual([0, true]);
    ok(await world.lab.one.resume(world.vm));
    expect(world.readAll()).toEqual(['first---', 'first---', 'first---']);
    for (const disk of [0, 1, 2]) expect(await world.snapshots(disk)).toEqual([taken]);
  });

  test('a persistent image leaves its VM without them', async () => {
    ok(await world.lab.one.terminate(world.vm));
    expect(await world.lab.snapshots()).toEqual([]);
  });
});
