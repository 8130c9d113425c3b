import { expect, test } from 'bun:test';
import { runClient } from '../../../src/lab/client/client.ts';
import cases from './fixtures/requests.json';

/**
 * What the real client (1.27.0) sends for a command line, taken from its `--curl` option, and how it refuses what it
 * refuses: 204 command lines.
 */
interface Case {
  readonly argv: readonly string[];
  readonly requests?: readonly { readonly method: string; readonly path: string; readonly body?: unknown }[];
  readonly exit?: number;
  readonly error?: string;
}

/** The order of names in a choice is of no account. */
const comparable = (line: string): string => line.replace(/\(choose from .*\)/, '');

test.each(cases as readonly Case[])('$argv', async ({ argv, requests, exit, error }) => {
  const sent: { method: string; path: string; body?: unknown }[] = [];
  const result = await runClient(['-m', '--no-color', '--disable-config', ...argv], {
    env: { LS_CONTROLLERS: 'controller' },
    pollMs: 0,
    fetch: async (url, init) => {
      const { pathname, search } = new URL(url);
      const path = `${pathname}${search}`;
      if (path === '/v1/controller/version') return Response.json({ version: '1', git_hash: '2' });
      sent.push({
        method: init.method ?? 'GET',
        path,
        ...(typeof init.body === 'string' ? { body: JSON.parse(init.body) } : {}),
      });
      if (pathname.endsWith('/clone'))
        return Response.json({ messages: [], clone_name: 'bar', source_name: 'foo' });
      return Response.json(pathname.includes('/clone/') ? { status: 'COMPLETE' } : []);
    },
  });
  if (exit !== undefined) {
    expect({ exit: result.exit, error: comparable(result.stderr.trim().split('\n').at(-1) ?? '') }).toEqual({
      exit,
      error: comparable(error ?? ''),
    });
    expect(sent).toEqual([]);
    return;
  }
  const asked = sent.filter(({ path }) => !path.includes('/clone/'));
  const version = argv.join(' ') === 'c v' ? [{ method: 'GET', path: '/v1/controller/version' }] : [];
  expect([...version, ...asked]).toEqual([...(requests ?? [])]);
});
