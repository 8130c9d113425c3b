import { afterAll, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { clientSettings } from '../../src/linstor/client-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'linstor-config-'));
const root = join(folder, 'root');
const home = join(folder, 'home');
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  rmSync(root, { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
});

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const read = (env: Record<string, string> = {}) => clientSettings({ env, root, home });
const system = join(root, 'etc/linstor/linstor-client.conf');
const own = join(home, '.config/linstor/linstor-client.conf');

test('nothing anywhere is nothing', () => {
  expect(read()).toEqual({});
});

test('the file of LINBIT’s client', () => {
  put(
    system,
    '# comment\n[global]\nControllers = ctl1, linstor+ssl://ctl2:3371\ncertfile: /c.pem\nkeyfile=/k.pem\ncafile=/a.pem\nuser=one\npassword=a=b\nno-color=\n[other]\ncontrollers=wrong\n',
  );
  expect(read()).toEqual({
    controllers: ['ctl1', 'linstor+ssl://ctl2:3371'],
    certFile: '/c.pem',
    keyFile: '/k.pem',
    caFile: '/a.pem',
    username: 'one',
    password: 'a=b',
  });
});

test('the user’s file instead of the system’s, and a later section as a whole', () => {
  put(join(root, 'etc/linstor/linstor-client.d/10-a.conf'), '[global]\ncontrollers=d1\ncafile=/d.pem\n');
  expect(read()).toEqual({ controllers: ['d1'], caFile: '/d.pem' });
  put(system, '[global]\ncontrollers=s1\n');
  expect(read()).toEqual({ controllers: ['s1'] });
  put(own, '[global]\ncontrollers=u1\n');
  expect(read()).toEqual({ controllers: ['u1'] });
  put(own, '[other]\nx=y\n');
  expect(read()).toEqual({ controllers: ['d1'], caFile: '/d.pem' });
});

test('the environment wins, by the names of all clients', () => {
  put(system, '[global]\ncontrollers=s1\ncafile=/s.pem\nuser=file\n');
  expect(read({ LS_CONTROLLERS: 'e1,e2', LS_ROOT_CA_FILE: '/e.pem', LS_CLIENT_USER: 'env' })).toEqual({
    controllers: ['e1', 'e2'],
    caFile: '/e.pem',
    username: 'env',
  });
  expect(
    read({ LS_CERTFILE: '/c', LS_USER_CERTIFICATE_FILE: '/other', LS_KEYFILE: '/k', LS_PASSWORD: 'p' }),
  ).toMatchObject({
    certFile: '/c',
    keyFile: '/k',
    password: 'p',
    controllers: ['s1'],
  });
});

test('a token from its file, or from where the newest client keeps it', () => {
  put(join(root, 'var/lib/linstor.d/auth.json'), '{"token": "t1"}');
  expect(read()).toEqual({ token: 't1' });
  put(join(folder, 'token'), 't2\n');
  expect(read({ LS_BEARER_TOKEN_FILE: join(folder, 'token') })).toEqual({ token: 't2' });
});

test('a file that is there and cannot be read is said', () => {
  mkdirSync(system, { recursive: true });
  const problems: string[] = [];
  expect(clientSettings({ env: {}, root, home, onProblem: (text) => problems.push(text) })).toEqual({});
  expect(problems).toEqual([`${system} cannot be read (EISDIR)`]);
});

test('controllers over several lines, a default, and a comment behind the section: none is lost', () => {
  put(
    system,
    '[DEFAULT]\nport = 3371\n[global] ; ours\ncontrollers = ctl1:%(port)s,\n  ctl2,\n  # no\n  ctl3\n',
  );
  expect(read()).toEqual({ controllers: ['ctl1:3371', 'ctl2', 'ctl3'] });
});

test('a file that the client would refuse is told and not half used', () => {
  const problems: string[] = [];
  put(system, '[global]\ncontrollers=a\ncontrollers=b\n');
  expect(clientSettings({ env: {}, root, home, onProblem: (text) => problems.push(text) })).toEqual({});
  expect(problems).toEqual([expect.stringContaining('line 3: option controllers is there twice')]);
});
