import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Call } from '../../src/actions/action.ts';
import { isDriverError } from '../../src/errors.ts';
import { readBackupMessage } from '../../src/opennebula/backup-message.ts';
import { encodeBase64, encodeBase64Lines } from '../../src/opennebula/base64.ts';
import { readDatastoreMessage, requireImage } from '../../src/opennebula/message.ts';
import { readMigrationMessage } from '../../src/opennebula/migration-message.ts';
import { readCheckpointMessage } from '../../src/opennebula/vmm-message.ts';
import { escapeXml } from '../../src/opennebula/xml.ts';
import { asCall, fakeCall, recorded, recordedCalls, stdinOf } from './recorded-calls.ts';

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error('nothing was refused'),
    (reason: unknown) => reason,
  );
  if (isDriverError(error, 'BAD_MESSAGE')) return error.message;
  throw error;
}

const cp =
  '<DS_DRIVER_ACTION_DATA><IMAGE><ID>5</ID><NAME>n</NAME><PATH>/var/tmp/x</PATH><SIZE>100</SIZE></IMAGE>' +
  '<DATASTORE><ID>100</ID><NAME>images</NAME><TYPE>0</TYPE><TEMPLATE><RESOURCE_GROUP>rg</RESOURCE_GROUP></TEMPLATE></DATASTORE></DS_DRIVER_ACTION_DATA>';

describe('datastore messages of a real oned', () => {
  const calls = recordedCalls.filter(
    (call) =>
      (call.kind === 'datastore' && !call.action.startsWith('backup')) ||
      (call.kind === 'tm' && call.action === 'monitor'),
  );

  test('every one of them is read', async () => {
    const messages = await Promise.all(calls.map((call) => readDatastoreMessage(asCall(call))));
    expect(messages).toHaveLength(193);
    expect(messages.filter((message) => message.image !== undefined)).toHaveLength(67);
    expect(new Set(messages.map((message) => message.datastore.dsMad))).toEqual(
      new Set(['trace', 'trace_self', '-']),
    );
  });

  test('values arrive where they belong', async () => {
    const [call] = recorded('datastore', 'snap_revert');
    const message = await readDatastoreMessage(asCall(call as NonNullable<typeof call>));
    expect(message).toMatchObject({
      id: 11,
      datastore: { id: 102, name: 't_img', type: 0, tmMad: 'trace', basePath: '/var/lib/one/datastores/102' },
      image: {
        id: 11,
        persistent: true,
        source: 'trace-img-11',
        sizeMib: 300,
        targetSnapshot: 0,
        cloningId: -1,
        state: 1,
      },
    });
    expect(message.datastore.template).toMatchObject({
      BRIDGE_LIST: 'host1 host2',
      SAFE_DIRS: '/var/tmp /tmp',
    });
    expect(
      message.image?.snapshots.map((snapshot) => [
        snapshot.id,
        snapshot.sizeMib,
        snapshot.active,
        snapshot.parent,
      ]),
    ).toEqual([
      [0, 100, false, -1],
      [1, 100, false, -1],
      [2, 100, true, -1],
    ]);
  });

  test('stat has a path and no image', async () => {
    const messages = await Promise.all(
      recorded('datastore', 'stat').map((call) => readDatastoreMessage(asCall(call))),
    );
    expect(messages.every((message) => message.image === undefined && message.path !== '')).toBeTrue();
  });

  test('monitoring of a system datastore says whether disks are wanted', async () => {
    const messages = await Promise.all(
      recorded('tm', 'monitor').map((call) => readDatastoreMessage(asCall(call))),
    );
    expect(messages.every((message) => message.datastoreLocation === '/var/lib/one/datastores')).toBeTrue();
    expect(new Set(messages.map((message) => message.monitorVmDisks))).toEqual(new Set([true, false]));
  });
});

describe('shapes of a datastore message', () => {
  const encoded = encodeBase64(cp);
  test.each([
    ['5.8: base64 and id as arguments', [encoded, '5'], ''],
    ['wrapped base64 as argument', [encodeBase64Lines(cp), '5'], ''],
    ['6.6.3: a dash, the id, and stdin', ['-', '5'], encoded],
    ['6.8: the id, and stdin', ['5'], encoded],
    ['wrapped base64 with blanks around it', ['5'], `\n ${encodeBase64Lines(cp)} \n`],
    ['plain XML', ['5'], `\ufeff \n${cp}`],
  ])('%s', async (_name, argv, stdin) => {
    const message = await readDatastoreMessage(fakeCall('datastore', 'cp', argv, stdin));
    expect(message).toMatchObject({
      id: 5,
      path: '/var/tmp/x',
      datastore: { template: { RESOURCE_GROUP: 'rg' } },
    });
    expect(message.xml).toBe(cp);
  });

  test('stdin is not read when the arguments hold the document', async () => {
    const call: Call = {
      kind: 'datastore',
      name: 'cp',
      argv: [encoded, '5'],
      stdin: () => Promise.reject(new Error('read')),
    };
    expect((await readDatastoreMessage(call)).id).toBe(5);
  });

  test.each([
    ['no arguments', 'cp', [], '', 'no arguments'],
    ['an id that is none', 'cp', ['abc'], encoded, 'not a request id'],
    ['a negative id', 'cp', ['-1'], encoded, 'not a request id'],
    ['nothing on stdin', 'cp', ['5'], ' \n', 'neither the arguments nor the standard input'],
    ['no base64', 'cp', ['5'], 'hello world!', 'neither XML nor base64'],
    ['cut base64', 'cp', ['5'], encoded.slice(0, -2), 'neither XML nor base64'],
    ['cut document', 'cp', ['5'], encoded.slice(0, 200), 'not readable XML'],
    ['a VM', 'cp', ['5'], '<VM><ID>5</ID></VM>', 'root element'],
    ['another image than the id says', 'cp', ['6'], encoded, 'image 5, but its id is 6'],
    ['no datastore', 'monitor', ['5'], '<DS_DRIVER_ACTION_DATA/>', 'no DATASTORE'],
    ['two datastores', 'cp', ['5'], cp.replace('<DATASTORE>', '<DATASTORE/><DATASTORE>'), '2 DATASTORE'],
  ])('refused: %s', async (_name, name, argv, stdin, reason) => {
    expect(await refusal(readDatastoreMessage(fakeCall('datastore', name, argv, stdin)))).toContain(reason);
  });

  test('the id of stat is no image’s', async () => {
    expect((await readDatastoreMessage(fakeCall('datastore', 'stat', ['77'], encoded))).id).toBe(77);
  });

  test('an image that is needed and missing is refused', async () => {
    const call = fakeCall('datastore', 'rm', ['100'], cp.replace(/<IMAGE>.*<\/IMAGE>/, ''));
    const message = await readDatastoreMessage(call);
    expect(() => requireImage(call, message)).toThrow('no IMAGE');
  });

  test('any path survives the way', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }),
        fc.constantFrom(0, 1, 2),
        async (raw, shape) => {
          const path = raw.replaceAll(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, '');
          const xml = cp.replace('/var/tmp/x', () => escapeXml(path));
          const argv = [[encodeBase64(xml), '5'], ['-', '5'], ['5']][shape] as string[];
          const call = fakeCall('datastore', 'cp', argv, shape === 0 ? '' : encodeBase64Lines(xml));
          expect((await readDatastoreMessage(call)).path).toBe(path);
        },
      ),
    );
  });
});

describe('migration', () => {
  const calls = recorded('tm', 'premigrate', 'postmigrate', 'failmigrate');
  const [sample] = calls;
  if (!sample) throw new Error('no recorded migration');
  const encoded = stdinOf(sample);

  test('every recorded call is read', async () => {
    const messages = await Promise.all(calls.map((call) => readMigrationMessage(asCall(call))));
    expect(messages).toHaveLength(18);
    expect(messages.every((message) => message.vm.disks.length > 0)).toBeTrue();
    expect(messages.flatMap((message) => message.marker ?? [])).toEqual(['ssh', 'ssh']);
    expect(messages[0]).toMatchObject({
      sourceHost: 'host1',
      destinationHost: 'host2',
      vmId: 1,
      datastoreId: 104,
      shape: 'stdin',
    });
    expect(messages[0]?.encoded).toBe(encoded);
  });

  const arguments_ = ['host1', 'host2', '/var/lib/one//datastores/104/1', '1', '104'];
  test.each([
    ['5.8, ours', [...arguments_, encoded], '', undefined, 'arguments'],
    ['5.8, called by another TM', [...arguments_, encoded, 'ceph'], '', 'ceph', 'arguments'],
    ['5.10, ours', arguments_, encoded, undefined, 'stdin'],
    ['5.10, called by another TM', [...arguments_, 'ceph'], encoded, 'ceph', 'stdin'],
    ['5.10, marker that is valid base64', [...arguments_, 'PHNo'], encoded, undefined, 'arguments'],
  ] as const)('%s', async (name, argv, stdin, marker, shape) => {
    const call = fakeCall('tm', 'premigrate', argv, stdin);
    if (name.includes('valid base64'))
      return expect(await refusal(readMigrationMessage(call))).toContain('not readable');
    const message = await readMigrationMessage(call);
    expect(message.marker).toBe(marker);
    expect(message).toMatchObject({ shape, directory: '/var/lib/one/datastores/104/1', encoded });
  });

  test.each([
    ['no VM anywhere', arguments_, '', 'neither in the arguments'],
    [
      'another VM',
      ['host1', 'host2', '/x/104/9', '9', '104'],
      encoded,
      'about VM 1, but the argument says 9',
    ],
    ['missing directory', ['host1', 'host2'], encoded, 'missing'],
    ['truncated VM', arguments_, encodeBase64('<VM><ID>1</ID>'), 'not readable'],
  ])('refused: %s', async (_name, argv, stdin, reason) => {
    expect(await refusal(readMigrationMessage(fakeCall('tm', 'premigrate', argv, stdin)))).toContain(reason);
  });
});

describe('any name of a VM', () => {
  const name = fc
    .string({ unit: 'grapheme', maxLength: 60 })
    .map((text) => text.replaceAll(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, ''));
  const document = (text: string): string =>
    `<VM><ID>7</ID><NAME>${escapeXml(text)}</NAME><STATE>3</STATE><LCM_STATE>4</LCM_STATE><TEMPLATE/></VM>`;

  test('survives a migration in both shapes, and what is passed on is the same message', async () => {
    await fc.assert(
      fc.asyncProperty(
        name,
        fc.boolean(),
        fc.option(fc.constantFrom('ceph', 'ssh', 'linstor_un')),
        async (text, old, marker) => {
          const encoded = encodeBase64(document(text));
          const argv = [
            'a',
            'b',
            '/d/1/7',
            '7',
            '1',
            ...(old ? [encoded] : []),
            ...(marker === null ? [] : [marker]),
          ];
          const message = await readMigrationMessage(
            fakeCall('tm', 'premigrate', argv, old ? '' : `${encoded}\n`),
          );
          expect([message.vm.name, message.marker ?? null, message.encoded]).toEqual([text, marker, encoded]);
        },
      ),
    );
  });

  test('survives a backup and a checkpoint', async () => {
    await fc.assert(
      fc.asyncProperty(name, async (text) => {
        const backup = fakeCall('tm', 'prebackup', ['a:/d/1/7', '0', 'one-7', '-', '7', '1'], document(text));
        expect((await readBackupMessage(backup)).vm.name).toBe(text);
        const data = `<VMM_DRIVER_ACTION_DATA>${document(text)}<DATASTORE><ID>1</ID></DATASTORE></VMM_DRIVER_ACTION_DATA>`;
        const save = fakeCall(
          'vmm',
          'save_linstor_un',
          ['one-7', '/d/1/7/checkpoint', 'a', '7', 'a'],
          encodeBase64Lines(data),
        );
        const { vm } = await readCheckpointMessage(save);
        expect([vm.name, vm.xml]).toEqual([
          text,
          document(text).replace('<TEMPLATE/>', '<TEMPLATE></TEMPLATE>'),
        ]);
      }),
    );
  });
});

describe('backup', () => {
  const calls = recorded('tm', 'prebackup', 'prebackup_live', 'postbackup', 'postbackup_live');
  const [sample] = calls;
  if (!sample) throw new Error('no recorded backup');
  const vm = sample.stdin ?? '';

  test('every recorded call is read, the VM as plain XML', async () => {
    const messages = await Promise.all(calls.map((call) => readBackupMessage(asCall(call))));
    expect(messages).toHaveLength(32);
    expect(messages.every((message, index) => message.xml === calls[index]?.stdin)).toBeTrue();
    expect(messages[0]).toMatchObject({
      host: 'host1',
      diskIds: [0, 1],
      deployId: 'one-2',
      vmId: 2,
      datastoreId: 104,
    });
    expect(messages[0]?.vm.backup).toMatchObject({ MODE: 'FULL', FS_FREEZE: 'NONE' });
  });

  const target = 'host1:/var/lib/one//datastores/104/2';
  test.each([
    [
      '6.6: list with a colon at its end, no job',
      [target, '0:1:', 'one-2', '2', '104'],
      { diskIds: [0, 1], deployId: 'one-2' },
    ],
    ['6.6: VM that never ran', [target, '0', '2', '104'], { diskIds: [0] }],
    ['6.8: no job', [target, '0', 'one-2', '-', '2', '104'], { deployId: 'one-2' }],
    ['6.8: a job', [target, '0', 'one-2', '7', '2', '104'], { deployId: 'one-2', backupJobId: 7 }],
    ['6.8: VM that never ran, no job', [target, '0', '-', '2', '104'], {}],
    ['6.8: VM that never ran, a job', [target, '0', '7', '2', '104'], { backupJobId: 7 }],
  ])('%s', async (_name, argv, expected) => {
    const { host, directory, deployId, backupJobId, diskIds } = await readBackupMessage(
      fakeCall('tm', 'prebackup', argv, vm),
    );
    expect({ host, directory }).toEqual({ host: 'host1', directory: '/var/lib/one/datastores/104/2' });
    expect({ diskIds, deployId, backupJobId }).toEqual({
      diskIds: [0],
      deployId: undefined,
      backupJobId: undefined,
      ...expected,
    });
  });

  test.each([
    ['too few arguments', [target, '2', '104'], 'instead of 4 to 6'],
    ['no disks', [target, 'one-2', '-', '2', '104'], 'not a list of disk ids'],
    ['another VM', [target, '0', 'one-3', '-', '3', '104'], 'about VM 2'],
  ])('refused: %s', async (_name, argv, reason) => {
    expect(await refusal(readBackupMessage(fakeCall('tm', 'prebackup', argv, vm)))).toContain(reason);
  });
});

describe('save and restore', () => {
  const calls = recorded('vmm', 'save', 'restore');

  test('every recorded call is read', async () => {
    const messages = await Promise.all(calls.map((call) => readCheckpointMessage(asCall(call))));
    expect(messages).toHaveLength(18);
    expect(messages.every((message) => message.checkpoint.endsWith('/checkpoint'))).toBeTrue();
    expect(
      messages.every((message) => /^one-\d+$/.test(message.deployId) && /^host\d$/.test(message.host)),
    ).toBeTrue();
    expect(messages[0]).toMatchObject({
      deployId: 'one-1',
      host: 'host1',
      vmId: 1,
      datastore: { tmMad: 'trace' },
    });
  });

  test('the VM inside can be passed on as a document of its own', async () => {
    const [call] = calls;
    const message = await readCheckpointMessage(asCall(call as NonNullable<typeof call>));
    expect(message.vm.xml).toStartWith('<VM><ID>1</ID>');
    expect(message.vm.xml).toContain('<SOURCE>trace-img-1</SOURCE>');
  });

  test.each([
    ['nothing on stdin', ['one-1', '/x/checkpoint', 'host1', '1', 'host1'], '', 'standard input is empty'],
    ['arguments of the other action', ['/x/checkpoint', 'host1', 'one-1', '1', 'host1'], '<a/>', 'missing'],
    [
      'no VM',
      ['one-1', '/x/checkpoint', 'host1', '1', 'host1'],
      '<VMM_DRIVER_ACTION_DATA/>',
      'no VM element',
    ],
  ])('refused: %s', async (_name, argv, stdin, reason) => {
    expect(await refusal(readCheckpointMessage(fakeCall('vmm', 'save_linstor_un', argv, stdin)))).toContain(
      reason,
    );
  });
});
