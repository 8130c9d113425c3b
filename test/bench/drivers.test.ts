import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { attributesOf, callingOf, otherCandidates } from '../../src/tools/bench/drivers.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-drivers-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(path: string, text = ''): string {
  const full = join(dir, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  chmodSync(full, 0o755);
  return full;
}

const only = (word: string) => {
  const [candidate] = otherCandidates([word]);
  if (!candidate) throw new Error('no candidate');
  return candidate;
};

describe('another driver', () => {
  test('is the one that OpenNebula does not bring along', () => {
    for (const name of ['ceph', 'fs_lvm', 'ssh', 'mine']) put(`site/tm/${name}/clone`);
    expect(only(join(dir, 'site'))).toMatchObject({ label: 'site', name: 'mine', ours: false });
  });

  test('has to be named among several, and may be one of OpenNebula’s', () => {
    for (const name of ['ceph', 'one', 'two']) put(`remotes/tm/${name}/clone`);
    const path = join(dir, 'remotes');
    expect(() => otherCandidates([path])).toThrow('several drivers (one, two)');
    expect(() => otherCandidates([`${path}:three`])).toThrow('tm/three/clone');
    expect(only(`${path}:ceph`)).toMatchObject({ label: 'ceph', name: 'ceph' });
    expect(otherCandidates([`${path}:one`, `${path}:one`]).map(({ label }) => label)).toEqual([
      'one',
      'one-2',
    ]);
  });

  test('that is none is refused by its path', () => {
    put('empty/x');
    expect(() => otherCandidates([join(dir, 'empty')])).toThrow('has no tm/*/clone');
  });

  test('says in datastore.conf what its datastores need', () => {
    put('site/tm/mine/clone');
    put('site/datastore.conf', '# attributes\nGROUP_NAME = "$RESOURCE_GROUP"\nBRIDGE_LIST=\nCOST="5 $"\n');
    expect(attributesOf(only(join(dir, 'site')), { RESOURCE_GROUP: 'bench', BRIDGE_LIST: 'a b' })).toEqual({
      RESOURCE_GROUP: 'bench',
      GROUP_NAME: 'bench',
      BRIDGE_LIST: '',
      COST: '5 $',
    });
  });
});

describe('it is called', () => {
  const env = { PATH: '/lab/bin', ONE_LOCATION: '/lab', ONE_XMLRPC: 'x' };

  test('from remotes: in an ONE_LOCATION of its own, with what is missing there', () => {
    put('site/tm/mine/clone', 'mine');
    put('site/VERSION', '6.4.7\n');
    const context = put('context', 'the lab’s');
    const scratch = join(dir, 'scratch');
    const calling = callingOf(only(join(dir, 'site')), { env, scratch, context });
    expect(calling).toMatchObject({
      remotes: join(scratch, 'site/var/remotes'),
      generation: '6.0',
      env: {
        ONE_LOCATION: join(scratch, 'site'),
        ONE_XMLRPC: 'x',
        PATH: `${join(scratch, 'site/bin')}:/lab/bin`,
      },
    });
    expect(readFileSync(join(scratch, 'site/var/remotes/tm/common/context'), 'utf8')).toBe('the lab’s');
    expect(readFileSync(join(scratch, 'site/var/remotes/tm/mine/clone'), 'utf8')).toBe('mine');
  });

  test('in a self-contained OpenNebula: where it lies', () => {
    put('one/var/remotes/tm/mine/clone');
    const calling = callingOf(only(join(dir, 'one')), { env, scratch: join(dir, 'scratch') });
    expect(calling).toEqual({
      remotes: join(dir, 'one/var/remotes'),
      env: { ONE_LOCATION: join(dir, 'one'), ONE_XMLRPC: 'x', PATH: `${join(dir, 'one/bin')}:/lab/bin` },
    });
    expect(existsSync(join(dir, 'scratch'))).toBe(false);
  });
});
