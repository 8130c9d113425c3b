import { expect, test } from 'bun:test';
import type { ResourceDefinition } from '../../src/linstor/linstor.ts';
import { resourceName } from '../../src/linstor/names.ts';
import { kib } from '../../src/units.ts';
import { isOwn, requireOwn } from '../../src/volumes/reclaim.ts';

function definition(
  props: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
  volumes: ResourceDefinition['volumes'] = [{ number: 0, sizeKib: kib(65536), flags: [], props: {} }],
): ResourceDefinition {
  return { name: resourceName('one-vm-7-disk-0'), group: 'repl', flags, layers: [], props, volumes };
}

test('a resource without a mark is somebody else’s and is not replaced', () => {
  expect(() =>
    requireOwn(definition({ 'Aux/site/owner': 'backup', 'DrbdOptions/auto-quorum': 'io-error' })),
  ).toThrow('one-vm-7-disk-0 exists and carries no mark of this driver');
});

test('one mark is enough: the bash driver’s, or the nonce of an interrupted creation', () => {
  for (const key of ['Aux/one/VM_ID', 'Aux/one/MADE_BY/one-vm-7-disk-0']) {
    expect(isOwn(definition({ [key]: '7' }))).toBe(true);
    expect(() => requireOwn(definition({ [key]: '7' }))).not.toThrow();
  }
});

test('nothing there, or already on its way out, is no obstacle', () => {
  expect(() => requireOwn(undefined)).not.toThrow();
  expect(() => requireOwn(definition({}, ['DELETE']))).not.toThrow();
});

test('a definition without volumes holds nothing: a creation that was cut off before its marks', () => {
  expect(isOwn(definition({}, [], []))).toBe(true);
});
