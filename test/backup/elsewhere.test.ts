import { afterAll, beforeAll, expect, test } from 'bun:test';
import { BackupWorld, MiB, ok } from './world.ts';

/** The VM runs where none of its data are: what is exported elsewhere travels to it as finished files. */
let world: BackupWorld;
beforeAll(async () => {
  world = await BackupWorld.open('drbd', {}, {}, 'far');
}, 120_000);
afterAll(async () => world.lab.stop());

test('increments of a VM on a host without a replica are read where the data are', async () => {
  const { lab, vm } = world;
  lab.one.configureBackup(vm, { MODE: 'INCREMENT' });
  ok(await world.backup());
  world.write(0, 5 * MiB, 'changed');
  const held = world.digest(0, 16);
  const { image } = ok(await world.backup());
  const exported = lab
    .records()
    .filter(({ action }) => action === 'tm/prebackup_live')
    .at(-1);
  const on = exported?.calls.filter(({ verb }) => verb === 'backup-compare').map(({ target }) => target);
  expect(on?.length).toBe(2);
  expect(on).not.toContain(world.host);
  ok(await lab.one.poweroff(vm));
  world.write(0, 0, 'overwritten');
  ok(await lab.one.restore(vm, { image }));
  expect(world.digest(0, 16)).toBe(held);
  expect((await lab.definitions()).filter((name) => name.includes('one-tmp'))).toEqual([]);
});
