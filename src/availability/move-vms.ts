import type { Context } from '../context.ts';
import { nodeOfHost } from '../disks/host-node.ts';
import { DriverError, isDriverError } from '../errors.ts';
import type { Linstor, Node } from '../linstor/linstor.ts';
import type { Host, Vm } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { inLcm, lcm, lcmName, vmState } from '../opennebula/states.ts';
import { parseResource } from '../volumes/names.ts';
import { isDiskful, sameName } from '../volumes/replicas.ts';

interface Destination {
  readonly name: string;
  readonly host: Host;
  readonly hosts: readonly Host[];
  readonly clusters: readonly {
    readonly settings: Settings;
    readonly linstor: Linstor;
    readonly node: Node;
  }[];
}

/** Everything that is on the host, or on its way from it. */
export async function vmsToMove({ one }: Pick<Context, 'one'>, host: string): Promise<Vm[]> {
  const vms = (await one.vms()).filter(({ state }) => there.includes(state));
  const isLast = (vm: Vm): boolean => sameName(vm.history.at(-1)?.hostname ?? '', host);
  const moving = await Promise.all(
    vms.filter((vm) => !isLast(vm) && isMoving(vm)).map((vm) => one.vm(vm.id)),
  );
  return [
    ...vms.filter(isLast),
    ...moving.filter((vm) => isMoving(vm) && sameName(vm.history.at(-2)?.hostname ?? '', host)),
  ];
}

const there: readonly number[] = [vmState.ACTIVE, vmState.SUSPENDED, vmState.POWEROFF];

const isMoving = ({ state, lcmState }: Vm): boolean =>
  state === vmState.ACTIVE &&
  inLcm(
    lcmState,
    'MIGRATE',
    'SAVE_MIGRATE',
    'PROLOG_MIGRATE',
    'PROLOG_MIGRATE_POWEROFF',
    'PROLOG_MIGRATE_SUSPEND',
    'BOOT_MIGRATE',
    'BOOT',
    'PROLOG_RESUME',
  );

const isRunning = ({ state, lcmState }: Vm): boolean => state === vmState.ACTIVE && lcmState === lcm.RUNNING;

/** What has to be settled by a person first. */
export function obstacles(vms: readonly Vm[], poweroff: boolean): string[] {
  return vms.flatMap((vm) => {
    if (isRunning(vm) || isMoving(vm)) return [];
    if (vm.state === vmState.ACTIVE) return [`VM ${vm.id} is in ${lcmName(vm.lcmState)}`];
    return poweroff
      ? []
      : [
          `VM ${vm.id} is ${vm.state === vmState.POWEROFF ? 'powered off' : 'suspended'}: --poweroff moves it too`,
        ];
  });
}

export interface MoveOptions {
  readonly poweroff: boolean;
  readonly stallMs: number;
  readonly say: (text: string) => void;
}

/** One after the other; what fails is told at the end, the others have left. */
export async function moveVms(
  ctx: Context,
  destination: Destination,
  vms: readonly Vm[],
  options: MoveOptions,
): Promise<void> {
  const failures: string[] = [];
  for (const [index, vm] of vms.entries()) {
    const failure = await moveVm(ctx, destination, vm, options);
    if (failure === undefined) options.say(`${index + 1} of ${vms.length} VMs have left`);
    else failures.push(`VM ${vm.id}: ${failure}`);
  }
  if (failures.length > 0)
    throw new DriverError(
      'IN_USE',
      `${failures.length} of ${vms.length} VMs are still on ${destination.name}`,
      {
        details: failures,
        remedy: `fix what is listed, then call this again; --undo takes ${destination.name} back into service`,
      },
    );
}

/** Returns why it is still there. */
async function moveVm(
  ctx: Context,
  destination: Destination,
  vm: Vm,
  options: MoveOptions,
): Promise<string | undefined> {
  if (isMoving(vm)) {
    options.say(`VM ${vm.id} is on its way already`);
    const left = await arrival(ctx, destination.name, vm.id, options.stallMs);
    if (left === undefined) return undefined;
  }
  const targets = await targetsFor(ctx, destination, vm);
  if (targets.length === 0) return 'there is no other host for it';
  let why = '';
  for (const target of targets) {
    const how = isRunning(vm) ? 'live' : 'poweroff';
    try {
      await ctx.one.migrateVm(vm.id, target.id, how);
    } catch (error) {
      if (!isDriverError(error, 'ONE_REFUSED')) throw error;
      why = error.message;
      continue;
    }
    options.say(`VM ${vm.id} goes to ${target.name}${how === 'live' ? ', alive' : ''}`);
    const failed = await arrival(ctx, destination.name, vm.id, options.stallMs);
    if (failed === undefined) return undefined;
    why = failed;
    if (how !== 'live' || !options.poweroff) return why;
    options.say(`VM ${vm.id} did not go alive (${why}); it is powered off for it`);
    await ctx.one.migrateVm(vm.id, target.id, 'poweroff');
    return arrival(ctx, destination.name, vm.id, options.stallMs);
  }
  return why;
}

const lookMs = 2000;

/** Waits for the end of a migration; undefined when it has left, else why it has not. */
async function arrival(ctx: Context, from: string, id: number, stallMs: number): Promise<string | undefined> {
  const until = ctx.clock.now() + stallMs;
  for (let looks = 0; ; looks += 1) {
    const vm = await ctx.one.vm(id);
    const place = vm.history.at(-1)?.hostname ?? '';
    const settled = isRunning(vm) || vm.state === vmState.POWEROFF || vm.state === vmState.SUSPENDED;
    if (!there.includes(vm.state)) return undefined;
    if (settled && !sameName(place, from)) return undefined;
    // oned answers before the first step: one look may be too early.
    if (settled && looks > 0) return 'the migration failed (see its log in OpenNebula)';
    if (!settled && !isMoving(vm)) return `it is in ${lcmName(vm.lcmState)}`;
    if (ctx.clock.now() > until) return 'the migration does not end';
    await ctx.clock.sleep(lookMs);
  }
}

/** Enabled hosts of the same cluster with a satellite: first where most of its data are, then where fewest VMs run. */
async function targetsFor(ctx: Context, { host, hosts, clusters }: Destination, vm: Vm): Promise<Host[]> {
  const vms = await ctx.one.vms();
  const load = (name: string): number =>
    vms.filter((each) => each.state === vmState.ACTIVE && sameName(each.history.at(-1)?.hostname ?? '', name))
      .length;
  const data = new Map<string, number>();
  const reachable = new Set<string>();
  for (const { settings, linstor } of clusters) {
    const nodes = (await linstor.nodes()).filter(({ status }) => status === 'ONLINE');
    const names = (await linstor.definitions())
      .map(({ name }) => name)
      .filter((name) => parseResource(settings.namePrefix, name)?.vmId === vm.id);
    const replicas = await linstor.replicas(names);
    for (const each of hosts) {
      const node = nodeOfHost(each.name, nodes, settings.nodeMap);
      if (!node) continue;
      reachable.add(each.name);
      const local = replicas.filter((replica) => isDiskful(replica) && sameName(replica.node, node.name));
      data.set(each.name, (data.get(each.name) ?? 0) + local.length);
    }
  }
  return hosts
    .filter((each) => each.enabled && each.id !== host.id && each.clusterId === host.clusterId)
    .filter(({ name }) => reachable.has(name))
    .toSorted(
      (a, b) =>
        (data.get(b.name) ?? 0) - (data.get(a.name) ?? 0) || load(a.name) - load(b.name) || a.id - b.id,
    );
}
