import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { ok, SnapshotWorld } from './world.ts';

/** What OpenNebula forgets without a call (contract §5.9), and what nobody may take away with it. */
describe('snapshots that OpenNebula forgets', () => {
  let world: SnapshotWorld;
  let store = -1;
  let policy = '';
  let ofImage = '';
  beforeAll(async () => {
    world = await SnapshotWorld.open('drbd', { LINSTOR_SNAPSHOTS: '7d' });
    const { one } = world.lab;
    store = ok(await one.createDatastore({ name: 'store', type: 'BACKUP', driver: 'rsync' })).datastore;
    ofImage = `snapshot-${ok(await one.snapshotCreate(world.vm, 1, 'of the user')).snapshot}`;
    const { out } = await world.cli('snapshots', 'run', '--json');
    policy = (JSON.parse(out) as { runs: { taken: string }[] }).runs[0]?.taken ?? '';
  });
  afterAll(() => world.lab.stop());

  test('restore in place: those of the VM go, also from a disk that was not restored; the policy’s and the image’s own stay', async () => {
    const { one } = world.lab;
    world.writeAll('backup--');
    const image = ok(await one.backup(world.vm, { datastore: store, disks: [0] })).image;
    ok(await one.snapshotCreate(world.vm, 0, 'of the clone'));
    ok(await one.systemSnapshotCreate(world.vm));
    world.writeAll('present-');
    for (const disk of [0, 1, 2])
      expect(await world.snapshots(disk)).toContain(`one-vm-${world.vm}-snapshot-0`);
    ok(one.poweroff(world.vm));
    ok(await one.restore(world.vm, { image }));
    expect([await world.snapshots(0), await world.snapshots(1), await world.snapshots(2)]).toEqual([
      [policy],
      [policy, ofImage],
      [policy],
    ]);
    expect(one.read().vms[0]?.systemSnapshots ?? []).toEqual([]);
    ok(await one.resume(world.vm));
    expect(world.readAll()).toEqual(['backup--', 'present-', 'present-']);
    // The number comes again, and means the new one.
    expect(ok(await one.systemSnapshotCreate(world.vm)).snapshot).toBe(0);
    world.writeAll('later---');
    ok(await one.systemSnapshotRevert(world.vm, 0));
    world.started();
    expect(world.readAll()).toEqual(['backup--', 'present-', 'present-']);
  });

  test('recreate: those of the VM go from the persistent image, which keeps the policy’s and its own', async () => {
    const { one } = world.lab;
    ok(await one.recreate(world.vm));
    expect(await world.lab.snapshots()).toEqual([
      `${world.resource(1)}/${policy}`,
      `${world.resource(1)}/${ofImage}`,
    ]);
  });

  test('the recreated VM: what the policy has of the old disks counts for nothing and goes with its next run', async () => {
    const { one } = world.lab;
    ok(await one.deploy(world.vm, { host: world.host, datastore: world.system }));
    const { code, out } = await world.cli('snapshots', 'run', '--json');
    const [run] = (JSON.parse(out) as { runs: { taken: string; dropped: string[] }[] }).runs;
    expect([code, run?.dropped]).toEqual([0, [policy]]);
    const taken = run?.taken ?? '';
    expect([await world.snapshots(0), await world.snapshots(1), await world.snapshots(2)]).toEqual([
      [taken],
      [taken, ofImage],
      [taken],
    ]);
    expect(world.read(1)).toBe('present-');
  });
});
