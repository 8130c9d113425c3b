import type { Context } from '../../context.ts';
import { DriverError, isDriverError } from '../../errors.ts';
import { wholeNumber } from '../arguments.ts';
import type { ClusterView } from '../checks/facts.ts';
import { gatherStatus } from '../checks/gather.ts';
import { type CliEnvironment, operatorCommand, printJson } from '../command.ts';
import { countLeftovers } from '../gc/count.ts';
import { layoutFrom } from '../install.ts';
import { paintFor } from '../paint.ts';
import { runningNow } from '../running.ts';
import { isSilent, lockStatus, renderLocks } from './locks.ts';
import { type Look, lookAtSubject } from './look.ts';
import { clusterStatus } from './model.ts';
import { type Overview, renderOverview, type Screen } from './render.ts';
import { locks, type Subject, subjectFrom } from './subject.ts';
import { problemsIn } from './trouble.ts';

export const status = operatorCommand({
  name: 'status',
  summary:
    'Nodes and hosts side by side, pools, datastores, volumes with replicas and state; or one VM, image, host, node or datastore in detail.',
  args: {
    what: { type: 'positional', required: false, description: 'vm, image, host, node, datastore, locks' },
    id: { type: 'positional', required: false, description: 'its ID or name' },
    all: { type: 'boolean', alias: 'a', description: 'list every volume' },
    watch: { type: 'boolean', alias: 'w', description: 'refresh every two seconds, until Ctrl-C' },
    interval: {
      type: 'string',
      valueHint: 'SECONDS',
      description: 'with --watch: refresh interval in seconds',
    },
    json: { type: 'boolean', description: 'one JSON document' },
  },
  exitCodes: [
    [0, 'healthy: doctor has no warning or failure of nodes, pools and volumes'],
    [1, 'something is degraded, or could not be asked'],
  ],
  examples: [
    ['status', 'overview of cluster and datastores'],
    ['status vm 7', 'the disks of VM 7: nodes, replicas, sync state'],
    ['status image alpine', 'the volume of an image and the VMs using it'],
    ['status node node1', 'pools, VMs and volumes of one machine'],
    ['status locks', 'who works on what, across front-ends'],
    ['status --watch', 'watch a resync'],
  ],
  run: async (args, environment) => {
    const subject = subjectFrom(args.what, args.id);
    if (args.watch && args.json) throw new DriverError('USAGE', '--watch and --json cannot be combined');
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

async function lookAt(
  context: Context,
  environment: CliEnvironment,
  subject: Subject | typeof locks | undefined,
  all: boolean,
): Promise<Look> {
  const { terminal } = environment;
  const screen: Screen = {
    width: terminal.columns,
    paint: paintFor(terminal.color),
    all,
    now: environment.now().getTime(),
  };
  const view = await gatherStatus(context, layoutFrom(undefined, environment), () =>
    environment.now().getTime(),
  );
  if (subject === locks) {
    const held = await lockStatus(context, view.clusters, screen.now);
    return { text: renderLocks(held, screen), document: { locks: held }, well: !held.some(isSilent) };
  }
  if (subject)
    return lookAtSubject(context, view, subject, screen, (filter) =>
      runningNow(environment.env, screen.now, filter),
    );
  const overview: Overview = { ...overviewOf(view), running: runningNow(environment.env, screen.now) };
  const well =
    overview.oneError === undefined &&
    overview.clusters.every(({ error, problems }) => error === undefined && problems.length === 0);
  return { text: renderOverview(overview, screen), document: overview, well };
}

export function overviewOf(view: ClusterView): Overview {
  const { one, clusters, now } = view;
  const oneError = [one.hosts, one.datastores, one.vms, one.images].find((known) => !known.ok);
  const leftovers = countLeftovers(clusters, one, now);
  return {
    clusters: clusters.map((cluster) => ({
      ...clusterStatus(cluster, one),
      problems: problemsIn(view, cluster),
    })),
    ...(oneError && !oneError.ok ? { oneError: oneError.error.message } : {}),
    ...(leftovers === undefined ? {} : { leftovers }),
  };
}

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
    terminal.clear?.();
    terminal.out(`${text}\n${time}, refreshing every ${seconds} s, Ctrl-C to quit\n`);
    try {
      await context.clock.sleep(seconds * 1000);
    } catch (error) {
      if (isDriverError(error, 'INTERRUPTED')) return 0;
      throw error;
    }
    if (context.signal.aborted) return 0;
  }
}
