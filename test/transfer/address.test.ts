import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { isDriverError } from '../../src/errors.ts';
import { isRemote, parseAddress, shownPath } from '../../src/transfer/address.ts';
import { virtualSize } from '../../src/transfer/vsize.ts';
import { codeOf } from '../support/code-of.ts';
import { temporary } from './images.ts';
import { anywhere } from './work.ts';

/** What an address becomes in a shell that evaluates it: how many words, and the first. */
const evaluated = 'eval "set -- $1"; printf "%s %s" "$#" "$1"';

const all = ['s3', 'ssh', 'rbd', 'restic', 'rsync', 'restic+rbd', 'onebex', 'lxd', 'foo'];
const refused = (path: string, schemes: readonly string[] = all): boolean => {
  try {
    parseAddress(path, { schemes });
    return false;
  } catch (error) {
    if (isDriverError(error, 'IMAGE_SOURCE')) return true;
    throw error;
  }
};

describe('schemes', () => {
  test('http and https alone, until the operator says otherwise', () => {
    for (const path of ['http://h/x', 'HTTPS://h/x', 'https://user:p@h:8443/x?a=b&c=(d)#e']) {
      expect(refused(path, [])).toBe(false);
      expect(parseAddress(path, { schemes: [] }).kind).toBe('http');
    }
    for (const scheme of all) expect(refused(`${scheme}://a/b`, [])).toBe(true);
    for (const path of [
      'ssh://h:/etc/passwd',
      'file:///etc/passwd',
      'gopher://h/x',
      'ftp://h/x',
      'x://../../etc/passwd',
    ])
      expect(refused(path, ['s3'])).toBe(true);
    expect(refused('S3://bucket/object', ['s3'])).toBe(false);
  });

  test('what OpenNebula’s own addresses look like is taken, once it is switched on', () => {
    for (const path of [
      's3://marketplace-bucket/4f2a-99.qcow2',
      'ssh://oneadmin@host1.example.org:/dev/drbd/by-res/one-image-7/0',
      'restic://101/12/b3d1a2c4,f00d1234/var/lib/one/datastores/0/7/backup/disk.0.0',
      'rsync://101/-/0:3a9b21,1:c41d22/7/3a9b21/disk.0.0',
      'restic+rbd://101/12/b3d1/x',
      'onebex://101:9000',
    ])
      expect(refused(path)).toBe(false);
  });

  test('nothing that a shell or a program could read otherwise', () => {
    for (const path of [
      'ssh://$(touch x)h:/y',
      'ssh://`id`:/y',
      'ssh://h:/y;id',
      'ssh://h:/y|id',
      'ssh://h:/y&id',
      'ssh://h:/y id',
      'ssh://h:/y\nid',
      "ssh://h:/y'",
      'ssh://h:/y"',
      'ssh://h:/y\\',
      'ssh://h:/{a,b}',
      'ssh://h:/*',
      'ssh://h:/[a]',
      'ssh://h:/~x',
      'ssh://h:/y<z',
      'ssh://h:/y>z',
      'ssh://h:/y(z)',
      'ssh://h:/y#z',
      'ssh://h:/y!z',
      'ssh://h:/y\u0000z',
      'ssh://-oProxyCommand=x:/y',
      'ssh://u@-oProxyCommand=x:/y',
      'ssh://h:-x',
      'ssh://',
      'ssh://h:/ö',
    ])
      expect(refused(path), path).toBe(true);
  });

  test('any text: taken only with harmless characters, and never as an option', () => {
    const mostly = fc.constantFrom(...'abcZ09._/@%+=:,-$~^?');
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary', maxLength: 30 }), fc.string({ unit: mostly, maxLength: 12 })),
        (text) => {
          const path = `ssh://${text}`;
          if (refused(path)) return;
          expect(path).toMatch(/^[A-Za-z0-9._/@%+=:,-]+$/);
          const bash = Bun.spawnSync(['bash', '-c', evaluated, 'test', path]);
          expect(bash.stdout.toString()).toBe(`1 ${path}`);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('http: no character that curl could read otherwise, and no endless address', () => {
    for (const path of [
      'http://h/a b',
      'http://h/a\nb',
      'http://h/\u0000',
      'http://h\\@g/',
      'http://',
      'http://h:99999/',
      `http://h/${'a'.repeat(9000)}`,
    ])
      expect(refused(path), path.slice(0, 40)).toBe(true);
  });

  test('what has no scheme is a file', () => {
    for (const path of ['/a', 'a', '-a', 'http:/a', '//h/x', 'ssh:x']) expect(isRemote(path)).toBe(false);
  });
});

test('messages show neither passwords nor queries', () => {
  expect(shownPath('https://u:secret@h/x?sig=secret')).toBe('"https://***@h/x?***"');
  expect(shownPath('https://h/x?sig=secret\nsecret')).not.toContain('secret');
  expect(shownPath(`/${'a'.repeat(5000)}`).length).toBeLessThan(310);
});

describe('a downloader that evaluates what it is given, as OpenNebula’s does', () => {
  let dir: string;
  beforeAll(() => {
    dir = temporary();
    writeFileSync(
      join(dir, 'downloader.sh'),
      `#!/bin/bash\nprintf '%s\\n' "$@" >>"${dir}/args"\nfrom=\${@: -2:1}\ncd "${dir}"\neval "echo ssh \${from#ssh://}" >/dev/null\ncat "${dir}/image"\n`,
      { mode: 0o755 },
    );
    writeFileSync(join(dir, 'image'), new Uint8Array(3 * 2 ** 20));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const size = (path: string, schemes: readonly string[]) =>
    virtualSize(
      {
        path,
        policy: { safeDirs: [], restrictedDirs: ['/'] },
        addresses: { ...anywhere, schemes },
        downloader: join(dir, 'downloader.sh'),
        downloaderEnv: { DRV_ACTION: 'x' },
      },
      { stagingDir: dir },
    );

  test('is not called at all by default', async () => {
    for (const path of ['ssh://host:/etc/passwd', 'ssh://$(touch${IFS}owned)x:/y', 's3://bucket/x'])
      expect(await codeOf(size(path, []))).toBe('IMAGE_SOURCE');
    expect(existsSync(join(dir, 'args'))).toBe(false);
  });

  test('runs nothing that the address holds where ssh is switched on', async () => {
    for (const path of [
      'ssh://$(touch${IFS}owned)x:/y',
      'ssh://x:/y;touch${IFS}owned',
      'ssh://x:`touch owned`',
    ])
      expect(await codeOf(size(path, ['ssh']))).toBe('IMAGE_SOURCE');
    expect(await size('ssh://host:/y', ['ssh'])).toBe(3 as never);
    expect(readdirSync(dir).sort()).toEqual(['args', 'downloader.sh', 'image']);
    expect(readFileSync(join(dir, 'args'), 'utf8')).toBe('--nodecomp\n--\nssh://host:/y\n-\n');
  });
});
