import { afterEach, describe, expect, test } from 'bun:test';
import { isDriverError } from '../../../src/errors.ts';
import { isLinstorError } from '../../../src/linstor/error.ts';
import { nodeName, resourceName } from '../../../src/linstor/names.ts';
import { RestLinstor } from '../../../src/linstor/rest/rest.ts';
import { kib } from '../../../src/units.ts';
import { type FakeController, fakeController, json, settingsFor, version } from '../fake-controller.ts';
import { recorded } from '../recordings.ts';

const ok = '[{"ret_code":37224451,"message":"modified"}]';
let server: FakeController | undefined;
afterEach(() => server?.stop());

/** A controller of that REST version which takes every write. */
function linstorOf(
  rest = '1.27.0',
  answer: (path: string) => Response | undefined = () => undefined,
): RestLinstor {
  server = fakeController((request) => {
    if (request.path === '/v1/controller/version') return version(rest);
    return answer(request.path) ?? json(ok);
  });
  return new RestLinstor(settingsFor([server.url]));
}

function sent(): string[] {
  return (server?.seen ?? []).map((one) => `${one.method} ${one.path}${one.body ? ` ${one.body}` : ''}`);
}

describe('what is sent', () => {
  const rd = '/v1/resource-definitions';
  const calls: readonly (readonly [string, (linstor: RestLinstor) => Promise<unknown>, readonly string[]])[] =
    [
      [
        'definition',
        (l) => l.createDefinition({ name: resourceName('rd') }),
        [`POST ${rd} {"resource_definition":{"name":"rd"}}`],
      ],
      [
        'definition with everything',
        (l) =>
          l.createDefinition({
            name: resourceName('rd'),
            group: 'g',
            layers: ['DRBD', 'STORAGE'],
            props: { 'Aux/a': '1' },
          }),
        [
          `POST ${rd} {"resource_definition":{"name":"rd","resource_group_name":"g","props":{"Aux/a":"1"},"layer_data":[{"type":"DRBD"},{"type":"STORAGE"}]}}`,
        ],
      ],
      [
        'change',
        (l) =>
          l.modifyDefinition('rd', { set: { a: '1' }, unset: ['b'], unsetNamespaces: ['Aux/c'], group: 'g' }),
        [
          `PUT ${rd}/rd {"override_props":{"a":"1"},"delete_props":["b"],"delete_namespaces":["Aux/c"],"resource_group":"g"}`,
        ],
      ],
      [
        'volume',
        (l) => l.createVolume('rd', 0, kib(8)),
        [`POST ${rd}/rd/volume-definitions {"volume_definition":{"volume_number":0,"size_kib":8}}`],
      ],
      ['size', (l) => l.resizeVolume('rd', 1, kib(8)), [`PUT ${rd}/rd/volume-definitions/1 {"size_kib":8}`]],
      [
        'spawn',
        (l) => l.spawn('g', 'rd', [kib(8)]),
        ['POST /v1/resource-groups/g/spawn {"resource_definition_name":"rd","volume_sizes":[8]}'],
      ],
      [
        'spawn with properties asks for the version',
        (l) =>
          l.spawn('g', 'rd', [kib(8)], {
            props: { 'Aux/a': '1' },
            definitionsOnly: true,
            filter: { nodes: [nodeName('n1')] },
          }),
        [
          'GET /v1/controller/version',
          'POST /v1/resource-groups/g/spawn {"resource_definition_name":"rd","volume_sizes":[8],"definitions_only":true,"select_filter":{"node_name_list":["n1"]},"resource_definition_props":{"Aux/a":"1"}}',
        ],
      ],
      [
        'placement',
        (l) =>
          l.place('rd', {
            placeCount: 2,
            storagePools: ['p'],
            replicasOnSame: ['site'],
            replicasOnDifferent: ['Aux/rack'],
            layers: ['STORAGE'],
            nodes: [],
          }),
        [
          `POST ${rd}/rd/autoplace {"select_filter":{"place_count":2,"storage_pool_list":["p"],"replicas_on_same":["Aux/site"],"replicas_on_different":["Aux/rack"],"layer_stack":["STORAGE"]},"layer_list":["STORAGE"]}`,
        ],
      ],
      [
        'diskful',
        (l) => l.createResource('rd', 'n1', { pool: 'p' }),
        [`POST ${rd}/rd/resources [{"resource":{"node_name":"n1","props":{"StorPoolName":"p"}}}]`],
      ],
      [
        'diskless',
        (l) => l.createResource('rd', 'n1', { diskless: true }),
        [`POST ${rd}/rd/resources [{"resource":{"node_name":"n1","flags":["DRBD_DISKLESS"]}}]`],
      ],
      [
        'NVMe initiator',
        (l) => l.createResource('rd', 'n1', { diskless: true, layers: ['NVME', 'STORAGE'] }),
        [
          `POST ${rd}/rd/resources [{"resource":{"node_name":"n1","flags":["NVME_INITIATOR"]},"layer_list":["NVME","STORAGE"]}]`,
        ],
      ],
      [
        'make-available',
        (l) => l.makeAvailable('rd', 'n1'),
        [`POST ${rd}/rd/resources/n1/make-available {}`],
      ],
      [
        'make-available with a disk',
        (l) => l.makeAvailable('rd', 'n1', { diskful: true }),
        [`POST ${rd}/rd/resources/n1/make-available {"diskful":true}`],
      ],
      [
        'tie-breakers stay',
        (l) => l.deleteResource('rd', 'n1'),
        [`DELETE ${rd}/rd/resources/n1?keep_tiebreaker=true`],
      ],
      [
        'to diskful',
        (l) => l.toggleDisk('rd', 'n1', { pool: 'p' }),
        [`PUT ${rd}/rd/resources/n1/toggle-disk/diskful/p`],
      ],
      [
        'to diskless',
        (l) => l.toggleDisk('rd', 'n1', {}),
        [`PUT ${rd}/rd/resources/n1/toggle-disk/diskless`],
      ],
      [
        'to diskless in a pool',
        (l) => l.toggleDisk('rd', 'n1', { diskless: true, pool: 'd' }),
        [`PUT ${rd}/rd/resources/n1/toggle-disk/diskless/d`],
      ],
      ['snapshot', (l) => l.createSnapshot('rd', 's'), [`POST ${rd}/rd/snapshots {"name":"s"}`]],
      [
        'snapshots',
        (l) => l.createSnapshots([{ resource: 'a', snapshot: 's' }]),
        ['POST /v1/actions/snapshot/multi {"snapshots":[{"resource_name":"a","name":"s"}]}'],
      ],
      ['rollback has no body', (l) => l.rollback('rd', 's'), [`POST ${rd}/rd/snapshot-rollback/s`]],
      [
        'restored volumes',
        (l) => l.restoreVolumes('a', 's', 'b'),
        [`POST ${rd}/a/snapshot-restore-volume-definition/s {"to_resource":"b"}`],
      ],
      [
        'restored resources',
        (l) => l.restoreResources('a', 's', 'b', { nodes: ['n1'], poolRename: { x: 'y' } }),
        [
          'GET /v1/controller/version',
          `POST ${rd}/a/snapshot-restore-resource/s {"to_resource":"b","nodes":["n1"],"stor_pool_rename":{"x":"y"}}`,
        ],
      ],
      [
        'clone',
        (l) =>
          l.clone('a', 'b', {
            useZfsClone: true,
            layers: ['STORAGE'],
            group: 'g',
            props: { set: { 'Aux/a': '1' }, unset: [] },
          }),
        [
          'GET /v1/controller/version',
          `POST ${rd}/a/clone {"name":"b","use_zfs_clone":true,"layer_list":["STORAGE"],"resource_group":"g","override_props":{"Aux/a":"1"}}`,
        ],
      ],
      [
        'names are escaped',
        (l) => l.deleteSnapshot('a/b?c', 'd e'),
        [`DELETE ${rd}/a%2Fb%3Fc/snapshots/d%20e`],
      ],
    ];

  test.each(calls)('%s', async (_name, call, expected) => {
    await call(linstorOf());
    expect(sent()).toEqual([...expected]);
    for (const line of sent()) expect(line).not.toContain('null');
  });

  test('lists are filtered with repeated keys; an empty filter asks nothing', async () => {
    const linstor = linstorOf('1.27.0', () => json('[]'));
    await linstor.resources({ names: [resourceName('a'), resourceName('b&c')], nodes: [nodeName('n1')] });
    await linstor.storagePools({ pools: ['p'] });
    await linstor.definitions({ props: ['Aux/a=1 2'] });
    for (const empty of [
      linstor.resources({ nodes: [] }),
      linstor.snapshots({ names: [] }),
      linstor.storagePools({ pools: [] }),
    ]) {
      expect(await empty).toEqual([]);
    }
    expect(sent()).toEqual([
      'GET /v1/view/resources?resources=a&resources=b%26c&nodes=n1',
      'GET /v1/view/storage-pools?storage_pools=p&cached=true',
      'GET /v1/resource-definitions?with_volume_definitions=true&props=Aux%2Fa%3D1+2',
    ]);
  });

  test('the version is asked for once, also by several at a time', async () => {
    const linstor = linstorOf();
    await Promise.all([linstor.capabilities(), linstor.capabilities(), linstor.clone('a', 'b')]);
    await linstor.clone('a', 'c');
    expect(sent().filter((line) => line.startsWith('GET'))).toHaveLength(1);
  });
});

describe('what an older controller cannot do', () => {
  const unsupported = (error: unknown) => isDriverError(error, 'LINSTOR_UNSUPPORTED');

  test('is not sent', async () => {
    const linstor = linstorOf('1.9.0');
    expect(await linstor.clone('a', 'b').catch(unsupported)).toBe(true);
    expect(await linstor.restoreResources('a', 's', 'b', { poolRename: { x: 'y' } }).catch(unsupported)).toBe(
      true,
    );
    expect(await linstor.makeAvailable('a', 'n', { manageDualPrimary: true }).catch(unsupported)).toBe(true);
    expect(await linstor.unmakeAvailable('a', 'n').catch(unsupported)).toBe(true);
    expect(await linstor.encryption()).toBeUndefined();
    expect(sent()).toEqual(['GET /v1/controller/version']);
  });

  test('a clone with more than its version knows is not sent: it would hang', async () => {
    const linstor = linstorOf('1.23.0');
    expect(await linstor.clone('a', 'b', { layers: ['STORAGE'] }).catch(unsupported)).toBe(true);
    expect(await linstor.clone('a', 'b', { props: { set: { x: 'y' } } }).catch(unsupported)).toBe(true);
    await linstor.clone('a', 'b');
    expect(sent().filter((line) => line.startsWith('POST'))).toEqual([
      'POST /v1/resource-definitions/a/clone {"name":"b"}',
    ]);
  });

  test('spawn sets its properties afterwards', async () => {
    const outcome = await linstorOf('1.21.0').spawn('g', 'rd', [kib(8)], { props: { 'Aux/a': '1' } });
    expect(sent()).toEqual([
      'GET /v1/controller/version',
      'POST /v1/resource-groups/g/spawn {"resource_definition_name":"rd","volume_sizes":[8]}',
      'PUT /v1/resource-definitions/rd {"override_props":{"Aux/a":"1"}}',
    ]);
    expect(outcome.entries).toHaveLength(2);
  });

  test('spawn with its marks or not at all: an old controller refuses what it cannot read', async () => {
    const unread =
      '[{"ret_code":-3458764513820540931,"message":"Unable to parse input json.","details":"Unrecognized field"}]';
    const options = { props: { 'Aux/a': '1' }, marked: true } as const;
    const old = linstorOf('1.21.0', () => json(unread, 500));
    const error = await old.spawn('g', 'rd', [kib(8)], options).catch((thrown: unknown) => thrown);
    expect(isDriverError(error, 'LINSTOR_UNSUPPORTED')).toBe(true);
    expect(isLinstorError(error)).toBe(false);
    expect(sent()).toEqual([
      'POST /v1/resource-groups/g/spawn {"resource_definition_name":"rd","volume_sizes":[8],"resource_definition_props":{"Aux/a":"1"}}',
    ]);
    server?.stop();
    await linstorOf('1.27.0').spawn('g', 'rd', [kib(8)], options);
    expect(sent()).toHaveLength(1);
  });

  test('a controller of 1.29 prepares live migrations', async () => {
    const linstor = linstorOf('1.29.0');
    await linstor.makeAvailable('rd', 'n', { manageDualPrimary: true });
    await linstor.unmakeAvailable('rd', 'n');
    expect(sent().slice(1)).toEqual([
      'POST /v1/resource-definitions/rd/resources/n/make-available {"auto_manage_dual_primary":true}',
      'POST /v1/resource-definitions/rd/resources/n/unmake-available {}',
    ]);
  });
});

describe('what an answer means', () => {
  const answered = (scene: string, seq: number) => {
    const one = recorded(scene, seq);
    return linstorOf('1.27.0', () => json(one.text, one.status));
  };
  const codes = async (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (error: unknown) => (isLinstorError(error) ? [error.code, error.linstorCode, error.status] : error),
    );

  test('both shapes of a failed clone', async () => {
    const started = `{"source_name":"img","clone_name":"copy","messages":[{"ret_code":-4611686018406940445,"message":"not supported"}]}`;
    // Before 1.32.2 with a status of success.
    for (const status of [500, 201]) {
      const linstor = linstorOf('1.27.0', () => json(started, status));
      expect(await codes(linstor.clone('img', 'copy'))).toEqual(['LINSTOR_UNSUPPORTED', 227, status]);
      await server?.stop();
    }
    expect(await codes(answered('rest-09-clone', 9).clone('img', 'copy'))).toEqual([
      'LINSTOR_EXISTS',
      501,
      500,
    ]);
    await server?.stop();
    expect(await codes(answered('rest-06-snapshots', 53).clone('nope', 'copy2'))).toEqual([
      'LINSTOR_NOT_FOUND',
      301,
      404,
    ]);
  });

  test('a started clone, and its status', async () => {
    expect((await answered('rest-09-clone', 6).clone('img', 'copy')).entries.length).toBeGreaterThan(1);
    await server?.stop();
    expect(await answered('rest-09-clone', 7).cloneStatus('img', 'copy')).toBe('CLONING');
    await server?.stop();
    expect(await answered('rest-06-snapshots', 52).cloneStatus('img', 'copy')).toBeUndefined();
  });

  test('an error inside of a 2xx reply is an error, the first one counts', async () => {
    const text =
      '[{"ret_code":20447233,"message":"fine"},{"ret_code":-4611686018407202610,"message":"(n1) too big","error_report_ids":["R-1"]},{"ret_code":-4611686018407201818,"message":"wrapper","error_report_ids":["R-2"]}]';
    const error = await linstorOf('1.27.0', () => json(text))
      .createResource('rd', 'n1')
      .catch((thrown: unknown) => thrown);
    if (!isLinstorError(error)) throw new Error('not refused');
    expect([error.code, error.linstorCode]).toEqual(['LINSTOR_NO_SPACE', 206]);
    expect(error.message).toContain('(n1) too big');
    expect(error.reports).toEqual(['R-1', 'R-2']);
  });

  test('a satellite that is away is success with a warning', async () => {
    const outcome = await answered('rest-10-offline', 20).createResource('while-off', 'charlie');
    expect(outcome.satelliteAway).toBe(true);
  });

  test('404 with 310 from make-available is about a pool, not about the resource', async () => {
    expect(await codes(answered('rest-10-offline', 21).makeAvailable('onc', 'charlie'))).toEqual([
      'LINSTOR_NOT_FOUND',
      310,
      404,
    ]);
  });

  test('an unknown node in a filter hides nothing', async () => {
    const one = recorded('rest-01-cluster', 11);
    const all = recorded('rest-01-cluster', 7);
    const linstor = linstorOf('1.27.0', (path) =>
      path.includes('nodes=') ? json(one.text, one.status) : json(all.text),
    );
    const pools = await linstor.storagePools({ nodes: [nodeName('ALPHA'), nodeName('nope')] });
    expect<unknown>(new Set(pools.map((pool) => pool.node))).toEqual(new Set(['alpha']));
    expect(pools.length).toBeGreaterThan(1);
  });
});
