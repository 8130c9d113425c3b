import { describe, expect, test } from 'bun:test';
import { parseId, parseVmTarget, requireDiskTarget } from '../../src/opennebula/target.ts';

describe('places that OpenNebula names', () => {
  test('a disk, with oned’s double slash', () => {
    expect(parseVmTarget('host1:/var/lib/one//datastores/104/1/disk.12', 'target')).toEqual({
      kind: 'disk',
      host: 'host1',
      path: '/var/lib/one/datastores/104/1/disk.12',
      directory: '/var/lib/one/datastores/104/1',
      systemDatastoreId: 104,
      vmId: 1,
      diskId: 12,
    });
  });

  test('a directory, with and without a slash at the end', () => {
    for (const path of ['/var/lib/one/datastores/104/1', '/var/lib/one/datastores/104/1/']) {
      expect(parseVmTarget(`host1:${path}`, 'target')).toMatchObject({
        kind: 'directory',
        path: '/var/lib/one/datastores/104/1',
        vmId: 1,
      });
    }
  });

  test('a file in the directory is no disk', () => {
    expect(parseVmTarget('host1:/d/104/1/kernel', 'target')).toMatchObject({ kind: 'file' });
    expect(() => requireDiskTarget('host1:/d/104/1/kernel', 'target')).toThrow(/not the path of a disk/);
  });

  const bad = [
    undefined,
    '',
    'host1',
    ':/d/1/2/disk.0',
    'host1:disk.0',
    'host1:/',
    'host1:/etc',
    'host1:/d/104/1/../../../etc/passwd',
    'host1:/d/a/b/disk.0',
    '-oProxyCommand=x:/d/1/2/disk.0',
    'ho st:/d/1/2/disk.0',
    'host1:/d/104/1/disk.0/x',
  ];
  test.each(bad)('“%s” is refused', (argument) => {
    expect(() => parseVmTarget(argument, 'target')).toThrow();
  });

  test('numbers', () => {
    expect(parseId('12', 'VM id')).toBe(12);
    expect(parseId('-1', 'snapshot id', -1)).toBe(-1);
    for (const argument of [undefined, '', '-1', '1x', '0x10', '1.5', '1e3', '99999999999999999'])
      expect(() => parseId(argument, 'VM id')).toThrow();
    expect(() => parseId('0', 'size', 1)).toThrow(/at least 1/);
  });
});
