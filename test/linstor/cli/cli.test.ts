import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DriverError, isDriverError } from '../../../src/errors.ts';
import { CliLinstor } from '../../../src/linstor/cli/cli.ts';
import type { ClientOptions, ClientResult, RunClient } from '../../../src/linstor/cli/run.ts';
import { isLinstorError } from '../../../src/linstor/error.ts';
import { nodeName, resourceName } from '../../../src/linstor/names.ts';
import { isReplyLost } from '../../../src/linstor/reply-lost.ts';
import type { LinstorHooks } from '../../../src/linstor/rest/hooks.ts';
import type { ControllerSettings } from '../../../src/opennebula/settings.ts';
import { kib } from '../../../src/units.ts';
import { settingsFor } from '../fake-controller.ts';
import { cliExchanges } from '../recordings.ts';

const ok = '[{"ret_code":37224451,"message":"modified"}]';
const versionLine = '{"version":"1.33.3","rest_api_version":"1.27.0"}';

interface Call {
  readonly argv: readonly string[];
  /** From the command on, without the global options. */
  readonly command: string;
  readonly options: ClientOptions;
}

type Reply = Partial<ClientResult> | string;

/** A client that answers what a test wants; without an answer, success. */
function fake(
  answer: (command: string) => Reply | undefined = () => undefined,
  more: Partial<ControllerSettings> = {},
  hooks: LinstorHooks = {},
) {
  const calls: Call[] = [];
  const run: RunClient = async (argv, options) => {
    const command = argv.slice(argv.indexOf('--timeout') + 2).join(' ');
    calls.push({ argv, command, options });
    const reply = answer(command) ?? (command === 'controller version' ? versionLine : ok);
    const result = typeof reply === 'string' ? { stdout: reply } : reply;
    return { exitCode: 0, stdout: '', stderr: '', timedOut: false, ...result };
  };
  const settings = settingsFor(['ctl1', 'linstor+ssl://ctl2'], {
    transport: 'cli',
    linstorCommand: '/opt/linstor',
    ...more,
  });
  const linstor = new CliLinstor(settings, { env: { PATH: '/bin' }, ...hooks, run });
  return { linstor, calls, commands: () => calls.map((call) => call.command) };
}

async function failure(work: Promise<unknown>): Promise<DriverError> {
  const error = await work.then(
    (value) => `no error but ${JSON.stringify(value)}`,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof DriverError)) throw new Error(`no DriverError: ${String(error)}`);
  return error;
}

describe('how the client is called', () => {
  test('configured controllers shut out every other source', async () => {
    const env = {
      PATH: '/bin',
      LS_CONTROLLERS: 'rescue',
      LS_CLIENT_VERBOSE: '',
      LS_OUTPUT_VERSION: 'v0',
      LS_CERTFILE: '/x',
    };
    const { linstor, calls } = fake(() => '[[]]', { username: 'one', password: 's3cret' }, { env });
    await linstor.nodes();
    expect(calls[0]?.argv).toEqual([
      ...['/opt/linstor', '-m', '--output-version', 'v1', '--no-color', '--disable-config'],
      ...['--controllers', 'linstor://ctl1:3370,linstor+ssl://ctl2:3371', '--allow-insecure-auth'],
      ...['--timeout', '30', 'node', 'list'],
    ]);
    expect(calls[0]?.options.env).toEqual({
      PATH: '/bin',
      LS_CERTFILE: '/x',
      LS_CLIENT_USER: 'one',
      LS_CLIENT_PASSWORD: 's3cret',
      PYTHONUTF8: '1',
    });
    expect(calls[0]?.argv.join(' ')).not.toContain('s3cret');
  });

  test('without controllers the client is left to its own configuration', async () => {
    const { linstor, calls } = fake(
      () => '[[]]',
      { controllers: [] },
      { env: { LS_CONTROLLERS: 'site', LS_OUTPUT_VERSION: 'v0' } },
    );
    await linstor.nodes();
    expect(calls[0]?.argv).not.toContain('--disable-config');
    expect(calls[0]?.argv).not.toContain('--controllers');
    expect(calls[0]?.options.env).toEqual({ LS_CONTROLLERS: 'site', PYTHONUTF8: '1' });
  });

  test('writes have more time than reads; every call is reported once', async () => {
    const reported: string[] = [];
    const { linstor, calls } = fake(
      undefined,
      {},
      { onCall: (call) => reported.push(`${call.target} ${call.verb}: ${call.outcome}`) },
    );
    await linstor.deleteDefinition('rd');
    await linstor.capabilities();
    expect(calls.map((call) => call.options.timeoutMs)).toEqual([304_000, 34_000]);
    expect(reported).toEqual([
      '/opt/linstor linstor resource-definition delete rd: exit 0',
      '/opt/linstor linstor controller version: exit 0',
    ]);
  });

  test('a token cannot be handed over; a missing certificate is named', async () => {
    expect(() => fake(undefined, { token: 'x' })).toThrow('a token cannot be handed to the LINSTOR client');
    const { linstor, calls } = fake(undefined, { caFile: '/no/such/ca.pem' });
    expect((await failure(linstor.nodes())).message).toContain('LS_CAFILE /no/such/ca.pem cannot be read');
    expect(calls).toEqual([]);
  });
});

describe('a definition and the mark of who made it', () => {
  const create = 'resource-definition create rd';
  const marking = 'resource-definition set-property rd Aux/by me';
  const spec = { name: resourceName('rd'), props: { 'Aux/by': 'me', 'Aux/b': '2', 'Aux/c': '3' } };

  test('a stop during the creation comes through when the first property is set, not before', async () => {
    const stop = new AbortController();
    const { linstor, commands } = fake(
      (command) => {
        if (command === create) stop.abort();
        return undefined;
      },
      {},
      { signal: stop.signal },
    );
    expect((await failure(linstor.createDefinition(spec))).code).toBe('INTERRUPTED');
    expect(commands()).toEqual([create, marking]);
  });

  test('a stop while the first is set', async () => {
    const stop = new AbortController();
    const { linstor, commands } = fake(
      (command) => {
        if (command === marking) stop.abort();
        return undefined;
      },
      {},
      { signal: stop.signal },
    );
    expect((await failure(linstor.createDefinition(spec))).code).toBe('INTERRUPTED');
    expect(commands()).toEqual([create, marking]);
  });

  const refused = '[{"ret_code":-4611686018427387604,"message":"refused"}]';
  const listed = (props: Record<string, string>, volumes: readonly object[] = []) =>
    JSON.stringify([[{ name: 'rd', props, volume_definitions: volumes }]]);
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['one that could not be marked is taken back', listed({}), true],
    ['one that somebody has marked is not', listed({ 'Aux/by': 'another' }), false],
    ['nor one with a volume', listed({}, [{ volume_number: 0, size_kib: 8 }]), false],
  ];
  test.each(cases)('%s', async (_, list, removed) => {
    const { linstor, commands } = fake((command) => {
      if (command === marking) return refused;
      if (command.startsWith('volume-definition list')) return list;
      return command.startsWith('resource list') ? '[[]]' : undefined;
    });
    expect(isLinstorError(await failure(linstor.createDefinition(spec)))).toBe(true);
    expect(commands().includes('resource-definition delete rd')).toBe(removed);
  });

  test('one that was there before is never touched', async () => {
    const { linstor, commands } = fake((command) => (command === create ? refused : undefined));
    await failure(linstor.createDefinition(spec));
    expect(commands()).toEqual([create]);
  });
});

describe('what is asked of it', () => {
  const set = 'resource-definition set-property';
  const cases: readonly (readonly [string, (l: CliLinstor) => Promise<unknown>, readonly string[]])[] = [
    [
      'properties of a new definition follow it, one call each',
      (l) =>
        l.createDefinition({
          name: resourceName('rd'),
          group: 'g',
          layers: ['DRBD', 'STORAGE'],
          props: { 'Aux/a': '1', 'Aux/b': '-2' },
        }),
      [
        'resource-definition create rd --resource-group g --layer-list drbd,storage',
        `${set} rd Aux/a 1`,
        `${set} -- rd Aux/b -2`,
      ],
    ],
    [
      'changes',
      (l) => l.modifyDefinition(resourceName('rd'), { set: { a: 'x y' }, unset: ['b'], group: 'g' }),
      [`${set} rd a x y`, 'resource-definition modify rd --resource-group g', `${set} rd b`],
    ],
    [
      'sizes have a unit',
      (l) => l.createVolume('rd', 0, kib(8)),
      ['volume-definition create rd 8KiB --vlmnr 0'],
    ],
    ['resize', (l) => l.resizeVolume('rd', 1, kib(8)), ['volume-definition set-size rd 1 8KiB']],
    [
      'spawn',
      (l) =>
        l.spawn('g', 'rd', [kib(8), kib(9)], {
          props: { 'Aux/a': '1' },
          filter: { placeCount: 2, storagePools: ['p', 'q'] },
        }),
      [
        'resource-group spawn-resources g rd 8KiB 9KiB --place-count 2 --storage-pool p q',
        `${set} rd Aux/a 1`,
      ],
    ],
    [
      'spawn on named nodes takes the group’s pools there',
      (l) =>
        l.spawn('g', 'rd', [kib(8)], { filter: { nodes: [nodeName('n1'), nodeName('n2')], placeCount: 2 } }),
      [
        'resource-group spawn-resources g rd 8KiB --definition-only',
        'resource make-available n1 rd --diskful',
        'resource make-available n2 rd --diskful',
      ],
    ],
    [
      'placement',
      (l) =>
        l.place('rd', {
          additionalPlaceCount: 1,
          notPlaceWith: [resourceName('x')],
          notPlaceWithRegex: 'y.*',
          replicasOnSame: ['Aux/site'],
          replicasOnDifferent: ['rack=1'],
          providers: ['LVM_THIN'],
          layers: ['STORAGE'],
        }),
      [
        'resource-definition auto-place rd --place-count +1 --do-not-place-with x --do-not-place-with-regex y.* --replicas-on-same site --replicas-on-different rack=1 --layer-list storage --providers LVM_THIN',
      ],
    ],
    [
      'placement on named nodes',
      (l) => l.place('rd', { placeCount: 2, nodes: [nodeName('n1'), nodeName('n2')], storagePools: ['p'] }),
      ['resource create n1 n2 rd --storage-pool p'],
    ],
    [
      'diskless',
      (l) => l.createResource('rd', 'n1', { diskless: true, pool: 'd' }),
      ['resource create n1 rd --drbd-diskless --storage-pool d'],
    ],
    [
      'make-available',
      (l) => l.makeAvailable('rd', 'n1', { diskful: true }),
      ['resource make-available n1 rd --diskful'],
    ],
    ['tie-breakers stay', (l) => l.deleteResource('rd', 'n1'), ['resource delete n1 rd --keep-tiebreaker']],
    [
      'to diskful',
      (l) => l.toggleDisk('rd', 'n1', { pool: 'p' }),
      ['resource toggle-disk n1 rd --storage-pool p'],
    ],
    [
      'to diskless',
      (l) => l.toggleDisk('rd', 'n1', { diskless: true }),
      ['resource toggle-disk n1 rd --diskless'],
    ],
    ['snapshot', (l) => l.createSnapshot('rd', 's', { nodes: ['n1'] }), ['snapshot create n1 rd s']],
    [
      'several snapshots',
      (l) =>
        l.createSnapshots([
          { resource: 'a', snapshot: 's' },
          { resource: 'b', snapshot: 's' },
        ]),
      ['snapshot create-multiple s --resource_names a b'],
    ],
    ['rollback', (l) => l.rollback('rd', 's'), ['snapshot rollback rd s']],
    [
      'restore',
      (l) => l.restoreResources('a', 's', 'b', { nodes: ['n1'], poolRename: { x: 'y' } }),
      [
        'snapshot resource restore n1 --from-resource a --from-snapshot s --to-resource b --storpool-rename x=y',
      ],
    ],
    [
      'clone does not wait',
      (l) => l.clone(resourceName('a'), 'b', { useZfsClone: true, group: 'g' }),
      ['controller version', 'resource-definition clone a b --no-wait --use-zfs-clone --resource-group g'],
    ],
  ];

  test.each(cases)('%s', async (_name, call, expected) => {
    const { linstor, commands } = fake();
    await call(linstor);
    expect(commands()).toEqual([...expected]);
  });

  test('a namespace is removed key by key', async () => {
    const list = '[[{"name":"rd","props":{"Aux/one/a":"1","Aux/one/b/c":"2","Aux/ones":"3"}}]]';
    const { linstor, commands } = fake((command) =>
      command.startsWith('volume-definition list') ? list : undefined,
    );
    await linstor.modifyDefinition(resourceName('rd'), { unsetNamespaces: ['Aux/one/'] });
    expect(commands()).toEqual([
      'volume-definition list --resource-definitions rd',
      `${set} rd Aux/one/a`,
      `${set} rd Aux/one/b/c`,
    ]);
  });

  test('what it has no words for is refused before anything is called', async () => {
    const { linstor, commands } = fake((command) => (command === 'controller version' ? versionLine : ok));
    const work = [
      () => linstor.sizeInfo('g', { placeCount: 2 }),
      () => linstor.place('rd', { nodes: [nodeName('n1'), nodeName('n2')], placeCount: 1 }),
      () => linstor.place('rd', { nodes: [nodeName('n1')], placeCount: 1, storagePools: ['p', 'q'] }),
      () => linstor.spawn('g', 'rd', [kib(8)], { props: { 'Aux/a': '1' }, marked: true }),
      () => linstor.spawn('g', 'rd', [kib(8)], { filter: { additionalPlaceCount: 1 } }),
      () => linstor.createDefinition({ name: resourceName('rd'), props: { 'Aux/a': '' } }),
      () =>
        linstor.createSnapshots([
          { resource: 'a', snapshot: 's' },
          { resource: 'b', snapshot: 't' },
        ]),
      () => linstor.clone(resourceName('a'), 'b', { props: { set: { x: 'y' } } }),
      () => linstor.makeAvailable('rd', 'n1', { manageDualPrimary: true }),
    ];
    for (const one of work) expect((await failure((async () => one())())).code).toBe('LINSTOR_UNSUPPORTED');
    expect(await linstor.encryption()).toBeUndefined();
    expect(commands()).toEqual(['controller version']);
  });
});

describe('how it ends', () => {
  const ended = (result: Partial<ClientResult>, more: Partial<ControllerSettings> = {}) =>
    fake(() => result, more).linstor;
  const connect = {
    exitCode: 20,
    stderr: 'Error: Unable to connect to linstor://ctl1:3370: [Errno 111] Connection refused\n',
  };

  test('20 with no connection: nothing was sent', async () => {
    const error = await failure(ended(connect).createDefinition({ name: resourceName('rd') }));
    expect([error.code, isReplyLost(error)]).toEqual(['LINSTOR_UNREACHABLE', false]);
    expect(error.details.join()).toContain('linstor://ctl1:3370');
  });

  test('a controller that took no connection in time is asked again, twice; one that refused is not', async () => {
    const late = { exitCode: 20, stderr: 'Error: Unable to connect to linstor://ctl1:3370: timed out\n' };
    const sleep = (): Promise<void> => Promise.resolve();
    const left = [late, late, { stdout: ok }];
    const slow = fake(() => left.shift(), {}, { sleep });
    await slow.linstor.createDefinition({ name: resourceName('rd') });
    expect(slow.commands()).toHaveLength(3);
    const gone = fake(() => late, {}, { sleep });
    expect((await failure(gone.linstor.nodes())).code).toBe('LINSTOR_UNREACHABLE');
    expect(gone.commands()).toHaveLength(3);
    const refusing = fake(() => connect, {}, { sleep });
    await failure(refusing.linstor.nodes());
    expect(refusing.commands()).toHaveLength(1);
  });

  test('a controller that answered before is waited for as long as a fail-over may take', async () => {
    const left: Reply[] = [{ stdout: ok }, connect, connect, connect, { stdout: ok }];
    const pauses: number[] = [];
    const sleep = async (ms: number): Promise<void> => void pauses.push(ms);
    const { linstor } = fake(() => left.shift(), {}, { sleep });
    await linstor.createDefinition({ name: resourceName('a') });
    await linstor.createDefinition({ name: resourceName('b') });
    expect(pauses).toEqual([100, 160, 256]);
    const never = fake(
      () => (never.calls.length > 1 ? connect : { stdout: ok }),
      {},
      {
        sleep,
        deadlines: { failover: 0 },
      },
    );
    await never.linstor.createDefinition({ name: resourceName('a') });
    expect((await failure(never.linstor.nodes())).code).toBe('LINSTOR_UNREACHABLE');
  });

  test('20 after the connection stood: a write is lost, a read is not', async () => {
    const result = { exitCode: 20, stderr: 'Error: connection broken\n' };
    expect(isReplyLost(await failure(ended(result).createDefinition({ name: resourceName('rd') })))).toBe(
      true,
    );
    expect((await failure(ended(result).nodes())).code).toBe('LINSTOR_UNREACHABLE');
  });

  test('20 by TLS', async () => {
    const stderr =
      'Error: Unable to connect to linstor+ssl://ctl2:3371: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed\n';
    expect((await failure(ended({ exitCode: 20, stderr }).nodes())).code).toBe('LINSTOR_TLS');
  });

  test.each([{ exitCode: 21 }, { exitCode: 143, timedOut: true }])('in time: %p', async (result) => {
    expect(isReplyLost(await failure(ended(result).createSnapshot('rd', 's')))).toBe(true);
    const error = await failure(ended(result).nodes());
    expect([error.code, isReplyLost(error)]).toEqual(['LINSTOR_TIMEOUT', false]);
  });

  test('a list of nothing behind a failure is no success', async () => {
    const write = await failure(ended({ exitCode: 10, stdout: '[]' }).deleteDefinition('rd'));
    expect([isReplyLost(write), write.code]).toEqual([true, 'LINSTOR_REPLY']);
  });

  test('1 with a traceback: the last line is shown, a write may have happened', async () => {
    const stderr = 'Traceback (most recent call last):\n  File "x"\n\u001b[31mKeyError: 7\u001b[0m\n';
    const read = await failure(ended({ exitCode: 1, stderr }).nodes());
    expect([read.code, read.details]).toEqual(['LINSTOR_REPLY', ['KeyError: 7']]);
    const write = await failure(ended({ exitCode: 1, stderr }).rollback('rd', 's'));
    expect([isReplyLost(write), write.code]).toEqual([true, 'LINSTOR_REPLY']);
  });

  test('2 is an older client: of a new option it is said which', async () => {
    const usage = { exitCode: 2, stdout: 'usage: linstor …', stderr: 'error: unrecognized arguments\n' };
    expect((await failure(ended(usage).nodes())).code).toBe('LINSTOR_CLIENT');
    const error = await failure(ended(usage).createSnapshots([{ resource: 'a', snapshot: 's' }]));
    expect(error.code).toBe('LINSTOR_UNSUPPORTED');
    expect(error.message).toContain('snapshots of several resources at once');
  });

  test('a client or controller that cannot keep tie-breakers deletes without', async () => {
    const refusals = [
      { exitCode: 2, stderr: 'linstor: error: unrecognized arguments: --keep-tiebreaker\n' },
      { exitCode: 1, stderr: 'Error: keep_tiebreaker not supported by server\n' },
    ];
    for (const refused of refusals) {
      const { linstor, commands } = fake((command) =>
        command.endsWith('--keep-tiebreaker') ? refused : undefined,
      );
      await linstor.deleteResource('rd', 'n1');
      expect(commands()).toEqual(['resource delete n1 rd --keep-tiebreaker', 'resource delete n1 rd']);
    }
  });

  test('an error with exit 0, and with the exit of a failed wait', async () => {
    const stdout = '[{"ret_code":-4611686018406940171,"message":"exists"}]';
    for (const exitCode of [0, 10]) {
      const error = await failure(ended({ exitCode, stdout }).createDefinition({ name: resourceName('rd') }));
      expect(isLinstorError(error, 'FAIL_EXISTS_RSC_DFN')).toBe(true);
      expect(error.code).toBe('LINSTOR_EXISTS');
    }
  });

  test('what is printed and no JSON', async () => {
    expect((await failure(ended({ stdout: 'Connected to x\n[[' }).nodes())).code).toBe('LINSTOR_REPLY');
    expect((await failure(ended({ stdout: '' }).nodes())).code).toBe('LINSTOR_REPLY');
    expect(isReplyLost(await failure(ended({ stdout: '[{"ret_c' }).deleteDefinition('rd')))).toBe(true);
  });

  test('a clone whose source is missing kills the client; the source is looked for', async () => {
    const traceback = { exitCode: 1, stderr: "AttributeError: 'list' object has no attribute 'get'\n" };
    const clone = (definitions: string) =>
      fake((command) => {
        if (command === 'controller version') return versionLine;
        return command.startsWith('volume-definition list') ? definitions : traceback;
      }).linstor.clone(resourceName('img'), 'copy');
    expect(isLinstorError(await failure(clone('[[]]')), 'FAIL_NOT_FOUND_RSC_DFN')).toBe(true);
    expect(isReplyLost(await failure(clone('[[{"name":"img"}]]')))).toBe(true);
  });
});

describe('the state of a clone, without a command for it', () => {
  const status = (definition: string, resources = '[]') =>
    fake((command) =>
      command.startsWith('resource list') ? `[${resources}]` : `[[${definition}]]`,
    ).linstor.cloneStatus('a', resourceName('b'));
  const clone = (flags: string) => `{"name":"b","props":{"cloned-from":"a"},"flags":[${flags}]}`;
  const replica = (state: string, disk: string) =>
    `[{"name":"b","node_name":"n","layer_object":{"type":"DRBD"},${state}"volumes":[{"volume_number":0,"state":{"disk_state":"${disk}"}}]}]`;

  test('is told by flags, origin and disks', async () => {
    expect(await status('')).toBeUndefined();
    expect(await status('{"name":"b"}')).toBeUndefined();
    expect(await status(clone('"CLONING"'))).toBe('CLONING');
    expect(await status(clone('"FAILED"'))).toBe('FAILED');
    expect(await status(clone(''))).toBe('COMPLETE');
    expect(await status(clone(''), replica('"state":{},', 'UpToDate'))).toBe('COMPLETE');
    expect(await status(clone(''), replica('"state":{},', 'Inconsistent'))).toBe('CLONING');
    expect(await status(clone(''), replica('', 'UpToDate'))).toBe('FAILED');
  });
});

describe('recorded answers of the real client', () => {
  const all = cliExchanges();
  const replayed = (argv: readonly string[]) => {
    const found = all.find((one) => one.argv.slice(1).join(' ') === argv.join(' '));
    if (!found) throw new Error(`not recorded: ${argv.join(' ')}`);
    return fake(() => ({ exitCode: found.exit, stdout: found.stdout, stderr: found.stderr })).linstor;
  };

  test('lists', async () => {
    expect(await replayed(['node', 'list']).nodes()).toHaveLength(3);
    expect(
      (await replayed(['storage-pool', 'list']).storagePools()).filter((pool) => pool.freeKib),
    ).toHaveLength(4);
    expect(await replayed(['storage-pool', 'list', '-s', 'nope']).storagePools()).toEqual([]);
    expect(
      (await replayed(['volume-definition', 'list', '-r', 'img']).definitions())[0]?.volumes[0]?.sizeKib,
    ).toBe(65536 as never);
    expect((await replayed(['resource', 'list', '-r', 'img']).resources())[0]).toMatchObject({
      node: 'alpha',
      layers: ['STORAGE'],
    });
    expect(await replayed(['snapshot', 'list']).snapshots()).toEqual([]);
    expect((await replayed(['controller', 'version']).capabilities()).restVersion).toBe('1.27.0');
    expect(
      await replayed(['resource-definition', 'list-properties', 'img']).controllerProperties(),
    ).toMatchObject({ 'Aux/one/DS_ID': '100' });
  });

  test('free space, and of no group', async () => {
    expect(await replayed(['resource-group', 'query-size-info', 'one']).sizeInfo('one')).toMatchObject({
      capacityKib: 25165824,
    });
    expect(await replayed(['resource-group', 'query-size-info', 'nope']).sizeInfo('nope')).toBeUndefined();
  });

  test('errors come with exit 0 and are errors', async () => {
    const writes = all.filter((one) => one.exit === 0 && one.stdout.includes('"ret_code":-46'));
    expect(writes.length).toBeGreaterThan(20);
    for (const one of writes) {
      const { linstor } = fake(() => ({ exitCode: one.exit, stdout: one.stdout, stderr: one.stderr }));
      expect(isLinstorError(await failure(linstor.deleteDefinition('x')))).toBe(true);
      expect(isLinstorError(await failure(linstor.nodes()))).toBe(true);
    }
  });

  test('usage errors', async () => {
    for (const one of all.filter((exchange) => exchange.exit === 2)) {
      const { linstor } = fake(() => ({
        exitCode: 2,
        stdout: one.stdout === '""' ? '' : one.stdout,
        stderr: one.stderr,
      }));
      expect((await failure(linstor.deleteDefinition('x'))).code).toBe('LINSTOR_CLIENT');
    }
  });
});

describe('a real process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'linstor-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const script = (text: string) => {
    const path = join(folder, 'linstor');
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  const open = (linstorCommand: string, hooks: LinstorHooks = {}) =>
    new CliLinstor(settingsFor(['ctl1'], { transport: 'cli', linstorCommand }), hooks);

  test('arguments arrive as they are, the answer comes back', async () => {
    const log = join(folder, 'args');
    const command = script(`printf '%s\\n' "$@" >${log}; echo '${ok}'`);
    await open(command).modifyDefinition(resourceName('rd'), { set: { 'Aux/a': `it's "$HOME"; *` } });
    expect((await Bun.file(log).text()).trimEnd().split('\n').slice(-3)).toEqual([
      'rd',
      'Aux/a',
      `it's "$HOME"; *`,
    ]);
  });

  test('a client that is not there', async () => {
    const error = await failure(open(join(folder, 'none')).nodes());
    expect(error.code).toBe('LINSTOR_CLIENT');
    expect(error.message).toContain(join(folder, 'none'));
  });

  test('a client that hangs is ended', async () => {
    const command = script('exec sleep 60');
    const hooks = { deadlines: { read: 50, connect: 50 } };
    expect((await failure(open(command, hooks).nodes())).code).toBe('LINSTOR_TIMEOUT');
  });

  test('a stopped action ends its client', async () => {
    const command = script('exec sleep 60');
    const error = await failure(open(command, { signal: AbortSignal.timeout(50) }).nodes());
    expect(isDriverError(error, 'INTERRUPTED')).toBe(true);
  });
});
