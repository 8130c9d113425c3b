import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { FaultRule } from '../../src/lab/linstor/faults.ts';
import { policySnapshotName } from '../../src/volumes/names.ts';
import { driverTarget } from '../support/lab.ts';
import { SnapshotWorld } from './world.ts';

const dayMs = 86_400_000;
const disks = [0, 1, 2];

/** A run of the policies is killed where a call to LINSTOR hangs; the next one ends with what the policy keeps, and nothing else. */
describe('linstor_un snapshots run, killed', () => {
  let world: SnapshotWorld;
  let earlier: string[] = [];
  beforeEach(async () => {
    world = await SnapshotWorld.open('drbd', { LINSTOR_SNAPSHOTS: '3d' });
    earlier = [1, 2, 3, 4].map((days) =>
      policySnapshotName({ vmId: world.vm, at: Date.now() - days * dayMs, disks }),
    );
    for (const name of earlier)
      for (const disk of disks)
        await world.lab.linstor('POST', `/v1/resource-definitions/${world.resource(disk)}/snapshots`, {
          name,
        });
    await world.lab.linstor('POST', `/v1/resource-definitions/${world.resource(0)}/snapshots`, {
      name: 'mine',
    });
  });
  afterEach(() => world.lab.stop());

  async function killedAt(rule: Omit<FaultRule, 'fault'>, seconds: number): Promise<void> {
    const { lab } = world.lab.served.linstor;
    lab.setFaults([{ ...rule, fault: { kind: 'hang', seconds } }]);
    const child = Bun.spawn([(driverTarget as { binary: string }).binary, 'snapshots', 'run'], {
      env: { ...world.lab.one.options.env },
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    while ((lab.runtime.faults.list()[0]?.fired ?? 0) === 0 && child.exitCode === null) await Bun.sleep(10);
    child.kill('SIGKILL');
    await child.exited;
    expect(lab.runtime.faults.list()[0]?.fired).toBe(1);
    if (seconds < 60) await Bun.sleep(seconds * 1000);
    lab.setFaults([]);
  }

  /** The next run keeps exactly the last one of three days; what it has not taken now was whole. */
  async function endsWhole(takes: boolean): Promise<void> {
    const { code, out } = await world.cli('snapshots', 'run', '--json');
    const [run] = (JSON.parse(out) as { runs: { taken?: string; errors: unknown[] }[] }).runs;
    expect([code, run?.errors, run?.taken !== undefined]).toEqual([0, [], takes]);
    const all = (await world.snapshots(1)).sort();
    expect(all).toHaveLength(3);
    expect(all.slice(0, 2)).toEqual(earlier.slice(0, 2).sort());
    if (run?.taken !== undefined) expect(all[2]).toBe(run.taken);
    expect(await world.snapshots(2)).toEqual(all);
    expect((await world.snapshots(0)).sort()).toEqual(['mine', ...all].sort());
    const list = await world.cli('snapshots', 'list', '--json');
    const { vms } = JSON.parse(list.out) as { vms: { snapshots: { name: string; whole: boolean }[] }[] };
    expect(vms[0]?.snapshots.map(({ name, whole }) => [name, whole]).sort()).toEqual(
      all.map((name) => [name, true]),
    );
    expect(world.runs).toBe(true);
  }

  /** Until the host's watchman has noticed that the driver is gone. */
  async function letGo(word: string): Promise<void> {
    const told: string[] = [];
    for (let waited = 0; waited < 100 && !told.includes(`${word} one-${world.vm}`); waited += 1) {
      told.push(...world.journal());
      await Bun.sleep(50);
    }
    expect(told).toContain(`${word} one-${world.vm}`);
  }

  test('before LINSTOR has taken any: the guest goes on, and the next run takes them', async () => {
    await killedAt({ method: 'POST', path: 'snapshot/multi' }, 600);
    await letGo('domfsthaw');
    expect((await world.snapshots(1)).sort()).toEqual([...earlier].sort());
    await endsWhole(true);
  });

  test('one of three disks is taken, where LINSTOR takes them one after the other', async () => {
    await world.lab.linstor('PUT', '/lab/generation', { generation: '1.20' });
    await killedAt({ method: 'POST', path: '/snapshots$', nth: 2 }, 600);
    await letGo('resume');
    // Disk 0 has the half of it, and `mine`.
    const counts = await Promise.all(disks.map(async (disk) => (await world.snapshots(disk)).length));
    expect(counts).toEqual([6, 4, 4]);
    await endsWhole(true);
  });

  test('while what is too old goes', async () => {
    await killedAt({ method: 'DELETE', path: '/snapshots/', nth: 2 }, 600);
    await endsWhole(false);
  });
});
