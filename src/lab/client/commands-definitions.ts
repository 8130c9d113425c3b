import { UsageError } from './arguments.ts';
import {
  any,
  arg,
  body,
  type CommandSpec,
  commaList,
  entries,
  filters,
  flag,
  integer,
  layerOption,
  listOptions,
  number,
  path,
  some,
  value,
} from './command.ts';
import { drbdOptionSpecs, drbdOptions } from './drbd-options.ts';
import { placementOptions } from './placement.ts';
import { propertyCommands } from './property-commands.ts';
import { autoplace, layerStack, onDefinition, port } from './resource-plans.ts';

const definition = ['resource-definition', 'rd'];

export const definitionCommands: readonly CommandSpec[] = [
  {
    words: [definition, ['list', 'l']],
    summary: 'resource definitions',
    options: [
      ...listOptions,
      some('-r', '--resource-definitions'),
      flag('-e', '--external-name'),
      some('-s', '--show-props'),
      flag('--show-preferred-drbd-ports', '--ports'),
    ],
    plan: (given) => ({
      requests: [
        {
          method: 'GET',
          path: '/v1/resource-definitions',
          query: filters(given, { resource_definitions: 'resource-definitions', props: 'props' }),
        },
      ],
      reply: { kind: 'list', v0: 'definitions', table: 'definitions' },
    }),
  },
  {
    words: [definition, ['create', 'c']],
    summary: 'create a resource definition',
    options: [
      integer('-p', '--port'),
      value('-e', '--external-name'),
      layerOption,
      integer('--peer-slots'),
      value('--resource-group'),
    ],
    positionals: [arg('name', '?')],
    plan: (given) => {
      const name = given.one('name');
      const external = given.one('external-name');
      if (name === undefined && external === undefined)
        throw new UsageError('ArgumentError: At least resource name or external name has to be specified.\n');
      return entries({
        method: 'POST',
        path: '/v1/resource-definitions',
        body: body({
          resource_definition: body({
            name: external === undefined ? name : undefined,
            external_name: external,
            layer_data: commaList(given.one('layer-list'))?.map((type) => ({ type })),
            resource_group_name: given.one('resource-group'),
          }),
          drbd_port: port(given, 'port'),
          drbd_peer_slots: number(given.one('peer-slots')),
        }),
      });
    },
  },
  {
    words: [definition, ['auto-place', 'ap']],
    summary: 'place a resource automatically',
    options: [
      ...placementOptions(['--providers', '-p']),
      value('--place-count'),
      flag('--nvme-initiator'),
      flag('--drbd-diskless'),
    ],
    positionals: [arg('resource_definition_name')],
    plan: (given) => autoplace(given, given.one('place-count'), 'resource_definition_name'),
  },
  {
    words: [definition, ['modify', 'm']],
    summary: 'change a resource definition',
    options: [integer('--peer-slots'), integer('-p', '--port'), value('--resource-group')],
    positionals: [arg('name')],
    plan: (given) =>
      entries({
        method: 'PUT',
        path: onDefinition(given, 'name'),
        body: body({
          drbd_peer_slots: number(given.one('peer-slots')),
          drbd_port: port(given, 'port'),
          resource_group: given.one('resource-group'),
        }),
      }),
  },
  {
    words: [definition, ['delete', 'd']],
    summary: 'delete resource definitions with everything of theirs',
    options: [flag('--async')],
    positionals: [arg('name', '+')],
    plan: (given) =>
      entries(
        ...given
          .many('name')
          .map((name) => ({ method: 'DELETE' as const, path: path('resource-definitions', name) })),
      ),
  },
  {
    words: [definition, ['clone', 'cln']],
    summary: 'clone a resource definition with its data',
    options: [
      value('-e', '--external-name'),
      flag('--no-wait'),
      integer('--wait-timeout'),
      flag('--use-zfs-clone'),
      any('--volume-passphrase'),
      layerOption,
      value('--resource-group', '--rsc-grp'),
    ],
    positionals: [arg('source_resource'), arg('clone_name', '?')],
    plan: (given) => ({
      requests: [
        {
          method: 'POST',
          path: onDefinition(given, 'source_resource', 'clone'),
          body: body({
            name: given.one('clone_name'),
            external_name: given.one('external-name'),
            use_zfs_clone: given.has('use-zfs-clone') ? true : undefined,
            volume_passphrases: given.has('volume-passphrase')
              ? [...given.many('volume-passphrase')]
              : undefined,
            layer_list: layerStack(given),
            resource_group: given.one('resource-group'),
          }),
        },
      ],
      reply: {
        kind: 'clone',
        noWait: given.has('no-wait'),
        timeoutSeconds: number(given.one('wait-timeout')),
      },
    }),
  },
  {
    words: [definition, ['wait-sync', 'ws']],
    summary: 'wait until all replicas are in sync',
    options: [integer('--wait-timeout')],
    positionals: [arg('resource_name')],
    plan: (given) => ({
      requests: [{ method: 'GET', path: onDefinition(given, 'resource_name', 'sync-status') }],
      reply: { kind: 'wait-sync', timeoutSeconds: number(given.one('wait-timeout')) },
    }),
  },
  ...propertyCommands(definition, 'a resource definition', {
    list: {
      options: [value('--from-file')],
      positionals: [arg('resource_name')],
      request: (given) => ({
        path: '/v1/resource-definitions',
        query: filters(given, { resource_definitions: 'resource_name' }),
      }),
    },
    set: { positionals: [arg('name')], path: (given) => onDefinition(given, 'name') },
  }),
  {
    words: [definition, ['drbd-options', 'opt']],
    summary: 'set DRBD options on a resource definition',
    options: drbdOptionSpecs,
    positionals: [arg('resource_name')],
    plan: (given) =>
      entries({ method: 'PUT', path: onDefinition(given, 'resource_name'), body: drbdOptions(given) }),
  },
];
