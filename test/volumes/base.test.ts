import { describe, expect, test } from 'bun:test';
import type { Resource, ResourceDefinition, Snapshot } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { kib } from '../../src/units.ts';
import { isSuperseded, servingBase } from '../../src/volumes/base.ts';

const image: ResourceDefinition = {
  name: resourceName('one-image-3'),
  group: 'g',
  flags: [],
  props: {},
  layers: [],
  volumes: [{ number: 0, sizeKib: kib(4096), flags: [], props: {} }],
};

const made = 1_000_000_000;
const minute = 60_000;

const replica = (node: string, more: Partial<Resource> = {}): Resource => ({
  name: image.name,
  node: nodeName(node),
  flags: [],
  props: {},
  layers: ['DRBD', 'STORAGE'],
  stateKnown: true,
  volumes: [{ number: 0, pool: 'thin', provider: 'LVM_THIN', diskState: 'UpToDate' }],
  createdAt: made,
  connections: {},
  ...more,
});

const base = (name: string, nodes: readonly string[], more: Partial<Snapshot> = {}): Snapshot => ({
  name,
  resource: image.name,
  nodes: nodes.map(nodeName),
  flags: ['SUCCESSFUL'],
  volumes: [{ number: 0, sizeKib: kib(4096) }],
  props: {},
  createdAt: made + minute,
  ...more,
});

const both = [replica('a'), replica('b')];
const whole = base('one-base-2', ['a', 'b']);
const found = (all: readonly Snapshot[], replicas: readonly Resource[] = both): string | undefined =>
  servingBase(all, image, replicas)?.name;

describe('the base that serves', () => {
  test('is the newest whole one', () => {
    expect(found([base('one-base-1', ['a', 'b']), whole])).toBe('one-base-2');
    expect(found([whole, base('one-base-10', ['a', 'b'])])).toBe('one-base-10');
    expect(found([whole, base('one-base-3', ['a', 'b'], { flags: [] })])).toBe('one-base-2');
    expect(found([whole, base('one-base-3', ['a', 'b'], { flags: ['SUCCESSFUL', 'DELETE'] })])).toBe(
      'one-base-2',
    );
  });

  test('is none of OpenNebula’s, nor of a clone, nor of another image', () => {
    expect(found([base('snapshot-1', ['a', 'b']), base('one-vm-1-disk-0', ['a', 'b'])])).toBeUndefined();
    expect(
      found([base('one-base-1', ['a', 'b'], { resource: resourceName('one-image-33') })]),
    ).toBeUndefined();
  });

  test('is on every node from which the image can be read: an added replica would be missing from each clone', () => {
    expect(found([base('one-base-1', ['a'])])).toBeUndefined();
    expect(found([whole], [...both, replica('c')])).toBeUndefined();
    expect(found([base('one-base-1', ['A', 'B', 'c'])])).toBe('one-base-1');
    const away = replica('c', { stateKnown: false });
    const syncing = replica('c', {
      volumes: [{ number: 0, pool: 'thin', provider: 'LVM_THIN', diskState: 'Inconsistent' }],
    });
    const diskless = replica('c', { flags: ['DISKLESS', 'TIE_BREAKER'] });
    expect(found([whole], [...both, away, syncing, diskless])).toBe('one-base-2');
    expect(found([whole], [away])).toBeUndefined();
  });

  test('has the size that the image has', () => {
    expect(
      found([base('one-base-1', ['a', 'b'], { volumes: [{ number: 0, sizeKib: kib(2048) }] })]),
    ).toBeUndefined();
    expect(found([base('one-base-1', ['a', 'b'], { volumes: [] })])).toBeUndefined();
  });

  test('was not taken of an image that a VM could write to, or that was not complete', () => {
    for (const key of ['Aux/one/VM_ID', 'DrbdOptions/Net/allow-two-primaries', 'Aux/one/INCOMPLETE'])
      expect(found([base('one-base-1', ['a', 'b'], { props: { [key]: 'x' } })])).toBeUndefined();
  });

  test('is older than a rollback by hand, which makes all replicas anew', () => {
    const late = { createdAt: made + 10 * minute };
    expect(found([whole], [replica('a', late), replica('b', late)])).toBeUndefined();
    expect(found([whole], [replica('a'), replica('b', late)])).toBe('one-base-2');
    // Clocks of nodes differ.
    const skewed = { createdAt: made + 2 * minute };
    expect(found([whole], [replica('a', skewed), replica('b', skewed)])).toBe('one-base-2');
  });
});

describe('a base is superseded', () => {
  const older = base('one-base-1', ['a', 'b']);
  test('when a later one serves, or when a node of its has left the image', () => {
    expect(isSuperseded(older, [older, whole], both)).toBe(true);
    expect(isSuperseded(whole, [older, whole], both)).toBe(false);
    expect(isSuperseded(older, [older, { ...whole, flags: ['FAILED_DEPLOYMENT'] }], both)).toBe(false);
    expect(isSuperseded(whole, [whole], [replica('a'), replica('c')])).toBe(true);
    expect(isSuperseded(base('snapshot-1', []), [whole], both)).toBe(false);
  });
});
