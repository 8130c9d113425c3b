import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Context } from '../../context.ts';
import { DriverError } from '../../errors.ts';
import { logPath } from '../../log/json-log.ts';
import { readLog } from '../../log/read-log.ts';
import { gatherStatus } from '../checks/gather.ts';
import { type CliEnvironment, operatorCommand } from '../command.ts';
import { countLeftovers } from '../gc/count.ts';
import { layoutFrom } from '../install.ts';
import { clusterStatus } from '../status/model.ts';
import { actionMetrics } from './action-metrics.ts';
import { clusterMetrics } from './cluster-metrics.ts';
import { type Metric, renderMetrics } from './exposition.ts';

export const metrics = operatorCommand({
  name: 'metrics',
  summary:
    'Metrics for Prometheus: VM disks and images joined with their LINSTOR volumes, pools, leftovers, and how long actions took.',
  args: {
    output: {
      type: 'string',
      valueHint: 'FILE',
      description: 'write FILE at once, for the textfile collector of node_exporter',
    },
    listen: {
      type: 'string',
      valueHint: '[ADDRESS:]PORT',
      description: 'serve http://ADDRESS:PORT/metrics; default address 127.0.0.1',
    },
  },
  examples: [
    ['metrics', 'print them'],
    ['metrics --output /var/lib/prometheus/node-exporter/linstor_un.prom', 'from a timer'],
    ['metrics --listen 9943', 'serve them until stopped'],
  ],
  run: async (args, environment) => {
    if (args.output !== undefined && args.listen !== undefined)
      throw new DriverError('USAGE', '--output and --listen cannot be combined');
    const address = args.listen === undefined ? undefined : listenAddress(args.listen);
    const context = await environment.context();
    if (address) return serve(context, environment, address);
    const text = await collect(context, environment);
    if (args.output === undefined) environment.terminal.data(text);
    else writeAtOnce(args.output, text);
    return 0;
  },
});

/** Everything, read now. What cannot be reached is a metric of 0 and no error. */
export async function collect(context: Context, environment: CliEnvironment): Promise<string> {
  const now = environment.now().getTime();
  const { one, clusters } = await gatherStatus(context, layoutFrom(undefined, environment), () => now);
  const leftovers = countLeftovers(clusters, one, now);
  const own: Metric[] = [
    {
      name: 'linstor_un_leftovers',
      type: 'gauge',
      help: 'Unused objects in LINSTOR (linstor_un gc).',
      samples: leftovers === undefined ? [] : [{ labels: {}, value: leftovers }],
    },
    {
      name: 'linstor_un_build_info',
      type: 'gauge',
      help: 'Always 1; the version of the driver.',
      samples: [{ labels: { version: environment.version }, value: 1 }],
    },
  ];
  const path = logPath(environment.env);
  const records = path !== undefined && existsSync(path) ? readLog(path).records : [];
  return renderMetrics([
    ...own,
    ...clusterMetrics(
      clusters.map((cluster) => clusterStatus(cluster, one)),
      one,
    ),
    ...actionMetrics(records),
  ]);
}

interface Address {
  readonly hostname: string;
  readonly port: number;
}

/** `9943`, `127.0.0.1:9943`, `[::1]:9943`. Throws USAGE. */
export function listenAddress(text: string): Address {
  const [, hostname = '127.0.0.1', digits] = /^(?:(\[[0-9a-f:]+\]|[\w.-]+):)?(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits ?? Number.NaN);
  if (!(port >= 0 && port <= 65_535))
    throw new DriverError('USAGE', `--listen: “${text}” is not an address`, {
      remedy: 'for example --listen 9943, or --listen 10.0.0.5:9943',
    });
  return { hostname: hostname.replace(/^\[|\]$/g, ''), port };
}

/** A reader never sees half a file. */
function writeAtOnce(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, text, { mode: 0o644, flag: 'wx' });
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new DriverError(
      'HOST_COMMAND',
      `${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`,
      { remedy: 'give a directory that this user may write to', cause },
    );
  }
}

/** One collection at a time, shared by all who ask meanwhile: a scrape must not multiply the load on LINSTOR. */
async function serve(context: Context, environment: CliEnvironment, address: Address): Promise<number> {
  let running: Promise<string> | undefined;
  const once = (): Promise<string> => {
    running ??= collect(context, environment).finally(() => {
      running = undefined;
    });
    return running;
  };
  const server = Bun.serve({
    ...address,
    idleTimeout: 120,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (request.method !== 'GET' || !['/', '/metrics'].includes(pathname))
        return new Response('Not Found\n', { status: 404 });
      if (pathname === '/') return new Response('linstor_un: see /metrics\n');
      try {
        return new Response(await once(), {
          headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
        });
      } catch (error) {
        return new Response(`${error instanceof Error ? error.message : String(error)}\n`, { status: 500 });
      }
    },
  });
  environment.terminal.message('info', `serving http://${server.hostname}:${server.port}/metrics`);
  await new Promise<void>((resolve) => {
    if (context.signal.aborted) resolve();
    context.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await server.stop(true);
  return 0;
}
