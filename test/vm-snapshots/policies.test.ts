import { beforeEach, describe, expect, test } from 'bun:test';
import type { Context } from '../../src/context.ts';
import type { Snapshot } from '../../src/linstor/linstor.ts';
import { type ResourceName, resourceName } from '../../src/linstor/names.ts';
import { Outcome } from '../../src/linstor/outcome.ts';
import type { Datastore, Vm } from '../../src/opennebula/one.ts';
import { readSettings } from '../../src/opennebula/read-settings.ts';
import { Undo } from '../../src/undo.ts';
import { kib } from '../../src/units.ts';
import { runPolicies } from '../../src/vm-snapshots/policies.ts';
import { retained } from '../../src/vm-snapshots/retention.ts';
import { parsePolicySnapshot, policySnapshotName } from '../../src/volumes/names.ts';
import { disk, imageDatastore, systemDatastore, vm } from '../cli/world.ts';
import { FakeLinstor, refusal } from '../support/fake-linstor.ts';

const hour = 3_600_000;
const start = Date.parse('2026-11-02T00:30:00Z');

/** Keeps snapshots. `fails`: what goes wrong with the next call of that kind. */
class SnapshotLinstor extends FakeLinstor {
  readonly all: Snapshot[] = [];
  fails: (what: 'create' | 'delete') => 'before' | 'half' | 'no' = () => 'no';
  calls = 0;

  #make(resource: ResourceName, name: string, flags: readonly string[]): void {
    this.all.push({
      resource,
      name,
      flags,
      nodes: [],
      volumes: [{ number: 0, sizeKib: kib(8192) }],
      props: {},
    } as unknown as Snapshot);
  }

  override async snapshots(query?: { names?: readonly ResourceName[] }): Promise<Snapshot[]> {
    return this.all.filter(({ resource }) => query?.names?.includes(resource) ?? true);
  }

  override createSnapshot(...[resource, snapshot]: readonly unknown[]): Promise<Outcome> {
    return this.createSnapshots([{ resource, snapshot } as { resource: ResourceName; snapshot: string }]);
  }

  override async createSnapshots(
    list: readonly { resource: ResourceName; snapshot: string }[] = [],
  ): Promise<Outcome> {
    this.calls += 1;
    const how = this.fails('create');
    if (how === 'before') throw refusal('POST', 998);
    for (const [index, { resource, snapshot }] of list.entries()) {
      if (how === 'half') {
        this.#make(resource, snapshot, index === 0 ? ['FAILED_DEPLOYMENT'] : ['SUCCESSFUL']);
        continue;
      }
      this.#make(resource, snapshot, ['SUCCESSFUL']);
    }
    if (how === 'half') throw refusal('POST', 998);
    return new Outcome([]);
  }

  override async deleteSnapshot(...[resource, name]: readonly unknown[]): Promise<Outcome> {
    if (this.fails('delete') !== 'no') throw refusal('DELETE', 998);
    const index = this.all.findIndex((each) => each.resource === resource && each.name === name);
    if (index >= 0) this.all.splice(index, 1);
    return new Outcome([]);
  }

  taken(of: string): string[] {
    return this.all
      .filter(({ resource }) => resource === of)
      .map(({ name }) => name)
      .sort();
  }
}

let linstor: SnapshotLinstor;
let vms: Vm[];
let datastores: Datastore[];
let said: string[];

function context(): Context {
  const note = (text: string): void => {
    said.push(text);
  };
  const log = { debug: () => {}, info: note, warn: note, call: () => {} };
  const undo = new Undo(log);
  return {
    log,
    undo,
    clock: { now: () => 0, sleep: async () => {} },
    signal: new AbortController().signal,
    one: {
      vms: async () => vms,
      vm: async (id: number) => vms.find((each) => each.id === id),
      datastores: async () => datastores,
      datastore: async (id: number) => datastores.find((each) => each.id === id),
    },
    settings: (...templates: readonly Record<string, string>[]) =>
      readSettings({ values: {}, client: {}, linstorCommand: 'linstor', ignored: [] }, ...templates),
    linstor: () => linstor,
    lock: (_name: string, work: () => Promise<unknown>) => undo.within(work),
  } as unknown as Context;
}

/** Six disks on three VMs, powered off. */
beforeEach(() => {
  linstor = new SnapshotLinstor({ nodes: ['host1', 'host2'] });
  said = [];
  datastores = [imageDatastore(), systemDatastore({}, { LINSTOR_SNAPSHOTS: '5h 3d 2w' })];
  const kept = disk(1, { kind: 'persistent', source: '/dev/drbd/by-res/one-image-9/0', imageId: 9 });
  vms = [
    vm(7, { state: 8, lcmState: 0, disks: [disk(0), kept, disk(2, { kind: 'volatile', source: '' })] }),
    vm(8, { state: 8, lcmState: 0, disks: [disk(0), disk(1)], userTemplate: { LINSTOR_SNAPSHOTS: '2d' } }),
    vm(9, { state: 8, lcmState: 0 }),
  ];
  for (const name of [
    'one-vm-7-disk-0',
    'one-image-9',
    'one-vm-7-disk-2',
    'one-vm-8-disk-0',
    'one-vm-8-disk-1',
    'one-vm-9-disk-0',
  ])
    linstor.add(name, ['host1', 'host2']);
});

const timesOf = (resource: string): number[] =>
  linstor.taken(resource).flatMap((name) => parsePolicySnapshot(name)?.at ?? []);

describe('policies', () => {
  test('all disks of a VM under one name; the VM’s own policy wins', async () => {
    const runs = await runPolicies(context(), start);
    expect(runs.map(({ vm: id, taken, errors }) => [id, taken, errors])).toEqual([
      [7, policySnapshotName({ vmId: 7, at: start, disks: [0, 1, 2] }), []],
      [8, policySnapshotName({ vmId: 8, at: start, disks: [0, 1] }), []],
      [9, policySnapshotName({ vmId: 9, at: start, disks: [0] }), []],
    ]);
    for (const name of ['one-vm-7-disk-0', 'one-image-9', 'one-vm-7-disk-2'])
      expect(linstor.taken(name)).toEqual([policySnapshotName({ vmId: 7, at: start, disks: [0, 1, 2] })]);
    // VM 8 asks for one a day, VM 7 for one an hour.
    const later = await runPolicies(context(), start + hour);
    expect(later.map(({ taken }) => taken !== undefined)).toEqual([true, false, true]);
  });

  test('a second run in the hour takes nothing', async () => {
    await runPolicies(context(), start);
    const { calls } = linstor;
    expect((await runPolicies(context(), start + 60_000)).flatMap(({ taken }) => taken ?? [])).toEqual([]);
    expect(linstor.calls).toBe(calls);
  });

  test('200 ticks with failures leave exactly what the policy keeps, and nothing of others', async () => {
    const others = [
      'snapshot-0',
      'one-vm-7-snapshot-1',
      'one-backup-3',
      'one-policy-8-20200101T000000Z',
      'mine',
    ];
    for (const snapshot of others)
      await linstor.createSnapshots([{ resource: resourceName('one-vm-7-disk-0'), snapshot }]);
    let seed = 42;
    const chance = (): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      return seed / 0x7fffffff;
    };
    const taken = new Map<number, number[]>();
    let failed = 0;
    for (let tick = 0; tick < 200; tick += 1) {
      linstor.fails = () => (chance() < 0.15 ? 'before' : chance() < 0.15 ? 'half' : 'no');
      const runs = await runPolicies(context(), start + tick * hour);
      for (const each of runs) {
        failed += each.errors.length;
        const at = each.taken === undefined ? undefined : parsePolicySnapshot(each.taken)?.at;
        if (at !== undefined) taken.set(each.vm, [...(taken.get(each.vm) ?? []), at]);
      }
    }
    expect(failed).toBeGreaterThan(100);
    linstor.fails = () => 'no';
    // One more, without failures: what could not be deleted goes.
    const end = start + 200 * hour;
    for (const { vm: id } of await runPolicies(context(), end)) taken.get(id)?.push(end);
    const policy = { hours: 5, days: 3, weeks: 2 };
    const wanted = (id: number, is: Parameters<typeof retained>[1]): number[] =>
      [...retained(taken.get(id) ?? [], is)].sort((a, b) => a - b);
    for (const resource of ['one-image-9', 'one-vm-7-disk-2'])
      expect(timesOf(resource)).toEqual(wanted(7, policy));
    expect(timesOf('one-vm-9-disk-0')).toEqual(wanted(9, policy));
    expect(wanted(7, policy)).toHaveLength(7);
    for (const resource of ['one-vm-8-disk-0', 'one-vm-8-disk-1']) expect(timesOf(resource)).toHaveLength(2);
    const left = linstor.taken('one-vm-7-disk-0');
    expect(left.filter((name) => others.includes(name))).toEqual([...others].sort());
    expect(left.filter((name) => !others.includes(name))).toEqual(linstor.taken('one-image-9'));
    expect(linstor.all.every(({ flags }) => flags.includes('SUCCESSFUL'))).toBe(true);
  });

  test('a VM that OpenNebula works on, one with a disk of another driver, one with a wrong policy', async () => {
    vms = [
      vm(7, { lcmState: 4 }),
      vm(8, { state: 8, lcmState: 0, disks: [disk(0), disk(1, { tmMad: 'ssh', datastoreId: 1 })] }),
      vm(9, { state: 8, lcmState: 0, userTemplate: { LINSTOR_SNAPSHOTS: '24' } }),
    ];
    const runs = await runPolicies(context(), start);
    expect(runs.map(({ vm: id, deferred, errors }) => [id, deferred !== undefined, errors[0]?.code])).toEqual(
      [
        [7, true, undefined],
        [8, false, 'NOT_SUPPORTED'],
        [9, false, 'BAD_ATTRIBUTE'],
      ],
    );
    expect(linstor.all).toEqual([]);
  });

  test('the name tells which disks; a disk that is attached later or detached makes none of them broken', async () => {
    expect(policySnapshotName({ vmId: 7, at: start, disks: [0, 1, 2] })).toBe(
      'one-policy-7-20261102T003000Z-7',
    );
    const many = { vmId: 123_456, at: start, disks: [3, 40, 60] };
    expect(parsePolicySnapshot(policySnapshotName(many))).toEqual(many);
    const far = policySnapshotName({ vmId: 123_456, at: start, disks: [99] });
    expect([far, parsePolicySnapshot(far)]).toEqual([
      'one-policy-123456-20261102T003000Z',
      { vmId: 123_456, at: start },
    ]);
    await runPolicies(context(), start);
    linstor.add('one-image-10', ['host1', 'host2']);
    const [first, ...rest] = vms as [Vm, ...Vm[]];
    const late = disk(5, { kind: 'persistent', source: '/dev/drbd/by-res/one-image-10/0', imageId: 10 });
    vms = [{ ...first, disks: [...first.disks.slice(1), late] }, ...rest];
    const [run] = await runPolicies(context(), start + hour);
    expect(run?.dropped).toEqual([]);
    expect(linstor.taken('one-image-9')).toEqual([
      policySnapshotName({ vmId: 7, at: start, disks: [0, 1, 2] }),
      policySnapshotName({ vmId: 7, at: start + hour, disks: [1, 2, 5] }),
    ]);
  });

  test('none: what the policy has taken goes, and nothing else', async () => {
    await runPolicies(context(), start);
    await linstor.createSnapshots([{ resource: resourceName('one-vm-9-disk-0'), snapshot: 'snapshot-0' }]);
    vms = vms.map((each) => ({ ...each, userTemplate: { LINSTOR_SNAPSHOTS: 'none' } }));
    await runPolicies(context(), start + hour);
    expect(linstor.all.map(({ name }) => name)).toEqual(['snapshot-0']);
    datastores = [imageDatastore(), systemDatastore()];
    vms = vms.map((each) => ({ ...each, userTemplate: {} }));
    expect(await runPolicies(context(), start + 2 * hour)).toEqual([]);
  });
});
