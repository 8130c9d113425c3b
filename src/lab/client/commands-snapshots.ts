import type { ParsedArguments } from './arguments.ts';
import {
  any,
  arg,
  body,
  type CommandSpec,
  entries,
  filters,
  flag,
  pastable,
  path,
  some,
  value,
} from './command.ts';
import { asList, asObject } from './json.ts';
import { propertyCommands } from './property-commands.ts';
import { onDefinition } from './resource-plans.ts';

const snapshot = ['snapshot', 's'];

const restoreOptions = [
  { ...value('--from-resource', '--fr'), required: true },
  { ...value('--from-snapshot', '--fs'), required: true },
  { ...value('--to-resource', '--tr'), required: true },
];
const restorePath = (given: ParsedArguments, kind: string): string =>
  path('resource-definitions', given.one('from-resource') ?? '', kind, given.one('from-snapshot') ?? '');

export const snapshotCommands: readonly CommandSpec[] = [
  {
    words: [snapshot, ['create', 'c']],
    summary: 'take a snapshot',
    options: [flag('--async')],
    positionals: [arg('node_name', '*'), arg('resource_definition_name'), arg('snapshot_name')],
    plan: (given) =>
      entries({
        method: 'POST',
        path: onDefinition(given, 'resource_definition_name', 'snapshots'),
        body: body({
          name: given.text('snapshot_name'),
          nodes: given.many('node_name').length > 0 ? [...given.many('node_name')] : undefined,
        }),
      }),
  },
  {
    words: [snapshot, ['create-multiple', 'cm']],
    summary: 'take snapshots of several resources at one moment',
    options: [any('--node_names', '-n'), { ...some('--resource_names', '-r'), required: true }],
    positionals: [arg('snapshot_name')],
    plan: (given) => {
      const nodes = given.many('node_names');
      return entries({
        method: 'POST',
        path: '/v1/actions/snapshot/multi',
        body: {
          snapshots: given.many('resource_names').map((name) =>
            body({
              name: given.text('snapshot_name'),
              resource_name: name,
              nodes: nodes.length > 0 ? [...nodes] : undefined,
            }),
          ),
        },
      });
    },
  },
  {
    words: [snapshot, ['delete', 'd']],
    summary: 'delete a snapshot',
    options: [some('-n', '--nodes')],
    positionals: [arg('resource_definition_name'), arg('snapshot_name')],
    plan: (given) =>
      entries({
        method: 'DELETE',
        path: onDefinition(given, 'resource_definition_name', 'snapshots', given.text('snapshot_name')),
        ...(given.has('nodes') ? { query: filters(given, { nodes: 'nodes' }) } : {}),
      }),
  },
  {
    words: [snapshot, ['rollback', 'rb']],
    summary: 'roll a resource back to a snapshot',
    options: [{ ...value('--zfs-rollback-strategy'), choices: ['rollback', 'clone', 'dynamic'] }],
    positionals: [arg('resource_definition_name'), arg('snapshot_name')],
    plan: (given) =>
      entries({
        method: 'POST',
        path: onDefinition(
          given,
          'resource_definition_name',
          'snapshot-rollback',
          given.text('snapshot_name'),
        ),
        body: body({ zfs_rollback_strategy: given.one('zfs-rollback-strategy') }),
      }),
  },
  {
    words: [snapshot, ['list', 'l']],
    summary: 'snapshots',
    options: [pastable, some('-r', '--resources'), some('-n', '--nodes')],
    plan: (given) => ({
      requests: [
        {
          method: 'GET',
          path: '/v1/view/snapshots',
          query: filters(given, { nodes: 'nodes', resources: 'resources' }),
        },
      ],
      reply: { kind: 'list', v0: 'snapshots', table: 'snapshots' },
    }),
  },
  ...propertyCommands(snapshot, 'a snapshot', {
    list: {
      positionals: [arg('resource_name'), arg('snapshot_name')],
      request: (given) => ({
        path: '/v1/view/snapshots',
        query: filters(given, { resources: 'resource_name' }),
      }),
      pick: (answer, given) =>
        asObject(asList(answer).find((each) => asObject(each)['name'] === given.text('snapshot_name')))[
          'props'
        ],
    },
    set: {
      positionals: [arg('resource_name'), arg('snapshot_name')],
      path: (given) => onDefinition(given, 'resource_name', 'snapshots', given.text('snapshot_name')),
    },
  }),
  {
    words: [snapshot, ['volume-definition', 'vd'], ['restore', 'rst']],
    summary: 'give a resource definition the volumes of a snapshot',
    options: restoreOptions,
    plan: (given) =>
      entries({
        method: 'POST',
        path: restorePath(given, 'snapshot-restore-volume-definition'),
        body: { to_resource: given.one('to-resource') ?? '' },
      }),
  },
  {
    words: [snapshot, ['resource', 'r'], ['restore', 'rst']],
    summary: 'restore the data of a snapshot into a resource definition',
    options: [...restoreOptions, any('--storpool-rename')],
    positionals: [arg('node_name', '*')],
    plan: (given) => {
      const nodes = given.many('node_name');
      const renames = Object.fromEntries(
        given
          .many('storpool-rename')
          .map((pair) => [pair.split('=')[0] ?? '', pair.split('=').slice(1).join('=')]),
      );
      return entries({
        method: 'POST',
        path: restorePath(given, 'snapshot-restore-resource'),
        body: body({
          to_resource: given.one('to-resource') ?? '',
          nodes: nodes.length > 0 ? [...nodes] : undefined,
          stor_pool_rename: given.has('storpool-rename') ? renames : undefined,
        }),
      });
    },
  },
];
