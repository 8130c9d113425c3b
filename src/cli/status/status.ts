import type { Context } from '../../context.ts';
import { DriverError, isDriverError } from '../../errors.ts';
import { vmState } from '../../opennebula/states.ts';
import { wholeNumber } from '../arguments.ts';
import { type ClusterFacts, type OneFacts, orElse } from '../checks/facts.ts';
import { gatherStatus } from '../checks/gather.ts';
import { type CliEnvironment, operatorCommand, printJson } from '../command.ts';
import { countLeftovers } from '../gc/count.ts';
import { paintFor } from '../paint.ts';
import { type ClusterStatus, clusterStatus } from './model.ts';
import { imageStatus, vmStatus } from './object.ts';
import { type Overview, renderImage, renderOverview, renderVm, type Screen } from './render.ts';

export const status = operatorCommand({
  name: 'status',
  summary:
    'Nodes and hosts side by side, pools, datastores, volumes with replicas and state; or one VM or image in detail. Exit code 1 when something is degraded.',
  args: {
    what: { type: 'positional', required: false, description: 'vm or image' },
    id: { type: 'positional', required: false, description: 'its id' },
    all: { type: 'boolean', alias: 'a', description: 'list every volume' },
    watch: { type: 'boolean', alias: 'w', description: 'refresh every two seconds, until Ctrl-C' },
    interval: {
      type: 'string',
      valueHint: 'SECONDS',
      description: 'with --watch: refresh interval in seconds',
    },
    json: { type: 'boolean', description: 'one JSON document' },
  },
  examples: [
    ['status', 'cluster and datastores at a glance'],
    ['status vm 7', 'disks of VM 7: where, how many replicas, in sync?'],
    ['status image 12', 'the volume of image 12, and who uses it'],
    ['status --watch', 'watch a resync'],
  ],
  run: async (args, environment) => {
    const subject = subjectFrom(args.what, args.id);
    if (args.watch && args.json) throw new DriverError('USAGE', '--watch and --json do not go together');
    const seconds = wholeNumber('--interval', args.interval) ?? 2;
    if (seconds < 1) throw new DriverError('USAGE', '--interval is at least one second');
    const context = await environment.context();
    const look = (): Promise<Look> => lookAt(context, environment, subject, args.all ?? false);
    if (args.watch) return watch(context, environment, look, seconds);
    const { text, document, well } = await look();
    if (args.json) printJson(environment, document);
    else environment.terminal.out(text);
    return well ? 0 : 1;
  },
});

type Subject = { readonly what: 'vm' | 'image'; readonly id: number } | undefined;

function subjectFrom(what: string | undefined, id: string | undefined): Subject {
  if (what === undefined) return undefined;
  if (what !== 'vm' && what !== 'image')
    throw new DriverError('USAGE', `status: “${what}” is neither vm nor image`, {
      remedy: 'linstor_un status vm 7, or linstor_un status image 12',
    });
  const number = wholeNumber(`status ${what}`, id);
  if (number === undefined)
    throw new DriverError('USAGE', `status ${what}: missing ID`, { remedy: `linstor_un status ${what} 7` });
  return { what, id: number };
}

interface Look {
  readonly text: string;
  readonly document: unknown;
  readonly well: boolean;
}

async function lookAt(
  context: Context,
  environment: CliEnvironment,
  subject: Subject,
  all: boolean,
): Promise<Look> {
  const { terminal } = environment;
  const screen: Screen = { width: terminal.columns, paint: paintFor(terminal.color), all };
  const now = environment.now().getTime();
  const { one, clusters } = await gatherStatus(context, () => now);
  if (subject !== undefined) {
    const statuses = clusters.map((cluster) => clusterStatus(cluster, one));
    if (subject.what === 'vm') return lookAtVm(context, statuses, subject.id, screen);
    return lookAtImage(context, one, statuses, subject.id, screen);
  }
  const overview = overviewOf(one, clusters, now);
  const well = overview.oneError === undefined && overview.clusters.every(isWell);
  return { text: renderOverview(overview, screen), document: overview, well };
}

export function overviewOf(one: OneFacts, clusters: readonly ClusterFacts[], now: number): Overview {
  const oneError = [one.hosts, one.datastores, one.vms, one.images].find((known) => !known.ok);
  const leftovers = countLeftovers(clusters, one, now);
  return {
    clusters: clusters.map((cluster) => clusterStatus(cluster, one)),
    ...(oneError && !oneError.ok ? { oneError: oneError.error.message } : {}),
    ...(leftovers === undefined ? {} : { leftovers }),
  };
}

function isWell(cluster: ClusterStatus): boolean {
  return (
    cluster.error === undefined &&
    cluster.nodes.every((node) => node.status === 'ONLINE') &&
    cluster.volumes.every((volume) => volume.trouble.length === 0)
  );
}

async function lookAtVm(
  context: Context,
  clusters: readonly ClusterStatus[],
  id: number,
  screen: Screen,
): Promise<Look> {
  throwIfUnreachable(clusters);
  const vm = await context.one.vm(id);
  const found = vmStatus(
    vm,
    clusters.flatMap((cluster) => cluster.volumes),
  );
  const volumes = [
    ...found.disks.flatMap((item) => item.volume ?? []),
    ...(found.checkpoint ? [found.checkpoint] : []),
  ];
  const missing =
    vm.state !== vmState.DONE &&
    vm.history.length > 0 &&
    found.disks.some((item) => item.disk.tmMad === 'linstor_un' && !item.volume);
  return {
    text: renderVm(found, screen),
    document: {
      vm: {
        id: vm.id,
        name: vm.name,
        host: vm.history.at(-1)?.hostname ?? null,
        datastore: vm.history.at(-1)?.datastoreId ?? null,
      },
      disks: found.disks.map(({ disk, volume }) => ({
        id: disk.id,
        kind: disk.kind,
        image: disk.imageId ?? null,
        volume: volume ?? null,
      })),
      checkpoint: found.checkpoint ?? null,
    },
    well: !missing && volumes.every((volume) => volume.trouble.length === 0),
  };
}

async function lookAtImage(
  context: Context,
  one: OneFacts,
  clusters: readonly ClusterStatus[],
  id: number,
  screen: Screen,
): Promise<Look> {
  throwIfUnreachable(clusters);
  const image = await context.one.image(id);
  const found = imageStatus(
    image,
    orElse(one.vms, []),
    clusters.flatMap((cluster) => cluster.volumes),
  );
  return {
    text: renderImage(found, screen),
    document: {
      image: {
        id: image.id,
        name: image.name,
        persistent: image.persistent,
        datastore: image.datastoreId ?? null,
      },
      volume: found.volume ?? null,
      vms: found.vms,
    },
    well: found.volume !== undefined && found.volume.trouble.length === 0,
  };
}

/** “There is no volume” would be a lie when LINSTOR did not answer. */
function throwIfUnreachable(clusters: readonly ClusterStatus[]): void {
  const error = clusters.find((cluster) => cluster.error !== undefined)?.error;
  if (error !== undefined) throw new DriverError('LINSTOR_UNREACHABLE', error);
}

const clearScreen = '\u001b[H\u001b[2J\u001b[3J';

async function watch(
  context: Context,
  environment: CliEnvironment,
  look: () => Promise<Look>,
  seconds: number,
): Promise<number> {
  const { terminal } = environment;
  for (;;) {
    const { text } = await look();
    const time = environment.now().toISOString().slice(11, 19);
    terminal.out(
      `${terminal.interactive ? clearScreen : ''}${text}\n${time}, refreshing every ${seconds} s, Ctrl-C to quit\n`,
    );
    try {
      await context.clock.sleep(seconds * 1000);
    } catch (error) {
      if (isDriverError(error, 'INTERRUPTED')) return 0;
      throw error;
    }
    if (context.signal.aborted) return 0;
  }
}
