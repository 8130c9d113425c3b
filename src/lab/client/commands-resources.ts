import { type ParsedArguments, UsageError } from './arguments.ts';
import {
  arg,
  body,
  type CommandSpec,
  entries,
  filters,
  flag,
  intArg,
  integer,
  layerOption,
  listOptions,
  number,
  type Plan,
  pastable,
  path,
  some,
  value,
} from './command.ts';
import { asList, asObject } from './json.ts';
import { placementOptions } from './placement.ts';
import { numberedProps, propertyCommands } from './property-commands.ts';
import { autoplace, layerStack, onDefinition, onNode, port } from './resource-plans.ts';

const resource = ['resource', 'r'];
const volume = ['volume', 'v'];

const resourceFlags: Readonly<Record<string, string>> = {
  diskless: 'DISKLESS',
  'nvme-initiator': 'NVME_INITIATOR',
  'drbd-diskless': 'DRBD_DISKLESS',
  'ebs-initiator': 'EBS_INITIATOR',
  inactive: 'INACTIVE',
};

function createResources(given: ParsedArguments): Plan {
  if (given.has('auto-place')) return autoplace(given, given.one('auto-place'), 'resource_definition_name');
  const nodes = given.many('node_name');
  if (nodes.length === 0) throw new UsageError('resource create: too few arguments: Node name missing.\n');
  const flags = Object.entries(resourceFlags)
    .filter(([name]) => given.has(name))
    .map(([, shown]) => shown);
  const pool = given.many('storage-pool')[0];
  const tcpPort = port(given, 'drbd-tcp-port');
  return entries({
    method: 'POST',
    path: onDefinition(given, 'resource_definition_name', 'resources'),
    body: nodes.map((name) =>
      body({
        resource: body({
          node_name: name,
          flags: flags.length > 0 ? flags : undefined,
          props: pool === undefined ? undefined : { StorPoolName: pool },
        }),
        layer_list: layerStack(given),
        drbd_node_id: number(given.one('node-id')),
        drbd_tcp_ports: tcpPort === undefined ? undefined : [tcpPort],
      }),
    ),
  });
}

function toggleDisk(given: ParsedArguments): Plan {
  const base = ['resource-definitions', given.text('name'), 'resources', given.text('node_name')];
  const pool = given.one('storage-pool');
  const from = given.one('migrate-from');
  const tail =
    from === undefined
      ? given.has('diskless')
        ? ['toggle-disk', 'diskless']
        : ['toggle-disk', 'diskful', ...(pool === undefined ? [] : [pool])]
      : ['migrate-disk', from, ...(pool === undefined ? [] : [pool])];
  return entries({ method: 'PUT', path: path(...base, ...tail) });
}

const resourceList =
  (table: 'resources' | 'volumes') =>
  (given: ParsedArguments): Plan => ({
    requests: [
      {
        method: 'GET',
        path: '/v1/view/resources',
        query: filters(given, {
          nodes: 'nodes',
          storage_pools: 'storage-pools',
          resources: 'resources',
          props: 'props',
        }),
      },
    ],
    reply: { kind: 'list', v0: 'resources', table },
  });
const volumeListOptions = [
  pastable,
  some('-n', '--nodes'),
  some('-s', '--storage-pools'),
  some('-r', '--resources'),
  flag('-a', '--all'),
  some('--show-props'),
  flag('--hide-replication-states', '--hrep'),
  value('--from-file'),
];

const oneReplica = (given: ParsedArguments) => ({
  path: '/v1/view/resources',
  query: filters(given, { nodes: 'node_name', resources: 'resource_name' }),
});

export const resourceCommands: readonly CommandSpec[] = [
  {
    words: [resource, ['create', 'c']],
    summary: 'create replicas on nodes, or automatically',
    options: [
      flag('--diskless', '-d'),
      integer('--node-id'),
      flag('--async'),
      flag('--nvme-initiator'),
      flag('--drbd-diskless'),
      flag('--ebs-initiator'),
      flag('--inactive'),
      integer('--drbd-tcp-port'),
      value('--auto-place'),
      ...placementOptions(['--providers', '-p']),
    ],
    positionals: [arg('node_name', '*'), arg('resource_definition_name')],
    plan: createResources,
  },
  {
    words: [resource, ['make-available', 'mkavail']],
    summary: 'make a resource usable on a node',
    options: [flag('--diskful'), layerOption, integer('--drbd-tcp-port')],
    positionals: [arg('node_name'), arg('resource_name')],
    plan: (given) => {
      const tcpPort = port(given, 'drbd-tcp-port');
      return entries({
        method: 'POST',
        path: onNode(given, 'resource_name', 'make-available'),
        body: body({
          diskful: given.has('diskful'),
          layer_list: layerStack(given),
          drbd_tcp_ports: tcpPort === undefined ? undefined : [tcpPort],
        }),
      });
    },
  },
  {
    words: [resource, ['delete', 'd']],
    summary: 'remove replicas from nodes',
    options: [flag('--async'), flag('--keep-tiebreaker')],
    positionals: [arg('node_name', '+'), arg('name')],
    plan: (given) =>
      entries(
        ...given.many('node_name').map((name) => ({
          method: 'DELETE' as const,
          path: onDefinition(given, 'name', 'resources', name),
          ...(given.has('keep-tiebreaker') ? { query: [['keep_tiebreaker', 'True'] as const] } : {}),
        })),
      ),
  },
  {
    words: [resource, ['list', 'l']],
    summary: 'resources',
    options: [
      ...listOptions,
      some('-r', '--resources'),
      some('-n', '--nodes'),
      flag('-a', '--all'),
      flag('--faulty'),
      some('-s', '--show-props'),
      flag('--show-drbd-ports'),
    ],
    plan: resourceList('resources'),
  },
  {
    words: [resource, ['list-volumes', 'lv']],
    summary: 'volumes',
    options: volumeListOptions,
    plan: resourceList('volumes'),
  },
  {
    words: [volume, ['list', 'l']],
    summary: 'volumes',
    options: volumeListOptions,
    plan: resourceList('volumes'),
  },
  ...propertyCommands(resource, 'a resource', {
    list: { positionals: [arg('node_name'), arg('resource_name')], request: oneReplica },
    set: { positionals: [arg('node_name'), arg('name')], path: (given) => onNode(given, 'name') },
  }),
  {
    words: [resource, ['toggle-disk', 'td']],
    summary: 'give a diskless resource a disk, or take it away',
    options: [
      value('--storage-pool', '-s'),
      flag('--default-storage-pool', '--dflt'),
      flag('--diskless', '-d'),
      flag('--async'),
      value('--migrate-from'),
    ],
    positionals: [arg('node_name'), arg('name')],
    plan: toggleDisk,
  },
  {
    words: [resource, ['activate', 'act']],
    summary: 'activate a resource',
    positionals: [arg('node_name'), arg('resource_name')],
    plan: (given) => entries({ method: 'POST', path: onNode(given, 'resource_name', 'activate') }),
  },
  {
    words: [resource, ['deactivate', 'deact']],
    summary: 'deactivate a resource',
    positionals: [arg('node_name'), arg('resource_name')],
    plan: (given) => entries({ method: 'POST', path: onNode(given, 'resource_name', 'deactivate') }),
  },
  ...propertyCommands(volume, 'a volume', {
    list: {
      positionals: [arg('node_name'), arg('resource_name'), intArg('volume_number')],
      request: oneReplica,
      pick: (answer, given) =>
        numberedProps(asObject(asList(answer)[0])['volumes'], given.text('volume_number')),
    },
    set: {
      positionals: [arg('node_name'), arg('resource_name'), intArg('volume_number')],
      path: (given) => onNode(given, 'resource_name', 'volumes', given.text('volume_number')),
    },
  }),
];
