import { afterEach, describe, expect, test } from 'bun:test';
import { DriverError } from '../../../src/errors.ts';
import { resourceName } from '../../../src/linstor/names.ts';
import { isReplyLost } from '../../../src/linstor/reply-lost.ts';
import type { LinstorHooks } from '../../../src/linstor/rest/hooks.ts';
import { RestLinstor } from '../../../src/linstor/rest/rest.ts';
import { deadPort, fakeController, json, rawServer, settingsFor } from '../fake-controller.ts';

const created = '[{"ret_code":20447233,"message":"created"}]';
const group = '{"name":"g","select_filter":{}}';

const open: { stop(): unknown }[] = [];
function keep<T extends { stop(): unknown }>(server: T): T {
  open.push(server);
  return server;
}
afterEach(async () => {
  for (const server of open.splice(0)) await server.stop();
});

async function failure(work: Promise<unknown>): Promise<DriverError> {
  const error = await work.then(
    (value) => `no error but ${JSON.stringify(value)}`,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof DriverError)) throw new Error(`no DriverError: ${String(error)}`);
  return error;
}

function client(urls: readonly string[], hooks: LinstorHooks = {}, more = {}): RestLinstor {
  return new RestLinstor(settingsFor(urls, more), {
    ...hooks,
    deadlines: { failover: 0, repeat: 0, ...hooks.deadlines },
  });
}

describe('which controller', () => {
  test('nobody listens: all of them are named, nothing is sent', async () => {
    const ports = [deadPort(), deadPort()];
    const error = await failure(client(ports.map((port) => `127.0.0.1:${port}`)).nodes());
    expect(error.code).toBe('LINSTOR_UNREACHABLE');
    for (const port of ports) expect(error.message).toContain(`127.0.0.1:${port} (connection refused)`);
  });

  test('the second is alive, and stays the one that is asked', async () => {
    const alive = keep(fakeController(() => json('[]')));
    const calls: string[] = [];
    const linstor = client([`127.0.0.1:${deadPort()}`, alive.url], {
      onCall: (call) => calls.push(`${call.verb} ${call.outcome}`),
    });
    expect(await linstor.nodes()).toEqual([]);
    expect(await linstor.nodes()).toEqual([]);
    expect(alive.seen).toHaveLength(2);
    expect(calls).toEqual(['connect connection refused', 'GET /v1/nodes 200', 'GET /v1/nodes 200']);
  });

  test('a controller that dies is replaced for reads and for writes that may be repeated', async () => {
    const dying = keep(rawServer((socket) => socket.terminate()));
    const other = keep(fakeController((request) => json(request.method === 'GET' ? '[]' : created)));
    let first: { stop(): void } | undefined = dying;
    const linstor = client([dying.url, other.url], {
      // Gone for good as soon as the first connection was lost.
      onCall: () => {
        first?.stop();
        first = undefined;
      },
    });
    expect((await linstor.deleteDefinition('rd')).entries).toHaveLength(1);
    expect(await linstor.nodes()).toEqual([]);
    expect(dying.requests()).toBe(1);
    // Before the write, the nodes: the other one may not have found its satellites yet.
    expect(other.seen.map((one) => one.method)).toEqual(['GET', 'DELETE', 'GET']);
    expect(await linstor.absences()).toBe(1);
  });

  test('fail-over in the middle is waited for', async () => {
    const first = fakeController(() => json('[]'));
    let slept = 0;
    const linstor = client([first.url], {
      deadlines: { failover: 60_000 },
      sleep: async () => {
        slept += 1;
        if (slept === 2)
          keep(Bun.serve({ hostname: '127.0.0.1', port: first.port, fetch: () => json('[]') }));
      },
    });
    await linstor.nodes();
    await first.stop();
    expect(await linstor.nodes()).toEqual([]);
    expect(slept).toBe(2);
  });

  test('a controller that was never there is not waited for', async () => {
    let slept = 0;
    const linstor = client([`127.0.0.1:${deadPort()}`], {
      deadlines: { failover: 60_000 },
      sleep: async () => {
        slept += 1;
      },
    });
    expect((await failure(linstor.nodes())).code).toBe('LINSTOR_UNREACHABLE');
    expect(slept).toBe(0);
  });
});

describe('a write whose answer is lost', () => {
  test('a POST is sent once, to one controller, and the loss is said', async () => {
    const dying = keep(rawServer((socket) => socket.terminate()));
    const other = keep(fakeController(() => json(created)));
    const error = await failure(
      client([dying.url, other.url]).createDefinition({ name: resourceName('rd') }),
    );
    expect(isReplyLost(error)).toBe(true);
    expect(error.code).toBe('LINSTOR_TIMEOUT');
    expect(error.message).toContain('POST /v1/resource-definitions');
    expect(dying.requests()).toBe(1);
    expect(other.seen).toHaveLength(0);
  });

  test('a POST never rides on a kept connection, and is not sent again when its own dies', async () => {
    const asked: string[] = [];
    let connections = 0;
    const listener = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        open() {
          connections += 1;
        },
        data(socket, bytes) {
          const method = bytes.toString().split(' ')[0] ?? '';
          asked.push(method);
          if (method === 'POST') socket.terminate();
          else socket.write('HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\n[]');
        },
      },
    });
    keep({ stop: () => listener.stop(true) });
    const linstor = client([`127.0.0.1:${listener.port}`]);
    await linstor.nodes();
    await linstor.nodes();
    const before = connections;
    expect(isReplyLost(await failure(linstor.createDefinition({ name: resourceName('rd') })))).toBe(true);
    expect(asked).toEqual(['GET', 'GET', 'POST']);
    // Looked for (one), and asked over one that is kept: two. The POST has its own.
    expect([before, connections]).toEqual([2, 3]);
  });

  test('half an answer is a lost one', async () => {
    const head = 'HTTP/1.1 201 Created\r\ncontent-length: 500\r\n\r\n[{"ret_code":2';
    const server = keep(
      rawServer((socket) => {
        socket.write(head);
        socket.flush();
        setTimeout(() => socket.end(), 20);
      }),
    );
    expect(isReplyLost(await failure(client([server.url]).createSnapshot('rd', 's1')))).toBe(true);
    expect(server.requests()).toBe(1);
  });

  test('truncated JSON is a lost answer with its own code', async () => {
    const server = keep(fakeController(() => json('[{"ret_code":20447233,"mess', 201)));
    const error = await failure(client([server.url]).createDefinition({ name: resourceName('rd') }));
    expect([isReplyLost(error), error.code]).toEqual([true, 'LINSTOR_REPLY']);
    expect(error.message).toContain('cut short');
    expect(server.seen).toHaveLength(1);
  });

  test('no answer within the deadline', async () => {
    const server = keep(fakeController(() => new Promise<Response>(() => {})));
    const linstor = client([server.url], { deadlines: { write: 80, read: 80 } });
    expect(isReplyLost(await failure(linstor.clone('a', 'b', {})))).toBe(false);
    expect(isReplyLost(await failure(linstor.createDefinition({ name: resourceName('rd') })))).toBe(true);
    expect(isReplyLost(await failure(linstor.deleteDefinition('rd')))).toBe(true);
    expect(server.seen.map((one) => one.method)).toEqual(['GET', 'POST', 'DELETE']);
  });
});

describe('reads', () => {
  test('a read that hangs ends with its deadline', async () => {
    const server = keep(fakeController(() => new Promise<Response>(() => {})));
    const error = await failure(client([server.url], { deadlines: { read: 60 } }).nodes());
    expect([error.code, isReplyLost(error)]).toEqual(['LINSTOR_TIMEOUT', false]);
    expect(server.seen).toHaveLength(1);
  });

  test('a query is a read, though it is a POST: repeated after a loss', async () => {
    const server = keep(rawServer((socket) => socket.terminate()));
    const error = await failure(client([server.url]).sizeInfo('g'));
    expect([error.code, isReplyLost(error)]).toEqual(['LINSTOR_UNREACHABLE', false]);
    expect(server.requests()).toBe(2);
  });

  test('HTML, truncated and empty answers are named', async () => {
    const answers: readonly (readonly [Response, string])[] = [
      [new Response('<!DOCTYPE html><html>Sign in</html>', { status: 200 }), 'a web page'],
      [json('[{"name":"alpha","type":"SATELL'), 'cut short'],
      [new Response('', { status: 200 }), 'an empty answer'],
    ];
    for (const [answer, words] of answers) {
      const server = keep(fakeController(() => answer.clone() as Response));
      const error = await failure(client([server.url]).nodes());
      expect(error.code).toBe('LINSTOR_REPLY');
      expect(error.message).toContain(words);
      expect(server.seen).toHaveLength(1);
    }
  });

  test('a gateway that has lost its controller sends the read to the next', async () => {
    const gateway = keep(fakeController(() => new Response('<html>Bad Gateway</html>', { status: 502 })));
    const error = await failure(client([gateway.url]).nodes());
    expect(error.code).toBe('LINSTOR_UNREACHABLE');
    expect(error.message).toContain('HTTP 502 from a proxy');
  });

  test('an interrupted action ends its call', async () => {
    const stop = new AbortController();
    const server = keep(
      fakeController(() => {
        stop.abort();
        return new Promise<Response>(() => {});
      }),
    );
    expect((await failure(client([server.url], { signal: stop.signal }).nodes())).code).toBe('INTERRUPTED');
  });
});

describe('who is asked for what', () => {
  test.each([
    [401, '[{"ret_code":-4611686018427377807,"message":"Login required"}]'],
    [403, '[{"ret_code":-4611686018427377808,"message":"Login failed"}]'],
    [401, '<html>401</html>'],
    [403, '{"error":"forbidden"}'],
  ])('%p is about credentials and not tried elsewhere: %p', async (status, text) => {
    const refusing = keep(fakeController(() => json(text, status)));
    const other = keep(fakeController(() => json(created)));
    const linstor = client([refusing.url, other.url]);
    expect((await failure(linstor.nodes())).code).toBe('LINSTOR_AUTH');
    expect((await failure(linstor.createDefinition({ name: resourceName('rd') }))).code).toBe('LINSTOR_AUTH');
    expect(refusing.seen).toHaveLength(2);
    expect(other.seen).toHaveLength(0);
  });

  test('token and password are sent as they have to be', async () => {
    const server = keep(fakeController(() => json(group)));
    await client([server.url], {}, { token: 's3cret' }).resourceGroup('g');
    await client([server.url], {}, { username: 'one', password: 'pä:ss' }).resourceGroup('g');
    await client([server.url]).resourceGroup('g');
    expect(server.seen.map((one) => one.authorization)).toEqual([
      'Bearer s3cret',
      `Basic ${Buffer.from('one:pä:ss').toString('base64')}`,
      null,
    ]);
  });

  test('a redirect to somewhere else is refused: credentials stay where they belong', async () => {
    const elsewhere = keep(fakeController(() => json('[]')));
    for (const location of ['https://evil.example/v1/nodes', elsewhere.url, '/ui']) {
      const server = keep(fakeController(() => new Response('', { status: 302, headers: { location } })));
      const error = await failure(client([server.url], {}, { token: 'x' }).nodes());
      expect(error.code).toBe('LINSTOR_REPLY');
      expect(server.seen).toHaveLength(1);
    }
    expect(elsewhere.seen).toHaveLength(0);
  });

  test('an old controller that does not know a path is told from a missing object', async () => {
    const text = '[{"ret_code":-4611686018427386906,"message":"Path \'/v1/x\' not found on server."}]';
    const server = keep(fakeController(() => json(text, 404)));
    const linstor = client([server.url]);
    expect((await failure(linstor.resourceGroup('g'))).code).toBe('LINSTOR_UNSUPPORTED');
    expect((await failure(linstor.createSnapshots([{ resource: 'a', snapshot: 's1' }]))).code).toBe(
      'LINSTOR_UNSUPPORTED',
    );
  });
});
