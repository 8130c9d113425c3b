import {
  arg,
  body,
  type CommandSpec,
  entries,
  filters,
  flag,
  integer,
  listOptions,
  number,
  pastable,
  path,
  some,
  value,
} from './command.ts';
import { asObject } from './json.ts';
import { propertyCommands } from './property-commands.ts';

const node = ['node', 'n'];

const nodeTypes = ['controller', 'auxiliary', 'combined', 'satellite'];
const encryptions = ['plain', 'ssl'];

const interfaceBody = (given: Parameters<CommandSpec['plan']>[0], address: string | undefined) =>
  body({
    name: given.text('interface_name'),
    address,
    satellite_port: number(given.one('port')),
    satellite_encryption_type: given.has('port')
      ? (given.one('communication-type') ?? 'plain').toLowerCase()
      : undefined,
    is_active: given.has('active') ? true : undefined,
  });

const interfaceOptions = [
  integer('-p', '--port'),
  { ...value('--communication-type'), choices: encryptions },
  flag('--active'),
];

export const nodeCommands: readonly CommandSpec[] = [
  {
    words: [node, ['list', 'l']],
    summary: 'nodes',
    options: [...listOptions, some('-n', '--nodes'), flag('--show-aux-props'), some('-s', '--show-props')],
    plan: (given) => ({
      requests: [
        { method: 'GET', path: '/v1/nodes', query: filters(given, { nodes: 'nodes', props: 'props' }) },
      ],
      reply: { kind: 'list', v0: 'nodes', table: 'nodes' },
    }),
  },
  {
    words: [node, ['info']],
    summary: 'what the nodes support',
    options: [pastable, flag('-f', '--full'), some('-n', '--nodes')],
    plan: (given) => ({
      requests: [{ method: 'GET', path: '/v1/nodes', query: filters(given, { nodes: 'nodes' }) }],
      reply: { kind: 'list', v0: 'nodes', table: 'nodes' },
    }),
  },
  {
    words: [node, ['create', 'c']],
    summary: 'register a node',
    options: [
      integer('-p', '--port'),
      { ...value('--node-type'), choices: nodeTypes },
      { ...value('--communication-type'), choices: encryptions },
      { ...value('--interface-type'), choices: ['ip'] },
      value('--interface-name'),
    ],
    // The real client resolves a missing address; the lab's nodes have one by number.
    positionals: [arg('name'), arg('ip')],
    plan: (given) =>
      entries({
        method: 'POST',
        path: '/v1/nodes',
        body: {
          name: given.text('name'),
          type: (given.one('node-type') ?? 'satellite').toLowerCase(),
          net_interfaces: [
            {
              name: given.one('interface-name') ?? 'default',
              address: given.text('ip'),
              satellite_port: number(given.one('port')) ?? 3366,
              satellite_encryption_type: (given.one('communication-type') ?? 'plain').toLowerCase(),
            },
          ],
        },
      }),
  },
  {
    words: [node, ['modify', 'm']],
    summary: 'change the type of a node',
    options: [{ ...value('--node-type', '-t'), choices: nodeTypes }],
    positionals: [arg('node_name')],
    plan: (given) =>
      entries({
        method: 'PUT',
        path: path('nodes', given.text('node_name')),
        body: body({ node_type: given.one('node-type')?.toLowerCase() }),
      }),
  },
  {
    words: [node, ['delete', 'd']],
    summary: 'delete an empty node',
    options: [flag('--async')],
    positionals: [arg('name')],
    plan: (given) => entries({ method: 'DELETE', path: path('nodes', given.text('name')) }),
  },
  {
    words: [node, ['lost', 'lo']],
    summary: 'give up a node that is gone',
    options: [flag('--async')],
    positionals: [arg('name')],
    plan: (given) => entries({ method: 'DELETE', path: path('nodes', given.text('name'), 'lost') }),
  },
  {
    words: [node, ['reconnect', 'rc']],
    summary: 'connect to satellites anew',
    positionals: [arg('nodes', '+')],
    plan: (given) =>
      entries(
        ...given
          .many('nodes')
          .map((name) => ({ method: 'PUT' as const, path: path('nodes', name, 'reconnect') })),
      ),
  },
  {
    words: [node, ['restore', 'rst']],
    summary: 'take an evicted node back',
    options: [flag('--delete-resources'), flag('--delete-snapshots')],
    positionals: [arg('node_name')],
    plan: (given) => {
      const fields = body({
        delete_resources: given.has('delete-resources') ? true : undefined,
        delete_snapshots: given.has('delete-snapshots') ? true : undefined,
      });
      return entries({
        method: 'PUT',
        path: path('nodes', given.text('node_name'), 'restore'),
        ...(Object.keys(asObject(fields)).length > 0 ? { body: fields } : {}),
      });
    },
  },
  {
    words: [node, ['evacuate', 'evac']],
    summary: 'move all replicas away',
    options: [some('--target'), some('--do-not-target')],
    positionals: [arg('node_name')],
    plan: (given) => entries({ method: 'PUT', path: path('nodes', given.text('node_name'), 'evacuate') }),
  },
  ...propertyCommands(node, 'a node', {
    list: {
      positionals: [arg('node_name')],
      request: (given) => ({ path: '/v1/nodes', query: filters(given, { nodes: 'node_name' }) }),
    },
    set: { positionals: [arg('node_name')], path: (given) => path('nodes', given.text('node_name')) },
  }),
  {
    words: [node, ['interface', 'i'], ['create', 'c']],
    summary: 'add an address to a node',
    options: interfaceOptions,
    positionals: [arg('node_name'), arg('interface_name'), arg('ip')],
    plan: (given) =>
      entries({
        method: 'POST',
        path: path('nodes', given.text('node_name'), 'net-interfaces'),
        body: interfaceBody(given, given.text('ip')),
      }),
  },
  {
    words: [node, ['interface', 'i'], ['modify', 'm']],
    summary: 'change an address of a node',
    options: [...interfaceOptions, value('--ip')],
    positionals: [arg('node_name'), arg('interface_name')],
    plan: (given) =>
      entries({
        method: 'PUT',
        path: path('nodes', given.text('node_name'), 'net-interfaces', given.text('interface_name')),
        body: interfaceBody(given, given.one('ip')),
      }),
  },
  {
    words: [node, ['interface', 'i'], ['delete', 'd']],
    summary: 'remove addresses from a node',
    positionals: [arg('node_name'), arg('interface_name', '+')],
    plan: (given) =>
      entries(
        ...given.many('interface_name').map((name) => ({
          method: 'DELETE' as const,
          path: path('nodes', given.text('node_name'), 'net-interfaces', name),
        })),
      ),
  },
];
