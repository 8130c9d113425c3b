import { body, type CommandSpec, entries, intArg, number, pastable, value } from './command.ts';
import { drbdOptionSpecs, drbdOptions } from './drbd-options.ts';
import { propertyCommands } from './property-commands.ts';

const controller = ['controller', 'c'];

export const controllerCommands: readonly CommandSpec[] = [
  {
    words: [controller, ['version', 'v']],
    summary: 'version of the controller',
    plan: () => ({
      requests: [{ method: 'GET', path: '/v1/controller/version' }],
      reply: { kind: 'version' },
    }),
  },
  {
    words: [controller, ['which']],
    summary: 'which controller answers',
    plan: () => ({ requests: [], reply: { kind: 'which' } }),
  },
  ...propertyCommands(controller, 'the controller', {
    list: { request: () => ({ path: '/v1/controller/properties' }), pick: (answer) => answer },
    set: { method: 'POST', path: () => '/v1/controller/properties' },
  }),
  {
    words: [controller, ['drbd-options', 'opt']],
    summary: 'set DRBD options on the controller',
    options: drbdOptionSpecs,
    plan: (given) => entries({ method: 'POST', path: '/v1/controller/properties', body: drbdOptions(given) }),
  },
  {
    words: [controller, ['query-max-volume-size', 'qmvs']],
    summary: 'largest volume for a number of replicas',
    options: [pastable, value('--storage-pool', '-s')],
    positionals: [intArg('replica_count')],
    plan: (given) => ({
      requests: [
        {
          method: 'OPTIONS',
          path: '/v1/query-max-volume-size',
          body: body({
            place_count: number(given.text('replica_count')),
            storage_pool: given.one('storage-pool'),
          }),
        },
      ],
      reply: { kind: 'query', wrapped: true },
    }),
  },
];
