import { describe, expect, test } from 'bun:test';
import type { Resource } from '../../src/linstor/linstor.ts';
import { nodeName, resourceName } from '../../src/linstor/names.ts';
import { clonesItself, hasSnapshots, isThin, providerNames, readsZero } from '../../src/linstor/providers.ts';
import {
  isAttached,
  isDiskful,
  isDiskless,
  isReadable,
  isSnapshotSource,
} from '../../src/volumes/replicas.ts';

const volume = (diskState?: string) => ({
  number: 0,
  pool: 'p',
  provider: 'LVM_THIN',
  ...(diskState === undefined ? {} : { diskState }),
});
const replica = (more: Partial<Resource>): Resource => ({
  name: resourceName('r'),
  node: nodeName('n'),
  flags: [],
  props: {},
  layers: ['DRBD', 'STORAGE'],
  stateKnown: true,
  connections: {},
  volumes: [volume('UpToDate')],
  ...more,
});

/** d: holds data; r: can be read now; s: LINSTOR snapshots it; a: counts as attached; -: a client. */
const cases: readonly (readonly [string, Partial<Resource>, string])[] = [
  ['in sync', {}, 'd r s a'],
  ['plain storage', { layers: ['STORAGE'], volumes: [volume()] }, 'd r s a'],
  ['plain storage as old controllers tell', { volumes: [volume('[]')] }, 'd r s a'],
  ['syncing', { volumes: [volume('SyncTarget')] }, 'd a'],
  ['its second volume syncing', { volumes: [volume('UpToDate'), volume('Inconsistent')] }, 'd a'],
  ['its satellite away', { stateKnown: false }, 'd a'],
  ['one whose disk had failed', { props: { 'DrbdOptions/SkipDisk': 'True' } }, 'd r a'],
  ['its disk gone', { volumes: [volume('Diskless')] }, 'd a'],
  ['evacuated', { flags: ['EVACUATE'] }, 'd r a'],
  ['evicted', { flags: ['EVICTED'] }, ''],
  ['switched off', { flags: ['INACTIVE'] }, ''],
  ['being deleted', { flags: ['DELETE'] }, ''],
  ['DRBD being deleted', { flags: ['DRBD_DELETE'] }, ''],
  ['a client', { flags: ['DISKLESS', 'DRBD_DISKLESS'] }, 'a -'],
  ['an NVMe initiator', { flags: ['NVME_INITIATOR'], layers: ['NVME', 'STORAGE'] }, 'a -'],
  ['a tie-breaker', { flags: ['DISKLESS', 'DRBD_DISKLESS', 'TIE_BREAKER'] }, '-'],
];

describe('a replica is', () => {
  test.each(cases)('%s', (_, more, expected) => {
    const it = replica(more);
    const found = [
      isDiskful(it) && 'd',
      isReadable(it) && 'r',
      isSnapshotSource(it) && 's',
      isAttached(it) && 'a',
      isDiskless(it) && '-',
    ];
    expect(found.filter(Boolean).join(' ')).toBe(expected);
  });
});

test('what providers can do', () => {
  const all = (can: (name: string) => boolean) => providerNames.filter(can).join(' ');
  expect({
    thin: all(isThin),
    snapshots: all(hasSnapshots),
    clone: all(clonesItself),
    zero: all(readsZero),
  }).toEqual({
    thin: 'LVM_THIN ZFS_THIN FILE_THIN STORAGE_SPACES_THIN',
    snapshots: 'LVM_THIN ZFS ZFS_THIN FILE FILE_THIN SPDK REMOTE_SPDK EBS_TARGET',
    clone: 'LVM LVM_THIN ZFS ZFS_THIN',
    zero: 'LVM_THIN ZFS_THIN FILE_THIN STORAGE_SPACES_THIN',
  });
  for (const name of ['toString', 'NEW_KIND'])
    expect([isThin(name), hasSnapshots(name), clonesItself(name), readsZero(name)]).toEqual([
      false,
      false,
      false,
      false,
    ]);
});
