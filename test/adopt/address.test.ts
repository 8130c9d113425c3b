import { expect, test } from 'bun:test';
import { isListed, isVolumeAddress, parseVolumeAddress, requirePermitted } from '../../src/adopt/address.ts';
import { toDriverError } from '../../src/errors.ts';

const codeOf = (work: () => unknown): string | undefined => {
  try {
    work();
    return undefined;
  } catch (error) {
    return toDriverError(error).code;
  }
};

test('PATH names a resource, and may name a snapshot', () => {
  expect<unknown>(parseVolumeAddress('linstor://OpenNebula-Image-3')).toEqual({
    resource: 'OpenNebula-Image-3',
  });
  expect<unknown>(parseVolumeAddress(' LINSTOR://web@before ')).toEqual({
    resource: 'web',
    snapshot: 'before',
  });
  expect(isVolumeAddress('linstor://x')).toBe(true);
  for (const path of ['/dev/drbd1000', 'http://linstor://x', 'linstor:/x'])
    expect(isVolumeAddress(path)).toBe(false);
  for (const path of [
    'linstor://',
    'linstor://a/b',
    'linstor://web@',
    'linstor://web@a@b',
    'linstor://-web',
    'linstor://web;rm',
    'linstor://../web',
    `linstor://${'a'.repeat(49)}`,
  ])
    expect(codeOf(() => parseVolumeAddress(path))).toBe('IMAGE_SOURCE');
});

test('a star stands for anything, a name without one for itself', () => {
  expect(isListed('OpenNebula-Image-3', ['OpenNebula-Image-*'])).toBe(true);
  expect(isListed('opennebula-image-3', ['OpenNebula-Image-*'])).toBe(true);
  expect(isListed('OpenNebula-Volatile-vm1-disk0', ['OpenNebula-Image-*'])).toBe(false);
  expect(isListed('web', ['we'])).toBe(false);
  expect(isListed('web', ['*'])).toBe(true);
  expect(isListed('one-vm-7-disk-0', ['one-*-disk-0', 'x'])).toBe(true);
  expect(isListed('one-vm-7-disk-01', ['one-*-disk-0'])).toBe(false);
  expect(isListed('aba', ['ab*ba'])).toBe(false);
  expect(isListed('web', [])).toBe(false);
});

test('only what is listed, and only for oneadmin', () => {
  const address = parseVolumeAddress('linstor://one-image-3');
  const code = (list: readonly string[], owner: number | undefined | 'not told'): string =>
    codeOf(() => requirePermitted(address, list, owner)) ?? 'permitted';
  expect(code([], 0)).toBe('IMAGE_SOURCE');
  expect(code(['one-*'], 0)).toBe('permitted');
  expect(code(['one-*'], 5)).toBe('IMAGE_SOURCE');
  expect(code(['one-*'], undefined)).toBe('IMAGE_SOURCE');
  expect(code(['one-*'], 'not told')).toBe('permitted');
  expect(code([], 'not told')).toBe('IMAGE_SOURCE');
});
