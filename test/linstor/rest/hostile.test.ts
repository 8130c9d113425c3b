import { afterEach, describe, expect, test } from 'bun:test';
import { DriverError } from '../../../src/errors.ts';
import { runClient } from '../../../src/linstor/cli/run.ts';
import { resourceName } from '../../../src/linstor/names.ts';
import { isReplyLost } from '../../../src/linstor/reply-lost.ts';
import type { LinstorHooks } from '../../../src/linstor/rest/hooks.ts';
import { mostBytes } from '../../../src/linstor/rest/http.ts';
import { RestLinstor } from '../../../src/linstor/rest/rest.ts';
import { fakeController, json, rawServer, settingsFor } from '../fake-controller.ts';

/** A controller that is broken or means harm: bounded in memory and time, told clearly, nothing changed. */

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

const client = (urls: readonly string[], hooks: LinstorHooks = {}, more = {}): RestLinstor =>
  new RestLinstor(settingsFor(urls, more), {
    sleep: async () => undefined,
    ...hooks,
    deadlines: { failover: 0, repeat: 0, ...hooks.deadlines },
  });

/** `head`, then blanks without end, until the other side goes; counts what was taken. */
function endless(head: string, status = 200): { readonly url: string; stop(): unknown; taken(): number } {
  let taken = 0;
  const chunk = new TextEncoder().encode(' '.repeat(1 << 20));
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode(head)),
          pull: (controller) => {
            taken += chunk.byteLength;
            controller.enqueue(chunk);
          },
        }),
        { status },
      ),
  });
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true), taken: () => taken };
}

describe('answers without end', () => {
  test('a read is cut off at its limit', async () => {
    const server = keep(endless('['));
    const error = await failure(client([server.url]).nodes());
    expect([error.code, isReplyLost(error)]).toEqual(['LINSTOR_REPLY', false]);
    expect(error.message).toContain('larger than 64 MiB');
    expect(server.taken()).toBeLessThan(mostBytes.document * 2);
  });

  test('a write is too, and whether it was carried out is said to be unknown', async () => {
    const server = keep(endless('[', 201));
    const error = await failure(client([server.url]).createDefinition({ name: resourceName('rd') }));
    expect([error.code, isReplyLost(error)]).toEqual(['LINSTOR_REPLY', true]);
    expect(error.message).toContain('larger than 64 MiB');
  });

  test('a refusal is', async () => {
    const server = keep(endless('[', 500));
    expect((await failure(client([server.url]).nodes())).message).toContain('larger than 64 MiB');
  });

  test('one that trickles ends with the deadline, however alive it is', async () => {
    const server = keep(
      rawServer((socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n[');
        const timer = setInterval(() => {
          if (socket.write(' ') < 0) clearInterval(timer);
        }, 5);
      }),
    );
    const error = await failure(client([server.url], { deadlines: { read: 80 } }).nodes());
    expect(error.code).toBe('LINSTOR_TIMEOUT');
    expect(server.requests()).toBe(1);
  });
});

describe('documents that are none', () => {
  test.each([
    ['nested without end', '['.repeat(500_000)],
    ['nested and closed', '['.repeat(200_000) + ']'.repeat(200_000)],
    [
      'layers below layers',
      `[{"name":"a","node_name":"n","layer_object":${'{"type":"DRBD","children":['.repeat(50_000)}${']}'.repeat(50_000)}}]`,
    ],
    ['numbers beyond all', '[{"name":1e999999,"node_name":-1e400}]'],
    ['keys of prototypes', '[{"__proto__":{"name":"a"},"constructor":{"name":"b"}}]'],
  ])('%s', async (_, text) => {
    const server = keep(fakeController(() => json(text)));
    const linstor = client([server.url]);
    for (const read of [
      () => linstor.resources({ names: [resourceName('a')] }),
      () => linstor.replicas(['a']),
    ])
      expect((await failure(read())).code).toBe('LINSTOR_REPLY');
    expect(isReplyLost(await failure(linstor.deleteDefinition('a')))).toBe(true);
  });
});

describe('lies in names', () => {
  test('what was not asked for is not taken', async () => {
    const other = { name: 'other', node_name: 'n', resource_name: 'other', snapshots: [] };
    const server = keep(fakeController(() => json(JSON.stringify([other]))));
    const linstor = client([server.url]);
    expect(await linstor.definitions({ names: [resourceName('mine')] })).toEqual([]);
    expect(await linstor.resources({ names: [resourceName('mine')] })).toEqual([]);
    expect(await linstor.replicas(['mine'])).toEqual([]);
    expect(await linstor.snapshots({ names: [resourceName('mine')] })).toEqual([]);
  });
});

describe('redirects', () => {
  const token = 'a-secret-token';

  test.each([
    ['to another host', (port: number) => `https://localhost:${port}/v1/nodes`],
    ['to another scheme', () => 'file:///etc/passwd'],
    ['to plain HTTP elsewhere', (port: number) => `http://127.0.0.1:${port}/v1/nodes`],
    ['to nowhere', () => ''],
  ])('%s: refused, and no token goes along', async (_, location) => {
    const thief = keep(fakeController(() => json('[]')));
    const server = keep(
      fakeController(() => new Response('', { status: 302, headers: { location: location(thief.port) } })),
    );
    const error = await failure(client([server.url], {}, { token }).nodes());
    expect(error.code).toBe('LINSTOR_REPLY');
    expect(error.message).toContain('not the same controller over TLS');
    expect(thief.seen).toEqual([]);
  });
});

describe('a read that was answered with nothing to go by', () => {
  const empty = '[{"ret_code":-4611686018427386906,"message":""}]';
  const nodes = '[{"name":"alpha","connection_status":"ONLINE"}]';
  const repeat = 60_000;

  test.each([
    ['500 without a body', () => json('', 500)],
    ['500 with an empty message', () => json(empty, 500)],
    ['500 with an unknown error', () => json(empty.replace('""', '"PeerClosingConnectionException"'), 500)],
    ['a proxy’s page', () => new Response('<html>Bad Gateway</html>', { status: 502 })],
  ])('%s is asked again', async (_, broken) => {
    let left = 4;
    const server = keep(
      fakeController(() => {
        left -= 1;
        return left > 0 ? broken() : json(nodes);
      }),
    );
    expect(await client([server.url], { deadlines: { repeat } }).nodes()).toHaveLength(1);
    expect(server.seen).toHaveLength(4);
  });

  test('a connection that breaks is made again', async () => {
    let left = 4;
    const body = `HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${nodes.length}\r\n\r\n${nodes}`;
    const server = keep(
      rawServer((socket) => {
        left -= 1;
        if (left > 0) socket.terminate();
        else socket.end(body);
      }),
    );
    expect(await client([server.url], { deadlines: { repeat } }).nodes()).toHaveLength(1);
  });

  test('a real refusal is not, whatever its status', async () => {
    const refusal = '[{"ret_code":-4611686018427386908,"message":"Not enough nodes"}]';
    const server = keep(fakeController(() => json(refusal, 500)));
    const error = await failure(client([server.url], { deadlines: { repeat } }).nodes());
    expect(error.message).toContain('Not enough nodes');
    expect(server.seen).toHaveLength(1);
  });

  test('a write is not', async () => {
    const server = keep(fakeController(() => json(empty, 500)));
    const error = await failure(client([server.url], { deadlines: { repeat } }).deleteDefinition('rd'));
    expect(error.message).toEndWith('LINSTOR gave no reason (FAIL_UNKNOWN_ERROR (998), HTTP 500)');
    expect(server.seen).toHaveLength(1);
  });

  test('what stays so is told, and not with an empty place', async () => {
    for (const text of ['', '[]', empty, '{}', 'null']) {
      const server = keep(fakeController(() => json(text, 500)));
      const error = await failure(client([server.url]).nodes());
      expect(error.message).toMatch(/no reason|empty answer/);
      expect(error.message).not.toMatch(/[:(]\s*$/);
    }
  });
});

describe('pools', () => {
  const pool =
    '[{"storage_pool_name":"thin","node_name":"alpha","provider_kind":"LVM_THIN","free_capacity":10,"total_capacity":20}]';

  test('are asked for as the controller knows them', async () => {
    const server = keep(fakeController(() => json(pool)));
    await client([server.url]).storagePools();
    expect(server.seen.map((one) => one.path)).toEqual(['/v1/view/storage-pools?cached=true']);
  });

  test('fresh ones only for as long as that does not take', async () => {
    const server = keep(
      fakeController((request) =>
        request.path.includes('cached') ? json(pool) : new Promise<Response>(() => undefined),
      ),
    );
    const linstor = client([server.url], { deadlines: { fresh: 60 } });
    expect(await linstor.storagePools({ fresh: true })).toMatchObject([{ freeKib: 10, totalKib: 20 }]);
    expect(server.seen.map((one) => one.path)).toEqual([
      '/v1/view/storage-pools',
      '/v1/view/storage-pools?cached=true',
    ]);
  });
});

describe('the client’s output', () => {
  test('is cut off, and the client ended', async () => {
    const run = runClient(['sh', '-c', 'while :; do printf "%1000000s" x; done'], {
      env: { PATH: process.env['PATH'] ?? '' },
      timeoutMs: 60_000,
    });
    const error = await failure(run);
    expect(error.code).toBe('LINSTOR_REPLY');
    expect(error.message).toContain('larger than 256 MiB');
  });
});
