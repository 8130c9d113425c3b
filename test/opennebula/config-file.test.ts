import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { isDriverError } from '../../src/errors.ts';
import { parseConfig, readConfig } from '../../src/opennebula/config-file.ts';
import { readSettings } from '../../src/opennebula/read-settings.ts';
import { findRemotes } from '../../src/opennebula/remotes.ts';
import { parseAssignments } from '../../src/opennebula/shell-assignments.ts';
import { readVersion } from '../../src/opennebula/version.ts';

const directory = mkdtempSync(join(tmpdir(), 'config-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** In the manner of the bash driver's file. */
const old = `# Paths for utilities
LINSTOR=\${LINSTOR:-linstor}
JQ=\${JQ:-jq}

# Block size
DD_BLOCK_SIZE=64k
DD_CONV=sparse   # zeroes
STAGING_DIR=/var/tmp
#LEGACY_MONITORING=1
`;

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isDriverError(error, 'BAD_CONFIG')) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

function values(text: string, env: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(parseAssignments(text, 'f', env).map(({ key, value }) => [key, value]));
}

describe('assignments', () => {
  test.each([
    ['A=b', { A: 'b' }],
    ['  export A=b # c', { A: 'b' }],
    ['A=', { A: '' }],
    ['A="b c" # d', { A: 'b c' }],
    ['A=\'b $X "c"\'', { A: 'b $X "c"' }],
    ['A="a\\"b\\$c\\n"', { A: 'a"b$c\\n' }],
    ['A=a\\ b', { A: 'a b' }],
    ['A=x"y"\'z\'', { A: 'xyz' }],
    ['A=b#c', { A: 'b#c' }],
    [`A=one\nB=$A-two\nC=\${A}3`, { A: 'one', B: 'one-two', C: 'one3' }],
    [`A=\${NO:-d}\nB=\${NO-e}\nC=\${NO}`, { A: 'd', B: 'e', C: '' }],
    [`E=\nA=\${E:-d}\nB=\${E-e}`, { E: '', A: 'd', B: '' }],
    [`A="\${NO:-/a b}/c"`, { A: '/a b/c' }],
    ['A=b\\\nc', { A: 'bc' }],
    ['A=1\r\nB=2\r\n', { A: '1', B: '2' }],
    ['A=1\nA=2', { A: '2' }],
    ['A=cost$', { A: 'cost$' }],
    ['A=a=b', { A: 'a=b' }],
  ])('%p', (text, expected) => {
    expect(values(text)).toEqual(expected);
  });

  test('the environment is a fallback, the file comes first', () => {
    expect(values(`A=\${X:-d}`, { X: 'env' })).toEqual({ A: 'env' });
    expect(values('X=file\nA=$X', { X: 'env' })).toEqual({ X: 'file', A: 'file' });
  });

  test.each([
    ['A=$(touch /tmp/x)', 'line 1: a command substitution'],
    ['\nA="$(id)"', 'line 2: a command substitution'],
    ['A=`id`', 'line 1: “`”'],
    ['A="`id`"', 'line 1: a command substitution'],
    ['A=b; rm -rf /', 'line 1: “;”'],
    ['A=b rm', 'line 1: “rm” after the value'],
    ['A=b|c', 'line 1: “|”'],
    ['A="b', 'line 1: a quote is not closed'],
    ["A='b", 'line 1: a quote is not closed'],
    ['source other.conf', 'line 1: this is not an assignment'],
    ['# c\n\nif true; then', 'line 3: this is not an assignment'],
    [`A=\${B:=c}`, `line 1: “\${B:=c” is not one of`],
    [`A=\${B:-$(id)}`, 'line 1: '],
    ['A = b', 'line 1: this is not an assignment'],
  ])('refused: %p', (text, reason) => {
    expect(refusal(() => values(text))).toContain(reason);
  });

  test('what is quoted comes back as it was', () => {
    const text = fc.string({ unit: 'grapheme' }).filter((value) => !/[\r\n']/.test(value));
    fc.assert(fc.property(text, (value) => expect(values(`A='${value}' # x`)).toEqual({ A: value })));
  });
});

describe('linstor_un.conf', () => {
  test('the bash driver’s file', () => {
    const config = parseConfig(old, '/x.conf', {});
    expect(config).toMatchObject({
      file: '/x.conf',
      values: { STAGING_DIR: '/var/tmp' },
      linstorCommand: 'linstor',
    });
    expect(config.ignored.map(({ key, line }) => [key, line])).toEqual([
      ['JQ', 3],
      ['DD_BLOCK_SIZE', 6],
      ['DD_CONV', 7],
    ]);
    expect(config.ignored.every(({ reason }) => reason !== 'unknown attribute')).toBeTrue();
  });

  test('unknown keys are told, known ones and aliases are taken', () => {
    const config = parseConfig('RESOURCE_GRUOP=x\nLINSTOR_CONTROLLERS=c\nLINSTOR=/opt/linstor\n', 'f', {});
    expect(config.ignored).toEqual([
      {
        key: 'RESOURCE_GRUOP',
        line: 1,
        reason: 'unknown attribute; RESOURCE_GROUP is probably meant',
        meant: 'RESOURCE_GROUP',
      },
    ]);
    expect(config.values).toEqual({ LINSTOR_CONTROLLERS: 'c' });
    expect(config.linstorCommand).toBe('/opt/linstor');
  });

  test('a wrong value is complained about with the file’s name', () => {
    const config = { ...parseConfig('TRANSPORT=carrier', '/etc/linstor_un.conf', {}), client: {} };
    expect(() => readSettings(config)).toThrow(
      'TRANSPORT of /etc/linstor_un.conf: “carrier” is not allowed; allowed: rest, cli',
    );
  });

  test('places', () => {
    const remotes = join(directory, 'remotes');
    mkdirSync(join(remotes, 'etc/datastore/linstor_un'), { recursive: true });
    expect(readConfig({ env: {}, remotes })).toEqual({
      values: {},
      linstorCommand: 'linstor',
      client: {},
      ignored: [],
    });
    writeFileSync(join(remotes, 'etc/datastore/linstor_un/linstor_un.conf'), 'VERIFY=yes\n');
    expect(readConfig({ env: {}, remotes, client: { controllers: ['c'] } })).toMatchObject({
      values: { VERIFY: 'yes' },
      client: { controllers: ['c'] },
    });
    const named = join(directory, 'own.conf');
    expect(refusal(() => readConfig({ env: { LINSTOR_UN_CONF: named }, remotes }))).toContain(
      'own.conf cannot be read',
    );
    writeFileSync(named, 'VERIFY=no\n');
    expect(readConfig({ env: { LINSTOR_UN_CONF: named }, remotes }).values).toEqual({ VERIFY: 'no' });
    expect(readConfig({ env: {} }).file).toBeUndefined();
  });
});

describe('remotes', () => {
  const find = (
    argv0: string,
    env: Record<string, string>,
    existing: readonly string[],
  ): string | undefined =>
    findRemotes({ argv0, cwd: '/var/lib/one', env, exists: (path) => existing.includes(path) });

  test('from the name called by', () => {
    expect(find('/srv/remotes/tm/linstor_un/clone.ssh', {}, ['/srv/remotes', '/var/lib/one/remotes'])).toBe(
      '/srv/remotes',
    );
    expect(find('remotes/datastore/linstor_un/cp', {}, ['/var/lib/one/remotes'])).toBe(
      '/var/lib/one/remotes',
    );
    expect(find('/srv/remotes/vmm/kvm/save_linstor_un', {}, ['/srv/remotes'])).toBe('/srv/remotes');
  });

  test('otherwise from ONE_LOCATION, then the usual place', () => {
    const both = ['/opt/one/var/remotes', '/var/lib/one/remotes'];
    expect(find('linstor_un', { ONE_LOCATION: '/opt/one' }, both)).toBe('/opt/one/var/remotes');
    expect(find('/usr/bin/linstor_un', {}, both)).toBe('/var/lib/one/remotes');
    expect(find('linstor_un', {}, [])).toBeUndefined();
  });

  test('VERSION', () => {
    expect(readVersion(directory)).toBeUndefined();
    writeFileSync(join(directory, 'VERSION'), '6.10.0\n');
    expect(readVersion(directory)).toBe('6.10.0');
    writeFileSync(join(directory, 'VERSION'), 'what\n');
    expect(readVersion(directory)).toBeUndefined();
  });
});
