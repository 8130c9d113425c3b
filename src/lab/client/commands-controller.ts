import {
  body,
  type CommandSpec,
  entries,
  intArg,
  number,
  pastable,
  propertyArguments,
  propertyChange,
  value,
} from './command.ts';
import { drbdOptionSpecs, drbdOptions } from './drbd-options.ts';

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
  {
    words: [controller, ['list-properties', 'lp']],
    summary: 'properties of the controller',
    options: [pastable],
    plan: () => ({
      requests: [{ method: 'GET', path: '/v1/controller/properties' }],
      reply: { kind: 'properties', pick: (answer) => answer },
    }),
  },
  {
    words: [controller, ['set-property', 'sp']],
    summary: 'set or delete a property of the controller',
    ...propertyArguments,
    plan: (given) =>
      entries({ method: 'POST', path: '/v1/controller/properties', body: propertyChange(given) }),
  },
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
