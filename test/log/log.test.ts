import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DriverError } from '../../src/errors.ts';
import { openActionLog } from '../../src/log/action-log.ts';
import { JsonLog, logPath } from '../../src/log/json-log.ts';
import { readLog } from '../../src/log/read-log.ts';
import { type ActionRecord, ActionRecorder } from '../../src/log/record.ts';
import { subjectOf } from '../../src/log/subject.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linstor_un-log-'));
  path = join(folder, 'linstor_un.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function record(change: Partial<ActionRecord> = {}): ActionRecord {
  return {
    time: '2026-11-23T10:00:00.000Z',
    id: '1-a',
    action: 'tm/clone',
    argv: [],
    object: { vm: 7 },
    calls: [],
    notes: [],
    result: 'ok',
    ms: 10,
    ...change,
  };
}

describe('recording', () => {
  test('one record has all that happened', () => {
    let now = 1_000;
    const recorder = new ActionRecorder(
      {
        kind: 'tm',
        name: 'clone',
        variant: 'ssh',
        argv: ['fe:/dev/drbd/by-res/one-image-3/0', 'hv1:/var/lib/one//datastores/0/7/disk.1', '7', '1'],
      },
      { now: () => now },
    );
    now += 20;
    recorder.call({
      kind: 'linstor',
      target: 'http://c1:3370',
      verb: 'POST /v1/x',
      ms: 15.4,
      outcome: '201',
    });
    recorder.info('made one-vm-7-disk-1');
    now += 30;
    const error = new DriverError('DEVICE_MISSING', 'no device', {
      details: ['waited 10 s'],
      reports: ['5F-1'],
      remedy: 'check the satellite and udev on the host, then retry',
    });
    expect(recorder.finish({ error })).toEqual({
      time: '1970-01-01T00:00:01.000Z',
      id: `${process.pid}-rs`,
      action: 'tm/clone.ssh',
      argv: ['fe:/dev/drbd/by-res/one-image-3/0', 'hv1:/var/lib/one//datastores/0/7/disk.1', '7', '1'],
      object: { vm: 7, datastore: 1, disk: 1, host: 'hv1' },
      calls: [
        { kind: 'linstor', target: 'http://c1:3370', verb: 'POST /v1/x', ms: 15, outcome: '201', at: 20 },
      ],
      notes: [{ level: 'info', text: 'made one-vm-7-disk-1', at: 20 }],
      result: 'failed',
      ms: 50,
      error: {
        code: 'DEVICE_MISSING',
        message: 'no device',
        details: ['waited 10 s'],
        reports: ['5F-1'],
        remedy: 'check the satellite and udev on the host, then retry',
      },
    });
  });

  test('a foreign error is INTERNAL, success has none', () => {
    const call = { kind: 'tm', name: 'ln', argv: [] } as const;
    expect(new ActionRecorder(call).finish({ error: new TypeError('x') }).error?.code).toBe('INTERNAL');
    expect(new ActionRecorder(call).finish()).toMatchObject({ result: 'ok' });
    expect(new ActionRecorder(call).finish()).not.toHaveProperty('error');
  });

  test('the reply is kept, cut short', () => {
    const recorder = new ActionRecorder({ kind: 'datastore', name: 'cp', argv: [] });
    expect(recorder.finish({ reply: '/dev/x raw' }).reply).toBe('/dev/x raw');
    expect(recorder.finish({ reply: 'y'.repeat(900) }).reply).toHaveLength(200);
  });

  test('calls without end do not make a line without end', () => {
    const recorder = new ActionRecorder({ kind: 'tm', name: 'monitor', argv: [] });
    for (let index = 0; index < 620; index += 1)
      recorder.call({ kind: 'ssh', target: 'h', verb: 'x', ms: 1, outcome: '0' });
    const { calls, dropped } = recorder.finish();
    expect([calls.length, dropped]).toEqual([500, 120]);
  });

  test('no secret reaches the file', () => {
    const secret = 'hunter2';
    const message = Buffer.from(`<DATASTORE><LS_TOKEN>${secret}</LS_TOKEN></DATASTORE>`.repeat(5)).toString(
      'base64',
    );
    const recorder = new ActionRecorder({
      kind: 'datastore',
      name: 'cp',
      argv: [message, `http://u:${secret}@h/x`, '4'],
    });
    for (const text of [
      `Authorization: Bearer ${secret}`,
      `password=${secret}`,
      `{"token": "${secret}"}`,
      `LS_PASSWORD = "${secret}"`,
      `<LS_PASSWORD><![CDATA[${secret}]]></LS_PASSWORD>`,
      `https://me:${secret}@controller:3371/v1`,
      `passphrase: '${secret}'`,
    ]) {
      recorder.info(text);
      recorder.call({ kind: 'linstor', target: text, verb: text, ms: 1, outcome: text });
    }
    const line = JSON.stringify(
      recorder.finish({
        error: new DriverError('INTERNAL', `x token=${secret}`, { details: [`secret: ${secret}`] }),
      }),
    );
    expect(line).not.toContain(secret);
    expect(line).not.toContain(message.slice(0, 40));
    expect(line).toContain(`<${message.length} characters>`);
    expect(line).toContain('controller:3371/v1');
  });
});

describe('the log of a running action', () => {
  const call = { kind: 'tm', name: 'ln', argv: ['fe:/x', 'hv1:/d/0/7/disk.0', '7', '1'] } as const;

  test('one record, written at the end and once', () => {
    const log = openActionLog(call, { LINSTOR_UN_LOG: path });
    log.call({ kind: 'linstor', target: 'c1', verb: 'GET /v1/view/resources', ms: 3, outcome: '200' });
    log.note('warn', 'slow');
    expect(existsSync(path)).toBe(false);
    log.end({ ok: true, reply: 'x' });
    log.end({ ok: true });
    expect(readLog(path).records).toMatchObject([
      {
        action: 'tm/ln',
        object: { vm: 7 },
        calls: [{ verb: 'GET /v1/view/resources' }],
        notes: [{ text: 'slow' }],
        reply: 'x',
        result: 'ok',
      },
    ]);
    expect(readLog(path).records).toHaveLength(1);
  });

  test('values that were named are hidden wherever they turn up', () => {
    const log = openActionLog(call, { LINSTOR_UN_LOG: path });
    log.hide('s3cr3tvalue');
    log.note('info', 'header X s3cr3tvalue');
    log.end({ ok: false, error: new DriverError('LINSTOR_AUTH', 'refused s3cr3tvalue') });
    expect(readFileSync(path, 'utf8')).not.toContain('s3cr3tvalue');
    expect(log.secrets()).toEqual(['s3cr3tvalue']);
  });

  test('without a place for it, and without permission, the action goes on', () => {
    openActionLog(call, { LINSTOR_UN_LOG: '' }).end({ ok: true });
    openActionLog(call, { LINSTOR_UN_LOG: join(folder, 'none/x.log') }).end({ ok: true });
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });
});

describe('what an action is about', () => {
  test.each([
    ['tm', 'ln', ['fe:/dev/x', 'hv1:/d/0/7/disk.2', '7', '1'], { vm: 7, disk: 2, host: 'hv1', datastore: 1 }],
    ['tm', 'delete', ['hv1:/d/0/7', '7', '0'], { vm: 7, host: 'hv1', datastore: 0 }],
    ['tm', 'premigrate', ['hv1', 'hv2', '/d/0/7', '7', '0', 'ssh'], { vm: 7, datastore: 0 }],
    ['tm', 'restore', ['hv1:/d/0/7', '7', '12', '-1', '0'], { vm: 7, host: 'hv1' }],
    [
      'tm',
      'mkimage',
      ['100', 'raw', 'hv1:/d/0/7/disk.3', '7', '0'],
      { vm: 7, disk: 3, host: 'hv1', datastore: 0 },
    ],
    [
      'tm',
      'mvds',
      ['hv1:/d/0/7/disk.0', '/dev/drbd/by-res/one-image-1/0', '7', '1'],
      { vm: 7, disk: 0, host: 'hv1', datastore: 1 },
    ],
    ['datastore', 'cp', ['QUJD', '12'], { image: 12 }],
    ['datastore', 'rm', ['12'], { image: 12 }],
    ['datastore', 'monitor', ['-', '100'], { datastore: 100 }],
    ['datastore', 'stat', ['3'], {}],
    [
      'vmm',
      'save_linstor_un',
      ['one-7', '/var/lib/one//datastores/0/7/checkpoint', 'hv1', '7', 'hv1'],
      { vm: 7 },
    ],
  ] as const)('%s/%s %j', (kind, name, argv, expected) => {
    expect(subjectOf(kind, name, argv)).toEqual(expected);
  });
});

describe('the file', () => {
  test('one line a record, readable by owner and group alone', () => {
    const log = new JsonLog({ path });
    expect([log.write(record()), log.write(record({ id: '2-b' }))]).toEqual([true, true]);
    expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(2);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  test('a log that cannot be written is no failure', () => {
    expect(new JsonLog({ path: join(folder, 'none', 'x.log') }).write(record())).toBe(false);
    mkdirSync(path);
    expect(new JsonLog({ path }).write(record())).toBe(false);
  });

  test('rotated by size; the oldest goes', () => {
    const log = new JsonLog({ path, maxBytes: 300, keep: 2 });
    for (let index = 0; index < 12; index += 1) log.write(record({ id: `${index}` }));
    expect(existsSync(`${path}.2`)).toBe(true);
    expect(existsSync(`${path}.3`)).toBe(false);
    expect(existsSync(`${path}.rotating`)).toBe(false);
    const ids = readLog(path).records.map((item) => Number(item.id));
    expect(ids.at(-1)).toBe(11);
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, index) => 12 - ids.length + index));
    expect(statSync(path).size).toBeLessThan(600);
  });

  test('a rotation under way elsewhere is not waited for; a dead one is cleared', () => {
    const log = new JsonLog({ path, maxBytes: 10, keep: 2 });
    log.write(record());
    mkdirSync(`${path}.rotating`);
    expect(log.write(record())).toBe(true);
    expect(existsSync(`${path}.1`)).toBe(false);
    const long = new Date(Date.now() - 3_600_000);
    utimesSync(`${path}.rotating`, long, long);
    log.write(record());
    log.write(record());
    expect(existsSync(`${path}.1`)).toBe(true);
  });

  test('many processes at once: every record is there, whole, once', async () => {
    const script = `import { JsonLog } from ${JSON.stringify(join(import.meta.dir, '../../src/log/json-log.ts'))};
      const log = new JsonLog({ path: process.argv[1], maxBytes: 20000, keep: 50 });
      for (let i = 0; i < 60; i += 1) log.write({ time: 'x', id: process.argv[2] + '-' + i, action: 'tm/ln', argv: ['y'.repeat(50)], object: {}, calls: [], notes: [], result: 'ok', ms: 1 });`;
    const processes = Array.from({ length: 6 }, (_, index) =>
      Bun.spawn([process.execPath, '-e', script, path, String(index)]),
    );
    expect(await Promise.all(processes.map((child) => child.exited))).toEqual([0, 0, 0, 0, 0, 0]);
    const { records, unreadable } = readLog(path);
    expect(unreadable).toBe(0);
    expect(new Set(records.map((item) => item.id)).size).toBe(360);
    expect(records).toHaveLength(360);
    expect(existsSync(`${path}.1`)).toBe(true);
  });
});

describe('reading', () => {
  test('filters', () => {
    const log = new JsonLog({ path });
    log.write(record({ id: 'a', time: '2026-01-01T00:00:02.000Z', ms: 5000 }));
    log.write(record({ id: 'b', time: '2026-01-01T00:00:01.000Z', result: 'failed', object: { vm: 8 } }));
    log.write(
      record({ id: 'c', time: '2026-01-01T00:00:03.000Z', action: 'tm/ln.ssh', object: { vm: 7, image: 3 } }),
    );
    const ids = (filter: Parameters<typeof readLog>[1]): string[] =>
      readLog(path, filter).records.map((item) => item.id);
    expect(ids({})).toEqual(['b', 'a', 'c']);
    expect(ids({ vm: 7 })).toEqual(['a', 'c']);
    expect(ids({ image: 3 })).toEqual(['c']);
    expect(ids({ failed: true })).toEqual(['b']);
    expect(ids({ slowerThan: 2000 })).toEqual(['a']);
    expect(ids({ action: 'ln' })).toEqual(['c']);
    expect(ids({ action: 'tm/clone' })).toEqual(['b', 'a']);
    expect(ids({ last: 2 })).toEqual(['a', 'c']);
  });

  test('broken lines are counted, not fatal', () => {
    writeFileSync(
      path,
      `{"time":"x"\n${JSON.stringify(record())}\n[]\n{"time":"t","id":"i","action":"tm/ln","result":"ok","ms":1}\n`,
    );
    const { records, unreadable } = readLog(path);
    expect([records.length, unreadable]).toEqual([2, 2]);
  });

  test('no log at all says what to do', () => {
    expect(() => readLog(path)).toThrow('there is no log');
  });

  test('where it lies', () => {
    expect(logPath({})).toBe('/var/log/one/linstor_un.log');
    expect(logPath({ ONE_LOCATION: '/opt/one' })).toBe('/opt/one/var/linstor_un.log');
    expect(logPath({ LINSTOR_UN_LOG: '/tmp/x' })).toBe('/tmp/x');
    expect(logPath({ LINSTOR_UN_LOG: '' })).toBeUndefined();
  });
});
