import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ok, SnapshotWorld } from './world.ts';

/**
 * A guest that counts: it writes n to its first disk, then to the second, then to the third. On disks of one moment the first is
 * ahead of the last by one at the most. It tells with which numbers it has started.
 */
const guest = (directory: string, log: string): string => `#!/bin/bash
at() { dd if="${directory}/disk.$1" bs=8 skip=512 count=1 status=none | tr -cd 0-9; }
n0=$(at 0) n1=$(at 1) n2=$(at 2)
echo "$n0 $n1 $n2" >>"${log}"
n=$((10#0$n0))
while :; do
  n=$((n + 1))
  for disk in 0 1 2; do
    printf '%08d' "$n" | dd of="${directory}/disk.$disk" bs=8 seek=512 conv=notrunc,nocreat status=none || exit
  done
done
`;

let world: SnapshotWorld;
let log = '';
beforeAll(async () => {
  world = await SnapshotWorld.open('drbd');
  log = join(world.lab.cluster.dir, 'hosts', world.host, 'started');
  writeFileSync(join(world.lab.cluster.dir, 'hosts', world.host, 'guest'), guest(world.directory, log), {
    mode: 0o755,
  });
  for (const disk of [0, 1, 2]) world.write(disk, '00000000');
  writeFileSync(join(world.lab.cluster.dir, 'first.xml'), `<domain><name>one-${world.vm}</name></domain>\n`);
  world.lab.on(
    world.host,
    `virsh destroy one-${world.vm}; virsh create '${join(world.lab.cluster.dir, 'first.xml')}'`,
  );
});
afterAll(async () => {
  world.lab.on(world.host, `virsh destroy one-${world.vm} || true`);
  await world.lab.stop();
});

const counter = (): number => Number(world.read(0));
const starts = (): number[][] =>
  readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));

test('twenty snapshots and reverts while three disks are written: each is of one moment', async () => {
  /** What the first disk held before and after each snapshot. */
  const taken = new Map<number, readonly [number, number]>();
  let seed = 7;
  for (let round = 0; round < 20; round += 1) {
    const before = counter();
    const { snapshot } = ok(await world.lab.one.systemSnapshotCreate(world.vm));
    taken.set(snapshot, [before, counter()]);
    if (round % 2 === 0) continue;
    seed = (seed * 5 + 3) % 16;
    const target = [...taken.keys()][seed % taken.size] as number;
    const count = starts().length;
    ok(await world.lab.one.systemSnapshotRevert(world.vm, target));
    for (let waited = 0; starts().length === count && waited < 100; waited += 1) await Bun.sleep(50);
    const [first = -1, second = -1, third = -1] = starts().at(-1) ?? [];
    const [low, high] = taken.get(target) as readonly [number, number];
    expect([first >= low && first <= high, low, first, high]).toEqual([true, low, first, high]);
    expect([first >= second, second >= third, third >= first - 1]).toEqual([true, true, true]);
  }
  expect(starts()).toHaveLength(11);
  // It goes on counting.
  const now = counter();
  for (let waited = 0; counter() === now && waited < 100; waited += 1) await Bun.sleep(50);
  expect(counter()).toBeGreaterThan(now);
}, 600_000);
