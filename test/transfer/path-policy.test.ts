import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { textOfBytes } from '../../src/hosts/raw-text.ts';
import {
  isAllowed,
  isBelow,
  openImageFile,
  policyOf,
  protectedDirs,
} from '../../src/transfer/path-policy.ts';
import { run, temporary } from './images.ts';

describe('path policy', () => {
  const policy = (safe: string[], restricted: string[]) => ({
    safeDirs: safe,
    restrictedDirs: restricted,
    alwaysRestricted: ['/var/lib/one', '/etc/one', '/home/oneadmin'],
  });
  const cases: [path: string, safe: string[], restricted: string[], allowed: boolean][] = [
    ['/srv/x', [], [], true],
    ['/srv/x', [], ['/'], false],
    ['/var/tmp/x', ['/var/tmp'], ['/'], true],
    ['/var/tmp/x', ['/var/tmp/'], ['/'], true],
    ['/var/tmpx/y', ['/var/tmp'], ['/'], false],
    ['/var/tmp', ['/var/tmp'], ['/'], true],
    ['/varxtmp/y', ['/var.tmp'], ['/'], false],
    ['/var/lib/one/.one/one_auth', [], [], false],
    ['/var/lib/one2/x', [], [], true],
    ['/var/lib/one/datastores/x', ['/var/lib/one/datastores'], ['/'], true],
    ['/etc/one/oned.conf', [], [], false],
    ['/home/oneadmin/.ssh/id_rsa', [], [], false],
    ['/srv/secret/x', [], ['/srv/secret', '/opt'], false],
    ['/srv/secretary', [], ['/srv/secret'], true],
    ['/a', ['relative', ''], ['/'], false],
  ];
  for (const [path, safe, restricted, allowed] of cases) {
    test(`${path} with safe [${safe}], restricted [${restricted}]: ${allowed}`, () => {
      expect(isAllowed(path, policy(safe, restricted))).toBe(allowed);
    });
  }

  test('below means on segment borders', () => {
    const part = fc.stringMatching(/^[a-z.]{1,4}$/);
    fc.assert(
      fc.property(fc.array(part, { minLength: 1 }), fc.array(part), part, (outer, inner, more) => {
        const directory = `/${outer.join('/')}`;
        expect(isBelow([directory, ...inner].join('/'), directory)).toBe(true);
        expect(isBelow(`${directory}${more}`, directory)).toBe(false);
      }),
    );
  });

  test('the home directory counts, but not when it is /', () => {
    expect(protectedDirs({ HOME: '/home/x' })).toEqual(['/var/lib/one', '/etc/one', '/home/x']);
    expect(protectedDirs({ HOME: '/' })).toEqual(['/var/lib/one', '/etc/one']);
    expect(protectedDirs({ ONE_LOCATION: '/opt/one' })).toEqual(['/opt/one/var', '/opt/one/etc']);
  });
});

describe('what holds where nothing is configured, and against every configuration', () => {
  const env = { HOME: '/home/one', LINSTOR_UN_LOG: '/srv/log/driver.jsonl', ONE_AUTH: '/srv/auth' };
  test('OpenNebula’s own defaults', () => {
    const usual = policyOf({}, env);
    expect([usual.restrictedDirs, usual.safeDirs]).toEqual([['/'], ['/var/tmp']]);
    expect(isAllowed('/var/tmp/x.qcow2', usual)).toBe(true);
    for (const path of ['/srv/x', '/tmp/x', '/etc/passwd', '/var/log/syslog'])
      expect(isAllowed(path, usual)).toBe(false);
    // What is restricted by somebody's word is not opened by a default.
    expect(isAllowed('/var/tmp/x', policyOf({ restrictedDirs: ['/var/tmp'] }, env))).toBe(false);
    expect(isAllowed('/srv/x', policyOf({ safeDirs: ['/opt'] }, env))).toBe(false);
  });

  test('no credentials, no logs, no image of somebody else on its way', () => {
    const settings = {
      tokenFile: '/srv/token',
      keyFile: '/srv/key.pem',
      safeDirs: ['/', '/home/one'],
      restrictedDirs: [],
    };
    const open = policyOf(settings, env);
    expect(isAllowed('/srv/image.raw', open)).toBe(true);
    for (const path of [
      '/srv/token',
      '/srv/key.pem',
      '/srv/auth',
      '/srv/log/driver.jsonl',
      '/srv/log/driver.jsonl.1',
      '/home/one/.one/one_auth',
      '/home/one/.ssh/id_rsa',
      '/home/one/.config/linstor/linstor-client.conf',
      '/etc/linstor/linstor-client.conf',
      '/var/lib/one/.one/one_auth',
      '/var/lib/one/remotes/etc/datastore/linstor_un/linstor_un.conf',
      '/var/log/one/oned.log',
      '/proc/self/environ',
      '/dev/sda',
      '/var/tmp/.linstor_un-1-0123456789ab-x/head',
    ])
      expect([path, isAllowed(path, open)]).toEqual([path, false]);
  });
});

describe('opening', () => {
  let dir: string;
  beforeEach(() => {
    dir = temporary();
    mkdirSync(join(dir, 'safe'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const policy = () => ({ safeDirs: [join(dir, 'safe')], restrictedDirs: ['/'] });
  const open = (path: string) => openImageFile(path, policy());

  test('a safe directory that is itself reached by a link', () => {
    symlinkSync(join(dir, 'safe'), join(dir, 'alias'));
    writeFileSync(join(dir, 'safe/x'), 'data');
    const file = openImageFile(join(dir, 'alias/x'), {
      safeDirs: [join(dir, 'alias')],
      restrictedDirs: ['/'],
    });
    expect(file.realPath).toBe(join(dir, 'safe/x'));
    file.close();
  });

  test('directories, FIFOs and devices are no images, and do not block', () => {
    run('mkfifo', join(dir, 'safe/fifo'));
    symlinkSync('/dev/zero', join(dir, 'safe/zero'));
    for (const name of ['', 'fifo', 'zero']) {
      expect(() => open(join(dir, 'safe', name))).toThrow(expect.objectContaining({ code: 'IMAGE_PATH' }));
    }
  });

  test('a forbidden name says the same whether it exists or not', () => {
    writeFileSync(join(dir, 'private'), 'x');
    const said = ['private', 'absent'].map((name) => {
      try {
        open(join(dir, name));
        return 'opened';
      } catch (error) {
        return String(error).replace(name, 'NAME');
      }
    });
    expect(said[0]).toBe(said[1] as string);
  });

  test('names that are not UTF-8', () => {
    run('bash', '-c', 'printf data >"$1"/$\'safe/\\xff\\xfe x\'', 'x', dir);
    const file = open(`${dir}/safe/${textOfBytes(Uint8Array.of(0xff, 0xfe))} x`);
    expect(readFileSync(file.fd, 'utf8')).toBe('data');
    file.close();
  });

  test('exchanging the file for a link after the check changes nothing', () => {
    writeFileSync(join(dir, 'private'), 'secret');
    writeFileSync(join(dir, 'safe/x'), 'public');
    const file = open(join(dir, 'safe/x'));
    renameSync(join(dir, 'safe/x'), join(dir, 'safe/old'));
    symlinkSync(join(dir, 'private'), join(dir, 'safe/x'));
    expect(readFileSync(`/proc/self/fd/${file.fd}`, 'utf8')).toBe('public');
    file.close();
  });

  test('while a link flips between allowed and forbidden, only the allowed file is ever read', async () => {
    writeFileSync(join(dir, 'private'), 'secret');
    writeFileSync(join(dir, 'safe/good'), 'public');
    const flip =
      'cd "$1"; for i in {1..1500}; do ln -sfn good safe/l.new && mv -fT safe/l.new safe/link; ln -sfn ../private safe/l.new && mv -fT safe/l.new safe/link; [ -e stop ] && exit; done';
    const child = Bun.spawn(['bash', '-c', flip, 'flip', dir], { stdout: 'ignore', stderr: 'ignore' });
    const read = new Set<string>();
    for (let index = 0; index < 3000; index += 1) {
      try {
        const file = open(join(dir, 'safe/link'));
        read.add(readFileSync(file.fd, 'utf8'));
        file.close();
      } catch {
        read.add('refused');
      }
      if (index % 50 === 0) await Bun.sleep(1);
    }
    writeFileSync(join(dir, 'stop'), '');
    await child.exited;
    expect(read.has('secret')).toBe(false);
    expect([...read].sort()).toEqual(['public', 'refused']);
  });
});
