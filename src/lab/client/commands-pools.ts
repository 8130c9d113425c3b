import {
  arg,
  body,
  type CommandSpec,
  entries,
  filters,
  flag,
  listOptions,
  path,
  some,
  value,
} from './command.ts';
import { propertyCommands } from './property-commands.ts';

const pool = ['storage-pool', 'sp'];

const providers: Readonly<Record<string, string>> = {
  lvm: 'LVM',
  lvmthin: 'LVM_THIN',
  zfs: 'ZFS',
  zfsthin: 'ZFS_THIN',
  file: 'FILE',
  filethin: 'FILE_THIN',
  spdk: 'SPDK',
};

const poolCreation = (kind: string, provider: string): CommandSpec => ({
  words: [pool, ['create', 'c'], [kind]],
  summary: `create a storage pool of kind ${provider}`,
  options: [value('--shared-space'), flag('--external-locking')],
  positionals: [arg('node_name'), arg('name'), arg('driver_pool_name')],
  plan: (given) =>
    entries({
      method: 'POST',
      path: path('nodes', given.text('node_name'), 'storage-pools'),
      body: body({
        storage_pool_name: given.text('name'),
        provider_kind: provider,
        free_space_mgr_name: given.one('shared-space'),
        external_locking: given.has('external-locking') ? true : undefined,
        props: { 'StorDriver/StorPoolName': given.text('driver_pool_name') },
      }),
    }),
});

export const poolCommands: readonly CommandSpec[] = [
  ...Object.entries(providers).map(([kind, provider]) => poolCreation(kind, provider)),
  {
    words: [pool, ['create', 'c'], ['diskless']],
    summary: 'create a diskless storage pool',
    positionals: [arg('node_name'), arg('name')],
    plan: (given) =>
      entries({
        method: 'POST',
        path: path('nodes', given.text('node_name'), 'storage-pools'),
        body: { storage_pool_name: given.text('name'), provider_kind: 'DISKLESS' },
      }),
  },
  {
    words: [pool, ['delete', 'd']],
    summary: 'delete a storage pool',
    options: [flag('-q', '--quiet')],
    positionals: [arg('node_name', '+'), arg('name')],
    plan: (given) =>
      entries(
        ...given.many('node_name').map((name) => ({
          method: 'DELETE' as const,
          path: path('nodes', name, 'storage-pools', given.text('name')),
        })),
      ),
  },
  {
    words: [pool, ['list', 'l']],
    summary: 'storage pools',
    options: [...listOptions, some('-s', '--storage-pools'), some('-n', '--nodes'), some('--show-props')],
    plan: (given) => ({
      requests: [
        {
          method: 'GET',
          path: '/v1/view/storage-pools',
          query: filters(given, { nodes: 'nodes', storage_pools: 'storage-pools', props: 'props' }),
        },
      ],
      reply: { kind: 'list', v0: 'pools', table: 'pools' },
    }),
  },
  ...propertyCommands(pool, 'a storage pool', {
    list: {
      positionals: [arg('node_name'), arg('storage_pool_name')],
      request: (given) => ({
        path: '/v1/view/storage-pools',
        query: filters(given, { nodes: 'node_name', storage_pools: 'storage_pool_name' }),
      }),
    },
    set: {
      positionals: [arg('node_name'), arg('name')],
      path: (given) => path('nodes', given.text('node_name'), 'storage-pools', given.text('name')),
    },
  }),
];
