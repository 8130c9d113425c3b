import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { FaultRule } from '../../src/lab/linstor/faults.ts';
import { ok, SnapshotWorld } from './world.ts';

const refused = { kind: 'code', code: 998 } as const;
/** Disk 1 does not get back what it held. */
const noBringBack: FaultRule = {
  method: 'POST',
  path: 'one-image-.*/snapshot-rollback/one-revert-',
  fault: refused,
};

/** A revert that fails, and so does its undo: the last disk is not rolled back, or the domain does not start. */
describe.each(['roll-back', 'start'] as const)('the undo of a revert fails (%s)', (cause) => {
  let world: SnapshotWorld;
  let store = -1;
  let backup = -1;
  const disks = [0, 1, 2];
  const taken = (): string => `one-vm-${world.vm}-snapshot-0`;
  const safety = (): string => `one-revert-${world.vm}`;
  const faults = (...rules: readonly FaultRule[]): void => world.lab.served.linstor.lab.setFaults([...rules]);

  /** On the host, for a start at which LINSTOR is away. */
  const isNoted = (disk: number): boolean =>
    world.lab.on(world.host, `ls -A '${world.directory}'`).includes(`.reverting-${world.resource(disk)}\n`);

  beforeAll(async () => {
    world = await SnapshotWorld.open('drbd', { LINSTOR_SNAPSHOTS: '7d' });
    store = ok(
      await world.lab.one.createDatastore({ name: 'store', type: 'BACKUP', driver: 'rsync' }),
    ).datastore;
    world.writeAll('snapshot');
    backup = ok(await world.lab.one.backup(world.vm, { datastore: store })).image;
    ok(await world.lab.one.systemSnapshotCreate(world.vm));
    world.writeAll('present-');
    world.journal();
  });
  afterAll(() => world.lab.stop());

  /** Note, safety snapshots and the ended domain are as the failed undo has left them. */
  async function staysHalf(): Promise<void> {
    const definition = await world.lab.linstor('GET', `/v1/resource-definitions/${world.resource(0)}`);
    expect((definition as { props: Record<string, string> }).props['Aux/one/VM_REVERT']).toMatch(
      /^reverting-\d+$/,
    );
    for (const disk of disks) expect(await world.snapshots(disk)).toEqual([safety(), taken()]);
    expect(world.runs).toBe(false);
    expect(world.journal()).toEqual([]);
  }
  const refusal = async (attempt: Promise<{ ok: boolean; error?: string }>, words: string): Promise<void> => {
    const { ok: isDone, error } = await attempt;
    expect([isDone, error ?? '']).toEqual([false, expect.stringContaining(words)]);
  };

  test('the domain is not started; the note and the safety snapshots stay', async () => {
    if (cause === 'start') world.fail('create');
    faults(
      noBringBack,
      ...(cause === 'roll-back'
        ? [{ method: 'POST', path: `disk-2/snapshot-rollback/${taken()}`, fault: refused } as const]
        : []),
    );
    const reverted = await world.lab.one.systemSnapshotRevert(world.vm, 0);
    faults();
    world.fail('create', false);
    expect(reverted.ok).toBe(false);
    const [call] = reverted.calls;
    expect(call?.stderr).toContain(`VM ${world.vm} is not started: its disks are of different moments`);
    // What the start of the revert itself tried is no start by the undo.
    const own = cause === 'start' ? 3 : 0;
    expect(world.journal()).toEqual([
      `destroy one-${world.vm}`,
      ...Array.from({ length: own }, () => `create one-${world.vm}`),
    ]);
    await staysHalf();
    for (const disk of disks) expect(isNoted(disk)).toBe(true);
  });

  test('while OpenNebula still takes it for running: no snapshot, no policy, no backup', async () => {
    await refusal(world.lab.one.systemSnapshotCreate(world.vm), 'may be of different moments');
    await refusal(world.lab.one.backup(world.vm, { datastore: store }), 'may be of different moments');
    const { code, out } = await world.cli('snapshots', 'run', '--json');
    expect([code, out]).toEqual([1, expect.stringContaining('may be of different moments')]);
    await staysHalf();
  });

  test('powered off: no policy, no backup, no restore', async () => {
    ok(world.lab.one.poweroff(world.vm));
    await refusal(world.lab.one.backup(world.vm, { datastore: store }), 'may be of different moments');
    // Nor of the disks that do not carry the note.
    const some = world.lab.one.backup(world.vm, { datastore: store, disks: [1, 2] });
    await refusal(some, 'may be of different moments');
    // The next start would bring back the old content over what is restored.
    for (const disk of [-1, 1])
      await refusal(world.lab.one.restore(world.vm, { image: backup, disk }), 'nothing is restored');
    const { code, out } = await world.cli('snapshots', 'run', '--json');
    expect([code, out]).toEqual([1, expect.stringContaining('may be of different moments')]);
    await staysHalf();
  });

  /** As OpenNebula does for each start from POWEROFF (contract §5.9). Returns the number. */
  function nextRecord(): number {
    return world.lab.one.options.store.update((state) => {
      const history = state.vms[0]?.history ?? [];
      const last = history.at(-1);
      if (!last) return -1;
      history.push({ ...last, seq: last.seq + 1 });
      return last.seq + 1;
    });
  }

  test('no start while the old content does not come back, nor while LINSTOR is away', async () => {
    const { options } = world.lab.one;
    const away = world.lab.cluster.one({ env: { ...options.env, LS_CONTROLLERS: 'http://127.0.0.1:1' } });
    await refusal(away.resume(world.vm), 'is not started: a revert of disk');
    for (let times = 0; times < 3; times += 1) {
      nextRecord();
      faults(noBringBack);
      await refusal(world.lab.one.resume(world.vm), 'rollback');
      faults();
      await staysHalf();
    }
    nextRecord();
  });

  test('no start where the VM may have run since; what the remedy says goes on', async () => {
    const seq = nextRecord();
    await refusal(world.lab.one.resume(world.vm), 'whether it has run since is not known');
    await staysHalf();
    await world.lab.linstor('PUT', `/v1/resource-definitions/${world.resource(0)}`, {
      override_props: { 'Aux/one/VM_REVERT': `reverting-${seq}` },
    });
    nextRecord();
  });

  test('the next start brings back what all disks held, and leaves no trace', async () => {
    ok(await world.lab.one.resume(world.vm));
    world.started();
    expect(world.readAll()).toEqual(['present-', 'present-', 'present-']);
    for (const disk of disks) {
      expect(await world.snapshots(disk)).toEqual([taken()]);
      expect(isNoted(disk)).toBe(false);
    }
    expect(JSON.stringify(await world.lab.linstor('GET', '/v1/resource-definitions'))).not.toContain(
      'VM_REVERT',
    );
    ok(await world.lab.one.systemSnapshotCreate(world.vm));
    ok(await world.lab.one.systemSnapshotRevert(world.vm, 0));
    expect(world.readAll()).toEqual(['snapshot', 'snapshot', 'snapshot']);
  });
});
