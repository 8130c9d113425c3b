import type { Context } from '../context.ts';
import { hostOfNode, matchHost, sshNameOf } from '../disks/host-node.ts';
import { toDriverError } from '../errors.ts';
import type { NodeName } from '../linstor/names.ts';
import type { Datastore, Host, Vm } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { properName } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { clustersOf } from './clusters.ts';
import { disksOf, vmsOnHost } from './disks-on-host.ts';
import { type FenceReport, fenceSettings, requireHost, runCommand } from './fence.ts';
import { kernelView } from './kernel-view.ts';
import { type Survival, survives } from './survival.ts';
import type { DiskVerdict } from './verdict.ts';

/**
 * Were the host gone now, would it be fenced? Nothing is done to it: disks are judged by what LINSTOR says of their nodes, the nodes that would
 * be asked are asked whether they answer, and FENCE_COMMAND is called with `status`.
 */
export async function rehearse(ctx: Context, host: string): Promise<FenceReport> {
  const [hosts, datastores, vms] = await Promise.all([
    ctx.one.hosts(),
    ctx.one.datastores(),
    vmsOnHost(ctx, host),
  ]);
  requireHost(hosts, host);
  const scene = { host, hosts, datastores, vms };
  const plans = await Promise.all(
    clustersOf(ctx, datastores).map(({ settings }) => planOf(ctx, settings, scene)),
  );
  const disks = [...foreignDisks(scene), ...plans.flatMap((plan) => plan.disks)];
  const silent = await whoIsSilent(ctx, [...new Set(plans.flatMap(({ asked }) => asked))]);
  const fence = fenceSettings(ctx);
  const failure = fence.command === undefined ? undefined : await runCommand(ctx, fence, 'status', host);
  const byQuorum = disks.every(({ safe }) => safe) && Object.keys(silent).length === 0;
  const byCommand = fence.command !== undefined && failure === undefined;
  return {
    host,
    fenced: byQuorum || byCommand,
    ...(byQuorum ? { by: 'quorum' as const } : byCommand ? { by: 'command' as const } : {}),
    disks,
    alive: [],
    silent,
    command:
      fence.command === undefined
        ? 'there is none, so quorum alone can fence (FENCE_COMMAND in linstor_un.conf)'
        : (failure ?? `“${fence.command} status ${host}” succeeded`),
  };
}

interface Scene {
  readonly host: string;
  readonly hosts: readonly Host[];
  readonly datastores: readonly Datastore[];
  readonly vms: readonly Vm[];
}

function foreignDisks({ vms, datastores }: Scene): DiskVerdict[] {
  return vms
    .flatMap((vm) => disksOf(vm, '', datastores))
    .filter(({ resource }) => resource === undefined)
    .map(({ vm, disk, local, foreign }) => ({
      vm,
      disk,
      safe: local,
      why: local
        ? 'lies on the host itself, where no other node can open it'
        : `belongs to ${foreign}: it is not known whether it is written`,
    }));
}

async function planOf(
  ctx: Context,
  settings: Settings,
  { host, hosts, datastores, vms }: Scene,
): Promise<{ disks: DiskVerdict[]; asked: string[] }> {
  const linstor = ctx.linstor(settings);
  const [nodes, groups, definitions, resources, properties] = await Promise.all([
    linstor.nodes(),
    linstor.resourceGroups(),
    linstor.definitions(),
    linstor.resources(),
    linstor.controllerProperties(),
  ]);
  const node = matchHost(host, nodes, settings.nodeMap)?.node.name;
  if (node === undefined) return { disks: [], asked: [] };
  const others = hosts.map(({ name }) => name).filter((name) => !sameName(name, host));
  const sshName = (each: NodeName): string =>
    hostOfNode(each, others, nodes, settings.nodeMap) ?? sshNameOf(each, settings.nodeMap);
  const asked: string[] = [];
  const disks = vms.flatMap((vm) =>
    disksOf(vm, settings.namePrefix, datastores).flatMap(({ disk, resource }) =>
      definitions
        .filter(({ name }) => resource !== undefined && sameName(properName(name), resource))
        .map((definition): DiskVerdict => {
          const replicas = resources.filter(({ name }) => sameName(name, definition.name));
          const left = survives(definition, replicas, node, { nodes, groups, properties });
          asked.push(
            ...replicas.filter((each) => !sameName(each.node, node)).map((each) => sshName(each.node)),
          );
          return { vm: vm.id, disk, resource: definition.name, ...promise(left) };
        }),
    ),
  );
  return { disks, asked };
}

function promise({ replicated, quorum, writable, left }: Survival): Pick<DiskVerdict, 'safe' | 'why'> {
  if (!replicated)
    return { safe: false, why: 'is plain storage of that host: no other node sees whether it is written' };
  if (!['majority', 'all'].includes(quorum)) return { safe: false, why: `quorum is ${quorum}` };
  if (!writable) return { safe: false, why: 'the other nodes would have no quorum without it' };
  return {
    safe: true,
    why: `the other nodes would have quorum${left === 0 ? ', and no copy of the data' : ''}`,
  };
}

async function whoIsSilent(ctx: Context, hosts: readonly string[]): Promise<Record<string, string>> {
  const answers = await Promise.all(
    hosts.map(async (name) => {
      try {
        await kernelView(ctx.hosts, name);
        return [];
      } catch (error) {
        return [[name, toDriverError(error).message] as const];
      }
    }),
  );
  return Object.fromEntries(answers.flat());
}
