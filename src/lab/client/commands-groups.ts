import type { ParsedArguments } from './arguments.ts';
import {
  any,
  arg,
  body,
  type CommandSpec,
  entries,
  filters,
  flag,
  intArg,
  integer,
  listOptions,
  number,
  pastable,
  path,
  some,
  value,
} from './command.ts';
import { drbdOptionSpecs, drbdOptions } from './drbd-options.ts';
import type { Json } from './json.ts';
import { placementOptions, selectFilter } from './placement.ts';
import { propertyCommands, setProperty } from './property-commands.ts';
import { parseSize } from './sizes.ts';

const group = ['resource-group', 'rg'];
const volumeGroup = ['volume-group', 'vg'];

/** Resource groups send the place count as text. */
const groupFilter = (given: ParsedArguments): Json =>
  selectFilter(given, {
    place_count: given.one('place-count'),
    // Auto-place drops this one.
    storage_pool_diskless_list: given.has('diskless-storage-pool')
      ? [...given.many('diskless-storage-pool')]
      : undefined,
  });
const groupOptions = [
  value('-d', '--description'),
  integer('--peer-slots'),
  value('--place-count'),
  ...placementOptions(['--providers', '-p']),
];

export const groupCommands: readonly CommandSpec[] = [
  {
    words: [group, ['create', 'c']],
    summary: 'create a resource group',
    options: groupOptions,
    positionals: [arg('name')],
    plan: (given) =>
      entries({
        method: 'POST',
        path: '/v1/resource-groups',
        body: body({
          name: given.text('name'),
          description: given.one('description'),
          select_filter: groupFilter(given),
          peer_slots: number(given.one('peer-slots')),
        }),
      }),
  },
  {
    words: [group, ['modify', 'm']],
    summary: 'change a resource group',
    options: groupOptions,
    positionals: [arg('name')],
    plan: (given) =>
      entries({
        method: 'PUT',
        path: path('resource-groups', given.text('name')),
        body: body({
          description: given.one('description'),
          select_filter: groupFilter(given),
          peer_slots: number(given.one('peer-slots')),
        }),
      }),
  },
  {
    words: [group, ['delete', 'd']],
    summary: 'delete a resource group',
    positionals: [arg('name')],
    plan: (given) => entries({ method: 'DELETE', path: path('resource-groups', given.text('name')) }),
  },
  {
    words: [group, ['list', 'l']],
    summary: 'resource groups',
    options: [...listOptions, some('-r', '--resource-groups'), some('-s', '--show-props')],
    plan: (given) => ({
      requests: [
        {
          method: 'GET',
          path: '/v1/resource-groups',
          query: filters(given, { resource_groups: 'resource-groups', props: 'props' }),
        },
      ],
      reply: { kind: 'list', v0: 'plain', table: 'groups' },
    }),
  },
  ...propertyCommands(group, 'a resource group', {
    list: {
      options: [value('--from-file')],
      positionals: [arg('name')],
      request: (given) => ({
        path: '/v1/resource-groups',
        query: filters(given, { resource_groups: 'name' }),
      }),
    },
    set: {
      positionals: [arg('name')],
      path: (given) => path('resource-groups', given.text('name')),
      body: { select_filter: {} },
    },
  }),
  {
    words: [group, ['drbd-options', 'opt']],
    summary: 'set DRBD options on a resource group',
    options: drbdOptionSpecs,
    positionals: [arg('resource_group')],
    plan: (given) =>
      entries({
        method: 'PUT',
        path: path('resource-groups', given.text('resource_group')),
        body: { select_filter: {}, ...drbdOptions(given) },
      }),
  },
  {
    words: [group, ['spawn-resources', 'spawn']],
    summary: 'create a resource from a resource group',
    options: [
      flag('-p', '--partial'),
      flag('-d', '--definition-only'),
      any('--volume-passphrase'),
      value('--external-name'),
      integer('--peer-slots'),
      value('--place-count'),
      ...placementOptions(['--providers', '--prov']),
    ],
    positionals: [arg('resource_group_name'), arg('resource_definition_name'), arg('volume_sizes', '*')],
    plan: (given) =>
      entries({
        method: 'POST',
        path: path('resource-groups', given.text('resource_group_name'), 'spawn'),
        body: body({
          resource_definition_name: given.has('external-name') ? '' : given.text('resource_definition_name'),
          volume_sizes: given.many('volume_sizes').map(parseSize),
          partial: given.has('partial'),
          definitions_only: given.has('definition-only'),
          select_filter: groupFilter(given),
          resource_definition_external_name: given.one('external-name'),
          peer_slots: number(given.one('peer-slots')),
          volume_passphrases: given.has('volume-passphrase')
            ? [...given.many('volume-passphrase')]
            : undefined,
        }),
      }),
  },
  {
    words: [group, ['query-max-volume-size', 'qmvs']],
    summary: 'largest volume that the group could place',
    options: [pastable],
    positionals: [arg('resource_group_name')],
    plan: (given) => ({
      requests: [
        {
          method: 'GET',
          path: path('resource-groups', given.text('resource_group_name'), 'query-max-volume-size'),
        },
      ],
      reply: { kind: 'query', wrapped: true },
    }),
  },
  {
    words: [group, ['query-size-info', 'qsi']],
    summary: 'space that the group could use',
    options: [pastable, value('--place-count'), ...placementOptions(['--providers', '--prov'])],
    positionals: [arg('resource_group_name')],
    plan: (given) => ({
      requests: [
        {
          method: 'POST',
          path: path('resource-groups', given.text('resource_group_name'), 'query-size-info'),
          body: { select_filter: groupFilter(given) },
        },
      ],
      reply: { kind: 'query', wrapped: false },
    }),
  },
  {
    words: [group, ['adjust', 'adj']],
    summary: 'bring resources in line with their group',
    options: [pastable],
    positionals: [arg('resource_group_name', '?')],
    plan: (given) => {
      const name = given.one('resource_group_name');
      return entries({
        method: 'POST',
        path: name === undefined ? '/v1/resource-groups/adjustall' : path('resource-groups', name, 'adjust'),
      });
    },
  },
  {
    words: [volumeGroup, ['create', 'c']],
    summary: 'create a volume group',
    options: [integer('-n', '--vlmnr'), flag('--gross')],
    positionals: [arg('name')],
    plan: (given) =>
      entries({
        method: 'POST',
        path: path('resource-groups', given.text('name'), 'volume-groups'),
        body: body({
          volume_number: number(given.one('vlmnr')),
          flags: given.has('gross') ? ['GROSS_SIZE'] : undefined,
        }),
      }),
  },
  {
    words: [volumeGroup, ['delete', 'd']],
    summary: 'delete a volume group',
    positionals: [arg('name'), intArg('volume_nr')],
    plan: (given) =>
      entries({
        method: 'DELETE',
        path: path('resource-groups', given.text('name'), 'volume-groups', given.text('volume_nr')),
      }),
  },
  {
    words: [volumeGroup, ['list', 'l']],
    summary: 'volume groups of a resource group',
    options: [pastable, some('-g', '--groupby'), some('-s', '--show-props')],
    positionals: [arg('name')],
    plan: (given) => ({
      requests: [{ method: 'GET', path: path('resource-groups', given.text('name'), 'volume-groups') }],
      reply: { kind: 'list', v0: 'plain', table: 'volume-groups' },
    }),
  },
  setProperty(volumeGroup, 'a volume group', {
    positionals: [arg('name'), intArg('volume_nr')],
    path: (given) => path('resource-groups', given.text('name'), 'volume-groups', given.text('volume_nr')),
  }),
];
