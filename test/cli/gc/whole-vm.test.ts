import { beforeEach, describe, expect, test } from 'bun:test';
import { checkSnapshotPolicies } from '../../../src/cli/checks/snapshot-policies.ts';
import { runCli } from '../../../src/cli/main.ts';
import { definition, disk, now, snapshot, systemDatastore, vm, World } from '../world.ts';

/** What snapshots of whole VMs, policies and reverts may leave. */
let world: World;
const props = { 'Aux/one/VM_ID': '7', 'Aux/one/DISK_ID': '0', 'Aux/one/DEPLOYMENT': '0-1700000000' };
beforeEach(() => {
  world = new World();
  world.definitions = [definition('one-image-3'), definition('one-vm-7-disk-0', { props })];
});

async function found(): Promise<string[]> {
  world.out.length = 0;
  await runCli(['gc', '--json'], world.environment());
  const { leftovers } = JSON.parse(world.text) as {
    leftovers: { kind: string; resource: string; snapshot?: string; proof: string }[];
  };
  return leftovers.map(({ resource, snapshot: name, proof }) =>
    name === undefined ? `${resource} ${proof}` : `${name} ${proof}`,
  );
}

describe('gc', () => {
  test('a snapshot that OpenNebula has, and one that it has forgotten', async () => {
    world.vms = [vm(7, { systemSnapshots: [{ id: 1, name: 'b', hypervisorId: 'one-vm-7-snapshot-1' }] })];
    for (const id of [0, 1]) world.snapshots.push(snapshot('one-vm-7-disk-0', `one-vm-7-snapshot-${id}`));
    expect(await found()).toEqual(['one-vm-7-snapshot-0 proven']);
    // While OpenNebula is at it, nothing is a leftover.
    world.vms = [vm(7, { lcmState: 24 })];
    expect(await found()).toEqual([]);
  });

  test('of a policy: only of a VM that does not have the disk', async () => {
    world.snapshots.push(snapshot('one-vm-7-disk-0', 'one-policy-7-20260101T000000Z-1'));
    world.snapshots.push(snapshot('one-vm-7-disk-0', 'one-policy-8-20260101T000000Z-1'));
    expect(await found()).toEqual(['one-policy-8-20260101T000000Z-1 proven']);
  });

  test('what the disks held before a revert stays as long as the revert is not over', async () => {
    world.vms = [vm(7, { state: 8, lcmState: 0 })];
    world.snapshots.push(snapshot('one-vm-7-disk-0', 'one-revert-7'));
    expect(await found()).toEqual(['one-revert-7 proven']);
    world.definitions[1] = definition('one-vm-7-disk-0', {
      props: { ...props, 'Aux/one/VM_REVERT': 'done-0' },
    });
    expect(await found()).toEqual(['one-revert-7 proven']);
    world.definitions[1] = definition('one-vm-7-disk-0', {
      props: { ...props, 'Aux/one/VM_REVERT': 'reverting-0' },
    });
    expect(await found()).toEqual([]);
  });

  test('the memory of a snapshot that is gone', async () => {
    world.definitions.push(definition('one-vm-7-memory-0'), definition('one-vm-7-memory-1'));
    world.vms = [vm(7, { systemSnapshots: [{ id: 1, name: 'b', hypervisorId: 'one-vm-7-snapshot-1' }] })];
    expect(await found()).toEqual(['one-vm-7-memory-0 unproven']);
  });
});

describe('doctor', () => {
  const hour = 3_600_000;
  const point = (at: number): string =>
    `one-policy-7-${new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '')}-1`;
  const check = (policy: string | undefined, last: number | undefined): string[] => {
    const template = policy === undefined ? {} : { LINSTOR_SNAPSHOTS: policy };
    const one = {
      vms: { ok: true, value: [vm(7, { disks: [disk(0)] })] },
      datastores: { ok: true, value: [systemDatastore({}, template)] },
    };
    const snapshots = last === undefined ? [] : [snapshot('one-vm-7-disk-0', point(last))];
    const cluster = { datastores: [101], snapshots: { ok: true, value: snapshots } };
    return checkSnapshotPolicies(
      { one, now } as unknown as Parameters<typeof checkSnapshotPolicies>[0],
      cluster as unknown as Parameters<typeof checkSnapshotPolicies>[1],
    ).map(({ what, object }) => `${object}: ${what}`);
  };

  test('a policy that nobody carries out, one that is carried out, one that cannot be read', () => {
    expect(check('24h', undefined)).toEqual([
      'VM 7: 1 VMs have a snapshot policy, and none was taken of late',
    ]);
    expect(check('24h', now - 4 * hour)).toHaveLength(1);
    expect(check('24h', now - hour)).toEqual([]);
    expect(check('7d', now - 4 * hour)).toEqual([]);
    expect(check('none', undefined)).toEqual([]);
    expect(check(undefined, undefined)).toEqual([]);
    expect(check('24', undefined)[0]).toContain('VM 7 (“24”): LINSTOR_SNAPSHOTS cannot be understood');
  });
});
