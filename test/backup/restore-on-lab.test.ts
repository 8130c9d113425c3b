import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Operation } from '../../src/lab/one/oned.ts';
import { BackupWorld, MiB, ok } from './world.ts';

describe.each(['drbd', 'plain'] as const)('restore in place of disks in group %s', (group) => {
  let world: BackupWorld;
  /** What both disks held at each increment. */
  const held: [string, string][] = [];
  let chain = -1;

  const both = (): [string, string] => [world.digest(0, 16), world.digest(1, 8)];
  const restore = (how: { increment?: number; disk?: number; image?: number } = {}): Promise<Operation> =>
    world.lab.one.restore(world.vm, { image: chain, ...how });

  beforeAll(async () => {
    world = await BackupWorld.open(group);
    world.lab.one.configureBackup(world.vm, { MODE: 'INCREMENT' });
    const step = async (): Promise<void> => {
      held.push(both());
      chain = ok(await world.backup()).image;
    };
    await step();
    world.write(0, 100_000, 'second');
    world.zero(0, 8, 3);
    world.write(1, 7 * MiB, 'second');
    await step();
    world.write(0, 15 * MiB, 'third');
    await step();
    ok(await world.lab.one.poweroff(world.vm));
  }, 120_000);
  afterAll(async () => world.lab.stop());

  test('every link of the chain, the first one too (rsync lists the last one’s files for it)', async () => {
    for (const increment of [1, 0, 2]) {
      world.write(0, 0, `to be overwritten ${increment}`);
      world.write(1, 5 * MiB, 'where the backup has zeroes');
      ok(await restore({ increment }));
      expect([increment, ...both()]).toEqual([increment, ...(held[increment] ?? [])]);
    }
    expect((await world.lab.snapshots()).filter((name) => name.startsWith(`one-vm-${world.vm}`))).toEqual([]);
  });

  test('one disk alone', async () => {
    world.write(0, 0, 'disk 0 is not what it was');
    world.write(1, 0, 'disk 1 stays');
    const stays = world.digest(1, 8);
    ok(await restore({ disk: 0 }));
    expect(both()).toEqual([held[2]?.[0] ?? '', stays]);
  });

  test('what is not in the backup, or another VM’s, is refused and nothing changes', async () => {
    const before = both();
    const other = ok(
      await world.lab.one.instantiate(
        { name: 'other', disks: [{ image: world.image }] },
        { host: world.host, datastore: world.system },
      ),
    ).vm;
    ok(await world.lab.one.poweroff(other));
    const refused = [
      await restore({ disk: 7 }),
      await restore({ increment: 9 }),
      await restore({ image: world.image }),
      await world.lab.one.restore(other, { image: chain }),
    ];
    expect(refused.map(({ ok }) => ok)).toEqual([false, false, false, false]);
    expect(refused.map(({ error = '' }) => /\[([A-Z_]+)\]/.exec(error)?.[1])).toEqual([
      'BAD_ARGUMENT',
      'BAD_ARGUMENT',
      'BAD_ARGUMENT',
      'NOT_OURS',
    ]);
    expect(both()).toEqual(before);
    ok(await world.lab.one.terminate(other));
  });
});
