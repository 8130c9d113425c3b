import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { BackupWorld, ok } from './world.ts';

/* A restore in place that is killed leaves disks that nobody may boot from. */
let world: BackupWorld;
let backup = -1;
let held = ['', ''];
const both = (): string[] => [world.digest(0, 16), world.digest(1, 8)];
const notes = async (): Promise<unknown> => world.lab.linstor('GET', '/v1/key-value-store');
const restoreSnapshots = async (): Promise<string[]> =>
  (await world.lab.snapshots()).filter((name) => name.includes('one-restore-'));

/** The process of the driver that restores. */
const pidOfRestore = (): number | undefined =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => {
      try {
        const [program = '', , action = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        return (
          `${program} ${action}`.includes('linstor_un') &&
          environment.includes(world.lab.cluster.paths.location) &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('restore')
        );
      } catch {
        return false;
      }
    });

/** Both disks are written, and nothing has said so yet. */
async function killRestore(): Promise<void> {
  const { lab } = world;
  lab.served.linstor.lab.setFaults([
    { method: 'PUT', path: 'key-value-store', nth: 2, fault: { kind: 'hang', seconds: 600 } },
  ]);
  const running = lab.one.restore(world.vm, { image: backup });
  while ((lab.served.linstor.lab.runtime.faults.list()[0]?.fired ?? 0) === 0) await Bun.sleep(20);
  const pid = pidOfRestore();
  if (pid === undefined) throw new Error('no process of the driver restores');
  process.kill(pid, 'SIGKILL');
  expect((await running).ok).toBe(false);
  lab.served.linstor.lab.setFaults([]);
}

beforeAll(async () => {
  world = await BackupWorld.open('drbd');
  backup = ok(await world.backup()).image;
  world.write(0, 1_000_000, 'after the backup');
  world.write(1, 1_000_000, 'after the backup');
  held = both();
  ok(world.lab.one.poweroff(world.vm));
}, 120_000);
afterAll(async () => world?.lab.stop());

test('the next start brings back what the disks held', async () => {
  await killRestore();
  expect(both()).not.toEqual(held);
  expect(await restoreSnapshots()).toHaveLength(2);
  ok(await world.lab.one.resume(world.vm));
  expect(both()).toEqual(held);
  expect(await restoreSnapshots()).toEqual([]);
  expect(await notes()).toEqual([]);
  ok(world.lab.one.poweroff(world.vm));
});

test('no backup is made of it', async () => {
  await killRestore();
  const done = await world.backup();
  expect(done.error).toContain('restore');
  expect(done.error).toContain('[SNAPSHOT]');
});

test('without its snapshot it does not start until it has been restored', async () => {
  const { lab, vm } = world;
  for (const disk of [0, 1])
    await lab.linstor(
      'DELETE',
      `/v1/resource-definitions/one-vm-${vm}-disk-${disk}/snapshots/one-restore-${vm}`,
    );
  const started = await lab.one.resume(vm);
  expect(started.ok).toBe(false);
  expect(started.error).toContain('[SNAPSHOT]');
  expect(started.error).toContain('onevm restore');
});
