import { describe, expect, test } from 'bun:test';
import * as cluster from '../../src/linstor/decode-cluster.ts';
import * as objects from '../../src/linstor/decode-resources.ts';
import { toEntries } from '../../src/linstor/entries.ts';
import { isObject, type Json, parseExact } from '../../src/linstor/json.ts';
import { severityOf } from '../../src/linstor/outcome.ts';
import { recorded, restExchanges } from './recordings.ts';

type Decoder = (raw: Json, what: string) => unknown;

/** Which decoder reads what the controller answers on a path. The order matters: the first that fits. */
const decoders: readonly (readonly [RegExp, Decoder])[] = [
  [/^\/v1\/controller\/version$/, cluster.decodeVersion],
  [/^\/v1\/controller\/properties$/, cluster.decodeProperties],
  [/^\/v1\/nodes(\?|$)/, cluster.decodeNodes],
  [/^\/v1\/nodes\/[^/]+$/, (raw, what) => cluster.decodeNodes([raw], what)],
  [/^\/v1\/view\/storage-pools/, cluster.decodePools],
  [/^\/v1\/nodes\/[^/]+\/storage-pools$/, cluster.decodePools],
  [/^\/v1\/nodes\/[^/]+\/storage-pools\/./, (raw, what) => cluster.decodePools([raw], what)],
  [/^\/v1\/resource-groups(\?|$)/, cluster.decodeGroups],
  [/^\/v1\/resource-groups\/[^/]+$/, cluster.decodeGroup],
  [/query-size-info$/, cluster.decodeSizeInfo],
  [/^\/v1\/encryption\/passphrase$/, cluster.decodePassphrase],
  [/^\/v1\/resource-definitions(\?|$)/, objects.decodeDefinitions],
  [/^\/v1\/resource-definitions\/[^/]+$/, (raw, what) => objects.decodeDefinitions([raw], what)],
  [/\/clone\/[^/]+$/, objects.decodeCloneStatus],
  [/\/sync-status$/, objects.decodeSync],
  [/^\/v1\/view\/resources/, objects.decodeResources],
  [/\/resources$/, objects.decodeReplicas],
  [/^\/v1\/key-value-store/, cluster.decodeKeyValues],
  [/\/snapshots(\?|$)/, objects.decodeSnapshots],
  [/\/snapshots\/[^/]+$/, (raw, what) => objects.decodeSnapshots([raw], what)],
];

/** Documents that the driver never reads. */
const foreign =
  /error-reports|\/health|query-max-volume-size|query-all-size-info|volume-groups|volume-definitions|\/resources\/[^/]+/;

const reads = restExchanges().filter(
  (one) => one.status === 200 && (one.method === 'GET' || /query-size-info$/.test(one.path)),
);
const read = reads.filter((one) => !foreign.test(one.path));

describe('every recorded answer', () => {
  test('there are as many as were recorded', () => {
    expect(restExchanges().length).toBe(449);
    expect(read.length).toBeGreaterThan(100);
  });

  test.each(read.map((one) => [`${one.scene} ${one.seq} ${one.method} ${one.path}`, one] as const))(
    '%s',
    (what, one) => {
      const decode = decoders.find(([path]) => path.test(one.path))?.[1];
      if (!decode) throw new Error(`no decoder for ${one.path}`);
      const raw = parseExact(one.text);
      const value = decode(raw, what);
      if (Array.isArray(raw) && Array.isArray(value)) expect(value).toHaveLength(raw.length);
    },
  );

  test('what the controller knows by itself names the same devices and states as the view', () => {
    const lists = reads.filter((one) => /resource-definitions\/[^/]+\/resources$/.test(one.path));
    const views = reads.filter((one) => /view\/resources/.test(one.path));
    const key = (one: { scene: string }, at: { name: string; node: string }) =>
      `${one.scene} ${at.name} ${at.node}`;
    const viewed = new Map(
      views.flatMap((one) =>
        objects.decodeResources(parseExact(one.text), 'view').map((at) => [key(one, at), at] as const),
      ),
    );
    const compared = lists
      .flatMap((one) =>
        objects
          .decodeReplicas(parseExact(one.text), 'list')
          .map((at) => [viewed.get(key(one, at)), at] as const),
      )
      .flatMap(([view, list]) => (view ? [[view, list] as const] : []));
    expect(compared.length).toBeGreaterThan(5);
    for (const [view, list] of compared) {
      expect(list.volumes.map(({ devicePath }) => devicePath)).toEqual(
        view.volumes.map(({ devicePath }) => devicePath),
      );
      expect([list.layers, list.stateKnown]).toEqual([view.layers, view.stateKnown]);
    }
  });

  test('every reply made of return codes is read, each code to the bit', () => {
    let codes = 0;
    for (const one of restExchanges()) {
      const inText = [...one.text.matchAll(/"ret_code":\s?(-?\d+)/g)].map((match) => BigInt(match[1] ?? ''));
      const raw = one.text === '' || /^[^[{]/.test(one.text) ? null : parseExact(one.text);
      const list = isObject(raw) && 'messages' in raw ? (raw['messages'] ?? null) : raw;
      const entries = toEntries(list);
      if (inText.length === 0 || entries === undefined || entries.length === 0) continue;
      codes += entries.length;
      expect(entries.map((entry) => entry.retCode)).toEqual(inText);
      // The status is an error exactly when an entry is (linstor-behaviour §0.3).
      expect(entries.some((entry) => severityOf(entry.retCode) === 'error')).toBe(one.status >= 400);
    }
    expect(codes).toBeGreaterThan(500);
  });
});

describe('resources', () => {
  const of = (scene: string, seq: number) =>
    objects.decodeResources(parseExact(recorded(scene, seq).text), scene);

  test('layers are walked from the top; peers and roles come from DRBD', () => {
    const [alpha, , charlie] = of('drbd-01-placement', 9);
    expect(alpha).toMatchObject({
      name: 'aa',
      node: 'alpha',
      layers: ['DRBD', 'STORAGE'],
      flags: [],
      stateKnown: true,
      inUse: false,
      mayPromote: true,
      connections: { bravo: { connected: true, message: 'Connected' } },
      volumes: [
        {
          number: 0,
          devicePath: '/dev/drbd1000',
          diskState: 'UpToDate',
          provider: 'FILE_THIN',
          allocatedKib: 0,
        },
      ],
    });
    expect(charlie?.flags).toEqual(['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER']);
    expect(charlie?.volumes[0]?.provider).toBe('DISKLESS');
  });

  test('a satellite that is away leaves a path of the past and no state', () => {
    const wide = of('rest-10-offline', 11).filter((one) => one.name === 'wide');
    expect<unknown>(wide.map((one) => [one.node, one.stateKnown, 'inUse' in one])).toEqual([
      ['alpha', true, false],
      ['bravo', true, false],
      ['charlie', false, false],
    ]);
    expect(wide[2]?.volumes[0]?.devicePath).toBe('/dev/loop7');
  });

  test('side branches of a layer are not its stack; -1 is no size', () => {
    const raw = parseExact(`[{"name":"r","node_name":"n","layer_object":{"type":"DRBD","children":[
      {"type":"STORAGE","resource_name_suffix":".meta"},{"type":"LUKS","resource_name_suffix":"","children":[{"type":"STORAGE"}]}]},
      "volumes":[{"volume_number":0,"allocated_size_kib":-1}]}]`);
    expect<unknown>(objects.decodeResources(raw, 'test')).toEqual([
      {
        name: 'r',
        node: 'n',
        flags: [],
        props: {},
        layers: ['DRBD', 'LUKS', 'STORAGE'],
        stateKnown: false,
        volumes: [{ number: 0, pool: '', provider: '' }],
        connections: {},
      },
    ]);
  });
});

describe('absent, null and unknown', () => {
  test('absent and null are empty; unknown fields are ignored', () => {
    const raw = parseExact(
      '[{"name":"n1","flags":null,"props":{"a":null,"b":""},"net_interfaces":[{}],"news":[1]}]',
    );
    expect<unknown>(cluster.decodeNodes(raw, 'test')).toEqual([
      {
        name: 'n1',
        type: 'SATELLITE',
        status: 'UNKNOWN',
        flags: [],
        props: { b: '' },
        providers: [],
        layers: [],
        addresses: [],
      },
    ]);
  });

  test('what is not as expected is named', () => {
    expect(() => cluster.decodeNodes([{ type: 'SATELLITE' }], 'GET /v1/nodes')).toThrow('at 0.name');
    expect(() => objects.decodeResources({ error: 'x' }, 'GET /v1/view/resources')).toThrow('as a whole');
  });
});

describe('pools and space', () => {
  test('the capacity of the diskless pool, 2^63-1, is no space', () => {
    const pools = cluster.decodePools(parseExact(recorded('rest-01-cluster', 7).text), 'pools');
    const diskless = pools.filter((pool) => pool.provider === 'DISKLESS');
    expect(diskless).toHaveLength(3);
    for (const pool of diskless) expect([pool.freeKib, pool.totalKib]).toEqual([undefined, undefined]);
    const thin = pools.find((pool) => pool.node === 'bravo' && pool.name === 'thin');
    expect(thin).toMatchObject({
      provider: 'FILE_THIN',
      supportsSnapshots: true,
      freeSpaceManager: 'bravo;thin',
    });
    expect(thin?.totalKib).toBe(8388608 as never);
  });

  test('a pool of a node that is away has no capacity and says why', () => {
    const pools = cluster.decodePools(parseExact(recorded('rest-10-offline', 10).text), 'pools');
    const away = pools.find((pool) => pool.node === 'charlie' && pool.name === 'thin');
    expect(away).not.toHaveProperty('freeKib');
    expect(away?.reports).toHaveLength(1);
  });

  test('size info: a group, none, and one that is too wide', () => {
    const info = (seq: number) =>
      cluster.decodeSizeInfo(parseExact(recorded('rest-02-groups', seq).text), 'size');
    expect(info(16)).toEqual({
      maxVolumeKib: 167505920,
      availableKib: 25125888,
      capacityKib: 25165824,
    } as never);
    expect(info(20)).toMatchObject({ maxVolumeKib: 0 });
    expect(info(24)).toBeUndefined();
  });
});

test('snapshots: volumes, nodes, time, and the marks of the definition', () => {
  const raw = parseExact(recorded('rest-08-driver-flows', 29).text);
  const snapshots = objects.decodeSnapshots(raw, 'snapshots');
  const first = snapshots.find((one) => one.resource === 'one-vm-0-disk-0');
  expect(first).toMatchObject({ flags: ['SUCCESSFUL'], volumes: [{ number: 0, sizeKib: 204800 }] });
  expect(first?.props['Aux/one/VM_ID']).toBe('0');
  expect(first?.createdAt).toBeGreaterThan(1_700_000_000_000);
  expect(first?.nodes).toHaveLength(1);
});
