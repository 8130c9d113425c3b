import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { decodeBase64, encodeBase64, encodeBase64Lines } from '../../src/opennebula/base64.ts';
import { diskIdOf, hostPath, normalPath, vmPlace } from '../../src/opennebula/paths.ts';
import { inLcm, lcm, lcmName } from '../../src/opennebula/states.ts';
import { recordedCalls } from './recorded-calls.ts';

describe('paths', () => {
  test('host:path, split at the first colon', () => {
    expect(hostPath('host1:/var/lib/one//datastores/0/12/disk.0')).toEqual({
      host: 'host1',
      path: '/var/lib/one/datastores/0/12/disk.0',
    });
    expect(hostPath('fe:/a:b').path).toBe('/a:b');
  });

  test.each(['', 'host', ':/path', 'host:', '/var/lib/one/datastores/0/12'])('%p is none', (argument) => {
    expect(() => hostPath(argument)).toThrow('host:path');
  });

  test('disk id', () => {
    expect(diskIdOf('/x//0/12/disk.10')).toBe(10);
    expect(diskIdOf('disk.0')).toBe(0);
    for (const other of [
      '/x/0/12',
      '/x/0/12/disk.',
      '/x/0/12/disk.a',
      '/x/0/12/mydisk.1',
      '/x/disk.1/y',
      '/x/disk.-1',
    ]) {
      expect(diskIdOf(other)).toBeUndefined();
    }
  });

  test('the place of a VM', () => {
    const place = { directory: '/var/lib/one/datastores/104/7', systemDatastoreId: 104, vmId: 7 };
    expect(vmPlace('/var/lib/one//datastores/104/7/')).toEqual(place);
    expect(vmPlace('/var/lib/one//datastores/104/7/disk.3')).toEqual({ ...place, diskId: 3 });
    expect(vmPlace('/1/2/3/4')).toMatchObject({ systemDatastoreId: 3, vmId: 4, directory: '/1/2/3/4' });
    for (const other of ['/var', 'a/1/2', '/x/104/7/kernel', '/x/104/seven'])
      expect(() => vmPlace(other)).toThrow('is not');
  });

  test('every recorded VM path says which VM it is', () => {
    const moves = recordedCalls.filter(
      (call) => call.kind === 'tm' && ['mv', 'delete'].includes(call.action),
    );
    const places = moves.map((call) => ({
      place: vmPlace(hostPath(call.argv[0] ?? '').path),
      vmId: Number(call.argv.at(-2)),
    }));
    expect(places).toHaveLength(228);
    expect(places.filter(({ place, vmId }) => place.vmId !== vmId)).toEqual([]);
  });

  test('normal paths stay', () => {
    expect([normalPath('/'), normalPath('/a/'), normalPath('//a///b')]).toEqual(['/', '/a', '/a/b']);
  });
});

describe('base64', () => {
  test('any text comes back, wrapped or not', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        expect(decodeBase64(encodeBase64(text), 'x')).toBe(text);
        expect(decodeBase64(` ${encodeBase64Lines(text)}`, 'x')).toBe(text);
        expect(
          encodeBase64Lines(text)
            .split('\n')
            .every((line) => line.length <= 60),
        ).toBeTrue();
      }),
    );
  });

  test.each(['', '   ', 'abc', 'a===', 'ab=c', 'abc!', 'YWJj-'])('%p is none', (text) => {
    expect(() => decodeBase64(text, 'message')).toThrow('message is neither XML nor base64');
  });
});

describe('states', () => {
  test('names and numbers', () => {
    expect(lcmName(8)).toBe('PROLOG_MIGRATE (8)');
    expect(lcmName(99)).toBe('99');
    expect(inLcm(39, 'PROLOG', 'PROLOG_FAILURE')).toBeTrue();
    expect(inLcm(8, 'PROLOG', 'PROLOG_FAILURE')).toBeFalse();
    expect(new Set(Object.values(lcm)).size).toBe(Object.keys(lcm).length);
  });

  test('the states of contract §10.1', () => {
    expect(lcm).toMatchObject({
      PROLOG: 1,
      RUNNING: 3,
      EPILOG: 11,
      CLEANUP_DELETE: 23,
      HOTPLUG_SAVEAS: 26,
      PROLOG_MIGRATE_UNKNOWN: 60,
      DISK_RESIZE: 62,
      BACKUP: 69,
      RESTORE: 71,
    });
  });
});
