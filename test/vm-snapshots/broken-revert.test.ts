import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { ok, SnapshotWorld } from './world.ts';

/** What a process that was killed in the middle of a revert leaves: the VM is off, and one disk is the snapshot's. */
async function halfReverted(world: SnapshotWorld, state: 'reverting' | 'done'): Promise<void> {
  const { lab, vm } = world;
  const name = `one-vm-${vm}-snapshot-0`;
  for (const disk of [0, 1, 2])
    await lab.linstor('POST', `/v1/resource-definitions/${world.resource(disk)}/snapshots`, {
      name: `one-revert-${vm}`,
    });
  await lab.linstor('PUT', `/v1/resource-definitions/${world.resource(0)}`, {
    override_props: { 'Aux/one/VM_REVERT': `${state}-0` },
  });
  for (const disk of state === 'done' ? [0, 1, 2] : [1])
    await lab.linstor(
      'POST',
      `/v1/resource-definitions/${world.resource(disk)}/snapshot-rollback/${name}`,
      {},
    );
  ok(lab.one.poweroff(vm));
}

describe.each(['reverting', 'done'] as const)('a revert that was cut off, %s', (state) => {
  let world: SnapshotWorld;
  beforeAll(async () => {
    world = await SnapshotWorld.open('drbd');
    world.writeAll('snapshot');
    ok(await world.lab.one.systemSnapshotCreate(world.vm));
    world.writeAll('present-');
    await halfReverted(world, state);
  });
  afterAll(() => world.lab.stop());

  test('is shown by status and doctor', async () => {
    const { code, out } = await world.cli('status', 'vm', String(world.vm));
    expect([code, out.includes('was cut off')]).toEqual([1, true]);
    const gc = await world.cli('gc', '--older-than', '0', '--json');
    expect(gc.out.includes('one-revert-')).toBe(state === 'done');
  });

  test('the next start brings back what all disks held, or keeps what all of them have', async () => {
    ok(await world.lab.one.resume(world.vm));
    const wanted = state === 'done' ? 'snapshot' : 'present-';
    expect(world.readAll()).toEqual([wanted, wanted, wanted]);
    for (const disk of [0, 1, 2])
      expect(await world.snapshots(disk)).toEqual([`one-vm-${world.vm}-snapshot-0`]);
    expect(JSON.stringify(await world.lab.linstor('GET', '/v1/resource-definitions'))).not.toContain(
      'VM_REVERT',
    );
    const { code } = await world.cli('status', 'vm', String(world.vm));
    expect(code).toBe(0);
  });
});
