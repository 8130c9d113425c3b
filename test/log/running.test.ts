import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogFollower } from '../../src/log/follow-log.ts';
import { readRunning } from '../../src/log/read-running.ts';
import { ActionRecorder } from '../../src/log/record.ts';
import { RunningFile, runningDirectory, startedTicks } from '../../src/log/running.ts';

let folder: string;
let log: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linstor_un-running-'));
  log = join(folder, 'x.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const call = { kind: 'tm', name: 'clone', argv: ['fe:/x', 'hv1:/d/0/7/disk.0', '7', '100'] } as const;
const self = { pid: process.pid, startedTicks: startedTicks(process.pid) ?? '' };

describe('a running action', () => {
  test('says what it is about, what came last, how far it is, and why', () => {
    let now = 1000;
    const recorder = new ActionRecorder(call, { now: () => now, secrets: () => ['hunter22'] });
    now = 3000;
    recorder.call({ kind: 'ssh', target: 'hv1', verb: 'probe', ms: 10, outcome: 'exit 0' });
    recorder.note('debug', 'not for people');
    recorder.note('info', 'disk 0 becomes a full copy: hunter22 said so');
    recorder.progress({ label: 'copy of a to b', text: '42 % of 4 GiB', percent: 42 });
    recorder.progress({ label: 'done before', text: '99 %' });
    recorder.progress({ label: 'done before', text: undefined });
    const file = new RunningFile(log, () => ({ ...recorder.running(), ...self }));
    file.write();
    const [action, ...others] = readRunning(log);
    expect(others).toEqual([]);
    expect(action).toMatchObject({
      action: 'tm/clone',
      object: { vm: 7, disk: 0, host: 'hv1' },
      result: 'running',
      last: { text: 'ssh probe hv1', at: 3000 },
      progress: [{ label: 'copy of a to b', text: '42 % of 4 GiB', percent: 42 }],
      notes: ['disk 0 becomes a full copy: *** said so'],
    });
    expect(readRunning(log, { vm: 8 })).toEqual([]);
    expect(readRunning(log, { vm: 7, action: 'clone' })).toHaveLength(1);
    file.end();
    expect(readdirSync(runningDirectory(log))).toEqual([]);
  });

  test('is written anew only when something has changed', () => {
    const recorder = new ActionRecorder(call, { now: () => 1 });
    const file = new RunningFile(log, () => ({ ...recorder.running(), ...self }));
    file.write();
    rmSync(runningDirectory(log), { recursive: true });
    file.write();
    expect(existsSync(runningDirectory(log))).toBe(false);
    recorder.note('info', 'news');
    file.write();
    expect(readRunning(log)).toHaveLength(1);
  });

  test('of a process that is gone, or whose pid is another’s now, is lost; a week later it is swept', () => {
    const recorder = new ActionRecorder(call);
    const state = () => ({ ...recorder.running(), pid: process.pid, startedTicks: '1' });
    const file = new RunningFile(log, state);
    file.write();
    expect(readRunning(log).map(({ result }) => result)).toEqual(['lost']);
    const path = join(runningDirectory(log), readdirSync(runningDirectory(log))[0] ?? '');
    const old = Date.now() / 1000 - 8 * 24 * 3600;
    utimesSync(path, old, old);
    const next = new RunningFile(log, () => ({ ...state(), id: 'next' }));
    next.start();
    expect(readRunning(log).map(({ id }) => id)).toEqual(['next']);
    next.end();
  });

  test('a directory that cannot be made fails nothing', () => {
    writeFileSync(`${log}.running`, 'a file');
    const recorder = new ActionRecorder(call);
    const file = new RunningFile(log, () => ({ ...recorder.running(), ...self }));
    file.start();
    file.end();
    expect(readRunning(log)).toEqual([]);
  });

  test('kill -9 leaves it behind, an orderly end does not', async () => {
    const module = join(import.meta.dir, '../../src/log/action-log.ts');
    const text = `const { openActionLog } = await import(process.argv[1]);
      const log = openActionLog({ kind: 'tm', name: 'clone', argv: ['fe:/x', 'hv1:/d/0/7/disk.0', '7', '100'] }, process.env);
      log.progress({ label: 'copy', text: '10 %' });
      process.on('SIGTERM', () => { log.end({ ok: true }); process.exit(0); });
      setInterval(() => undefined, 1000);`;
    const start = () =>
      Bun.spawn([process.execPath, '-e', text, module], { env: { ...process.env, LINSTOR_UN_LOG: log } });
    const [killed, ended] = [start(), start()];
    const deadline = Date.now() + 60_000;
    while (readRunning(log).length < 2 && Date.now() < deadline) await Bun.sleep(50);
    expect(readRunning(log).map(({ result }) => result)).toEqual(['running', 'running']);
    killed.kill(9);
    ended.kill('SIGTERM');
    await Promise.all([killed.exited, ended.exited]);
    const left = readRunning(log);
    expect(left.map(({ result, pid }) => [result, pid])).toEqual([['lost', killed.pid]]);
    expect(left[0]?.progress).toEqual([{ label: 'copy', text: '10 %' }]);
  }, 90_000);
});

describe('following the log', () => {
  const line = (id: string): string =>
    `${JSON.stringify({ time: '2026-11-23T10:00:00Z', id, action: 'tm/ln', result: 'ok', ms: 1 })}\n`;

  test('gives what is new, whole lines only, over a rotation', () => {
    writeFileSync(log, line('old'));
    const follower = new LogFollower(log);
    const ids = (): string[] => follower.poll().map(({ id }) => id);
    expect(ids()).toEqual([]);
    appendFileSync(log, line('a') + line('b').slice(0, 20));
    expect(ids()).toEqual(['a']);
    appendFileSync(log, line('b').slice(20));
    expect(ids()).toEqual(['b']);
    appendFileSync(log, line('last of the old file'));
    renameSync(log, `${log}.1`);
    writeFileSync(log, line('first of the new'));
    expect(ids()).toEqual(['last of the old file', 'first of the new']);
    follower.close();
  });

  test('waits for a log that is not there yet', () => {
    const follower = new LogFollower(log);
    expect(follower.poll()).toEqual([]);
    writeFileSync(log, line('first'));
    expect(follower.poll().map(({ id }) => id)).toEqual(['first']);
    follower.close();
  });
});
