import { any, arg, body, type CommandSpec, entries, flag, pastable, path, some, value } from './command.ts';
import { propertyChange } from './property-commands.ts';

export const otherCommands: readonly CommandSpec[] = [
  {
    words: [
      ['error-reports', 'err'],
      ['list', 'l'],
    ],
    summary: 'error reports',
    options: [
      value('-s', '--since'),
      value('-t', '--to'),
      some('-n', '--nodes'),
      pastable,
      some('--report-id'),
      flag('-f', '--full'),
    ],
    plan: (given) => ({
      requests: [
        {
          method: 'GET',
          path: '/v1/error-reports',
          query: [
            ['withContent', 'False'],
            ...given.many('nodes').map((name): [string, string] => ['node', name]),
          ],
        },
      ],
      reply: { kind: 'flat-list', table: 'reports' },
    }),
  },
  {
    words: [
      ['error-reports', 'err'],
      ['show', 's'],
    ],
    summary: 'one error report',
    positionals: [arg('report_id', '+')],
    plan: (given) => ({
      requests: given.many('report_id').map((id) => ({
        method: 'GET' as const,
        path: path('error-reports', id),
        query: [['withContent', 'True'] as const],
      })),
      reply: { kind: 'report' },
    }),
  },
  {
    words: [
      ['error-reports', 'err'],
      ['delete', 'd'],
    ],
    summary: 'delete error reports',
    options: [some('--nodes'), value('--since'), value('--to'), value('--exception')],
    positionals: [arg('id', '*')],
    plan: (given) =>
      entries({
        method: 'PATCH',
        path: '/v1/error-reports',
        body: body({
          ids: given.many('id').length > 0 ? [...given.many('id')] : undefined,
          exception: given.one('exception'),
        }),
      }),
  },
  {
    words: [
      ['encryption', 'e'],
      ['enter-passphrase', 'ep'],
    ],
    summary: 'unlock the cluster',
    options: [{ ...value('-p', '--passphrase'), required: true }],
    plan: (given) =>
      entries({ method: 'PATCH', path: '/v1/encryption/passphrase', body: given.one('passphrase') ?? '' }),
  },
  {
    words: [
      ['encryption', 'e'],
      ['create-passphrase', 'cp'],
    ],
    summary: 'set the master passphrase',
    options: [{ ...value('-p', '--passphrase'), required: true }],
    plan: (given) =>
      entries({
        method: 'POST',
        path: '/v1/encryption/passphrase',
        body: { new_passphrase: given.one('passphrase') ?? '' },
      }),
  },
  {
    words: [
      ['encryption', 'e'],
      ['modify-passphrase', 'mp'],
    ],
    summary: 'change the master passphrase',
    options: [
      { ...value('--old-passphrase'), required: true },
      { ...value('--new-passphrase'), required: true },
    ],
    plan: (given) =>
      entries({
        method: 'PUT',
        path: '/v1/encryption/passphrase',
        body: {
          new_passphrase: given.one('new-passphrase') ?? '',
          old_passphrase: given.one('old-passphrase') ?? '',
        },
      }),
  },
  {
    words: [
      ['key-value-store', 'kv'],
      ['list', 'l'],
    ],
    summary: 'key-value stores',
    options: [pastable],
    plan: () => ({
      requests: [{ method: 'GET', path: '/v1/key-value-store' }],
      reply: { kind: 'key-values', instance: undefined },
    }),
  },
  {
    words: [
      ['key-value-store', 'kv'],
      ['show', 's'],
    ],
    summary: 'one key-value store',
    options: [pastable],
    positionals: [arg('instance')],
    plan: (given) => ({
      requests: [{ method: 'GET', path: '/v1/key-value-store' }],
      reply: { kind: 'key-values', instance: given.text('instance') },
    }),
  },
  {
    words: [
      ['key-value-store', 'kv'],
      ['modify', 'm'],
    ],
    summary: 'set or delete a key',
    positionals: [arg('instance'), arg('key'), arg('value', '?')],
    plan: (given) =>
      entries({
        method: 'PUT',
        path: path('key-value-store', given.text('instance')),
        body: propertyChange(given),
      }),
  },
  {
    words: [
      ['physical-storage', 'ps'],
      ['list', 'l'],
    ],
    summary: 'unused devices',
    options: [pastable, any('-n')],
    plan: () => ({
      requests: [{ method: 'GET', path: '/v1/physical-storage' }],
      reply: { kind: 'list', v0: 'plain', table: 'json' },
    }),
  },
];
