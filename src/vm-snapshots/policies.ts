import type { Context } from '../context.ts';
import { isOurs, ourDisks } from '../disks/disk-call.ts';
import { DriverError, toDriverError } from '../errors.ts';
import { type SnapshotPolicy, snapshotPolicy } from '../opennebula/attribute-kinds.ts';
import type { Datastore, Vm } from '../opennebula/one.ts';
import { inLcm, vmState } from '../opennebula/states.ts';
import { isExclusive } from '../volumes/disk.ts';
import { parsePolicySnapshot, policySnapshotName } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { dropSnapshot, isUsable } from '../volumes/snapshot.ts';
import { isDue, retained } from './retention.ts';
import { takePoint } from './take-point.ts';
import { disksOfVm, openSnapshotVm, type SnapshotVm, vmLock } from './vm-disks.ts';
import { placeOfVm, templatesFor } from './vm-place.ts';

/** What the policy of one VM did in one run. */
export interface PolicyRun {
  readonly vm: number;
  readonly taken?: string;
  readonly dropped: readonly string[];
  /** It is being worked on: next time. */
  readonly deferred?: string;
  /** What failed; the next run repeats it. */
  readonly errors: readonly DriverError[];
}

/** What the VM itself asks for, else what its datastores ask for. Throws BAD_ATTRIBUTE. */
export function policyOf(
  ctx: Pick<Context, 'settings'>,
  vm: Vm,
  datastores: readonly Datastore[],
): SnapshotPolicy | undefined {
  const [disk] = vm.disks.some(isExclusive) ? ourDisks(vm).filter(isExclusive) : [];
  if (!disk || vm.history.length === 0) return undefined;
  const own = vm.userTemplate['LINSTOR_SNAPSHOTS']?.trim();
  if (own === undefined || own === '')
    return templatesFor(ctx, vm, datastores, disk.datastoreId).snapshotPolicy;
  const policy = snapshotPolicy.parse(own);
  if (policy) return policy;
  throw new DriverError(
    'BAD_ATTRIBUTE',
    `LINSTOR_SNAPSHOTS=“${own}” of VM ${vm.id} is not ${snapshotPolicy.allowed}`,
    { remedy: `correct it with onevm update ${vm.id}` },
  );
}

/** The same as it is written; undefined where nothing asks for snapshots. */
export function policyTextFor(vm: Vm, datastores: readonly Datastore[]): string | undefined {
  const [disk] = ourDisks(vm).filter(isExclusive);
  const system = datastores.find(({ id }) => id === vm.history.at(-1)?.datastoreId);
  const image = datastores.find(({ id }) => id === disk?.datastoreId);
  const all = [
    vm.userTemplate,
    ...[system, image].flatMap((each) => (each && isOurs(each) ? [each.template] : [])),
  ];
  return disk && all.map((each) => each['LINSTOR_SNAPSHOTS']?.trim()).find((text) => text);
}

const restingStates: ReadonlySet<number> = new Set([
  vmState.POWEROFF,
  vmState.SUSPENDED,
  vmState.UNDEPLOYED,
  vmState.STOPPED,
]);

const isQuiet = (vm: Vm): boolean =>
  restingStates.has(vm.state) || (vm.state === vmState.ACTIVE && inLcm(vm.lcmState, 'RUNNING'));

/**
 * One run of the policies: for each VM that has one, a snapshot of all its disks at one moment if the hour, day or week has none yet, and
 * what the policy has taken and does not keep any more goes. What one VM cannot have, the others get all the same.
 */
export async function runPolicies(ctx: Context, now: number): Promise<PolicyRun[]> {
  const [vms, datastores] = await Promise.all([ctx.one.vms(), ctx.one.datastores()]);
  const runs: PolicyRun[] = [];
  for (const listed of vms) {
    const failed = (error: unknown): PolicyRun => ({
      vm: listed.id,
      dropped: [],
      errors: [toDriverError(error)],
    });
    try {
      if (!policyOf(ctx, listed, datastores)) continue;
      // Its own document: a list may be older, and leaves things out.
      const vm = await ctx.one.vm(listed.id);
      const policy = policyOf(ctx, vm, datastores);
      if (!policy || vm.state === vmState.DONE) continue;
      if (!isQuiet(vm)) {
        runs.push({ vm: vm.id, dropped: [], errors: [], deferred: 'OpenNebula is working on it' });
        continue;
      }
      runs.push(await ctx.lock(vmLock(vm.id), () => runOne(ctx, vm, policy, datastores, now)));
    } catch (error) {
      runs.push(failed(error));
    }
  }
  return runs;
}

async function runOne(
  ctx: Context,
  vm: Vm,
  policy: SnapshotPolicy,
  datastores: readonly Datastore[],
  now: number,
): Promise<PolicyRun> {
  const place = placeOfVm(vm, datastores);
  const target = await openSnapshotVm(vm, place, await disksOfVm(ctx, vm, place));
  const { whole, broken } = pointsOf(target);
  const errors: DriverError[] = [];
  let taken: string | undefined;
  if (isDue([...whole.keys()], policy, now)) {
    const disks = target.disks.map(({ disk }) => disk.id);
    const name = policySnapshotName({ vmId: vm.id, at: now, disks });
    try {
      await ctx.undo.within(() => takePoint(ctx, target, name));
      // Nothing takes it back any more, whatever happens to the next VM.
      ctx.undo.commit();
      taken = name;
      whole.set(parsePolicySnapshot(name)?.at ?? now, name);
    } catch (error) {
      errors.push(toDriverError(error));
    }
  }
  const keep = retained([...whole.keys()], policy);
  const superfluous = [...whole].filter(([at]) => !keep.has(at)).map(([, name]) => name);
  const dropped: string[] = [];
  for (const name of [...broken.filter((each) => each !== taken), ...superfluous]) {
    try {
      await dropEverywhere(ctx, target, name);
      dropped.push(name);
    } catch (error) {
      errors.push(toDriverError(error));
    }
  }
  return { vm: vm.id, dropped, errors, ...(taken === undefined ? {} : { taken }) };
}

export interface PolicyPoints {
  /** By their time. A disk that was attached later has none of the older ones. */
  readonly whole: Map<number, string>;
  /** Not on all disks that it was taken of, or not usable there: taking or deleting it was cut off. */
  readonly broken: readonly string[];
}

export function pointsOf({ vm, disks }: Pick<SnapshotVm, 'vm' | 'disks'>): PolicyPoints {
  const usable = new Map<string, Set<number>>();
  const broken = new Set<string>();
  for (const { disk, snapshots } of disks)
    for (const snapshot of snapshots) {
      const point = parsePolicySnapshot(snapshot.name);
      if (point?.vmId !== vm.id) continue;
      const name = policySnapshotName(point);
      usable.set(name, (usable.get(name) ?? new Set()).add(disk.id));
      if (!isUsable(snapshot)) broken.add(name);
    }
  const whole = new Map<number, string>();
  for (const [name, held] of usable) {
    const point = parsePolicySnapshot(name);
    const lacks = disks.some(({ disk }) => point?.disks?.includes(disk.id) && !held.has(disk.id));
    if (lacks) broken.add(name);
    if (point && !broken.has(name)) whole.set(point.at, name);
  }
  return { whole, broken: [...broken] };
}

async function dropEverywhere(ctx: Context, { disks, linstor }: SnapshotVm, name: string): Promise<void> {
  for (const { resource, snapshots } of disks)
    if (snapshots.some((each) => sameName(each.name, name))) await dropSnapshot(ctx, linstor, resource, name);
}
