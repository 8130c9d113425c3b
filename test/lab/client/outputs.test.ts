import { describe, expect, test } from 'bun:test';
import { type ClientResult, runClient } from '../../../src/lab/client/client.ts';
import type { Fetch } from '../../../src/lab/client/controller.ts';
import outputs from './fixtures/outputs.json';

/** Output and exit code of the real client (1.27.0) for given answers: v1, v0, tables of entries, colours. */
test.each(outputs)('$argv', async ({ argv, path, answer, exit, stdout }) => {
  const result = await runClient(argv, {
    env: { LS_CONTROLLERS: 'controller' },
    fetch: async (url) => {
      const { pathname } = new URL(url);
      if (pathname === '/v1/controller/version') return Response.json({ version: '1' });
      return pathname === path ? new Response(answer) : new Response('?', { status: 404 });
    },
  });
  expect(result).toEqual({ exit, stdout, stderr: '' });
});

const version: Fetch = async () =>
  Response.json({ version: '1.33.3', git_hash: 'abc', build_time: 't', rest_api_version: '1.27.0' });
const run = (
  argv: readonly string[],
  fetch: Fetch,
  env: Record<string, string> = { LS_CONTROLLERS: 'c' },
): Promise<ClientResult> => runClient(argv, { env, fetch, pollMs: 0 });

/** Answers by path; everything else is the version. */
const answering =
  (answers: Record<string, unknown[]>): Fetch =>
  async (url) => {
    const list = answers[new URL(url).pathname];
    const next = list && (list.length > 1 ? list.shift() : list[0]);
    return next === undefined ? version(url, {}) : Response.json(next);
  };

describe('quirks that scripts rely on', () => {
  test('version on one line, not nested', async () => {
    expect((await run(['-m', 'controller', 'version'], version)).stdout).toBe(
      '{"version": "1.33.3", "git_hash": "abc", "build_time": "t", "rest_api_version": "1.27.0"}\n',
    );
  });

  test('numbers keep all their digits, text beyond ASCII is escaped', async () => {
    const raw: Fetch = async (url) =>
      url.endsWith('version')
        ? version(url, {})
        : new Response('[{"ret_code":-4611686018407202515,"message":"größer"}]');
    const { stdout } = await run(['-m', 'rd', 'd', 'x'], raw);
    expect(stdout).toContain('"ret_code": -4611686018407202515');
    expect(stdout).toContain('gr\\u00f6\\u00dfer');
  });

  test('properties of a missing object: a blank line and exit 0', async () => {
    const result = await run(['-m', 'rd', 'lp', 'x'], answering({ '/v1/resource-definitions': [[]] }));
    expect(result).toEqual({ exit: 0, stdout: '\n', stderr: '' });
  });

  test('size info is not nested, the largest size is in a list', async () => {
    const fetch = answering({
      '/v1/resource-groups/g/query-size-info': [{ space_info: {} }],
      '/v1/resource-groups/g/query-max-volume-size': [{ candidates: [] }],
    });
    expect(JSON.parse((await run(['-m', 'rg', 'qsi', 'g'], fetch)).stdout)).toEqual({ space_info: {} });
    expect(JSON.parse((await run(['-m', 'rg', 'qmvs', 'g'], fetch)).stdout)).toEqual([{ candidates: [] }]);
  });

  test('key-value show crashes when there is something to show', async () => {
    expect(await run(['-m', 'kv', 'l'], answering({ '/v1/key-value-store': [[]] }))).toMatchObject({
      exit: 0,
      stdout: '[]\n',
    });
    const crash = await run(['-m', 'kv', 's', 'a'], answering({ '/v1/key-value-store': [[{ name: 'a' }]] }));
    expect([crash.exit, crash.stdout]).toEqual([1, '']);
    expect(crash.stderr).toStartWith('Traceback');
  });

  test('rd create without a name: usage on stdout, exit 2', async () => {
    const result = await run(['-m', 'resource-definition', 'create'], version);
    expect([result.exit, result.stderr]).toEqual([
      2,
      'ArgumentError: At least resource name or external name has to be specified.\n',
    ]);
    expect(result.stdout).toStartWith('usage: linstor [-h]');
  });
});

describe('clone', () => {
  const clone = '/v1/resource-definitions/a/clone';
  const started = { messages: [{ ret_code: 1, message: 'started' }], clone_name: 'b', source_name: 'a' };

  test('prints the messages and waits', async () => {
    const fetch = answering({
      [clone]: [started],
      [`${clone}/b`]: [{ status: 'CLONING' }, { status: 'CLONING' }, { status: 'COMPLETE' }],
    });
    const result = await run(['-m', 'rd', 'clone', 'a', 'b'], fetch);
    expect([result.exit, JSON.parse(result.stdout)]).toEqual([0, started.messages]);
  });

  test('a failed or vanished clone exits 10, also with -m', async () => {
    expect(
      (
        await run(
          ['-m', 'rd', 'clone', 'a', 'b'],
          answering({ [clone]: [started], [`${clone}/b`]: [{ status: 'FAILED' }] }),
        )
      ).exit,
    ).toBe(10);
    const raw: Fetch = async (url) =>
      url.endsWith('/b')
        ? new Response('[{"ret_code":-4611686018427387603,"message":"Cloned resource not found."}]')
        : answering({ [clone]: [started] })(url, {});
    const result = await run(['-m', 'rd', 'clone', 'a', 'b'], raw);
    expect([result.exit, result.stderr]).toEqual([
      10,
      '\u001b[1;31mERROR:\n\u001b[0m    Cloned resource not found.\n',
    ]);
  });

  test('a source that is missing is a traceback', async () => {
    const raw: Fetch = async (url) =>
      url.endsWith('/clone')
        ? new Response('[{"ret_code":-4611686018427387603,"message":"no"}]', { status: 404 })
        : version(url, {});
    const result = await run(['-m', 'rd', 'clone', 'a', 'b'], raw);
    expect([result.exit, result.stdout]).toEqual([1, '']);
  });
});

describe('controllers', () => {
  const refusing: Fetch = async (url) => {
    if (url.includes('dead'))
      throw Object.assign(new Error('Unable to connect. Is the computer able to access the url?'), {
        code: 'ConnectionRefused',
      });
    return url.endsWith('version') ? version(url, {}) : Response.json([]);
  };

  test('nobody answers: exit 20, nothing on stdout, every controller named', async () => {
    const result = await run(['-m', 'node', 'list'], refusing, {
      LS_CONTROLLERS: 'dead1, linstor://dead2:99',
    });
    expect(result).toEqual({
      exit: 20,
      stdout: '',
      stderr:
        'Error: Unable to connect to linstor://dead1: [Errno 111] Connection refused\nError: Unable to connect to linstor://dead2:99: [Errno 111] Connection refused\n',
    });
  });

  test('LS_CONTROLLERS is appended to --controllers', async () => {
    const asked: string[] = [];
    const result = await run(
      ['-m', '--controllers', 'dead', 'node', 'list'],
      (url, init) => {
        asked.push(new URL(url).host);
        return refusing(url, init);
      },
      { LS_CONTROLLERS: 'alive:1' },
    );
    expect([result.exit, result.stdout]).toEqual([0, '[\n  []\n]\n']);
    expect(asked).toEqual(['dead:3370', 'alive:1', 'alive:1']);
  });

  test('an answer that is no JSON: exit 22', async () => {
    const html: Fetch = async (url) => (url.endsWith('version') ? version(url, {}) : new Response('<html>'));
    expect((await run(['-m', 'node', 'list'], html)).exit).toBe(22);
  });

  test('no answer in time: exit 21', async () => {
    const slow: Fetch = async (url, init) =>
      url.endsWith('version')
        ? version(url, {})
        : new Promise((_, reject) =>
            init.signal?.addEventListener('abort', () => reject(init.signal?.reason)),
          );
    expect((await run(['-m', '-t', '0', 'node', 'list'], slow)).exit).toBe(21);
  });
});
