import { existsSync, mkdirSync } from 'node:fs';
import { relative } from 'node:path';
import { DriverError } from '../../errors.ts';
import { Cluster, createCluster, type LabDescription, type LabRequest, labPaths } from '../../lab/cluster.ts';
import { isRunning, serveCluster, startCluster, stopCluster, withLab } from '../../lab/cluster-serve.ts';
import { hostFaults } from '../../lab/hosts/faults.ts';
import { installVirsh } from '../../lab/hosts/virsh.ts';
import type { ClusterDamage } from '../../lab/linstor/strike.ts';
import { type CliEnvironment, operatorCommand, printJson } from '../command.ts';
import { type ArmedRule, inWords } from './fault-words.ts';
import {
  dirOption,
  labDirectory,
  labGeneration,
  labLayers,
  labNodes,
  labPools,
  mustBeOurs,
  openLab,
} from './options.ts';

/** What a new lab is when nothing else is asked for. */
const asked = {
  nodes: '3',
  pool: 'thin=FILE_THIN:8G',
  generation: '1.33',
  layers: 'DRBD,LUKS,STORAGE',
  devices: 'file',
} as const;

export const labUp = operatorCommand({
  name: 'lab up',
  summary:
    'Create a lab, or start an existing one: a simulated LINSTOR with REST interface, hosts behind a loopback ssh, and a small oned.',
  args: {
    dir: dirOption,
    nodes: {
      type: 'string',
      description: 'number of nodes, or their names',
      default: asked.nodes,
      valueHint: 'N|a,b,c',
    },
    pool: {
      type: 'string',
      description: 'storage pools of every node: name=KIND[:SIZE],…',
      default: asked.pool,
    },
    generation: {
      type: 'string',
      description: 'release of LINSTOR: 1.20, 1.27, 1.31, 1.33 or 1.35',
      default: asked.generation,
    },
    layers: {
      type: 'string',
      description: 'layers that the satellites support',
      default: asked.layers,
    },
    devices: {
      type: 'string',
      description: '`file`, or `loop` for real block devices (root only)',
      default: asked.devices,
    },
  },
  examples: [
    ['lab up', 'three nodes with a thin pool each'],
    ['lab up --nodes 5 --pool thin=LVM_THIN:20G,fat=LVM --generation 1.31', 'another cluster'],
    ['lab linstor node list', 'look at it'],
  ],
  run: async (args, environment) => {
    const { terminal, env } = environment;
    const dir = labDirectory(args.dir, env);
    if (args.devices !== 'file' && args.devices !== 'loop')
      throw new DriverError('USAGE', `devices are “file” or “loop”, not “${args.devices}”`);
    if (args.devices === 'loop' && process.getuid?.() !== 0)
      throw new DriverError('USAGE', 'loop devices need root');
    const request = {
      dir,
      nodes: labNodes(args.nodes),
      pools: labPools(args.pool),
      generation: labGeneration(args.generation),
      layers: labLayers(args.layers),
      devices: args.devices,
    } as const;
    const { cluster, fresh } = await startLab(request).catch((error: Error) => {
      throw error instanceof DriverError ? error : new DriverError('LAB', error.message);
    });
    const ignored = fresh ? [] : differences(request, cluster.description, args);
    if (ignored.length > 0)
      terminal.message(
        'warn',
        `there is a lab already, its ${ignored.join(', ')} stay: \`linstor_un lab down\` first for another`,
      );
    terminal.message('success', `${fresh ? 'created and started' : 'running'}: the lab in ${dir}`);
    terminal.out(overview(cluster, environment));
    return 0;
  },
});

/** Options that were given and are not what the lab has; those left at their default ask for nothing. */
function differences(
  request: LabRequest,
  has: LabDescription,
  args: Readonly<Record<keyof typeof asked, string>>,
): string[] {
  return (Object.keys(asked) as (keyof typeof asked)[]).filter((name) => {
    const field = name === 'pool' ? 'pools' : name;
    return args[name] !== asked[name] && !matches(request[field], has[field]);
  });
}

/** Pools without a size match any size. */
function matches(wanted: unknown, has: unknown): boolean {
  if (Array.isArray(wanted) && Array.isArray(has))
    return wanted.length === has.length && wanted.every((each, index) => matches(each, has[index]));
  if (typeof wanted === 'object' && wanted !== null)
    return Object.entries(wanted).every(([key, value]) =>
      matches(value, (has as Record<string, unknown>)[key]),
    );
  return wanted === has;
}

async function startLab(request: LabRequest): Promise<{ cluster: Cluster; fresh: boolean }> {
  const { dir } = request;
  mkdirSync(dir, { recursive: true });
  mustBeOurs(dir);
  return withLab(dir, async () => {
    const fresh = !existsSync(labPaths(dir).description);
    const cluster = fresh ? createCluster(request) : new Cluster(dir);
    // What runs in a VM is not there, but its hypervisor answers.
    if (fresh) installVirsh(cluster.dir, cluster.description.nodes);
    await startCluster(cluster);
    if (fresh) await makeGroup(cluster);
    return { cluster, fresh };
  });
}

/** The resource group of the quick start, with as many replicas as there are nodes for. */
async function makeGroup(cluster: Cluster): Promise<void> {
  const { nodes, pools } = cluster.description;
  const filter = {
    place_count: Math.min(2, nodes.length),
    storage_pool_list: pools.slice(0, 1).map(({ name }) => name),
  };
  for (const [path, body] of [
    ['/v1/resource-groups', { name: GROUP, select_filter: filter }],
    [`/v1/resource-groups/${GROUP}/volume-groups`, {}],
  ] as const)
    await fetch(`${cluster.linstorUrl}${path}`, { method: 'POST', body: JSON.stringify(body) });
}

const GROUP = 'opennebula';

/** This program, as this person would call it. */
function programName({ env, executable }: CliEnvironment): string {
  if (
    Bun.which('linstor_un', { PATH: env['PATH'] ?? '' }) !== null ||
    !/(?:^|\/)linstor_un$/.test(executable)
  )
    return 'linstor_un';
  const near = relative(process.cwd(), executable);
  return near.startsWith('..') ? executable : near.includes('/') ? near : `./${near}`;
}

function overview(cluster: Cluster, environment: CliEnvironment): string {
  const usual = labDirectory(undefined, environment.env) === cluster.dir;
  const lab = `${programName(environment)} lab`;
  const dir = usual ? '' : ` --dir ${/^[\w./-]+$/.test(cluster.dir) ? cluster.dir : `'${cluster.dir}'`}`;
  const commands: readonly (readonly [string, string])[] = [
    [`${lab} shell${dir}`, 'a shell in it: linstor, oneimage, onevm, ssh node1, linstor_un'],
    [`${lab} linstor${dir} node list`, 'look at it'],
    [`${lab} story${dir}`, 'stories to play: a disk fails, a node dies, a snapshot is reverted'],
    [`${lab} break${dir} host node1`, 'inject a fault'],
    [`${lab} down${dir}`, 'delete the lab'],
  ];
  const width = Math.max(...commands.map(([command]) => command.length));
  const { nodes, pools, generation, isolation } = cluster.description;
  return [
    `LINSTOR    ${cluster.linstorUrl} (as ${generation})`,
    `OpenNebula ${cluster.oneUrl}`,
    `hosts      ${nodes.join(', ')}${isolation === 'none' ? ' – sharing one file tree: namespaces are not allowed here' : ''}`,
    `group      ${GROUP}, with ${Math.min(2, nodes.length)} replicas`,
    `pools      ${pools.map(({ name, provider, sizeKib }) => `${name} (${provider}, ${(sizeKib / 1024 ** 2).toFixed(0)} GiB)`).join(', ')}`,
    '',
    ...commands.map(([command, does]) => `${command.padEnd(width)}    ${does}`),
    '',
  ].join('\n');
}

export const labDown = operatorCommand({
  name: 'lab down',
  summary: 'Stop the lab and delete its directory.',
  args: {
    dir: dirOption,
    keep: { type: 'boolean', description: 'only stop: `lab up` goes on with the same state' },
  },
  examples: [
    ['lab down', 'stop it and remove everything'],
    ['lab down --keep', 'stop it; `lab up` goes on'],
  ],
  run: async ({ dir, keep }, { terminal, env }) => {
    const cluster = openLab(dir, env);
    const stopped = await withLab(cluster.dir, async () => {
      const was = await stopCluster(cluster);
      if (!keep) {
        await releaseLoops(cluster);
        cluster.remove();
      }
      return was;
    });
    terminal.message(
      'success',
      `${stopped ? 'stopped' : 'was not running'}${keep ? '' : ' and removed'}: the lab in ${cluster.dir}`,
    );
    return 0;
  },
});

/** Loop devices over the lab's files would keep their space after the files are gone. */
async function releaseLoops(cluster: Cluster): Promise<void> {
  if (cluster.description.devices !== 'loop') return;
  const list = Bun.spawnSync(['losetup', '--list', '--noheadings', '--output', 'NAME,BACK-FILE']);
  for (const line of list.stdout.toString().split('\n')) {
    const [device, file] = line.trim().split(/\s+/, 2);
    if (device && file?.startsWith(`${cluster.paths.linstor}/`))
      Bun.spawnSync(['losetup', '--detach', device]);
  }
}

export const labStatus = operatorCommand({
  name: 'lab status',
  summary: 'The parts of the lab, whether it runs, and the faults injected into it.',
  args: { dir: dirOption, json: { type: 'boolean', description: 'one JSON document' } },
  exitCodes: [
    [0, 'it runs'],
    [1, 'it is stopped, or there is none'],
  ],
  examples: [
    ['lab status', 'for people'],
    ['lab status --json', 'for scripts'],
  ],
  run: async ({ dir, json }, environment) => {
    const cluster = openLab(dir, environment.env);
    const { description } = cluster;
    const running = isRunning(description);
    const linstor = running ? await controllerState(cluster) : undefined;
    const hosts = description.nodes.map((name) => ({
      name,
      faults: hostFaults(cluster.dir, name),
      connection: linstor?.nodes.find((node) => node.name === name)?.connection,
    }));
    const objects = cluster.one({}).options.store.read();
    const state = {
      dir: cluster.dir,
      running,
      ...(running ? { linstor: cluster.linstorUrl, one: cluster.oneUrl, pid: description.pid } : {}),
      generation: description.generation,
      isolation: description.isolation,
      hosts,
      resources: linstor?.definitions.length ?? 0,
      faults: linstor?.faults ?? [],
      ...(linstor ? { damage: linstor.damage } : {}),
      images: objects.images.length,
      vms: objects.vms.filter(({ state: each }) => each !== 6).length,
    };
    if (json) printJson(environment, state);
    else {
      const lines = [
        `lab         ${state.dir} (${running ? `running, process ${description.pid}` : 'stopped'})`,
        ...(running
          ? [
              `LINSTOR     ${cluster.linstorUrl} (as ${state.generation}), ${state.resources} resources`,
              `OpenNebula  ${cluster.oneUrl}, ${state.images} images, ${state.vms} VMs`,
            ]
          : []),
        ...hosts.map(
          ({ name, faults, connection }) =>
            `host        ${name}${connection && connection !== 'ONLINE' ? `: satellite ${connection}` : ''}${faults.map((fault) => `: ssh ${fault}`).join('')}`,
        ),
        ...(state.isolation === 'none'
          ? ['note        hosts share one file tree: namespaces are not allowed here']
          : []),
        ...(linstor ? damageLines(linstor.damage) : []),
        ...(linstor?.faults ?? []).map((fault) => `fault       ${inWords(fault)}`),
      ];
      environment.terminal.out(`${lines.join('\n')}\n`);
    }
    return running ? 0 : 1;
  },
});

function damageLines({
  pools,
  lateDevices,
  satellites,
  slow,
  hung,
  starved,
  dead,
  cut,
}: ClusterDamage): string[] {
  return [
    ...pools.map(({ node, pool, freeKib }) => `fault       pool ${pool} on ${node} has ${freeKib} KiB free`),
    ...Object.entries(lateDevices).map(
      ([node, seconds]) => `fault       new devices on ${node} come ${seconds} s late`,
    ),
    ...Object.entries(slow).map(
      ([node, seconds]) => `fault       the satellite of ${node} takes ${seconds} s for everything`,
    ),
    ...starved.map((node) => `fault       DRBD on ${node} has lost its peers, and quorum`),
    ...dead.map((node) => `fault       ${node} has no power`),
    ...(cut.length > 0 ? [`fault       the network between ${cut.join(', ')} and the rest is cut`] : []),
    ...hung.map((node) => `fault       the satellite of ${node} answers nothing`),
    ...Object.entries(satellites).map(
      ([node, message]) => `fault       next work of the satellite of ${node}: ${message}`,
    ),
  ];
}

interface ControllerState {
  readonly damage: ClusterDamage;
  readonly nodes: readonly { readonly name: string; readonly connection: string }[];
  readonly definitions: readonly string[];
  readonly faults: readonly ArmedRule[];
}

async function controllerState(cluster: Cluster): Promise<ControllerState | undefined> {
  try {
    const response = await fetch(`${cluster.linstorUrl}/lab`, { signal: AbortSignal.timeout(3000) });
    return (await response.json()) as ControllerState;
  } catch {
    return undefined;
  }
}

export const labServe = operatorCommand({
  name: 'lab serve',
  summary: 'Run the lab’s servers in the foreground (`lab up` does it in the background).',
  args: { dir: dirOption },
  examples: [['lab serve', 'until it is stopped']],
  run: async ({ dir }, { terminal, env }) => {
    const cluster = openLab(dir, env);
    const served = await serveCluster(cluster).catch((error: Error) => {
      throw new DriverError('LAB', error.message);
    });
    terminal.message('info', `LINSTOR on ${served.linstor.url}, OpenNebula on ${served.one.url}`);
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => resolve());
    });
    await served.stop();
    return 0;
  },
});
