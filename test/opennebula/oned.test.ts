import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ErrorCode } from '../../src/error-codes.ts';
import { DriverError, isDriverError } from '../../src/errors.ts';
import type { RunCommand } from '../../src/opennebula/one-commands.ts';
import { createOne, type OneOptions } from '../../src/opennebula/oned.ts';
import type { OneCallEntry } from '../../src/opennebula/oned-client.ts';
import { findAccess } from '../../src/opennebula/session.ts';
import { escapeXml, parseXml } from '../../src/opennebula/xml.ts';
import { decodeReply, encodeCall } from '../../src/opennebula/xmlrpc.ts';
import { recorded } from './recorded-calls.ts';

const directory = mkdtempSync(join(tmpdir(), 'oned-'));
const auth = join(directory, 'one_auth');
writeFileSync(auth, 'oneadmin:p<&ss\n');

const servers: { stop(force: boolean): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true);
});
afterAll(() => rmSync(directory, { recursive: true }));

const datastore =
  '<DATASTORE><ID>100</ID><NAME>images</NAME><TEMPLATE><LS_TOKEN>plain</LS_TOKEN></TEMPLATE></DATASTORE>';

interface Seen {
  readonly method: string;
  readonly parameters: readonly string[];
}

function success(body: string): string {
  return array(
    `<value><boolean>1</boolean></value><value><string>${escapeXml(body)}</string></value><value><i4>0</i4></value>`,
  );
}

/** As since 5.12: id of the object and a 64 bit number of a type of its own. */
function failure(message: string, code: number): string {
  return array(
    `<value><boolean>0</boolean></value><value><string>${escapeXml(message)}</string></value><value><i4>${code}</i4></value>` +
      '<value><i4>7</i4></value><value><ex:i8>18446744073709551615</ex:i8></value>',
  );
}

function array(values: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<params>\r\n<param><value><array><data>\r\n${values}\r\n</data></array></value></param>\r\n</params>\r\n</methodResponse>\r\n`;
}

const fault =
  '<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>-501</int></value></member>' +
  '<member><name>faultString</name><value><string>too many parameters</string></value></member></struct></value></fault></methodResponse>';

/** A server that answers with what `answer` makes of the call, and the calls that it saw. */
function serve(answer: (call: Seen) => string | Response | Promise<Response>): { url: string; seen: Seen[] } {
  const seen: Seen[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) => {
      const call = parseXml(await request.text(), 'methodCall');
      const parameters = call.all('params/param/value').map((value) => value.children[0]?.text ?? '');
      const one = { method: call.value('methodName') ?? '', parameters };
      seen.push(one);
      const reply = await answer(one);
      return typeof reply === 'string'
        ? new Response(reply, { headers: { 'content-type': 'text/xml' } })
        : reply;
    },
  });
  servers.push(server);
  return { url: `http://127.0.0.1:${server.port}/RPC2`, seen };
}

function one(url: string, options: Partial<OneOptions> = {}) {
  return createOne({
    env: { ONE_AUTH: auth, ONE_XMLRPC: url },
    run: false,
    sleep: async () => {},
    ...options,
  });
}

async function refusal(work: Promise<unknown>): Promise<DriverError> {
  const error = await work.then(
    () => new Error('nothing was refused'),
    (reason: unknown) => reason,
  );
  if (isDriverError(error)) return error;
  throw error;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

describe('calls', () => {
  test('the session is the first parameter, to the letter', async () => {
    const { url, seen } = serve(() => success(datastore));
    await one(url).datastore(100);
    expect(seen).toEqual([{ method: 'one.datastore.info', parameters: ['oneadmin:p<&ss', '100', '1'] }]);
  });

  test('every method with its parameters', async () => {
    const bodies: Record<string, string> = {
      'one.vm.info': recorded('tm', 'prebackup')[0]?.stdin ?? '',
      'one.image.info': '<IMAGE><ID>3</ID><SIZE>5</SIZE></IMAGE>',
      'one.hostpool.info': '<HOST_POOL><HOST><ID>1</ID><NAME>h</NAME><STATE>2</STATE></HOST></HOST_POOL>',
      'one.datastorepool.info': `<DATASTORE_POOL>${datastore}</DATASTORE_POOL>`,
      'one.vmpool.infoextended': '<VM_POOL></VM_POOL>',
      'one.imagepool.info': '<IMAGE_POOL/>',
      'one.system.version': '7.0.0',
    };
    const { url, seen } = serve(({ method }) => success(bodies[method] ?? ''));
    const client = one(url);
    expect((await client.vm(2)).id).toBe(2);
    expect(await client.image(3)).toMatchObject({ id: 3, sizeMib: 5 });
    expect(await client.hosts()).toMatchObject([{ name: 'h', enabled: true }]);
    expect(await client.datastores()).toMatchObject([{ id: 100, name: 'images' }]);
    expect(await client.vms()).toEqual([]);
    expect(await client.images()).toEqual([]);
    expect(await client.version()).toBe('7.0.0');
    expect(seen.map(({ method, parameters }) => [method, ...parameters.slice(1)].join(' '))).toEqual([
      'one.vm.info 2',
      'one.image.info 3',
      'one.hostpool.info',
      'one.datastorepool.info',
      'one.vmpool.infoextended -2 -1 -1 -1',
      'one.imagepool.info -2 -1 -1',
      'one.system.version',
    ]);
  });

  test('what changes something, as oned takes it', async () => {
    const id = '<value><boolean>1</boolean></value><value><i4>31</i4></value><value><i4>0</i4></value>';
    const { url, seen } = serve(() => array(id));
    const client = one(url);
    const here = { NAME: 'a', SOURCE: '/dev/drbd/by-res/one-image-3/0', SIZE: 5 };
    expect(await client.allocateImage(here, 100)).toBe(31);
    expect(await client.allocateImage({ NAME: 'b', PATH: 'linstor://web' }, 100)).toBe(31);
    await client.renameImage(31, 'c');
    await client.giveImage(31, 5);
    await client.deleteImage(31);
    await client.attachDisk(7, { IMAGE_ID: 31, TARGET: 'vda' });
    await client.detachDisk(7, 0);
    expect(seen.map(({ method, parameters }) => [method, ...parameters.slice(1)].join(' '))).toEqual([
      // No room is looked for where the volume is there already.
      'one.image.allocate NAME="a"\nSOURCE="/dev/drbd/by-res/one-image-3/0"\nSIZE="5" 100 1',
      'one.image.allocate NAME="b"\nPATH="linstor://web" 100',
      'one.image.rename 31 c',
      'one.image.chown 31 5 -1',
      'one.image.delete 31',
      'one.vm.attach 7 DISK=[IMAGE_ID="31",TARGET="vda"]',
      'one.vm.detach 7 0',
    ]);
    expect((await refusal(client.allocateImage({ NAME: 'a"\nSOURCE="x' }, 100))).code).toBe('USAGE');
    expect(seen).toHaveLength(7);
  });

  test('a VM with forbidden characters in it is read', async () => {
    const vm =
      '<VM><ID>1</ID><STATE>3</STATE><LCM_STATE>3</LCM_STATE><TEMPLATE/><USER_TEMPLATE><A>\u0001&#2;x</A></USER_TEMPLATE></VM>';
    const { url } = serve(() => success(vm));
    expect((await one(url).vm(1)).id).toBe(1);
  });

  test('decryption is asked for from 5.12 on only', async () => {
    const { url, seen } = serve(() => success(datastore));
    await one(url, { version: '5.10.0' }).datastore(100);
    await one(url, { version: '5.12.0' }).datastore(100);
    expect(seen.map(({ parameters }) => parameters.length)).toEqual([2, 3]);
  });

  test.each([
    ['a fault', fault],
    ['an error about the call', failure('wrong number of parameters', 0x1000)],
  ])('and given up after %s', async (_name, complaint) => {
    const { url, seen } = serve(({ parameters }) => (parameters.length > 2 ? complaint : success(datastore)));
    expect((await one(url).datastore(100)).template['LS_TOKEN']).toBe('plain');
    expect(seen.map(({ parameters }) => parameters.length)).toEqual([3, 2]);
  });

  test('each call is told to the log, without the session', async () => {
    const entries: OneCallEntry[] = [];
    const { url } = serve(({ parameters }) =>
      parameters[1] === '100' ? success(datastore) : failure('none', 0x400),
    );
    const client = one(url, { onCall: (entry) => entries.push(entry) });
    await client.datastore(100);
    await refusal(client.datastore(5));
    expect(entries.map(({ verb, target, outcome }) => [verb, target, outcome])).toEqual([
      ['one.datastore.info', '100 true', 'ok'],
      ['one.datastore.info', '5 true', 'failure 1024'],
    ]);
    expect(JSON.stringify(entries)).not.toContain('p<&ss');
  });
});

describe('refusals', () => {
  test.each<[number, ErrorCode]>([
    [0x0100, 'ONE_REFUSED'],
    [0x0200, 'ONE_REFUSED'],
    [0x0400, 'ONE_NOT_FOUND'],
    [0x0800, 'ONE_REFUSED'],
    [0x2000, 'ONE_REFUSED'],
    [0x10000, 'ONE_REFUSED'],
  ])('code %p is %s', async (code, expected) => {
    const { url, seen } = serve(() => failure('[one.vm.info] Error getting virtual machine [7].', code));
    const error = await refusal(one(url).vm(7));
    expect(error.code).toBe(expected);
    expect(error.message).toContain('Error getting virtual machine [7].');
    expect(seen).toHaveLength(1);
  });

  test.each<[string, () => string | Response, ErrorCode]>([
    ['a fault', () => fault, 'ONE_REFUSED'],
    ['HTTP 503', () => new Response('busy', { status: 503 }), 'ONE_UNREACHABLE'],
    ['a page', () => '<html><body>hello</body></html>', 'ONE_UNREACHABLE'],
    ['half an answer', () => success(datastore).slice(0, 200), 'ONE_UNREACHABLE'],
    ['an empty answer', () => '', 'ONE_UNREACHABLE'],
    ['an answer without array', () => '<methodResponse><params/></methodResponse>', 'ONE_UNREACHABLE'],
    ['an empty document', () => success(''), 'ONE_INCOMPLETE'],
    ['another document', () => success('<HOST><ID>1</ID></HOST>'), 'ONE_INCOMPLETE'],
  ])('%s is never an empty answer', async (_name, answer, expected) => {
    const { url } = serve(answer);
    expect((await refusal(one(url).vm(7))).code).toBe(expected);
    expect((await refusal(one(url).vms())).code).toBe(expected);
  });

  test('no session file', async () => {
    const error = await refusal(
      one('http://127.0.0.1:1', { env: { HOME: directory }, varLocation: '/nonexistent' }).vm(1),
    );
    expect(error.code).toBe('ONE_UNREACHABLE');
    expect(error.details[0]).toContain(join(directory, '.one/one_auth'));
  });
});

describe('waiting', () => {
  test('a refused connection is tried again, with growing pauses, and then given up', async () => {
    const pauses: number[] = [];
    const url = `http://user:pw@127.0.0.1:${await freePort()}/RPC2`;
    const error = await refusal(one(url, { sleep: async (ms) => void pauses.push(ms) }).vm(1));
    expect(error.code).toBe('ONE_UNREACHABLE');
    expect(error.message).toContain('connection refused');
    expect(error.message).not.toContain('pw@');
    expect(pauses).toEqual([100, 300, 900]);
  });

  test('oned that starts meanwhile is found', async () => {
    const port = await freePort();
    const sleep = async (): Promise<void> => {
      servers.push(Bun.serve({ port, hostname: '127.0.0.1', fetch: () => new Response(success(datastore)) }));
    };
    expect((await one(`http://127.0.0.1:${port}/RPC2`, { sleep }).datastore(100)).id).toBe(100);
  });

  test('no answer before the deadline', async () => {
    const { url, seen } = serve(() => new Promise<Response>(() => {}));
    const error = await refusal(one(url, { deadlineMs: 100 }).vm(1));
    expect(error).toMatchObject({
      code: 'ONE_UNREACHABLE',
      message: expect.stringContaining('did not answer within 0.1 s'),
    });
    expect(seen).toHaveLength(1);
  });

  test.each([
    ['no reason', undefined],
    ['an error of ours', new DriverError('INTERRUPTED', 'SIGTERM')],
    ['a text', 'SIGTERM'],
  ])('the action is stopped while waiting, with %s', async (_name, reason) => {
    const stop = new AbortController();
    const { url } = serve(() => {
      stop.abort(reason);
      return new Promise<Response>(() => {});
    });
    expect((await refusal(one(url, { signal: stop.signal }).vm(1))).code).toBe('INTERRUPTED');
  });

  test('after the stop, undo steps can still ask', async () => {
    const { url } = serve(() => success(datastore));
    expect((await one(url, { signal: AbortSignal.abort() }).datastore(100)).id).toBe(100);
  });

  test('a proxy in the environment is not for oned', async () => {
    const { url } = serve(() => success(datastore));
    const before = process.env['http_proxy'];
    process.env['http_proxy'] = `http://127.0.0.1:${await freePort()}`;
    try {
      expect((await one(url).datastore(100)).id).toBe(100);
    } finally {
      if (before === undefined) delete process.env['http_proxy'];
      else process.env['http_proxy'] = before;
    }
  });
});

describe('the commands as a fallback', () => {
  const unreachable = async (): Promise<string> => `http://127.0.0.1:${await freePort()}/RPC2`;

  test('each with its arguments; XML-RPC is not tried again', async () => {
    const ran: string[] = [];
    const outputs: Record<string, string> = {
      'onevm show': recorded('tm', 'prebackup')[0]?.stdin ?? '',
      'onedatastore show': datastore,
      'oneimage show': '<IMAGE><ID>3</ID><SIZE>5</SIZE></IMAGE>',
      'onehost list': '<HOST_POOL/>',
      'onedatastore list': '<DATASTORE_POOL/>',
      'onevm list': '<VM_POOL/>',
      'oneimage list': '<IMAGE_POOL/>',
      'onevm --version': 'OpenNebula 6.8.0\nCopyright\n',
    };
    const run: RunCommand = async (argv) => {
      ran.push(argv.join(' '));
      return { exitCode: 0, stdout: outputs[argv.slice(0, 2).join(' ')] ?? '', stderr: '' };
    };
    const pauses: number[] = [];
    const client = one(await unreachable(), { run, sleep: async (ms) => void pauses.push(ms) });
    await client.vm(2);
    await client.datastore(100);
    await client.image(3);
    await Promise.all([client.hosts(), client.datastores(), client.vms(), client.images()]);
    expect(await client.version()).toBe('6.8.0');
    expect(ran).toEqual([
      'onevm show -x 2',
      'onedatastore show -x --decrypt 100',
      'oneimage show -x 3',
      'onehost list -x',
      'onedatastore list -x',
      'onevm list --extended -x',
      'oneimage list -x',
      'onevm --version',
    ]);
    expect(pauses).toHaveLength(3);
  });

  test('without --decrypt before 5.12', async () => {
    const ran: string[] = [];
    const run: RunCommand = async (argv) => {
      ran.push(argv.join(' '));
      return { exitCode: 0, stdout: datastore, stderr: '' };
    };
    await one(await unreachable(), { run, version: '5.8.0' }).datastore(100);
    expect(ran).toEqual(['onedatastore show -x 100']);
  });

  test.each<[string, ErrorCode]>([
    ['[one.vm.info] Error getting virtual machine [7].', 'ONE_NOT_FOUND'],
    ["[one.vm.info] User couldn't be authenticated, aborting call.", 'ONE_REFUSED'],
    ['Connection refused', 'ONE_UNREACHABLE'],
  ])('“%s” is %s', async (stderr, code) => {
    const run: RunCommand = async () => ({ exitCode: 255, stdout: '', stderr });
    expect((await refusal(one(await unreachable(), { run }).vm(7))).code).toBe(code);
  });

  test('commands that are missing leave XML-RPC’s own reason', async () => {
    const run: RunCommand = () => Promise.reject(new Error('ENOENT: onevm'));
    const error = await refusal(one(await unreachable(), { run }).vm(7));
    expect([error.code, error.message.includes('connection refused')]).toEqual(['ONE_UNREACHABLE', true]);
  });

  test('never after a refusal or a timeout: oned has been reached', async () => {
    let runs = 0;
    const run: RunCommand = async () => {
      runs += 1;
      return { exitCode: 0, stdout: datastore, stderr: '' };
    };
    const refused = serve(() => failure('no', 0x200));
    expect((await refusal(one(refused.url, { run }).datastore(1))).code).toBe('ONE_REFUSED');
    const slow = serve(() => new Promise<Response>(() => {}));
    expect((await refusal(one(slow.url, { run, deadlineMs: 50 }).datastore(1))).code).toBe('ONE_UNREACHABLE');
    expect(runs).toBe(0);
  });

  test('the real runner: a program that is not there', async () => {
    const error = await refusal(
      createOne({ env: { ONE_AUTH: auth, ONE_XMLRPC: await unreachable() }, sleep: async () => {} }).vm(7),
    );
    expect(error.code).toBe('ONE_UNREACHABLE');
  });
});

describe('where oned is', () => {
  const home = join(directory, 'home');
  const varLocation = join(directory, 'var');
  for (const place of [home, varLocation]) {
    mkdirSync(join(place, '.one'), { recursive: true });
    writeFileSync(join(place, '.one/one_auth'), `${place}:x\n`);
    writeFileSync(
      join(place, '.one/one_endpoint'),
      `http://${place.endsWith('home') ? 'home' : 'var'}/RPC2\n`,
    );
  }

  test('session: ONE_AUTH, home, /var/lib/one', () => {
    expect(findAccess({ ONE_AUTH: auth, HOME: home }, varLocation).session).toBe('oneadmin:p<&ss');
    expect(findAccess({ ONE_AUTH: '/nonexistent', HOME: home }, varLocation).session).toBe(`${home}:x`);
    expect(findAccess({ HOME: '/nonexistent' }, varLocation).session).toBe(`${varLocation}:x`);
  });

  test('endpoint: ONE_XMLRPC, home, /var/lib/one, the usual one', () => {
    expect(findAccess({ ONE_XMLRPC: 'http://e/RPC2', HOME: home }, varLocation).endpoint).toBe(
      'http://e/RPC2',
    );
    expect(findAccess({ HOME: home }, varLocation).endpoint).toBe('http://home/RPC2');
    expect(findAccess({}, varLocation).endpoint).toBe('http://var/RPC2');
    expect(findAccess({ ONE_AUTH: auth }, '/nonexistent').endpoint).toBe('http://localhost:2633/RPC2');
  });
});

describe('XML-RPC texts', () => {
  test('a call', () => {
    expect(encodeCall('one.x', ['a<b', 7, true, -2])).toBe(
      '<?xml version="1.0"?><methodCall><methodName>one.x</methodName><params><param><value><string>a&lt;b</string></value></param>' +
        '<param><value><int>7</int></value></param><param><value><boolean>1</boolean></value></param><param><value><int>-2</int></value></param></params></methodCall>',
    );
  });

  test.each([
    ['i8', '<i8>5</i8>'],
    ['ex:i8', '<ex:i8>5</ex:i8>'],
    ['untyped', '5'],
  ])('trailing members do not matter: %s', (_name, last) => {
    const text = array(
      `<value><boolean>0</boolean></value><value>why</value><value><int>512</int></value><value>${last}</value>`,
    );
    expect(decodeReply(text)).toEqual({ kind: 'failure', message: 'why', code: 512 });
  });

  test('fault', () => {
    expect(decodeReply(fault)).toEqual({ kind: 'fault', message: 'too many parameters', code: -501 });
  });
});
