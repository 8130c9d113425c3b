import {
  arg,
  body,
  type CommandSpec,
  entries,
  filters,
  flag,
  intArg,
  integer,
  number,
  pastable,
  some,
  value,
} from './command.ts';
import { asList, asObject } from './json.ts';
import { numberedProps, propertyCommands } from './property-commands.ts';
import { onDefinition } from './resource-plans.ts';
import { parseSize } from './sizes.ts';

const volumeDefinition = ['volume-definition', 'vd'];

export const volumeDefinitionCommands: readonly CommandSpec[] = [
  {
    words: [volumeDefinition, ['create', 'c']],
    summary: 'add a volume to a resource definition',
    options: [
      value('--storage-pool', '-s'),
      integer('-n', '--vlmnr'),
      integer('-m', '--minor'),
      flag('--encrypt'),
      flag('--gross'),
      { names: ['--passphrase'], arity: '?' },
    ],
    positionals: [arg('resource_name'), arg('size')],
    plan: (given) => {
      const pool = given.one('storage-pool');
      return entries({
        method: 'POST',
        path: onDefinition(given, 'resource_name', 'volume-definitions'),
        body: body({
          volume_definition: body({
            size_kib: parseSize(given.text('size')),
            flags: [
              ...(given.has('encrypt') ? ['ENCRYPTED'] : []),
              ...(given.has('gross') ? ['GROSS_SIZE'] : []),
            ],
            volume_number: number(given.one('vlmnr')),
            props: pool === undefined ? undefined : { StorPoolName: pool },
          }),
          drbd_minor_number: number(given.one('minor')),
          passphrase: given.one('passphrase'),
        }),
      });
    },
  },
  {
    words: [volumeDefinition, ['delete', 'd']],
    summary: 'remove a volume',
    options: [flag('--async')],
    positionals: [arg('resource_name'), intArg('volume_nr')],
    plan: (given) =>
      entries({
        method: 'DELETE',
        path: onDefinition(given, 'resource_name', 'volume-definitions', given.text('volume_nr')),
      }),
  },
  {
    words: [volumeDefinition, ['list', 'l']],
    summary: 'volume definitions',
    options: [
      pastable,
      some('-g', '--groupby'),
      some('-r', '--resource-definitions'),
      flag('-e', '--external-name'),
      some('-s', '--show-props'),
    ],
    plan: (given) => ({
      requests: [
        {
          method: 'GET',
          path: '/v1/resource-definitions',
          query: [
            ...filters(given, { resource_definitions: 'resource-definitions' }),
            ['with_volume_definitions', 'true'],
          ],
        },
      ],
      reply: { kind: 'list', v0: 'definitions', table: 'volume-definitions' },
    }),
  },
  ...propertyCommands(volumeDefinition, 'a volume definition', {
    list: {
      positionals: [arg('resource_definition'), intArg('volume_nr')],
      request: (given) => ({
        path: '/v1/resource-definitions',
        query: [
          ...filters(given, { resource_definitions: 'resource_definition' }),
          ['with_volume_definitions', 'true'],
        ],
      }),
      pick: (answer, given) =>
        numberedProps(asObject(asList(answer)[0])['volume_definitions'], given.text('volume_nr')),
    },
    set: {
      positionals: [arg('resource_name'), intArg('volume_nr')],
      path: (given) => onDefinition(given, 'resource_name', 'volume-definitions', given.text('volume_nr')),
    },
  }),
  {
    words: [volumeDefinition, ['set-size', 'size']],
    summary: 'change the size of a volume',
    options: [flag('--gross')],
    positionals: [arg('resource_name'), intArg('volume_nr'), arg('size')],
    plan: (given) =>
      entries({
        method: 'PUT',
        path: onDefinition(given, 'resource_name', 'volume-definitions', given.text('volume_nr')),
        body: body({
          size_kib: parseSize(given.text('size')),
          flags: given.has('gross') ? ['GROSS_SIZE'] : undefined,
        }),
      }),
  },
];
