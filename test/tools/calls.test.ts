import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseVm } from '../../src/opennebula/documents.ts';
import { readDatastoreMessage } from '../../src/opennebula/message.ts';
import { linkAfter, postconditionsOf } from '../../src/tools/calls/postconditions.ts';
import { preconditionsOf } from '../../src/tools/calls/preconditions.ts';
import { type RecordedCall, readRecording } from '../../src/tools/calls/recording.ts';
import { type Places, rewriteCall, rewriteText } from '../../src/tools/calls/rewrite.ts';
import { complaint } from '../../src/tools/calls/verdict.ts';
import { vmDuring } from '../../src/tools/calls/vm-text.ts';
import { World } from '../../src/tools/calls/world.ts';
import { fakeCall } from '../opennebula/recorded-calls.ts';

const recording = readRecording(
  readFileSync(join(import.meta.dir, '../recordings/opennebula/driver-calls.jsonl'), 'utf8'),
);
const { calls, foreign } = recording;
const world = new World(recording);
const places: Places = {
  location: '/lab/datastores',
  imports: '/lab/imports',
  image: '/lab/imports/image.raw',
  frontend: 'fe',
};

function call(seq: number): RecordedCall {
  const found = calls.find((one) => one.seq === seq);
  if (!found) throw new Error(`no call ${seq}`);
  return found;
}

describe('the recording', () => {
  test('calls of our actions are taken, all others are counted', () => {
    expect(calls.length + foreign).toBe(852);
    expect(calls.filter(({ kind, action }) => kind === 'tm' && action === 'mv')).toHaveLength(142);
    expect(calls.filter(({ kind }) => kind === 'vmm').map(({ file }) => file)).toContain('save_linstor_un');
    expect(calls.some(({ argv }) => argv.some((argument) => argument.endsWith('/kernel')))).toBeFalse();
  });

  test('its world: drivers, hosts, front-end, sources', () => {
    expect([...world.drivers].sort()).toEqual(['trace', 'trace_self']);
    expect([...world.hosts].sort()).toEqual(['host1', 'host2', 'host3']);
    expect([...world.frontends]).toEqual(['one-fe']);
    expect(world.sources.get('trace-img-1')).toBe('/dev/drbd/by-res/one-image-1/0');
    expect(world.sources.get('trace-img-12')).toBe('/dev/drbd/by-res/one-image-12/0');
  });

  test('nothing of the tracing driver is left in a call', () => {
    const texts = calls
      .map((one) => rewriteCall(one, world, places))
      .map(({ argv, stdin, encoding }) => {
        const document = encoding === 'base64' ? Buffer.from(stdin, 'base64').toString() : stdin;
        return `${argv.join(' ')} ${document}`;
      });
    expect(
      texts.filter((text) =>
        /trace-img-\d|_MAD><!\[CDATA\[trace|one-fe:|\/var\/lib\/one\/+datastores/.test(text),
      ),
    ).toEqual([]);
  });

  test('a rewritten message is one of ours', async () => {
    const { argv, stdin } = rewriteCall(call(8), world, places);
    const message = await readDatastoreMessage(fakeCall('datastore', 'cp', argv, stdin));
    expect(message).toMatchObject({
      path: '/lab/imports/image.raw',
      datastore: { tmMad: 'linstor_un', dsMad: 'linstor_un' },
    });
    expect(message.datastore.template['SAFE_DIRS']).toBe('/lab/imports');
    expect(rewriteText('a trace-img-1 trace-img-10', world, places)).toBe(
      'a /dev/drbd/by-res/one-image-1/0 /dev/drbd/by-res/one-image-10/0',
    );
  });
});

describe('a VM during a call', () => {
  const during = (seq: number) =>
    parseVm(rewriteText(vmDuring(call(seq), world, Number(call(seq).argv.at(-2))), world, places));

  test('every transfer call finds its VM and its disk', () => {
    const targets = calls.filter(
      ({ kind, action }) =>
        kind === 'tm' && ['clone', 'ln', 'mkimage', 'mkswap', 'mvds', 'resize'].includes(action),
    );
    for (const { seq, argv } of targets) {
      const disk = Number(
        argv
          .find((argument) => /disk\.\d+$/.test(argument))
          ?.split('.')
          .at(-1),
      );
      expect(during(seq).disks.map(({ id }) => id)).toContain(disk);
    }
    expect(targets.length).toBeGreaterThan(100);
  });

  test('the kind is that of the call', () => {
    const kinds = (action: string) =>
      new Set(
        calls
          .filter((one) => one.kind === 'tm' && one.action === action)
          .map(({ seq, argv }) => {
            const disk = Number(
              argv
                .find((argument) => /disk\.\d+$/.test(argument))
                ?.split('.')
                .at(-1),
            );
            return during(seq).disks.find(({ id }) => id === disk)?.kind;
          }),
      );
    expect(kinds('clone')).toEqual(new Set(['clone']));
    expect(kinds('mkswap')).toEqual(new Set(['volatile']));
    expect([...kinds('ln')].sort()).toEqual(['cdrom', 'immutable', 'persistent', 'shareable']);
  });
});

describe('preconditions', () => {
  const of = (seq: number) => {
    const vm = parseVm(rewriteText(vmDuring(call(seq), world, Number(call(seq).argv.at(-2))), world, places));
    return preconditionsOf(rewriteCall(call(seq), world, places), {}, vm);
  };

  test('clone: the image is there, the disk is not', () => {
    expect<unknown>(of(62)).toEqual({
      present: [{ resource: 'one-image-1', sizeMib: 100 as never }],
      absent: ['one-vm-1-disk-0'],
      snapshots: [],
    });
  });

  test('ln and mvds: the image', () => {
    expect<unknown>(of(63).present).toEqual([{ resource: 'one-image-11', sizeMib: 100 as never }]);
    expect<unknown>(of(214).present.map(({ resource }) => resource)).toEqual(['one-image-10']);
  });

  test('deleting a snapshot: the disk and the snapshot', () => {
    expect(of(236)).toMatchObject({
      present: [{ resource: 'one-vm-1-disk-0' }],
      snapshots: [{ resource: 'one-vm-1-disk-0', name: 'snapshot-0' }],
    });
  });
});

describe('postconditions', () => {
  const of = (seq: number, made = { sizeMib: 100, saveAs: false }) => {
    const vm = parseVm(rewriteText(vmDuring(call(seq), world, Number(call(seq).argv.at(-2))), world, places));
    const rewritten = rewriteCall(call(seq), world, places);
    return postconditionsOf(rewritten, preconditionsOf(rewritten, {}, vm), made);
  };

  test('clone: the disk is there in its size, and so is the image still', () => {
    expect<unknown>(of(62)).toEqual({
      present: [
        { resource: 'one-image-1', sizeMib: 0 },
        { resource: 'one-vm-1-disk-0', sizeMib: 100 },
      ],
      absent: [],
      snapshots: [],
    });
  });

  test('delete: a disk of the VM is gone, a persistent image never', () => {
    const deletes = calls.filter(
      ({ kind, action, argv }) => kind === 'tm' && action === 'delete' && /disk\.\d+$/.test(argv[0] ?? ''),
    );
    const after = deletes.map(({ seq }) => of(seq));
    expect(after.filter(({ absent }) => absent.length > 0).length).toBeGreaterThan(20);
    expect(
      after.filter(({ present }) => present.some(({ resource }) => resource.startsWith('one-image-'))).length,
    ).toBeGreaterThan(5);
    expect(
      after.flatMap(({ absent }) => absent).filter((resource) => !resource.startsWith('one-vm-')),
    ).toEqual([]);
  });

  test('the link on the host: made, taken away, and none on the front-end', () => {
    const link = (seq: number) => linkAfter(rewriteCall(call(seq), world, places), 'fe');
    expect(link(62)).toEqual({ host: 'host1', path: '/lab/datastores/104/1/disk.0', present: true });
    expect(link(214)).toEqual({ host: 'host1', path: '/lab/datastores/104/1/disk.7', present: false });
    expect(link(81)).toBeUndefined();
  });

  test('snapshots and sizes', () => {
    expect<unknown>(of(236).snapshots).toEqual([
      { resource: 'one-vm-1-disk-0', name: 'snapshot-0', present: false },
    ]);
    expect<unknown>(of(238).snapshots).toEqual([
      { resource: 'one-vm-1-disk-0', name: 'snapshot-1', present: true },
    ]);
    expect<unknown>(of(248).present).toEqual([{ resource: 'one-vm-1-disk-0', sizeMib: 300 }]);
  });
});

describe('verdict', () => {
  const outcome = (exitCode: number, stdout = '', stderr = '') => ({ exitCode, stdout, stderr });
  const cp = { kind: 'datastore', action: 'cp', failed: false } as const;

  test('success with a reply that oned can read', () => {
    expect(complaint(cp, outcome(0, '/dev/drbd/by-res/one-image-1/0 raw\n'))).toBeUndefined();
    expect(complaint({ ...cp, action: 'stat' }, outcome(0, '100\n'))).toBeUndefined();
    expect(
      complaint({ ...cp, action: 'monitor' }, outcome(0, 'USED_MB=1 TOTAL_MB=2 FREE_MB=1\n')),
    ).toBeUndefined();
    expect(complaint({ ...cp, kind: 'tm', action: 'clone' }, outcome(0))).toBeUndefined();
  });

  test('a restore without its backup is refused as one that does not exist, and with no other word', () => {
    const restore = { kind: 'tm', action: 'restore', failed: false } as const;
    expect(complaint(restore, outcome(1, '', 'no image 27 [ONE_NOT_FOUND]'))).toBeUndefined();
    expect(complaint(restore, outcome(1, '', 'what? [BAD_ARGUMENT]'))).toContain('BAD_ARGUMENT');
    expect(complaint(cp, outcome(1, '', 'no image [ONE_NOT_FOUND]'))).toContain('ONE_NOT_FOUND');
  });

  test.each([
    ['no format', 'cp', '/dev/x\n'],
    ['two lines', 'cp', '50%\n/dev/x raw\n'],
    ['a format that mkfs must not give', 'mkfs', '/dev/x raw\n'],
    ['no number', 'stat', '100.5\n'],
    ['zero', 'stat', '0\n'],
    ['no capacity', 'monitor', 'USED_MB=1\n'],
  ])('success with a wrong reply: %s', (_name, action, stdout) => {
    expect(complaint({ ...cp, action }, outcome(0, stdout))).toContain('is not of the form');
  });

  test('a failure is one, unless it was injected and the call was understood', () => {
    expect(complaint(cp, outcome(1, '', 'no room [PLACEMENT]'))).toBe('exit 1: no room [PLACEMENT]');
    expect(complaint({ ...cp, failed: true }, outcome(1, '', 'no room [PLACEMENT]'))).toBeUndefined();
    expect(complaint({ ...cp, failed: true }, outcome(1, '', 'what? [BAD_MESSAGE]'))).toContain(
      'BAD_MESSAGE',
    );
    expect(complaint({ ...cp, failed: true }, outcome(0, '/dev/x raw\n'))).toBeUndefined();
  });
});
