import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { MiB, ok, SnapshotWorld } from './world.ts';

describe('snapshots of a whole VM on the lab', () => {
  let world: SnapshotWorld;
  beforeAll(async () => {
    world = await SnapshotWorld.open('drbd');
  });
  afterAll(() => world.lab.stop());
  const name = (id: number): string => `one-vm-${world.vm}-snapshot-${id}`;

  test('all disks in one call to LINSTOR, the guest frozen for that call', async () => {
    world.writeAll('first---');
    const made = ok(await world.lab.one.systemSnapshotCreate(world.vm, 'one'));
    expect(made.calls.map(({ action, stdout }) => [action, stdout])).toEqual([
      ['snapshot_create_linstor_un', `${name(0)}\n`],
    ]);
    for (const disk of [0, 1, 2]) expect(await world.snapshots(disk)).toEqual([name(0)]);
    expect(world.journal()).toEqual([`domfsfreeze one-${world.vm}`, `domfsthaw one-${world.vm}`]);
    const between = world.lab.lastRecord().calls.map(({ kind, verb }) => `${kind} ${verb}`);
    const multi = between.filter((each) => each.includes('multi') || each.includes('snapshot'));
    expect(multi.filter((each) => /^linstor POST/.test(each))).toHaveLength(1);
    expect(world.lab.one.read().vms[0]?.systemSnapshots?.[0]?.hypervisorId).toBe(name(0));
  });

  test('revert: all disks, the domain started again, younger snapshots stay', async () => {
    world.writeAll('second--');
    ok(await world.lab.one.systemSnapshotCreate(world.vm, 'two'));
    world.writeAll('third---');
    world.journal();
    ok(await world.lab.one.systemSnapshotRevert(world.vm, 0));
    expect(world.readAll()).toEqual(['first---', 'first---', 'first---']);
    expect(world.journal()).toEqual([`destroy one-${world.vm}`, `create one-${world.vm}`]);
    expect(world.runs).toBe(true);
    for (const disk of [0, 1, 2]) expect(await world.snapshots(disk)).toEqual([name(0), name(1)]);
    ok(await world.lab.one.systemSnapshotRevert(world.vm, 1));
    expect(world.readAll()).toEqual(['second--', 'second--', 'second--']);
    expect(JSON.stringify(await world.lab.linstor('GET', '/v1/resource-definitions'))).not.toContain(
      'VM_REVERT',
    );
  });

  test('a disk that has grown since the snapshot stays as large', async () => {
    ok(await world.lab.one.resize(world.vm, 2, 16));
    ok(await world.lab.one.systemSnapshotRevert(world.vm, 1));
    expect(world.read(2)).toBe('second--');
    const bytes = Number(
      world.lab.on(
        world.host,
        `blockdev --getsize64 '${world.link(2)}' 2>/dev/null || stat -Lc %s '${world.link(2)}'`,
      ),
    );
    expect(bytes).toBeGreaterThanOrEqual(16 * MiB);
  });

  test('a domain that does not start brings all disks back', async () => {
    world.writeAll('latest--');
    world.fail('create');
    const failed = await world.lab.one.systemSnapshotRevert(world.vm, 0);
    expect(failed.ok).toBe(false);
    expect(failed.error).toContain('does not start');
    expect(world.readAll()).toEqual(['latest--', 'latest--', 'latest--']);
    world.fail('create', false);
    ok(await world.lab.one.systemSnapshotRevert(world.vm, 0));
    expect(world.readAll()).toEqual(['first---', 'first---', 'first---']);
    for (const disk of [0, 1, 2]) expect(await world.snapshots(disk)).toEqual([name(0), name(1)]);
  });

  test('a VM snapshot is no disk snapshot, and both live side by side', async () => {
    const disk = ok(await world.lab.one.snapshotCreate(world.vm, 0, 'of the disk')).snapshot;
    expect(await world.snapshots(0)).toEqual([name(0), name(1), `snapshot-${disk}`]);
    ok(await world.lab.one.systemSnapshotDelete(world.vm, 1));
    expect(await world.snapshots(0)).toEqual([name(0), `snapshot-${disk}`]);
    expect(await world.snapshots(1)).toEqual([name(0)]);
    ok(await world.lab.one.snapshotDelete(world.vm, 0, disk));
    // A number that is free is given anew.
    expect(ok(await world.lab.one.systemSnapshotCreate(world.vm)).snapshot).toBe(1);
  });

  test('a disk attached later is named, and nothing is touched', async () => {
    const { disk } = ok(await world.lab.one.attach(world.vm, { volatile: 'fs', sizeMb: 8 }));
    world.writeAll('present-');
    world.journal();
    const refused = await world.lab.one.systemSnapshotRevert(world.vm, 0);
    expect(refused.error).toContain(
      `disk ${disk} (one-vm-${world.vm}-disk-${disk}): attached after it was taken`,
    );
    expect(world.journal()).toEqual([]);
    expect(world.readAll()).toEqual(['present-', 'present-', 'present-']);
    ok(await world.lab.one.detach(world.vm, disk));
  });

  test('what OpenNebula forgets goes: the persistent image is given back without them', async () => {
    ok(await world.lab.one.terminate(world.vm));
    expect(await world.lab.snapshots()).toEqual([]);
  });
});
