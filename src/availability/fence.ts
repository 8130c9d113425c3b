import type { Context } from '../context.ts';
import { DriverError, toDriverError } from '../errors.ts';
import type { Host } from '../opennebula/one.ts';
import type { Settings } from '../opennebula/settings.ts';
import { clustersOf } from './clusters.ts';
import { disksOf, type HostDisk, vmsOnHost } from './disks-on-host.ts';
import { type Case, gatherEvidence, hostsToAsk, isOnline, lookAgain, stillConnected } from './evidence.ts';
import { type DiskVerdict, type Evidence, judgeDisk } from './verdict.ts';

/** Why nothing on the host can be written any more; or, per disk, why that is not sure. */
export interface FenceReport {
  readonly host: string;
  readonly fenced: boolean;
  /** What made it so. */
  readonly by?: 'nothing runs there' | 'quorum' | 'command';
  readonly disks: readonly DiskVerdict[];
  /** Who is connected to it, or reaches it: it is alive. */
  readonly alive: readonly string[];
  /** Hosts that did not answer, and why. */
  readonly silent: Readonly<Record<string, string>>;
  /** What the site's command said, or why it was not run. */
  readonly command?: string;
}

export interface FenceOptions {
  readonly force: boolean;
  /** For the site's command: the document that OpenNebula hands to a fence script. */
  readonly document?: string;
}

interface Cluster {
  readonly settings: Settings;
  readonly request: Case;
  readonly disks: readonly HostDisk[];
  evidence: Evidence;
}

/** A host that has just come back must not count as gone by answers from before. */
const settleMs = 2000;
/** DRBD notices after `ping-int` (10 s) at the latest that a peer has lost power. */
const powerMs = 20_000;

/**
 * Makes sure that no disk which runs on the host can complete a write any more, or says why that is not so. It changes nothing by itself:
 * DRBD has seen to it where there is quorum; otherwise the site's own command has to, and never against a host that is alive.
 * Throws what OpenNebula's answers throw: without them nobody knows what runs there.
 */
export async function fenceHost(ctx: Context, host: string, options: FenceOptions): Promise<FenceReport> {
  const clusters = await gatherClusters(ctx, host);
  const fence = fenceSettings(ctx);
  let disks = judge(clusters);
  const alive = aliveReasons(clusters);
  const report = (more: Partial<FenceReport> & Pick<FenceReport, 'fenced'>): FenceReport => ({
    host,
    disks,
    alive,
    silent: Object.fromEntries(clusters.flatMap(({ evidence }) => [...evidence.silent])),
    ...more,
  });
  if (disks.length === 0 && connectedTo(clusters).length === 0)
    return report({ fenced: true, by: 'nothing runs there' });
  if (disks.every(({ safe }) => safe) && connectedTo(clusters).length === 0) {
    await ctx.clock.sleep(settleMs);
    await again(ctx, clusters);
    disks = judge(clusters);
    if (disks.every(({ safe }) => safe)) return report({ fenced: true, by: 'quorum' });
  }
  if (fence.command === undefined)
    return report({ fenced: false, command: 'there is no FENCE_COMMAND in linstor_un.conf' });
  if (alive.length > 0 && !options.force)
    return report({ fenced: false, command: 'not run: the host is alive (--force fences it all the same)' });
  const failure = await runCommand(ctx, fence, 'off', host, options.document);
  if (failure !== undefined) return report({ fenced: false, command: failure });
  const still = await awaitGone(ctx, clusters);
  disks = judge(clusters).map((verdict) =>
    verdict.safe
      ? verdict
      : {
          ...verdict,
          safe: still.length === 0,
          why: `${verdict.why}; the fencing command says that the host is off`,
        },
  );
  if (still.length > 0)
    return report({
      fenced: false,
      command: `it reported success, and ${still.join(', ')} ${still.length === 1 ? 'is' : 'are'} still connected to the host`,
    });
  return report({
    fenced: true,
    by: 'command',
    command: 'it reported success, and nobody is connected to the host',
  });
}

export interface FenceSettings {
  readonly command?: string;
  readonly seconds: number;
}

export function fenceSettings(ctx: Context): FenceSettings {
  const { fenceCommand, fenceTimeout } = ctx.settings();
  return { ...(fenceCommand === undefined ? {} : { command: fenceCommand }), seconds: fenceTimeout };
}

/** The values reach it as arguments; nothing is put together to a command line. */
const commandScript = 'exec "$1" "$2" "$3"';

/** `COMMAND off HOST`, or `COMMAND status HOST` for a test. Returns why it failed. */
export async function runCommand(
  ctx: Context,
  { command, seconds }: FenceSettings,
  action: 'off' | 'status',
  host: string,
  document?: string,
): Promise<string | undefined> {
  try {
    await ctx.hosts.local({
      verb: `fence-${action}`,
      script: commandScript,
      args: [command ?? '', action, host],
      timeoutMs: seconds * 1000,
      ...(document === undefined ? {} : { stdin: document }),
    });
    return undefined;
  } catch (error) {
    const { message, details } = toDriverError(error);
    return [message, ...details].join('; ');
  }
}

async function gatherClusters(ctx: Context, host: string): Promise<Cluster[]> {
  const [hosts, datastores, vms] = await Promise.all([
    ctx.one.hosts(),
    ctx.one.datastores(),
    vmsOnHost(ctx, host),
  ]);
  requireHost(hosts, host);
  return Promise.all(
    clustersOf(ctx, datastores).map(async ({ settings }, index) => {
      const all = vms.flatMap((vm) => disksOf(vm, settings.namePrefix, datastores));
      // What is nobody's of ours is judged once.
      const disks = index === 0 ? all : all.filter(({ resource }) => resource !== undefined);
      const request = { host, hosts, resources: disks.flatMap(({ resource }) => resource ?? []) };
      return { settings, request, disks, evidence: await gatherEvidence(ctx, settings, request) };
    }),
  );
}

export function requireHost(hosts: readonly Host[], host: string): void {
  if (hosts.some(({ name }) => name.toLowerCase() === host.toLowerCase())) return;
  throw new DriverError('ONE_NOT_FOUND', `OpenNebula has no host “${host}”`, {
    remedy: `one of ${hosts.map(({ name }) => name).join(', ')}`,
  });
}

async function again(ctx: Context, clusters: readonly Cluster[]): Promise<void> {
  await Promise.all(
    clusters.map(async (cluster) => {
      const asked = hostsToAsk(cluster.settings, cluster.request, cluster.evidence.linstor);
      cluster.evidence = await lookAgain(ctx, cluster.evidence, asked);
    }),
  );
}

/** A resource is one cluster's; where several are asked, one that knows it decides, and any that fears for it. */
function judge(clusters: readonly Cluster[]): DiskVerdict[] {
  const verdicts = clusters.flatMap(({ disks, evidence }) =>
    disks.flatMap((disk) => judgeDisk(disk, evidence)),
  );
  const byDisk = Map.groupBy(verdicts, ({ vm, disk, resource }) => `${vm} ${disk} ${resource ?? ''}`);
  return [...byDisk.values()].flatMap((same) => {
    const known = same.filter(({ why }) => why !== unknownResource);
    return known.find(({ safe }) => !safe) ?? known[0] ?? same[0] ?? [];
  });
}
const unknownResource = 'no node that was asked knows its resource';

const connectedTo = (clusters: readonly Cluster[]): string[] =>
  clusters.flatMap(({ evidence }) => stillConnected(evidence));

function aliveReasons(clusters: readonly Cluster[]): string[] {
  const satellites = clusters.flatMap(({ evidence }) =>
    isOnline(evidence.linstor?.node)
      ? [`LINSTOR reaches its satellite (${evidence.linstor?.node?.name})`]
      : [],
  );
  return [...connectedTo(clusters).map((who) => `${who} is connected to it`), ...satellites];
}

async function awaitGone(ctx: Context, clusters: readonly Cluster[]): Promise<string[]> {
  const until = ctx.clock.now() + powerMs;
  for (;;) {
    await again(ctx, clusters);
    const still = connectedTo(clusters);
    if (still.length === 0 || ctx.clock.now() > until) return still;
    await ctx.clock.sleep(settleMs);
  }
}
