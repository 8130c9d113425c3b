import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { DriverError } from '../../src/errors.ts';
import { packingOf, readHead } from '../../src/transfer/formats.ts';
import { privateDirectory } from '../../src/transfer/staging.ts';
import { noise, temporary } from './images.ts';

const magics = [
  'QFI\xfb',
  'KDMV',
  'COWD',
  'vhdxfile',
  'conectix',
  '# Disk DescriptorFile',
  'QED\0',
  'PK\x03\x04',
  '\x1f\x8b\x08',
];

describe('heads', () => {
  test('any bytes behind any magic give a format or a clear refusal, never a crash', () => {
    const head = fc.record({
      magic: fc.constantFrom(...magics, ''),
      rest: fc.uint8Array({ maxLength: 600 }),
      zeroes: fc.integer({ min: 0, max: 600 }),
    });
    fc.assert(
      fc.property(head, ({ magic, rest, zeroes }) => {
        const data = Buffer.concat([Buffer.from(magic, 'latin1'), Buffer.alloc(zeroes), rest]);
        try {
          const { format, virtualBytes } = readHead(data);
          expect(['raw', 'qcow2', 'vmdk', 'vdi', 'vhdx', 'vpc']).toContain(format);
          if (virtualBytes !== undefined) expect(virtualBytes).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(DriverError);
          expect((error as DriverError).code).toStartWith('IMAGE_');
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('a disk that only holds such words further in is raw', () => {
    const data = noise(4096);
    data.write('conectix', 512);
    data.write('QFI', 4);
    expect(readHead(data)).toEqual({ format: 'raw' });
  });

  test('archives are data where nothing is to be unpacked; references stay refused', () => {
    expect(readHead(Buffer.from('\x1f\x8b\x08xxxx', 'latin1'), 'as is')).toEqual({ format: 'raw' });
    expect(() => readHead(Buffer.from('# Disk DescriptorFile\n'), 'as is')).toThrow(
      expect.objectContaining({ code: 'IMAGE_HOSTILE' }),
    );
  });

  test('packing goes by the first bytes', () => {
    const heads: [string, string][] = [
      ['\x1f\x8b\x08', 'gzip'],
      ['BZh9', 'bzip2'],
      ['\xfd7zXZ\0', 'xz'],
      ['\x28\xb5\x2f\xfd', 'zstd'],
      ['QFI\xfb', 'none'],
      ['', 'none'],
    ];
    for (const [magic, name] of heads) expect(packingOf(Buffer.from(magic, 'latin1'))).toBe(name as 'none');
  });
});

describe('staging directory', () => {
  let dir: string;
  beforeEach(() => {
    dir = temporary();
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('what a killed process of this machine left goes away at once', () => {
    const [, , world] = /^\.linstor_un-(\d+)-([0-9a-f]{12})-/.exec(basename(privateDirectory(dir))) ?? [];
    const names = [`.linstor_un-4194999-${world}-x`, '.linstor_un-4194999-0123456789ab-x'];
    for (const name of names) mkdirSync(join(dir, name));
    privateDirectory(dir);
    expect(names.map((name) => existsSync(join(dir, name)))).toEqual([false, true]);
  });

  test('what a killed process left long ago goes away; everything else stays', () => {
    // No process has this number: it is above the kernel's limit.
    const [dead, young, foreign, alive] = [
      '.linstor_un-4194999-abc',
      '.linstor_un-4194999-new',
      'mine',
      `.linstor_un-${process.pid}-x`,
    ];
    for (const name of [dead, young, foreign, alive]) {
      mkdirSync(join(dir, name as string));
      writeFileSync(join(dir, name as string, 'head'), 'x');
    }
    const old = new Date(Date.now() - 26 * 3600 * 1000);
    for (const name of [dead, foreign, alive]) utimesSync(join(dir, name as string), old, old);
    const made = privateDirectory(dir);
    expect(readdirSync(dir).sort()).toEqual(
      [young, foreign, alive, made.slice(dir.length + 1)].sort() as string[],
    );
  });
});
