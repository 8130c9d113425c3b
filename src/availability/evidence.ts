import type { Context } from '../context.ts';
import { hostOfNode, matchHost, sshNameOf } from '../disks/host-node.ts';
import { toDriverError } from '../errors.ts';
import type { Linstor, Node } from '../linstor/linstor.ts';
import { resourceName } from '../linstor/names.ts';
import type { Host } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { namesFor } from '../volumes/names.ts';
import { sameName } from '../volumes/replicas.ts';
import { type KernelView, kernelView } from './kernel-view.ts';
import type { Evidence, LinstorEvidence } from './verdict.ts';

/** The controller may have died with the host: nobody waits for it longer than that, and goes on with what kernels say. */
const controllerMs = 15_000;

export interface Case {
  readonly host: string;
  readonly hosts: readonly Host[];
  /** Proper names. */
  readonly resources: readonly string[];
}

export async function gatherEvidence(ctx: Context, settings: Settings, request: Case): Promise<Evidence> {
  const linstor = await Promise.race([
    readLinstor(ctx.linstor(settings), settings, request).catch((error: unknown) => {
      ctx.log.info(`LINSTOR is left out: ${toDriverError(error).message}`);
      return undefined;
    }),
    Bun.sleep(controllerMs).then(() => undefined),
  ]);
  const names = [request.host, linstor?.node?.name, linstor?.node?.props['NodeUname']]
    .filter((name) => name !== undefined)
    .map((name) => name.toLowerCase());
  const short = request.host.split('.')[0]?.toLowerCase();
  const isAddress = /^[\d.:]+$/.test(request.host);
  const all = [...new Set([...names, ...(linstor || isAddress || short === undefined ? [] : [short])])];
  return {
    names: all,
    ...(await askKernels(ctx, hostsToAsk(settings, request, linstor))),
    ...(linstor ? { linstor } : {}),
  };
}

/** The same hosts once more. */
export async function lookAgain(ctx: Context, before: Evidence, hosts: readonly string[]): Promise<Evidence> {
  return { ...before, ...(await askKernels(ctx, hosts)) };
}

async function readLinstor(
  linstor: Linstor,
  settings: Settings,
  { host, resources }: Case,
): Promise<LinstorEvidence> {
  const names = resources.flatMap((name) => namesFor(resourceName(name)));
  const [nodes, definitions, controller, capabilities] = await Promise.all([
    linstor.nodes(),
    linstor.definitions({ names }),
    linstor.controllerProperties(),
    linstor.capabilities(),
  ]);
  const replicas = await linstor.replicas(definitions.map(({ name }) => name));
  const node = matchHost(host, nodes, settings.nodeMap)?.node;
  const evicts = Number(
    node?.props[evictAfter] ??
      controller[evictAfter] ??
      (isAtLeast(capabilities.serverVersion, '1.34') ? 720 : 60),
  );
  const lostAt = node?.evictsAt === undefined ? undefined : node.evictsAt - evicts * 60_000;
  return {
    nodes,
    definitions,
    replicas,
    ...(node ? { node } : {}),
    ...(lostAt === undefined ? {} : { lostAt }),
  };
}

const evictAfter = 'DrbdOptions/AutoEvictAfterTime';

function isAtLeast(version: string, wanted: string): boolean {
  const [a = [], b = []] = [version, wanted].map((text) => text.split('.').map(Number));
  return (a[0] ?? 0) !== (b[0] ?? 0) ? (a[0] ?? 0) > (b[0] ?? 0) : (a[1] ?? 0) >= (b[1] ?? 0);
}

/** Where LINSTOR tells, the nodes that have the resources; else every other host of OpenNebula's. */
export function hostsToAsk(
  { nodeMap }: Settings,
  { host, hosts }: Case,
  linstor: LinstorEvidence | undefined,
): string[] {
  const others = hosts.map(({ name }) => name).filter((name) => !sameName(name, host));
  if (!linstor) return others;
  const { nodes, replicas, node: lost } = linstor;
  const wanted = [...new Set(replicas.map(({ node }) => node))].filter(
    (node) => lost === undefined || !sameName(node, lost.name),
  );
  return wanted.map((node) => hostOfNode(node, others, nodes, nodeMap) ?? sshNameOf(node, nodeMap));
}

async function askKernels(
  ctx: Context,
  hosts: readonly string[],
): Promise<{ views: KernelView[]; silent: Map<string, string> }> {
  const silent = new Map<string, string>();
  const views = await Promise.all(
    hosts.map(async (host) => {
      try {
        return await kernelView(ctx.hosts, host);
      } catch (error) {
        silent.set(host, toDriverError(error).message);
        return undefined;
      }
    }),
  );
  return { views: views.filter((view) => view !== undefined), silent };
}

/** Who still talks to the host: `n2 (one-vm-7-disk-0)`. */
export function stillConnected({ names, views }: Pick<Evidence, 'names' | 'views'>): string[] {
  return views.flatMap((view) =>
    [...view.resources.values()]
      .filter((resource) => names.some((name) => resource.peers.get(name)?.connected))
      .slice(0, 1)
      .map((resource) => `${view.uname} (${resource.name})`),
  );
}

export const isOnline = (node: Node | undefined): boolean => node?.status === 'ONLINE';
